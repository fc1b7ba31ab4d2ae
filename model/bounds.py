"""Portable mode: what fits into a heap for certain, and what cannot (docs/spec/program-ir.md 8.3 rule 4)."""

from __future__ import annotations

from typing import Final, NamedTuple

from twinheap.model.entities import FIRST_INDEX, PAGE, capacity, largest_heap
from twinheap.model.layout import GRANULE, round_up
from twinheap.model.ops import UNLIMITED

FIXED_HEAP: Final = 512 * 1024  # bytes, in releases whose heap has a fixed size (docs/spec-errata.md)


class Load(NamedTuple):
    """What a heap holds: how many objects, and the bytes of their blocks (only known where not all are externrefs)."""

    objects: int
    bytes: int


class Bounds:
    """Between which capacities the heap is.

    A heap of externrefs only ever has 64 KiB times a power of two, and stops where the next doubling passes the
    limit. `most`: the largest capacity that any limit so far allowed. `peak`: the most objects alive at once.
    Once there was a request for another object (`mixed`), bytes are counted instead: `limit` now, `highest` so far.
    """

    def __init__(self, collector: str, limit: int, fixed: int | None) -> None:
        self.collector = collector
        self.fixed = fixed  # externrefs in a heap of fixed size, whatever the limit
        self.mixed = False
        self.most = 0
        self.peak = 0
        self.highest = 0
        self.unlimited = False  # there was a time without a limit
        self.set_limit(limit)

    def set_limit(self, limit: int) -> None:
        """A new limit; the heap never shrinks."""
        self.top: int | None = self.fixed
        self.limit: int | None = None if limit == UNLIMITED else limit
        if self.fixed is not None:
            self.limit = FIXED_HEAP
        elif self.limit is not None:
            self.top = capacity(self.collector, largest_heap(limit))
        self.unlimited = self.unlimited or self.top is None
        self.most = max(self.most, self.top or 0)
        self.highest = max(self.highest, self.limit or 0)

    @property
    def smallest(self) -> int:
        """Bytes that the heap has in any case once there is one; 0 where a limit may keep it from that."""
        if self.fixed is not None:
            return FIXED_HEAP
        return PAGE if self.limit is None or self.limit >= PAGE else 0

    def must_fit(self, live: Load, size: int) -> bool:
        """Whether a request of `size` bytes fits for certain once everything dead is collected."""
        if self.limit is None:
            return True
        if not self.mixed:
            return live.objects < max(self.top or 0, self.peak)
        taken = round_up(size, GRANULE[self.collector])
        heap = FIXED_HEAP if self.fixed is not None else self._stopped(size)
        share = self.limit // 2
        if self.collector == "copying":
            heap, share = heap // 2, share // 2
        gaps = taken - GRANULE[self.collector]  # between any two objects there may be as much free that is of no use
        lost = (live.objects + 1) * gaps if self.collector == "drc" else 0
        return live.bytes + taken <= share and live.bytes + max(taken, lost + 1) <= heap - FIRST_INDEX[self.collector]

    def may_fit(self, live: Load) -> bool:
        """Whether so many objects, the newest included, can be in the heap at all."""
        if self.unlimited or not (live.objects or live.bytes):
            return True
        if not self.mixed:
            return live.objects <= self.most
        heap = self.highest // PAGE * PAGE
        usable = heap // 2 if self.collector == "copying" else heap
        return live.bytes <= usable - FIRST_INDEX[self.collector]

    def allocated(self, live: int) -> None:
        """`live` objects are alive now."""
        self.peak = max(self.peak, live)

    def grows_from_empty(self, size: int) -> bool:
        """Whether the limit lets an empty heap grow for a request of `size` bytes."""
        return self.limit is None or round_up(size, PAGE) <= self.limit

    def _stopped(self, size: int) -> int:
        """The smallest heap for which the limit refuses the growth that a request of `size` bytes asks for (1.5)."""
        assert self.limit is not None
        step = round_up(2 * size if self.collector == "copying" else size, PAGE)
        doubled = self.limit // 2 // PAGE + 1  # pages, if it doubles
        jumped = (self.limit - step) // PAGE + 1 if step <= self.limit else 0
        return min(doubled, jumped) * PAGE
