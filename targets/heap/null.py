"""The null collector: allocates by bumping, never frees (`docs/spec/semantics.md` 1.3 to 1.5)."""

from collections.abc import Generator, Iterator
from struct import Struct
from typing import ClassVar, Final

from twinheap.targets.heap.collector import GcHeap, RootLists
from twinheap.targets.heap.errors import AllocationTooLarge
from twinheap.targets.heap.host_data import HostDataTable
from twinheap.targets.heap.layout import EXTERN, MAX_HEAP_BYTES, NO_TYPE, round_up
from twinheap.targets.heap.object_layout import HeaderLayout

ALIGN: Final = 8
DATA_WORD: Final = 2
SIZE_MASK: Final = (1 << 26) - 1  # the 26 bits beside the kind hold the object's size
EXTERNREF_BYTES: Final = 16
EXTERNREF: Final = Struct("<III")  # kind and size, type, host-data id
HEADER: Final = Struct("<II")  # kind and size, type


class NullHeap(GcHeap):
    """A heap that only fills up. Finalizers run at store drop."""

    __slots__ = ("next",)

    name: ClassVar[str] = "null"
    header: ClassVar[HeaderLayout] = HeaderLayout(HEADER.size, align=ALIGN)
    reserved_bytes: ClassVar[int] = ALIGN
    externref_bytes: ClassVar[int] = EXTERNREF_BYTES
    data_word: ClassVar[int] = DATA_WORD

    def __init__(self, host_data: HostDataTable) -> None:
        super().__init__(host_data)
        self.next = 1  # byte 0 is null; the first object is aligned up from here

    def capacity_added(self, delta: int) -> None:
        """Nothing to do: the bump pointer is compared with the heap's length."""

    def allocated_bytes(self) -> int:
        """Everything up to the bump pointer."""
        return self.next

    def alloc_externref(self, data_id: int) -> int:
        """Bump an externref. Raises `AllocationTooLarge` where 32 bits end."""
        start = self._bump(EXTERNREF_BYTES)
        if start:
            EXTERNREF.pack_into(self.data, start, EXTERN | EXTERNREF_BYTES, NO_TYPE, data_id)
        return start

    def alloc_object(self, kind: int, type_index: int, size: int) -> int:
        """Bump an object. Raises `AllocationTooLarge` where 32 bits end, and from 2^26 bytes on."""
        if size > SIZE_MASK:  # mutant f17: if False:
            raise AllocationTooLarge
        start = self._bump(size)
        if start:
            HEADER.pack_into(self.data, start, kind | size, type_index)
        return start

    def shortfall(self, size: int) -> int:
        """The bytes that are missing for an object of `size` bytes: what Wasm asks for (section 1.5)."""
        return round_up(self.next, ALIGN) + size - self.size

    def _bump(self, size: int) -> int:
        start = round_up(self.next, ALIGN)
        end = start + size
        if end > MAX_HEAP_BYTES - 1:  # the end must be a 32-bit number
            raise AllocationTooLarge
        if end > len(self.data):  # mutant t22: if start > len(self.data) - 4 * EXTERNREF_BYTES:
            return 0
        self.next = end  # mutant t23: self.next = end - ALIGN
        return start

    def collect(self, roots: RootLists, frames: RootLists) -> Generator[None, None, None]:
        """Nothing to collect, ever."""
        yield from ()

    def objects(self) -> Iterator[tuple[int, int]]:
        """Everything that was ever allocated."""
        at = ALIGN
        while at < self.next:
            size = self.words[at >> 2] & SIZE_MASK
            if not size:
                return  # a broken header: the tiling check of `verify` names it
            yield at, size
            at = round_up(at + size, ALIGN)
