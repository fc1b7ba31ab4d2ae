"""How many different programs there were, in memory that does not grow with them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

KEPT: Final = 16_384
"""Hashes kept: the estimate is then within 1 % (one standard deviation is 1 / sqrt(KEPT))."""

_BITS: Final = 61
_MIX: Final = 0x1CA5_4B1D_2F6E_9A73  # odd: the low bits of tuple hashes are well spread, the high ones less so
_MASK: Final = (1 << _BITS) - 1


class Sketch:
    """The `KEPT` smallest hashes of everything seen; their density tells how many different ones there were.

    >>> sketch = Sketch()
    >>> sketch.add(range(500)); sketch.add(range(500))
    >>> sketch.seen, sketch.distinct
    (1000, 500)
    """

    def __init__(self) -> None:
        self.seen = 0
        self._heap: list[int] = []  # negated: the largest of the kept ones is on top
        self._members: set[int] = set()

    def add(self, hashes: Iterable[int]) -> None:
        """Takes hashes of programs."""
        for item in hashes:
            self.seen += 1
            mixed = (item * _MIX) & _MASK
            if mixed in self._members or (len(self._heap) == KEPT and mixed >= -self._heap[0]):
                continue
            self._members.add(mixed)
            if len(self._heap) < KEPT:
                heapq.heappush(self._heap, -mixed)
            else:
                self._members.discard(-heapq.heapreplace(self._heap, -mixed))

    @property
    def distinct(self) -> int:
        """How many different ones there were, about; exact while there are fewer than `KEPT`."""
        if len(self._heap) < KEPT:
            return len(self._heap)
        return min(self.seen, round((KEPT - 1) * (1 << _BITS) / -self._heap[0]))

    @property
    def share(self) -> float:
        """The distinct share of what was seen, 0 to 1; 1 for nothing."""
        return self.distinct / self.seen if self.seen else 1.0
