"""The semi-space copying collector, as in Wasmtime 48 (`docs/spec/semantics.md` 1.3, 1.5, 4.5).

Objects are bumped into the active half. A collection flips the halves, copies what the roots
reach (leaving a forwarding reference behind), rewrites every reference, and then finalizes the
externrefs of the old half that were not copied, most recently linked first.
"""

from collections.abc import Generator, Iterator
from struct import Struct
from typing import ClassVar, Final

from twinheap.targets.heap.collector import GcHeap, RootLists
from twinheap.targets.heap.host_data import HostDataTable
from twinheap.targets.heap.layout import EXTERN, KIND_MASK, NO_TYPE, rewrite_children, round_up
from twinheap.targets.heap.object_layout import HeaderLayout

ALIGN: Final = 16
COPIED_BIT: Final = 1 << 0
# Words of an object: kind and flags, type, size, padding, forwarding reference (once copied).
SIZE_WORD: Final = 2
FORWARD_WORD: Final = 4
DATA_WORD: Final = 5
LINK_WORD: Final = 6
MIN_OBJECT_BYTES: Final = 4 * (FORWARD_WORD + 1)  # even a struct without fields must take a forwarding reference
EXTERNREF_BYTES: Final = 32
HEADER: Final = Struct("<IIII")  # kind, type, size, padding
EXTERNREF: Final = Struct("<IIIIIII")  # kind, type, size, padding, forwarding, host-data id, link
BYTES_NEEDED_FACTOR: Final = 2  # a request counts in both halves (versions 46 and later)
OBJECTS_PER_INCREMENT: Final = 16_384  # scanned between two yields of an asynchronous collection


