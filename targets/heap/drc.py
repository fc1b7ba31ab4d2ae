"""Deferred reference counting, as in Wasmtime 42.0.2 (`docs/spec/semantics.md` 1.6, 4.3).

Counts cover every holder but Wasm frames. What a frame may hold is in the OASR list
(over-approximated stack roots): an intrusive list through the headers, newest first, that holds
one count per member. A collection marks what the frames really hold and sweeps the rest out of
the list. An object dies, and its host value is finalized, the moment its count reaches zero.
"""

from collections.abc import Generator, Iterator
from struct import Struct
from typing import ClassVar, Final

from twinheap.targets.heap.collector import GcHeap, RootLists, Slots
from twinheap.targets.heap.errors import HeapPanic
from twinheap.targets.heap.free_list import GRANULE, FreeList
from twinheap.targets.heap.host_data import HostDataTable
from twinheap.targets.heap.layout import EXTERN, KIND_MASK, NO_TYPE, children, round_up
from twinheap.targets.heap.object_layout import HeaderLayout

MARK_BIT: Final = 1 << 0
IN_LIST_BIT: Final = 1 << 1
# Words of the 24-byte header: kind and flags, type, count (two words), next in list, object size.
COUNT_LONG: Final = 1  # the count as 64-bit number, from the object's start
NEXT_WORD: Final = 4
SIZE_WORD: Final = 5
DATA_WORD: Final = 6
HEADER_BYTES: Final = 24
EXTERNREF_BYTES: Final = 32  # header, host-data id, and padding to the header's alignment
HEADER: Final = Struct("<IIQII")  # kind, type, count, next, size
EXTERNREF: Final = Struct("<IIQIII")  # a whole new externref: the header and the host-data id


