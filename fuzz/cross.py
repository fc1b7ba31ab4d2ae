"""TH6xx: targets compared with each other, for what the model itself might see wrongly.

The rule, made so that it never gives a false alarm (docs/spec/program-ir.md 8.3):

* Only two targets that were asked the *same* view, that ran it to its end, and on which the judge has no verdict at
  all, not even a known one, are compared. Where views differ, a named share of the programs is run again on the view
  that all targets of the run support.
* Ops are compared in order, outcome and values, up to the first op whose result the specification leaves to the
  target: where either is out of memory (under NULL in Wasm a trap), where a `fill`, `fill_race` or `chain` made
  different numbers (capacity belongs to the collector), or where a poll still waits (how often an operation yields is
  not specified), or where an owned handle is cast (when the cast handle goes stale after its owner is dropped depends
  on trimming), or where a trace is full (what was finalized takes room in it, and cuts off what comes after). What
  follows depends on it. Of traces what was finalized meanwhile is left out, and the bytes of a `churn` are anybody's.
* Finalizers are compared between targets with the same collector only, as sets: what has been finalized up to each
  `sync` that follows a `gc` directly. Once a collection was cancelled what is dead stays undecided, so
  programs with a `cancel` are left out, and so are those with several stores, each of which settles at its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.fuzz.differ import Judged
from twinheap.model.codes import Verdict
from twinheap.model.observation import OOM, PENDING, STOPPED, TRAP, Observation, Value
from twinheap.model.ops import CODE
from twinheap.model.program import Program, results_of
from twinheap.model.run_trace import TRACE_ENTRIES

NARROW_EVERY: Final = 16
"""One program in this many is run again on the view that all targets share, if their own views differ: 6 % of the time
finds a disagreement within a night that no judge sees, and the rest of the time is worth more for new programs."""

FINALIZED: Final = "f:"  # of an entry in the trace of a run (docs/bodies.md)
TOO_LARGE: Final = TRAP + "too_large"

_BULK: Final = frozenset({CODE["fill"], CODE["fill_race"], CODE["chain"]})
_CHURN: Final = CODE["churn"]
_GC: Final = CODE["gc"]
_SYNC: Final = CODE["sync"]
_CANCEL: Final = CODE["cancel"]
_CAST: Final = CODE["cast"]
_STORES: Final = frozenset({CODE["store_new"], CODE["store_new_in"]})


def compare(one: Judged, two: Judged, same_collector: bool) -> Verdict | None:
    """Where two targets disagree on a program that each of them may have run as it did; None if they agree.

    `allowed` of the verdict is what `one` did, `observed` what `two` did.
    """
    if one.program != two.program or one.verdicts or two.verdicts or one.ran.ended or two.ran.ended:
        return None
    left, right = one.ran.observations, two.ran.observations
    stop = _first_open(one.program, left, right)
    for at in range(stop):
        if one.program.all_ops[at][0] == _CHURN:
            continue
        if left[at].outcome != right[at].outcome or _shown(left[at]) != _shown(right[at]):
            return Verdict("TH601", at, _said(left[at]), _said(right[at]))
    return _compare_finalized(one.program, left, right, stop) if same_collector else None


def _shown(seen: Observation) -> list[Value]:
    """The values, without what a trace says of finalizers: when they run is the collector's."""
    return [value for value in seen.values if not (isinstance(value, str) and value.startswith(FINALIZED))]


def _marks(seen: Observation) -> bool:
    """Whether a trace says of finalizers when they ran."""
    return len(_shown(seen)) < len(seen.values)


def _said(seen: Observation) -> str:
    return str(Observation(seen.outcome, seen.values))


def _first_open(program: Program, left: Sequence[Observation], right: Sequence[Observation]) -> int:
    """The index of the first op whose result is the target's choice, or the number of ops observed."""
    owned: set[int] = set()
    for at, (op, one, two) in enumerate(zip(program.all_ops, left, right, strict=False)):
        if one.outcome != two.outcome and TOO_LARGE in (one.outcome, two.outcome):
            return at
        if max(len(one.values), len(two.values)) >= TRACE_ENTRIES and (_marks(one) or _marks(two)):
            return at  # finalizers take room in a trace that ends early
        if OOM in (one.outcome, two.outcome) or PENDING in one.values or PENDING in two.values:
            return at
        if not STOPPED.isdisjoint((one.outcome, two.outcome)) and (one.outcome, one.values) != (
            two.outcome,
            two.values,
        ):
            return at
        if op[0] in _BULK and one.values != two.values:
            return at
        if op[0] == _CAST and op[1] in owned:
            return at
        owned.update(slot for kind, slot in results_of(op) if kind == "O")
    return min(len(left), len(right))


def _compare_finalized(
    program: Program, left: Sequence[Observation], right: Sequence[Observation], stop: int
) -> Verdict | None:
    ops = program.all_ops[:stop]
    if any(op[0] == _CANCEL or op[0] in _STORES for op in ops):
        return None
    one: set[int] = set()
    two: set[int] = set()
    before = -1
    for at, op in enumerate(ops):
        one.update(left[at].finalized)
        two.update(right[at].finalized)
        if op[0] == _SYNC and before == _GC and one != two:
            return Verdict("TH602", at, _named(one - two, two - one), _named(two - one, one - two))
        before = op[0]
    return None


def _named(only: set[int], other: set[int]) -> str:
    if not only:
        return "not finalized: " + " ".join(f"v{value}" for value in sorted(other))
    return "finalized: " + " ".join(f"v{value}" for value in sorted(only))
