"""Hypothesis: `programs()`, a strategy for property tests over programs.

It draws structure, op by op with operands from what exists, so that Hypothesis shrinks programs and not bytes: ops
can be left out one by one, and every choice shrinks towards what is simplest (few ops, the oldest slot, small
numbers, null). The random engine in `generate.py` finds more a second; this one gives small counterexamples at once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st

from twinheap.fuzz.profiles import DEFAULT, Profile
from twinheap.model.builder import Builder
from twinheap.model.ops import BY_NAME, END, INT_KINDS, NULL, OPS, UNLIMITED, OpSpec, Param
from twinheap.model.program import Config, Program
from twinheap.model.text import dumps
from twinheap.model.view import ALL_OPS

MAX_OPS: Final = 40  # by default: what a test judges in about a millisecond
SIMPLEST: Final = ("ext_new_owned", "ext_new", "odrop", "gc", "data")  # op choices shrink towards these, in order
FEW_OPS: Final = frozenset({"store_new", "store_drop", "set_limit", "wrong_store", "fill", "typed_call"})
MAX_MANY: Final = 32  # objects of a fill: trims, without the cost of filling a heap

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
    return _programs(_choices(profile, supported), _limits(profile), min_ops, max_ops)


@st.composite
def _programs(
    draw: st.DrawFn, choices: tuple[OpSpec, ...], limits: tuple[int, ...], min_ops: int, max_ops: int
) -> Program:
    builder = Builder(Config(draw(st.sampled_from(limits))))
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


def draw_op(draw: st.DrawFn, builder: Builder, choices: tuple[OpSpec, ...]) -> None:
    """Draws an op of `choices` with operands from what there is, and offers it to `builder`.

    If there is nothing for the op drawn, the next that fits is taken: so the same draw means the same op again once
    there is.
    """
    kinds = {slot.kind for slot in builder.slots if slot.alive}
    kinds |= {"H"} if kinds & {"L", "O"} else set()
    first = draw(st.integers(0, len(choices) - 1))
    spec = next((spec for spec in choices[first:] + choices[:first] if fits(kinds, spec)), None)
    if spec is None:
        return
    operands = [_operand(draw, builder, param) for param in spec.params]
    keep = len(spec.outs) > 1 and spec.outs[-1].optional and draw(st.booleans())
    builder.add(spec.code, operands, keep)


def fits(kinds: set[str], spec: OpSpec) -> bool:
    """Whether slots of `kinds` are enough for the operands of `spec`."""
    return all(param.optional or not param.is_slot or param.kind in kinds for param in spec.params)


class _Shown:
    """Prints as the stored form, and only if Hypothesis shows it: with the final counterexample."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __repr__(self) -> str:
        return dumps(self.program)


def _operand(draw: st.DrawFn, builder: Builder, param: Param) -> int:
    # A choice is drawn also if there is only one: else what follows would shift when it is the last that is left.
    if param.kind == "V":
        choices = [builder.next_value, *sorted(builder.taken)]
        return choices[draw(st.integers(0, len(choices) - 1))]
    if not param.is_slot:
        return draw(_integers(param.kind))
    found = [slot for slot in _pool(builder, param.kind) if builder.slots[slot].alive]
    if param.optional:
        found.insert(0, NULL)
    return found[draw(st.integers(0, len(found) - 1))]


def _pool(builder: Builder, kind: str) -> list[int]:
    if kind != "H":
        return builder.pools[kind]
    return sorted(builder.pools["L"] + builder.pools["O"])


@lru_cache(maxsize=len(INT_KINDS))
def _integers(kind: str) -> st.SearchStrategy[int]:
    rule = INT_KINDS[kind]
    if rule.names:
        return st.integers(rule.lo, rule.hi)
    if kind == "many":
        return st.integers(1, MAX_MANY)
    edges = [edge for edge in rule.edges if rule.lo <= edge <= rule.hi]
    return st.one_of(st.sampled_from(edges), st.integers(max(rule.lo, 0), min(rule.hi, 8)))


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
