"""Exact mode: where objects are placed, and the allocation protocol of 42.0.2 (docs/spec/semantics.md 1.4, 1.5).

`FirstFit` is the DRC free list, `Bump` the NULL heap. Both start at 0 bytes and only grow. Neither holds any bytes.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from twinheap.model.entities import FIRST_INDEX


class FirstFit:
    """DRC 42: a first-fit, address-ordered free list; splits, and merges with both neighbours at once."""

    def __init__(self) -> None:
        self.size = 0
        self.free: list[tuple[int, int]] = []  # (address, length), by address, never adjacent

    def place(self, block: int) -> int:
        """First fit by address; splits the free block."""
        for at, (address, length) in enumerate(self.free):
            if length >= block:
                if length == block:
                    del self.free[at]
                else:
                    self.free[at] = (address + block, length - block)
                return address
        return 0

    def release(self, address: int, block: int) -> None:
        """Merges with both neighbours at once."""
        at = bisect_left(self.free, (address, 0))
        if at < len(self.free) and self.free[at][0] == address + block:
            block += self.free.pop(at)[1]
        if at and sum(self.free[at - 1]) == address:
            address, before = self.free.pop(at - 1)
            block += before
        insort(self.free, (address, block))

    def extend(self, size: int) -> None:
        """Appends, and merges with a free tail."""
        start = max(self.size, FIRST_INDEX["drc"])
        self.size = size
        self.release(start, size - start)


class Bump:
    """NULL: a finger that only moves up; nothing is ever given back."""

    def __init__(self) -> None:
        self.size = 0
        self.finger = FIRST_INDEX["null"]

    def place(self, block: int) -> int:
        """Moves the finger."""
        if self.finger + block > self.size:
            return 0
        address = self.finger
        self.finger += block
        return address

    def release(self, address: int, block: int) -> None:
        """Never called."""
        raise AssertionError("the null collector frees nothing")

    def extend(self, size: int) -> None:
        """The finger has more room."""
        self.size = size
