"""Hypothesis: `programs()`, a strategy for property tests over programs.

It draws structure, op by op with operands from what exists, so that Hypothesis shrinks programs and not bytes: ops
can be left out one by one, and every choice shrinks towards what is simplest (few ops, the oldest slot, small
numbers, null). The random engine in `generate.py` finds more a second; this one gives small counterexamples at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st

from twinheap.fuzz.kit_bodies import SIMPLE_BODIES
from twinheap.fuzz.profiles import DEFAULT, Profile
from twinheap.model.body import features_of
from twinheap.model.builder import Builder
from twinheap.model.ops import BY_NAME, END, INT_KINDS, NULL, OPS, UNLIMITED, OpSpec, Param
from twinheap.model.program import Config, Program
from twinheap.model.text import dumps
from twinheap.model.view import ALL_OPS

Draw = Callable[[st.SearchStrategy[Any]], Any]
"""What `st.composite` and `st.data()` both give."""

MAX_OPS: Final = 40  # by default: what a test judges in about a millisecond
SIMPLEST: Final = ("ext_new_owned", "ext_new", "odrop", "gc", "data")  # op choices shrink towards these, in order
FEW_OPS: Final = frozenset(
    {
        *("store_new", "store_new_in", "store_drop", "set_limit", "set_fuel", "set_epoch_deadline"),
        *("wrong_store", "fill", "typed_call"),
    }
)
MAX_MANY: Final = 32  # objects of a fill: trims, without the cost of filling a heap

ALWAYS: Final = "OP"  # kinds with ops that touch no store, or that end what the others wait for
ENDS: Final = 100  # 0 of so many ends a program; Hypothesis draws 0 more often, and shrinks to it
_MORE: Final = st.integers(0, ENDS - 1)

ONE: Final = 1  # entries of an op kind in the list that is drawn from
MANY: Final = 4  # of those groups that a profile does not mute


def programs(
    profile: Profile = DEFAULT,
    max_ops: int = MAX_OPS,
    supported: frozenset[str] = ALL_OPS,
    min_ops: int = 0,
) -> st.SearchStrategy[Program]:
    """Valid programs of up to `max_ops` ops (closing `end`s are not counted).

    `profile`: its weights on op groups, and whether stores have limits. `supported`: op kinds to draw from. Fewer
    than `min_ops` ops never come out unless the resolver drops some.
    """
    return _programs(_choices(profile, supported), _limits(profile), simple_bodies(supported), min_ops, max_ops)


def simple_bodies(supported: frozenset[str]) -> tuple[str, ...]:
    """The Wasm bodies that there are to run on a target that supports the op kinds `supported`."""
    if "run" not in supported:
        return ()
    return tuple(text for text in SIMPLE_BODIES if "run_exn" in supported or not features_of(text))


@st.composite
def _programs(
    draw: st.DrawFn,
    choices: tuple[OpSpec, ...],
    limits: tuple[int, ...],
    bodies: tuple[str, ...],
    min_ops: int,
    max_ops: int,
) -> Program:
    limit = draw(st.sampled_from(limits))
    runs: bool = bool(bodies) and draw(st.booleans())
    builder = Builder(Config(limit, bodies=bodies if runs else ()))
    steps = _step(builder, choices, min_ops)
    for _ in range(max_ops):
        if not draw(steps):
            break
    program = builder.finish()
    if currently_in_test_context():
        note(_Shown(program))
    return program


@st.composite
def _step(draw: st.DrawFn, builder: Builder, choices: tuple[OpSpec, ...], min_ops: int) -> bool:
    """One more op, unless the program is at its end. All draws of an op are in here, so that it is deleted whole."""
    if len(builder.ops) >= min_ops and not draw(_MORE):
        return False
    draw_op(draw, builder, choices)
    return True


def draw_op(draw: Draw, builder: Builder, choices: tuple[OpSpec, ...]) -> None:
    """Draws an op of `choices` with operands from what there is, and offers it to `builder`.

    If there is nothing for the op drawn, the next that fits is taken: so the same draw means the same op again once
    there is.
    """
    pools = usable_slots(builder)
    first = draw(_below(len(choices)))
    spec = next((spec for spec in choices[first:] + choices[:first] if fits(pools, spec)), None)
    if spec is None:
        return
    operands = [_operand(draw, builder, pools, param) for param in spec.params]
    keep = len(spec.outs) > 1 and spec.outs[-1].optional and draw(st.booleans())
    builder.add(spec.code, operands, keep)


def usable_slots(builder: Builder) -> dict[str, list[int]]:
    """Slots by kind, `H` included, without those that were dropped or have to wait for a future."""
    pools: dict[str, list[int]] = {}
    for number, slot in enumerate(builder.slots):
        if slot.alive and (slot.kind in ALWAYS or builder.ready(slot.store)):
            pools.setdefault(slot.kind, []).append(number)
            if slot.kind in "LO":
                pools.setdefault("H", []).append(number)
    return pools


def fits(pools: dict[str, list[int]], spec: OpSpec) -> bool:
    """Whether there are slots for the operands of `spec`."""
    return all(param.optional or not param.is_slot or param.kind in pools for param in spec.params)


class _Shown:
    """Prints as the stored form, and only if Hypothesis shows it: with the final counterexample."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __repr__(self) -> str:
        return dumps(self.program)


def _operand(draw: Draw, builder: Builder, pools: dict[str, list[int]], param: Param) -> int:
    if not param.is_slot and param.kind != "V":
        return int(draw(_integers(param.kind)))
    if param.kind == "V":
        found = [builder.next_value, *sorted(builder.taken)]
    else:
        found = pools.get(param.kind, [])
        found = [NULL, *found] if param.optional else found
    # Drawn also if there is only one: else what follows would shift when it is the last that is left.
    return found[int(draw(_below(len(found))))]


@lru_cache(maxsize=1024)  # making a strategy costs more than drawing from it
def _below(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


@lru_cache(maxsize=len(INT_KINDS))
def _integers(kind: str) -> st.SearchStrategy[int]:
    rule = INT_KINDS[kind]
    if rule.names:
        return st.integers(rule.lo, rule.hi)
    if kind == "many":
        return st.integers(1, MAX_MANY)
    edges = [edge for edge in rule.edges if rule.lo <= edge <= rule.hi]
    lowest = max(rule.lo, 0)
    return st.one_of(st.sampled_from(edges), st.integers(lowest, min(rule.hi, lowest + 8)))


def _limits(profile: Profile) -> tuple[int, ...]:
    small = (0, 65536) if profile.limits else ()
    return (UNLIMITED, *small)


def _choices(profile: Profile, supported: frozenset[str]) -> tuple[OpSpec, ...]:
    """Op kinds, those that a profile weighs more as often as it says, the simplest first."""
    order = sorted(OPS, key=lambda spec: SIMPLEST.index(spec.name) if spec.name in SIMPLEST else len(SIMPLEST))
    choices: list[OpSpec] = []
    for spec in order:
        if spec.name == "wrong_store" and not profile.wrong_store:
            continue
        if spec.name in supported or spec.code == END:
            times = ONE if spec.name in FEW_OPS else MANY
            choices += [spec] * max(round(times * profile.weight(spec.group)), ONE)
    return tuple(choices) or (BY_NAME["gc"],)
