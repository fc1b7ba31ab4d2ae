"""Structs, arrays and exceptions as bytes: allocation, initialization, fields (`docs/spec/semantics.md` 1.5, 3.2)."""

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from twinheap.targets.heap import space
from twinheap.targets.heap.errors import AllocationTooLarge, GcHeapOutOfMemory, HeapPanic, Unrooted
from twinheap.targets.heap.future import Steps
from twinheap.targets.heap.handle import GcRef
from twinheap.targets.heap.layout import MAX_HEAP_BYTES, HeapType
from twinheap.targets.heap.object_layout import FieldLayout, ObjectLayout
from twinheap.targets.heap.types import FUNCTIONS, Storage
from twinheap.targets.heap.values import FunctionRef, Val, Value

if TYPE_CHECKING:
    from twinheap.targets.heap.collector import GcHeap
    from twinheap.targets.heap.store import Store


class Pre:
    """Base of the allocators: a type made ready for one store."""

    __slots__ = ("store_id", "ty")

    def __init__(self, store: "Store", ty: Any) -> None:
        self.store_id = store.id
        self.ty = ty

    def check_store(self, store: "Store") -> None:
        """Panic unless this allocator belongs to `store`."""
        if store.id is not self.store_id:
            raise HeapPanic(f"attempted to use a `{type(self).__name__}` with the wrong store")


def ensure_heap(store: "Store") -> "Steps[GcHeap]":
    """The store's heap, made now if there is none (section 1.5 step B)."""
    if store.heap is not None:
        return store.heap
    return (yield from space.create_heap(store))


def place(store: "Store", heap: "GcHeap", layout: ObjectLayout, size: int) -> Steps[int]:
    """Find room for an object of `size` bytes and write its header (section 1.5 steps C to E).

    Raises `GcHeapOutOfMemory`, `AllocationTooLarge`.
    """
    if size >= MAX_HEAP_BYTES:
        raise AllocationTooLarge
    index = heap.type_index(layout.type)
    ref = heap.alloc_object(layout.kind, index, size)
    if not ref:
        needed = heap.bytes_needed(size)
        attempt = partial(heap.alloc_object, layout.kind, index, size)
        ref = yield from space.retry_after_gc(store, heap, needed, attempt)
        if not ref:
            raise GcHeapOutOfMemory(None, needed)
    return ref


def encode(
    store: "Store",
    heap: "GcHeap",
    ref: int,
    start: int,
    size: int,
    fields: Sequence[FieldLayout],
    values: Sequence[Value],
) -> list[int]:
    """The bits of checked values for the fresh object at `ref`; every reference is counted for its new holder.

    They are going to be written from byte `start` of the object on.

    Raises `Unrooted` for a stale handle. The object is then given back, and so are the counts of
    the fields before, unless defect K12 is on.
    """
    bits: list[int] = []
    held: list[int] = []
    try:
        for field, value in zip(fields, values, strict=True):
            if value is None:
                bits.append(0)
            elif isinstance(value, Val):
                bits.append(value.number & field.mask)
            else:
                child = value._ref(store)
                heap.clone_ref(child)  # mutant f01: pass
                held.append(child)
                bits.append(child)
    except Unrooted:
        if "k12" not in store.defects:  # mutant f07: if not held:
            for child in held:
                heap.drop_ref(child)
        heap.abandon(ref, start, size)
        raise
    return bits


def read_field(store: "Store", heap: "GcHeap", ref: int, field: FieldLayout, offset: int) -> Value:
    """What the object at `ref` holds at `offset`: a number, None, or a new LIFO root."""
    element_type = field.type.element_type
    bits: int = field.codec.unpack_from(heap.data, ref + offset)[0]
    if isinstance(element_type, Storage):
        # mutant f06: bits |= 0xFFFFFF00 if element_type is Storage.I8 and bits & 0x80 else 0
        return Val.from_storage(element_type, bits)
    if not bits:
        return None
    if element_type.heap_type in FUNCTIONS:
        return FunctionRef.of(bits)
    from twinheap.targets.heap.rooted import make_rooted  # handles need this module

    heap.clone_ref(bits)  # mutant f14: pass
    return make_rooted(store, bits, static_type(element_type.heap_type))


def write_field(store: "Store", heap: "GcHeap", ref: int, field: FieldLayout, offset: int, value: Value) -> None:
    """Replace what the object at `ref` holds at `offset` by a checked value, with the write barrier.

    Raises `Unrooted` for a stale handle, before anything is changed.
    """
    if isinstance(value, Val):
        field.codec.pack_into(heap.data, ref + offset, value.number & field.mask)
        return
    element_type = field.type.element_type
    if not isinstance(element_type, Storage) and element_type.heap_type in FUNCTIONS:
        field.codec.pack_into(heap.data, ref + offset, 0)  # the host has no functions; what was there is no object
        return
    new = 0 if value is None else value._ref(store)
    heap.write_ref(heap.words, (ref + offset) >> 2, new)


@cache
def static_type(heap_type: HeapType) -> type[GcRef]:
    """The type of handle that a field's references are read as: the top of their hierarchy."""
    from twinheap.targets.heap.anyref import AnyRef
    from twinheap.targets.heap.exnref import ExnRef
    from twinheap.targets.heap.externref import ExternRef

    if heap_type is HeapType.EXTERN:
        return ExternRef
    return ExnRef if heap_type is HeapType.EXN else AnyRef
