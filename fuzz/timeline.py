"""A program op by op: what the target did, and what the model made of it."""

from __future__ import annotations

import msgspec

from twinheap.fuzz.differ import Differ, verdicts_on
from twinheap.model.codes import Verdict
from twinheap.model.judge import Behaviour
from twinheap.model.program import Program, depths
from twinheap.model.text import format_op, kinds_of
from twinheap.model.view import view


class Row(msgspec.Struct, frozen=True):
    """One op: its nesting, its line, what was observed ("" if nothing), the model's state class, the verdicts on it."""

    depth: int
    line: str
    observed: str
    state: str
    verdicts: tuple[Verdict, ...]
    implicit: bool


class _InOrder(set[Behaviour]):
    """A set that remembers what was added, in order, repetitions included: one behaviour per op judged."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Behaviour] = []

    def add(self, item: Behaviour) -> None:
        self.items.append(item)


def timeline(program: Program, differ: Differ) -> list[Row]:
    """The rows of `program` on a target: of the view that it is asked, the implicit tail included."""
    asked = view(program, differ.supported)
    ran = differ.run([asked])[0].ran
    met = _InOrder()
    verdicts = verdicts_on(asked, ran, differ.profile, met)
    kinds = kinds_of(asked)
    rows = []
    for at, (depth, op) in enumerate(depths(asked.all_ops)):
        observed = str(ran.observations[at]) if at < len(ran.observations) else ""
        state = met.items[at][2] if at < len(met.items) else ""
        here = tuple(verdict for verdict in verdicts if verdict.at == at)
        rows.append(Row(depth, format_op(op, kinds), observed, state, here, at >= len(asked.ops)))
    return rows
