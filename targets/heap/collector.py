"""What every collector offers to the store: the flat heap, barriers, allocation and collection.

The barriers are those of `docs/spec/semantics.md` 1.6. NULL and COPYING need none, so they are
written here as doing nothing, and DRC overrides them.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import ClassVar

from twinheap.targets.heap.host_data import HostDataTable
from twinheap.targets.heap.layout import (
    EXTERN,
    HEAP_TYPE_OF_KIND,
    KIND_MASK,
    PAGE_BYTES,
    HeapType,
    TraceInfo,
    kind_matches,
)
from twinheap.targets.heap.object_layout import HeaderLayout, ObjectLayout, layout_of
from twinheap.targets.heap.types import HeapObjectType

Slots = list[int] | memoryview  # where references are written: roots and slots, or the heap's own words
RootLists = Sequence[list[int]]  # raw references in place: a collector may rewrite them; 0 is an empty place


class GcHeap(ABC):
    """One store's heap: a single `bytearray`, addressed by 32-bit references.

    `words` and `longs` look at the same bytes as 32-bit and 64-bit numbers. They are re-made on
    growth, since a memoryview forbids its bytearray to move.
    """

    __slots__ = ("data", "host_data", "infos", "layouts", "longs", "type_indices", "words")

    name: ClassVar[str]
    header: ClassVar[HeaderLayout]
    reserved_bytes: ClassVar[int]  # of an empty heap, as a request counts them: never handed out
    externref_bytes: ClassVar[int]  # size of an externref, as `bytes_needed` reports it
    data_word: ClassVar[int]  # where an externref keeps its host-data id, in words from its start
    collects_first: ClassVar[bool] = False  # the collect-first heuristic of 45 and later (section 1.5)

    def __init__(self, host_data: HostDataTable) -> None:
        self.data = bytearray()
        self.host_data = host_data
        # By engine type index: what the objects' headers name their type by.
        self.infos: list[TraceInfo] = []
        self.layouts: list[ObjectLayout] = []
        self.type_indices: dict[HeapObjectType, int] = {}
        self._map()

    def _map(self) -> None:
        self.words = memoryview(self.data).cast("I")
        self.longs = memoryview(self.data).cast("Q")

    @property
    def size(self) -> int:
        """Bytes of the heap: a whole number of pages; never shrinks."""
        return len(self.data)

    def grow(self, pages: int) -> bool:
        """Append pages; False if the system refuses."""
        self.words.release()
        self.longs.release()
        delta = pages * PAGE_BYTES
        try:
            self.data.extend(bytes(delta))
        except MemoryError:
            delta = 0
        self._map()
        if delta:
            self.capacity_added(delta)
        return delta > 0

    def kind(self, ref: int) -> int:
        """The kind bits of the object at `ref`."""
        return self.words[ref >> 2] & KIND_MASK

    def heap_type(self, ref: int) -> HeapType:
        """What a reference is, by tag and kind."""
        return HeapType.I31 if ref & 1 else HEAP_TYPE_OF_KIND[self.kind(ref)]

    def is_any(self, ref: int, general: int) -> bool:
        """Is the object at `ref` of the kind `general` or below?"""
        return kind_matches(self.kind(ref), general)

    def host_data_id(self, ref: int) -> int:
        """The host-data id of the externref at `ref`; -1 for an object of any other kind."""
        word = ref >> 2
        return self.words[word + self.data_word] if self.words[word] & KIND_MASK == EXTERN else -1

    def type_index(self, ty: HeapObjectType) -> int:
        """The engine type index of a type, registered at its first use."""
        index = self.type_indices.get(ty)
        if index is None:
            index = self.type_indices[ty] = len(self.layouts)
            layout = layout_of(ty, self.header)
            self.layouts.append(layout)
            self.infos.append(layout.trace_info())
        return index

    def layout(self, ty: HeapObjectType) -> ObjectLayout:
        """The layout of a type."""
        return self.layouts[self.type_index(ty)]

    def layout_at(self, ref: int) -> ObjectLayout:
        """The layout of the struct, array or exception at `ref`."""
        return self.layouts[self.words[(ref >> 2) + 1]]

    def bytes_needed(self, size: int) -> int:
        """What a request of `size` bytes reports when it does not fit (section 1.5)."""
        return size

    def abandon(self, ref: int, start: int, size: int) -> None:
        """Give back a fresh object of `size` bytes, of which those from `start` on were never written."""
        self.data[ref + start : ref + size] = bytes(size - start)  # so that `verify` finds no references there

    def clone_ref(self, ref: int, times: int = 1) -> None:
        """So many more holders of `ref` (not null)."""
        return

    def drop_ref(self, ref: int) -> None:
        """One holder of `ref` (not null) less; may finalize."""
        return

    def expose(self, ref: int) -> None:
        """`ref`, an object, goes to Wasm as a raw value."""
        return

    def read_barrier(self, ref: int) -> None:
        """`ref`, an object, enters a frame from a slot, field or element."""
        return

    def adopt(self, ref: int) -> None:
        """`ref`, fresh from Wasm: the count of its maker goes over to whatever stands for the frames."""
        return

    def write_ref(self, slots: Slots, index: int, ref: int) -> None:
        """Store `ref`, null or not, into a slot that holds references."""
        slots[index] = ref

    def needs_gc_before_growth(self) -> bool:
        """Must a collection run before the heap may grow?"""
        return False

    @abstractmethod
    def capacity_added(self, delta: int) -> None:
        """The heap has just grown by `delta` bytes."""

    @abstractmethod
    def alloc_externref(self, data_id: int) -> int:
        """Allocate an externref; 0 if it does not fit. Its one count belongs to the caller."""

    @abstractmethod
    def alloc_object(self, kind: int, type_index: int, size: int) -> int:
        """Allocate `size` bytes and write the header; 0 if they do not fit. As `alloc_externref`."""

    @abstractmethod
    def allocated_bytes(self) -> int:
        """Bytes in use, for the collect-first heuristic."""

    @abstractmethod
    def collect(self, roots: RootLists, frames: RootLists) -> Generator[None, None, None]:
        """A full collection, yielding between its increments.

        `frames` are the references in Wasm frames, `roots` all others. Closing the iterator
        half-way leaves a consistent heap, in which dead objects may or may not be gone.
        """

    @abstractmethod
    def objects(self) -> Iterator[tuple[int, int]]:
        """Every live object found by walking the bytes: (reference, rounded size), ascending."""
