"""A program op by op: what the target did, and what the model made of it."""

from __future__ import annotations

import msgspec

from twinheap.fuzz.differ import Differ, verdicts_on
from twinheap.model.codes import Verdict
from twinheap.model.program import Program, depths
from twinheap.model.text import format_op, kinds_of
from twinheap.model.view import view


class Row(msgspec.Struct, frozen=True):
    """One op: its nesting, its line, what was observed ("" if nothing), the model's state class, the verdicts on it.

    `judged`: whether the model came so far; after a verdict that nothing explains it stops. An op of a callback that
    was not called is judged, and has no state class.
    """

    depth: int
    line: str
    observed: str
    state: str
    verdicts: tuple[Verdict, ...]
    implicit: bool
    judged: bool = True


def timeline(program: Program, differ: Differ) -> list[Row]:
    """The rows of `program` on a target: of the view that it is asked, the implicit tail included."""
    asked = view(program, differ.supported)
    ran = differ.run([asked])[0].ran
    cases: dict[int, str] = {}  # by index, since a call is judged after the ops of its callback
    verdicts = verdicts_on(asked, ran, differ.profile, set(), cases)
    last = max(cases, default=-1)  # what comes later was not judged, whether or not a known defect stopped it
    kinds = kinds_of(asked)
    rows = []
    for at, (depth, op) in enumerate(depths(asked.all_ops)):
        observed = str(ran.observations[at]) if at < len(ran.observations) else ""
        state = cases.get(at, "")
        here = tuple(verdict for verdict in verdicts if verdict.at == at)
        judged = bool(here) or at <= last  # an `end` is judged with its call
        rows.append(Row(depth, format_op(op, kinds), observed, state, here, at >= len(asked.ops), judged))
    return rows