class CopyingHeap(GcHeap):
    """The moving heap: half of it is in use, and every collection changes raw references."""

    __slots__ = ("active_end", "active_start", "chain", "idle_end", "idle_start", "next", "old_chain", "worklist")

    name: ClassVar[str] = "copying"
    header: ClassVar[HeaderLayout] = HeaderLayout(HEADER.size, align=ALIGN, min_struct_bytes=MIN_OBJECT_BYTES)
    reserved_bytes: ClassVar[int] = BYTES_NEEDED_FACTOR * ALIGN
    externref_bytes: ClassVar[int] = BYTES_NEEDED_FACTOR * EXTERNREF_BYTES
    data_word: ClassVar[int] = DATA_WORD
    collects_first: ClassVar[bool] = True

    def __init__(self, host_data: HostDataTable) -> None:
        super().__init__(host_data)
        self.active_start = self.active_end = self.idle_start = self.idle_end = 0
        self.next = 0
        self.chain = self.old_chain = 0  # externrefs of the active and, during a collection, the old half
        self.worklist = 0

    def capacity_added(self, delta: int) -> None:
        """Take new bytes into the halves, now if possible, else when the lower half is active again."""
        fresh = self.active_end == 0 and self.idle_end == 0
        self._resize_halves()
        if fresh:
            self._reset_bump()

    def _resize_halves(self) -> None:
        """Make the halves share the whole heap; impossible while the upper one is active."""
        if self.idle_start < self.active_start:
            return
        self.active_end = self.idle_start = self.size // 2
        self.idle_end = self.size

    def _reset_bump(self) -> None:
        self.next = self.active_start
        if self.active_end - self.active_start >= ALIGN:
            self.next += ALIGN  # so that the lower half never hands out index 0; both halves hold the same
            # mutant c08: self.next -= ALIGN if self.active_start else 0

    def needs_gc_before_growth(self) -> bool:
        """Is the upper half active? It could not grow without outgrowing the lower one."""
        return self.idle_start < self.active_start  # mutant c07: return False

    def allocated_bytes(self) -> int:
        """Bytes of the active half in use, the reserved granule included."""
        return self.next - self.active_start

    def _bump(self, size: int) -> int:
        start = self.next
        if start + size > self.active_end:
            return 0
        self.next = start + size
        return start

    def alloc_externref(self, data_id: int) -> int:
        """Bump an externref, and link it in front of the others."""
        ref = self._bump(EXTERNREF_BYTES)
        if ref:
            EXTERNREF.pack_into(self.data, ref, EXTERN, NO_TYPE, EXTERNREF_BYTES, 0, 0, data_id, self.chain)
            self.chain = ref
        return ref

    def alloc_object(self, kind: int, type_index: int, size: int) -> int:
        """Bump an object, in whole granules."""
        rounded = round_up(size, ALIGN)
        ref = self._bump(rounded)
        if ref:
            HEADER.pack_into(self.data, ref, kind, type_index, rounded, 0)
        return ref

    def bytes_needed(self, size: int) -> int:
        """The request, in both halves."""
        return BYTES_NEEDED_FACTOR * size

    def collect(self, roots: RootLists, frames: RootLists) -> Generator[None, None, None]:
        """Flip, forward the roots, scan what was copied, sweep the old half's externrefs."""
        self._flip()
        # mutant w18 below: for slots in roots:
        # mutant w19 below: for slots in (*frames[-1:], *roots):
        for slots in (*frames, *roots):
            for i, ref in enumerate(slots):
                if ref and not ref & 1:  # mutant c10: if ref:
                    slots[i] = self._forward(ref)
        # The program never runs on a half-copied heap: dropped half-way, the rest is done at once.
        try:
            yield
            while self._scan_some(OBJECTS_PER_INCREMENT):
                yield
            yield
        except GeneratorExit:
            while self._scan_some(OBJECTS_PER_INCREMENT):
                pass
            self._finish()  # mutant a02: pass
            raise
        self._finish()

    def _flip(self) -> None:
        self.active_start, self.idle_start = self.idle_start, self.active_start
        self.active_end, self.idle_end = self.idle_end, self.active_end
        self._reset_bump()
        self.worklist = self.next
        self.chain, self.old_chain = 0, self.chain

    def _forward(self, ref: int) -> int:
        """The new place of an object of the old half, copying it at its first visit."""
        words = self.words
        word = ref >> 2
        if words[word] & COPIED_BIT:  # mutant c01: if False:
            return words[word + FORWARD_WORD]
        size = words[word + SIZE_WORD]
        moved = self._bump(size)
        assert moved, "what survives one half fits into the other"
        # mutant c11 below: self.data[moved : moved + ALIGN] = self.data[ref : ref + ALIGN]
        self.data[moved : moved + size] = self.data[ref : ref + size]
        words[word] |= COPIED_BIT  # mutant c05: pass
        words[word + FORWARD_WORD] = moved
        if words[word] & KIND_MASK == EXTERN:
            words[(moved >> 2) + LINK_WORD] = self.chain
            self.chain = moved  # mutant c06: pass
        return moved

    def _scan_some(self, limit: int) -> bool:
        """Rewrite the references of up to `limit` copied objects; is there more to do?"""
        words, infos = self.words, self.infos
        while self.worklist < self.next:
            if not limit:
                return True
            limit -= 1
            rewrite_children(words, self.worklist, infos, self._forward)
            self.worklist += words[(self.worklist >> 2) + SIZE_WORD]
        return False

    def _finish(self) -> None:
        """Finalize what was not copied, most recently linked first, and give both halves their size."""
        words = self.words
        ref, self.old_chain = self.old_chain, 0
        # mutant c12 below: while ref and not words[ref >> 2] & COPIED_BIT:
        while ref:
            word = ref >> 2
            if not words[word] & COPIED_BIT:
                self.host_data.free(words[word + DATA_WORD])
            ref = words[word + LINK_WORD]
        self._resize_halves()

    def externrefs(self) -> Iterator[int]:
        """The chain of externrefs in the active half, most recently linked first."""
        ref = self.chain
        while ref:
            yield ref
            ref = self.words[(ref >> 2) + LINK_WORD]

    def objects(self) -> Iterator[tuple[int, int]]:
        """The objects of the active half."""
        at = self.active_start + ALIGN
        while at < self.next:
            size = self.words[(at >> 2) + SIZE_WORD]
            if not size:
                return  # a broken header: the chain check of `verify` names it
            yield at, size
            at += size
