"""Structs made and used by the host (`docs/spec/semantics.md` 3.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from twinheap.targets.heap import objects
from twinheap.targets.heap.future import HeapFuture, Steps, run_to_end
from twinheap.targets.heap.handle import GcRef
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.object_layout import StructLayout
from twinheap.targets.heap.rooted import Rooted, make_rooted
from twinheap.targets.heap.types import StructType
from twinheap.targets.heap.values import Value, check_fields

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store


class StructRefPre(objects.Pre):
    """A struct type made ready for one store. A plain `StructType` serves as well, in every store."""

    __slots__ = ()
    ty: StructType


class StructRef(GcRef):
    """The type of references to structs; never instantiated.

    What a handle can do (`field`, `set_field`, `fields`, up-casts) stands with `ObjectAccess`.
    """

    type: ClassVar[HeapType] = HeapType.STRUCT

    @staticmethod
    def new(store: "Store", allocator: StructRefPre | StructType, fields: Sequence[Value]) -> "Rooted[StructRef]":
        """Allocate a struct, rooted in the current scope. Every reference gets one holder more.

        Makes room as `ExternRef.new` does. Raises, in this order: `LimiterError` if the limiter may
        wait, `TypeMismatch` (number of fields; then, field by field, its type), what the limiter
        says to a heap, `GcHeapOutOfMemory` (its value is None), `AllocationTooLarge`, `Unrooted`
        for a stale field: the object is then given back, and so are the counts of the fields
        before. Panics on another store's field, then on another store's allocator.

        >>> from twinheap.targets.heap import EXTERNREF, ExternRef, FieldType, Storage, Store, Val
        >>> from twinheap.targets.heap import StructRef, StructType
        >>> store = Store("drc")
        >>> pair = StructType([FieldType(Storage.I8), FieldType(EXTERNREF, mutable=False)])
        >>> struct = StructRef.new(store, pair, [Val.i32(-1), ExternRef.new(store, "payload")])
        >>> struct.field(store, 0).number, struct.field(store, 1).data(store)
        (255, 'payload')
        >>> struct.set_field(store, 0, Val.i32(7))
        >>> [value.number for value in struct.fields(store)[:1]]
        [7]
        """
        store.require_sync()
        return run_to_end(_new_steps(store, allocator, fields))

    @staticmethod
    def new_async(
        store: "Store", allocator: StructRefPre | StructType, fields: Sequence[Value]
    ) -> "HeapFuture[Rooted[StructRef]]":
        """As `new`, as an awaitable: it may be suspended while collecting, and works with every limiter."""
        return HeapFuture(_new_steps(store, allocator, fields))


def _new_steps(
    store: "Store", allocator: StructRefPre | StructType, values: Sequence[Value]
) -> "Steps[Rooted[StructRef]]":
    ty = allocator if isinstance(allocator, StructType) else allocator.ty
    try:
        check_fields(store, ty.fields, values)
        heap = yield from objects.ensure_heap(store)
        if isinstance(allocator, objects.Pre):
            allocator.check_store(store)
        layout = heap.layout(ty)
        assert isinstance(layout, StructLayout)
        ref = yield from objects.place(store, heap, layout, layout.size)
        start = heap.header.header_bytes
        bits = objects.encode(store, heap, ref, start, layout.size, layout.fields, values)
        layout.packer.pack_into(heap.data, ref + start, *bits)
        return make_rooted(store, ref, StructRef)
    finally:
        if store.verifying:
            store.verify()