class DrcHeap(GcHeap):
    """The reference-counting heap.

    `leaks_exposures` switches defect K1 on: a repeated exposure adds a count that nothing gives back.
    """

    __slots__ = ("allocated", "free_list", "leaks_exposures", "list_head", "pending_drops")

    name: ClassVar[str] = "drc"
    header: ClassVar[HeaderLayout] = HeaderLayout(HEADER_BYTES, align=8)
    reserved_bytes: ClassVar[int] = GRANULE
    externref_bytes: ClassVar[int] = EXTERNREF_BYTES
    data_word: ClassVar[int] = DATA_WORD

    def __init__(self, host_data: HostDataTable, *, leaks_exposures: bool = False) -> None:
        super().__init__(host_data)
        self.free_list = FreeList()
        self.list_head = 0
        self.allocated = 0
        self.pending_drops: list[int] = []
        self.leaks_exposures = leaks_exposures

    def capacity_added(self, delta: int) -> None:
        """Give the new bytes to the free list."""
        self.free_list.add_capacity(delta)

    def allocated_bytes(self) -> int:
        """Granules in use."""
        return self.allocated

    def alloc_externref(self, data_id: int) -> int:
        """Place an externref in the first block that fits, with one count."""
        ref = self.free_list.alloc(EXTERNREF_BYTES)
        if ref:
            EXTERNREF.pack_into(self.data, ref, EXTERN, NO_TYPE, 1, 0, EXTERNREF_BYTES, data_id)
            self.allocated += EXTERNREF_BYTES
        return ref

    def alloc_object(self, kind: int, type_index: int, size: int) -> int:
        """Place an object in the first block that fits, with one count."""
        rounded = round_up(size, GRANULE)
        ref = self.free_list.alloc(rounded)
        if ref:
            HEADER.pack_into(self.data, ref, kind, type_index, 1, 0, size)
            self.allocated += rounded
        return ref

    def abandon(self, ref: int, start: int, size: int) -> None:
        """Free the block at once, and nothing else."""
        size = round_up(size, GRANULE)
        self.allocated -= size
        self.free_list.free(ref, size)

    def clone_ref(self, ref: int, times: int = 1) -> None:
        """Count so many holders more."""
        if not ref & 1:
            self.longs[(ref >> 3) + COUNT_LONG] += times

    def drop_ref(self, ref: int) -> None:
        """Count one holder less; at zero the object dies here and now."""
        if ref & 1:
            return
        at = (ref >> 3) + COUNT_LONG
        count = self.longs[at]
        if count == 1:
            self._release(ref)
        else:
            self.longs[at] = count - 1

    def _release(self, ref: int) -> None:
        """The last holder of `ref` goes: free it, and whatever only it held, last child first.

        An explicit stack, because a list of a million objects may die at once.
        """
        stack = self.pending_drops
        stack.append(ref)
        words, longs = self.words, self.longs
        while stack:
            ref = stack.pop()
            at = (ref >> 3) + COUNT_LONG
            count = longs[at]
            if count > 1:  # mutant m31: if count > 2:
                longs[at] = count - 1
                continue
            word = ref >> 2
            if words[word] & KIND_MASK == EXTERN:
                self.host_data.free(words[word + DATA_WORD])
            else:
                # mutant m29 below: stack += [x for x in children(words, ref, self.infos)[:-1] if x and not x & 1]
                # mutant m30 below: [self.drop_ref(x) for x in children(words, ref, self.infos) if x]
                stack += [child for child in children(words, ref, self.infos) if child and not child & 1]
            size = round_up(words[word + SIZE_WORD], GRANULE)
            self.allocated -= size
            self.free_list.free(ref, size)

    def write_ref(self, slots: Slots, index: int, ref: int) -> None:
        """Count the new value, store it, then drop the old one."""
        # The new value first: the old one may be the same object, held by this slot alone.
        if ref and not ref & 1:  # mutant m28: if ref:
            self.longs[(ref >> 3) + COUNT_LONG] += 1  # mutant m27: pass
        old = slots[index]
        # mutant m25: old = 0 if old == ref else old
        slots[index] = ref
        if old:
            self.drop_ref(old)  # mutant m26: pass

    def expose(self, ref: int) -> None:
        """Put the object at the head of the OASR list, with one count, unless it is in it."""
        words = self.words
        word = ref >> 2
        if words[word] & IN_LIST_BIT:
            if self.leaks_exposures:  # mutant m20: if True:
                self.longs[(ref >> 3) + COUNT_LONG] += 1
            # mutant m19: self.drop_ref(ref)
            return
        words[word] |= IN_LIST_BIT
        words[word + NEXT_WORD] = self.list_head
        self.list_head = ref
        self.longs[(ref >> 3) + COUNT_LONG] += 1  # mutant t20: pass

    def read_barrier(self, ref: int) -> None:
        """Put the object into the OASR list, unless it is in it; never leaks, not even with K1."""
        if not self.words[ref >> 2] & IN_LIST_BIT:
            self.expose(ref)

    def adopt(self, ref: int) -> None:
        """Put the object into the OASR list, with the count that it was born with."""
        self.expose(ref)
        self.drop_ref(ref)  # mutant w17: pass

    def collect(self, roots: RootLists, frames: RootLists) -> Generator[None, None, None]:
        """Mark what the frames hold, then sweep the OASR list."""
        # Marks left by a collection that was dropped half-way must not keep anything.
        # mutant m23 below: for ref in ():
        for ref in self.listed():
            self.words[ref >> 2] &= ~MARK_BIT
        for frame in frames:  # mutant w19: for frame in frames[-1:]:
            for ref in frame:
                if ref and not ref & 1 and self.words[ref >> 2] & IN_LIST_BIT:  # else roots hold it
                    self.words[ref >> 2] |= MARK_BIT
        yield
        self._sweep()

    def _sweep(self) -> None:
        """Take everything unmarked out of the list, newest first, with the list's count."""
        words = self.words
        previous, ref = 0, self.list_head
        while ref:
            word = ref >> 2
            following = words[word + NEXT_WORD]
            if words[word] & MARK_BIT:  # mutant m24: if False:
                words[word] &= ~MARK_BIT  # mutant m23: pass
                previous = ref
            else:
                words[word] &= ~IN_LIST_BIT  # mutant m21: pass
                if previous:  # mutant m22: if False:
                    words[(previous >> 2) + NEXT_WORD] = following
                else:
                    self.list_head = following
                # mutant t21: following = words[(following >> 2) + NEXT_WORD] if following else 0
                self.drop_ref(ref)
            ref = following

    def listed(self) -> Iterator[int]:
        """The members of the OASR list, newest first.

        A list in a circle, as planted bugs make it, is a panic: a walk without end would tell the same, but so slowly
        that a search sees a few programs a minute.
        """
        ref = self.list_head
        for _ in range(self.size // GRANULE):
            if not ref:
                return
            yield ref
            ref = self.words[(ref >> 2) + NEXT_WORD]
        if ref:
            raise HeapPanic("the over-approximated stack roots are a list in a circle")

    def count(self, ref: int) -> int:
        """The reference count of an object."""
        return self.longs[(ref >> 3) + COUNT_LONG]

    def objects(self) -> Iterator[tuple[int, int]]:
        """What lies between the free blocks."""
        blocks = dict(zip(self.free_list.starts, self.free_list.lengths, strict=True))
        at, end = GRANULE, self.size
        while at < end:
            if at in blocks:
                at += blocks[at]
                continue
            size = round_up(self.words[(at >> 2) + SIZE_WORD], GRANULE)
            if not size:
                return  # a broken header: the tiling check of `verify` names it
            yield at, size
            at += size
