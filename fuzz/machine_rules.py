"""Hypothesis: a rule-based state machine that runs and judges a program while it grows, one rule per op group.

    TestHeap = heap_machine("drc").TestCase

Against `programs()` it has the judge's word after every op, so its counterexamples end with the op that went wrong,
and `settings(stateful_step_count=...)` decides how long programs get. The in-tree heap runs in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from twinheap.fuzz.strategies import Draw, draw_op, simple_bodies
from twinheap.model.builder import Builder
from twinheap.model.judge import judge
from twinheap.model.ops import GROUPS, OPS, OpSpec
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.program import Config, Program
from twinheap.model.text import dumps, format_op, kinds_of
from twinheap.targets.heap.machine import HeapMachine

NEVER: Final = frozenset({"wrong_store"})
"""Groups without a rule: it ends the program, and nothing could be judged after it."""


class HeapDiverged(AssertionError):
    """The heap did what the reference model does not allow; the message has the program and the verdict."""


class ProgramMachine(RuleBasedStateMachine):
    """A growing program; `run`, `profile` and `bodies` are set by `heap_machine`.

    After each op the program is closed, run from its beginning and judged: programs are short, and a machine that
    could stop in the middle would test another thing than what is stored and sent.
    """

    run: Callable[[Program], Any]
    profile: Profile
    bodies: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self.builder = Builder(Config(bodies=type(self).bodies))

    def offer(self, draw: Draw, choices: tuple[OpSpec, ...]) -> None:
        """Draws one op of `choices`; if the resolver takes it, the program so far is run and judged."""
        before = len(self.builder.ops)
        draw_op(draw, self.builder, choices)
        if len(self.builder.ops) > before:
            self.check()

    def check(self) -> None:
        """Runs and judges the program so far. Raises `HeapDiverged`."""
        program = closed(self.builder)
        verdicts = [v for v in judge(program, type(self).run(program), self.profile) if v.known is None]
        if verdicts:
            first = verdicts[0]
            op = format_op(program.all_ops[first.at], kinds_of(program))
            note(dumps(program))
            raise HeapDiverged(f"{first.code} at `{op}`: allowed {first.allowed}; observed {first.observed}")


def closed(builder: Builder) -> Program:
    """The program so far, without closing it for good."""
    copy = Builder(builder.config)
    for op in builder.ops:
        spec = OPS[op[0]]
        kept = len(spec.outs) > 1 and spec.outs[-1].optional and op[-1] >= 0
        copy.add(op[0], op[1 : 1 + len(spec.params)], kept)
    return copy.finish()


def heap_machine(collector: str = "drc", machine: HeapMachine | None = None) -> type[ProgramMachine]:
    """A state machine class over the in-tree heap with `collector` ("drc", "null" or "copying").

    `machine`: another one to run on, of the same collector. Use the class's `TestCase`, or
    `hypothesis.stateful.run_state_machine_as_test`. Raises ValueError for an unknown collector.
    """
    heap = machine or HeapMachine(collector)
    hello = heap.hello()
    rules = {f"op_{group}": _rule(group) for group in GROUPS if group not in NEVER}
    members = {
        "run": staticmethod(heap.run),
        "profile": profile_for(hello.runtime, hello.release, hello.collector, hello.exact),
        "bodies": simple_bodies(heap.supported),
        "__doc__": f"Programs on the in-tree heap, collector {collector}.",
        **rules,
    }
    return type("HeapStateMachine", (ProgramMachine,), members)


def _rule(group: str) -> Any:
    choices = tuple(spec for spec in OPS if spec.group == group)

    def step(self: ProgramMachine, data: st.DataObject) -> None:
        self.offer(data.draw, choices)

    step.__name__ = f"op_{group}"  # what a counterexample prints
    return rule(data=st.data())(step)
