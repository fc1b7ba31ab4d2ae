"""Arrays made and used by the host (`docs/spec/semantics.md` 3.2, `docs/spec/wasm-ops.md` 6.4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twinheap.targets.heap import objects
from twinheap.targets.heap.errors import ARRAY_BOUNDS, HeapPanic, ImmutableField, OutOfBounds, TypeMismatch
from twinheap.targets.heap.externref import reroot
from twinheap.targets.heap.future import HeapFuture, Steps, run_to_end
from twinheap.targets.heap.handle import GcRef, Handle
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.object_layout import ArrayLayout
from twinheap.targets.heap.rooted import Rooted, RootScope, make_rooted
from twinheap.targets.heap.types import ArrayType
from twinheap.targets.heap.values import Value, ensure_matches

if TYPE_CHECKING:
    from twinheap.targets.heap.collector import GcHeap
    from twinheap.targets.heap.store import Store

ELEMENT_CONTEXT: Final = "element type mismatch"
COPY_MISMATCH: Final = "type mismatch: source array's elements do not fit the destination array"
FOREIGN_ARRAY: Final = "attempted to use an array with the wrong store"
FOREIGN_ELEMENT: Final = "attempted to use a value with the wrong store"


class ArrayRefPre(objects.Pre):
    """An array type made ready for one store. A plain `ArrayType` serves as well, in every store."""

    __slots__ = ()
    ty: ArrayType


Allocator = ArrayRefPre | ArrayType


class ArrayRef(GcRef):
    """The type of references to arrays; never instantiated.

    What a handle can do (`len`, `get`, `set`, `elems`, up-casts) stands with `ObjectAccess`.
    """

    type: ClassVar[HeapType] = HeapType.ARRAY

    @staticmethod
    def new(store: "Store", allocator: Allocator, elem: Value, length: int) -> "Rooted[ArrayRef]":
        """Allocate an array of `length` times `elem`, rooted in the current scope.

        Makes room as `ExternRef.new` does. Raises, in this order: `LimiterError` if the limiter may
        wait, what the limiter says to a heap, `TypeMismatch` (another store's element too),
        `GcHeapOutOfMemory`, `AllocationTooLarge`, `Unrooted`. Without elements nobody looks at
        `elem`. Panics on another store's allocator.

        >>> from twinheap.targets.heap import EXTERNREF, ArrayRef, ArrayType, ExternRef, FieldType, Store
        >>> store = Store("drc")
        >>> array = ArrayRef.new(store, ArrayType(FieldType(EXTERNREF)), ExternRef.new(store, "x"), 3)
        >>> array.len(store), array.get(store, 2).data(store)
        (3, 'x')
        >>> array.set(store, 0, None)
        >>> [elem and elem.data(store) for elem in array.elems(store)]
        [None, 'x', 'x']
        """
        store.require_sync()
        return run_to_end(_new_steps(store, allocator, [elem] if length else [], length))

    @staticmethod
    def new_async(store: "Store", allocator: Allocator, elem: Value, length: int) -> "HeapFuture[Rooted[ArrayRef]]":
        """As `new`, as an awaitable: it may be suspended while collecting, and works with every limiter."""
        return HeapFuture(_new_steps(store, allocator, [elem] if length else [], length))

    @staticmethod
    def new_fixed(store: "Store", allocator: Allocator, elems: Sequence[Value]) -> "Rooted[ArrayRef]":
        """Allocate an array of the given elements. Errors and panics as `new`."""
        store.require_sync()
        return run_to_end(_new_steps(store, allocator, elems, len(elems)))

    @staticmethod
    def copy(
        store: "Store", target: Handle["ArrayRef"], to: int, source: Handle["ArrayRef"], start: int, count: int
    ) -> None:
        """`array.copy`: copy `count` elements as if through a buffer.

        Ascending if `start` is above `to`, else descending, also between two arrays. A scope of its own
        holds both arrays and every reference read: an overwritten value dies at its write, unless
        it was read before; the rest dies at the scope's end, in the order of reading.

        Raises `Unrooted`, `ImmutableField`, `TypeMismatch`, and `OutOfBounds` before any write.
        """
        array, origin = (_view(store, handle) for handle in (target, source))
        if not array.layout.element.type.mutable:
            raise ImmutableField("cannot copy: array elements are not mutable")
        if origin.layout.element.type.element_type != array.layout.element.type.element_type:
            raise TypeMismatch(COPY_MISMATCH)
        with RootScope(store):
            for handle in (target, source):
                reroot(store, handle, ArrayRef)
            origin.check_range(start, count)
            array.check_range(to, count)
            # mutant f05 below: offsets = range(count)
            offsets = range(count) if start > to else range(count - 1, -1, -1)
            for offset in offsets:
                array.write(store, to + offset, origin.read(store, start + offset))
        if store.verifying:
            store.verify()

    @staticmethod
    def fill(store: "Store", target: Handle["ArrayRef"], start: int, value: Value, count: int) -> None:
        """`array.fill`: set `count` elements from `start` on, ascending, each with its own barrier.

        Panics on another store's array or value. Raises `Unrooted`, `ImmutableField`, `TypeMismatch`,
        and `OutOfBounds` before any write.
        """
        array = _view(store, target)
        if isinstance(value, Handle) and not value.comes_from_same_store(store):
            raise HeapPanic(FOREIGN_ELEMENT)
        array.check_writable(store, start, value)
        array.check_range(start, count)
        if isinstance(value, Handle):
            value._ref(store)  # a stale handle changes nothing, not even without elements to write
        # mutant f19: count = min(count, 1)
        for index in range(start, start + count):
            array.write(store, index, value)
        if store.verifying:
            store.verify()


class ArrayView:
    """One array, found: its reference, its layout and its length."""

    __slots__ = ("heap", "layout", "length", "ref")

    def __init__(self, heap: "GcHeap", ref: int) -> None:
        self.heap = heap
        self.ref = ref
        layout = heap.layout_at(ref)
        assert isinstance(layout, ArrayLayout)
        self.layout = layout
        self.length = heap.words[(ref + layout.length_offset) >> 2]

    def check_range(self, start: int, count: int) -> None:
        """Raise `OutOfBounds` unless all of these elements exist."""
        if start < 0 or count < 0 or start + count > self.length:
            raise OutOfBounds(ARRAY_BOUNDS)

    def check_index(self, index: int) -> None:
        """Raise `OutOfBounds` unless this element exists."""
        if not 0 <= index < self.length:  # mutant f03: if not 0 <= index <= self.length:
            raise OutOfBounds(f"index out of bounds: the length is {self.length} but the index is {index}")

    def check_writable(self, store: "Store", index: int, value: Value) -> None:
        """Raise `ImmutableField` or `TypeMismatch` unless the elements can be set to `value`."""
        if not self.layout.element.type.mutable:
            raise ImmutableField(f"cannot set element {index}: array elements are not mutable")
        context = f"cannot set element {index}: type mismatch"
        ensure_matches(store, value, self.layout.element.type.element_type, context)

    def read(self, store: "Store", index: int) -> Value:
        """An element that exists."""
        return objects.read_field(store, self.heap, self.ref, self.layout.element, self.layout.size_for_len(index))

    def write(self, store: "Store", index: int, value: Value) -> None:
        """Replace an element that exists."""
        offset = self.layout.size_for_len(index)
        objects.write_field(store, self.heap, self.ref, self.layout.element, offset, value)


def _view(store: "Store", handle: Handle[Any]) -> ArrayView:
    return ArrayView(store.require_heap(), handle._asserted_ref(store, FOREIGN_ARRAY))


def _new_steps(store: "Store", allocator: Allocator, values: Sequence[Value], length: int) -> "Steps[Rooted[ArrayRef]]":
    """`values` are all elements, or the one that is repeated."""
    ty = allocator if isinstance(allocator, ArrayType) else allocator.ty
    try:
        heap = yield from objects.ensure_heap(store)
        if isinstance(allocator, objects.Pre):
            allocator.check_store(store)
        for value in values:
            ensure_matches(store, value, ty.field_type.element_type, ELEMENT_CONTEXT)
        layout = heap.layout(ty)
        assert isinstance(layout, ArrayLayout)
        size = layout.size_for_len(length)
        ref = yield from objects.place(store, heap, layout, size)
        heap.words[(ref + layout.length_offset) >> 2] = length
        bits = objects.encode(store, heap, ref, layout.base_size, size, [layout.element] * len(values), values)
        data = b"".join([layout.element.codec.pack(element) for element in bits])
        if len(values) < length:
            data *= length
            if isinstance(values[0], Handle):
                heap.clone_ref(bits[0], length - 1)  # mutant f11: pass
        heap.data[ref + layout.base_size : ref + layout.base_size + len(data)] = data
        return make_rooted(store, ref, ArrayRef)
    finally:
        if store.verifying:
            store.verify()
