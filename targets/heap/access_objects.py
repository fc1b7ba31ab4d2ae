"""What handles to structs, arrays and exceptions can do (`docs/spec/semantics.md` 3.2).

References read from fields and elements are new LIFO roots in the current scope.
"""

from typing import TYPE_CHECKING, Final

from twinheap.targets.heap import objects
from twinheap.targets.heap.errors import HeapPanic, ImmutableField, OutOfBounds
from twinheap.targets.heap.handle import Handle, T
from twinheap.targets.heap.object_layout import FieldLayout, StructLayout
from twinheap.targets.heap.values import Value, ensure_matches

if TYPE_CHECKING:
    from twinheap.targets.heap.arrayref import ArrayRef, ArrayView
    from twinheap.targets.heap.exnref import ExnRef, Tag
    from twinheap.targets.heap.store import Store
    from twinheap.targets.heap.structref import StructRef
    from twinheap.targets.heap.types import HeapObjectType

SAME_STORE_BORROWED: Final = "assertion failed: self.comes_from_same_store(&store)"


class ObjectAccess(Handle[T]):
    """A handle, with what the objects of Wasm allow; `Access` adds the rest.

    Everything raises `Unrooted`, and panics with another store's handle.
    """

    __slots__ = ()

    def object_type(
        self: "ObjectAccess[StructRef] | ObjectAccess[ArrayRef] | ObjectAccess[ExnRef]", store: "Store"
    ) -> "HeapObjectType":
        """The concrete type, where `ty` says only what it is.

        >>> from twinheap.targets.heap import EXTERNREF, FieldType, Store, StructRef, StructType
        >>> store, ty = Store("null"), StructType([FieldType(EXTERNREF)])
        >>> StructRef.new(store, ty, [None]).object_type(store) == ty
        True
        """
        ref = self._asserted_ref(store)
        return store.require_heap().layout_at(ref).type

    # --- structs and exceptions

    def field(self: "ObjectAccess[StructRef] | ObjectAccess[ExnRef]", store: "Store", index: int) -> Value:
        """A field: a number, None for null, or a new LIFO root (`Rooted[ExternRef]`, `[AnyRef]`, `[ExnRef]`).

        Raises `OutOfBounds`.
        """
        ref = self._asserted_ref(store)
        field = _field_at(store, ref, index)
        value = objects.read_field(store, store.require_heap(), ref, field, field.offset)
        if store.verifying:
            store.verify()
        return value

    def fields(self: "ObjectAccess[StructRef] | ObjectAccess[ExnRef]", store: "Store") -> list[Value]:
        """All fields, in order."""
        ref = self._asserted_ref(store)
        heap = store.require_heap()
        values = [objects.read_field(store, heap, ref, field, field.offset) for field in _layout_at(store, ref).fields]
        if store.verifying:
            store.verify()
        return values

    def set_field(self: "ObjectAccess[StructRef]", store: "Store", index: int, value: Value) -> None:
        """Replace a field; under DRC the old value may be finalized right here.

        Raises, in this order: `Unrooted` for this handle, `OutOfBounds`, `ImmutableField`,
        `TypeMismatch` (another store's value too), `Unrooted` for the value; then nothing is changed.
        """
        ref = self._asserted_ref(store)
        field = _field_at(store, ref, index)
        if not field.type.mutable:  # mutant f02: if False:
            raise ImmutableField(f"cannot set field {index}: field is not mutable")
        ensure_matches(store, value, field.type.element_type, f"cannot set field {index}: type mismatch")
        objects.write_field(store, store.require_heap(), ref, field, field.offset, value)
        if store.verifying:
            store.verify()

    def tag(self: "ObjectAccess[ExnRef]", store: "Store") -> "Tag":
        """The tag that the exception was made with."""
        ref = self._asserted_ref(store, SAME_STORE_BORROWED)
        heap = store.require_heap()
        return store.tags[heap.words[(ref + heap.header.header_bytes) >> 2]]

    # --- arrays

    def len(self: "ObjectAccess[ArrayRef]", store: "Store") -> int:
        """The number of elements."""
        return _array(store, self._asserted_ref(store)).length

    def get(self: "ObjectAccess[ArrayRef]", store: "Store", index: int) -> Value:
        """An element, as `field` gives it. Raises `OutOfBounds`."""
        from twinheap.targets.heap.arrayref import FOREIGN_ARRAY

        array = _array(store, self._asserted_ref(store, FOREIGN_ARRAY))
        array.check_index(index)
        value = array.read(store, index)
        if store.verifying:
            store.verify()
        return value

    def elems(self: "ObjectAccess[ArrayRef]", store: "Store") -> list[Value]:
        """All elements, in order."""
        array = _array(store, self._asserted_ref(store))
        values = [array.read(store, index) for index in range(array.length)]
        if store.verifying:
            store.verify()
        return values

    def set(self: "ObjectAccess[ArrayRef]", store: "Store", index: int, value: Value) -> None:
        """Replace an element; under DRC the old value may be finalized right here.

        Raises, in this order: `Unrooted` for this handle, `ImmutableField`, `TypeMismatch`,
        `OutOfBounds`, `Unrooted` for the value; then nothing is changed. Another store's value
        panics before all of it.
        """
        from twinheap.targets.heap.arrayref import FOREIGN_ARRAY, FOREIGN_ELEMENT

        if not self.comes_from_same_store(store):
            raise HeapPanic(FOREIGN_ARRAY)
        if isinstance(value, Handle) and not value.comes_from_same_store(store):
            raise HeapPanic(FOREIGN_ELEMENT)
        array = _array(store, self._ref(store))
        array.check_writable(store, index, value)
        array.check_index(index)
        array.write(store, index, value)
        if store.verifying:
            store.verify()


def _layout_at(store: "Store", ref: int) -> StructLayout:
    layout = store.require_heap().layout_at(ref)
    assert isinstance(layout, StructLayout)
    return layout


def _field_at(store: "Store", ref: int, index: int) -> FieldLayout:
    """A field of the struct or exception at `ref`. Raises `OutOfBounds`."""
    layout = _layout_at(store, ref)
    if not 0 <= index < len(layout.fields):
        raise OutOfBounds(f"cannot access field {index}: {layout.noun} only has {len(layout.fields)} fields")
    return layout.fields[index]


def _array(store: "Store", ref: int) -> "ArrayView":
    from twinheap.targets.heap.arrayref import ArrayView

    return ArrayView(store.require_heap(), ref)
