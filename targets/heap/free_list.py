"""First-fit, address-ordered free list of 16-byte granules (`docs/spec/semantics.md` 1.4).

Placement is part of the specification: on a full heap, freeing every other 32-byte object must
leave a 64-byte request failing. So blocks are split whenever a granule remains, merged with both
neighbours at once, and the lowest block that is long enough is always taken.
"""

from bisect import bisect_left
from typing import Final

GRANULE: Final = 16  # alignment and smallest block; index 0 must stay null, so block 0 is never used


class FreeList:
    """Free blocks of one heap as two parallel lists, ascending by start.

    Two flat lists beat a tree here: the block that an allocation takes is almost always the
    first, and moving a few thousand machine words costs less than one tree node.

    >>> blocks = FreeList()
    >>> blocks.add_capacity(65536)
    >>> blocks.alloc(32), blocks.alloc(32)
    (16, 48)
    >>> blocks.free(16, 32)
    >>> blocks.starts, blocks.lengths
    ([16, 80], [32, 65456])
    """

    __slots__ = ("capacity", "lengths", "starts")

    def __init__(self) -> None:
        self.capacity = 0
        self.starts: list[int] = []
        self.lengths: list[int] = []

    def alloc(self, size: int) -> int:
        """Take `size` bytes (a multiple of 16) and return their index; 0 if no block is long enough."""
        lengths = self.lengths
        for i, length in enumerate(lengths):
            if length < size:
                continue
            start = self.starts[i]
            if length == size:
                del self.starts[i], lengths[i]
            else:
                self.starts[i] = start + size
                lengths[i] = length - size  # mutant m36: lengths[i] = max(length - size - GRANULE, GRANULE)
            return start
        return 0

    def free(self, start: int, size: int) -> None:
        """Give back `size` bytes at `start`, merging with the free blocks that touch them."""
        starts, lengths = self.starts, self.lengths
        i = bisect_left(starts, start)
        end = start + size
        joins_next = i < len(starts) and starts[i] == end
        if i and starts[i - 1] + lengths[i - 1] == start:  # mutant m35: if False:
            lengths[i - 1] += size
            if joins_next:
                lengths[i - 1] += lengths[i]
                del starts[i], lengths[i]
        elif joins_next:
            starts[i] = start
            lengths[i] += size
        else:
            starts.insert(i, start)
            lengths.insert(i, size)

    def add_capacity(self, delta: int) -> None:
        """Append `delta` new bytes at the end; a free tail absorbs them.

        Index 0 is null, so the first granule of the heap is lost for good.
        """
        start = max(self.capacity, GRANULE)
        # mutant m37: start = max(self.capacity - 32, GRANULE)
        self.capacity += delta
        if self.capacity > start:
            self.free(start, self.capacity - start)
