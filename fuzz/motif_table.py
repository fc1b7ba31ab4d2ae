"""The table that motifs are registered in, and what all of them need.

Motifs are short templates of ops with random parameters, which programs are mixed from. A motif says what belongs
together (drop the last holder between to_raw and from_raw; probe a stale handle right after its index was used
again), never a whole scenario: those arise from several motifs on the same few objects. Each is registered with its
group (a profile weighs groups), a weight within the default mix, and the op kinds without which it makes no sense.
Weights follow docs/spec/program-ir.md 8.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.fuzz.draft import Draft, is_extern
from twinheap.model.ops import CODE, INT_KINDS

Motif = Callable[[Draft], None]

NUMBERS: Final = INT_KINDS["number"].edges
DATA, DATA_SET, KIND = CODE["data"], CODE["data_set"], CODE["kind"]


class Registered:
    """A motif with its group, weight and the op kinds that it needs."""

    __slots__ = ("group", "needs", "run", "weight")

    def __init__(self, run: Motif, group: str, weight: float, needs: tuple[str, ...]) -> None:
        self.run = run
        self.group = group
        self.weight = weight
        self.needs = needs


def motif(into: list[Registered], group: str, weight: float, *needs: str) -> Callable[[Motif], Motif]:
    """Registers a motif in the table `into`."""

    def register(run: Motif) -> Motif:
        into.append(Registered(run, group, weight, needs))
        return run

    return register


def read(g: Draft, handle: int) -> None:
    """Reads through a handle in one of the ways that tell objects apart."""
    if is_extern(g, handle):
        if g.byte() < 40:
            g.add(DATA_SET, (handle, NUMBERS[g.upto(3)]))
        g.add(DATA, (handle,))
    else:
        g.add(KIND, (handle,))
