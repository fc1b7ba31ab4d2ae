"""The operations that depend on a handle's type: data of externrefs, casts of anyrefs.

Which types have which operation is told by the type of `self`, as Rust does by `Deref`.
"""

from typing import TYPE_CHECKING, Any, NoReturn

from twinheap.targets.heap.access_objects import ObjectAccess
from twinheap.targets.heap.errors import HeapPanic
from twinheap.targets.heap.handle import T
from twinheap.targets.heap.host_data import HostData
from twinheap.targets.heap.i31 import I31
from twinheap.targets.heap.layout import ARRAY, EQ, STRUCT, HeapType

if TYPE_CHECKING:
    from twinheap.targets.heap.anyref import AnyRef, EqRef
    from twinheap.targets.heap.arrayref import ArrayRef
    from twinheap.targets.heap.externref import ExternRef
    from twinheap.targets.heap.rooted import Rooted
    from twinheap.targets.heap.store import Store
    from twinheap.targets.heap.structref import StructRef


class Access(ObjectAccess[T]):
    """A handle, with what its type allows (`docs/spec/semantics.md` 3.1, 3.2)."""

    __slots__ = ()

    def data(self: "Access[ExternRef]", store: "Store") -> object:
        """The host value, or None for an externref that wraps an i31 or another object.

        Raises `Unrooted`; panics with another store's handle. To tell a host value of None from
        no host value, use `data_mut`.

        >>> from twinheap.targets.heap import AnyRef, ExternRef, I31, Store
        >>> store = Store("drc")
        >>> ExternRef.new(store, "hello").data(store)
        'hello'
        >>> print(ExternRef.convert_any(store, AnyRef.from_i31(store, I31.wrapping_u32(7))).data(store))
        None
        """
        box = self.data_mut(store)
        return None if box is None else box.value

    def data_mut(self: "Access[ExternRef]", store: "Store") -> HostData | None:
        """The box around the host value; assigning its `value` shows through every alias of the object.

        None where `data` finds no host value. Raises `Unrooted`; panics with another store's handle.

        >>> from twinheap.targets.heap import ExternRef, Store
        >>> store = Store("drc")
        >>> counter = ExternRef.new(store, 0)
        >>> counter.data_mut(store).value += 10
        >>> counter.to_owned_rooted(store).data(store)
        10
        """
        ref = self._ref(store)
        if ref & 1:
            return None
        data_id = store.require_heap().host_data_id(ref)
        return None if data_id < 0 else store.host_data.entries[data_id]

    def ty(self: "Access[AnyRef]", store: "Store") -> HeapType:
        """The type of the reference: `I31`, `ANY` for an externref seen as any, else its concrete type."""
        kind = self.kind(store)
        return HeapType.ANY if kind is HeapType.EXTERN else kind

    def is_i31(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> bool:
        """Is it an i31? Raises `Unrooted`."""
        return self._asserted_ref(store) & 1 == 1

    def as_i31(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> I31 | None:
        """The integer, or None if it is none. Raises `Unrooted`."""
        self._asserted_ref(store)
        return self.i31(store)

    def unwrap_i31(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> I31:
        """The integer. Raises `Unrooted`; panics if it is none."""
        value = self.as_i31(store)
        return self._panic("i31") if value is None else value

    def is_eqref(self: "Access[AnyRef]", store: "Store") -> bool:
        """Is it an eqref: an i31, struct or array? Raises `Unrooted`."""
        self._asserted_ref(store)
        return self.is_kind(store, EQ)

    def as_eqref(self: "Access[AnyRef]", store: "Store") -> "Rooted[EqRef] | None":
        """The eqref that shares this root, or None. Raises `Unrooted`."""
        from twinheap.targets.heap.anyref import EqRef

        return self._cast(EqRef) if self.is_eqref(store) else None

    def unwrap_eqref(self: "Access[AnyRef]", store: "Store") -> "Rooted[EqRef]":
        """The eqref that shares this root. Raises `Unrooted`; panics if it is none."""
        return self.as_eqref(store) or self._panic("eqref")

    def is_struct(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> bool:
        """Is it a struct? Raises `Unrooted`."""
        return self.is_kind(store, STRUCT)

    def as_struct(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> "Rooted[StructRef] | None":
        """The structref that shares this root, or None. Raises `Unrooted`."""
        from twinheap.targets.heap.structref import StructRef

        # mutant f13 below: return self._cast(StructRef) if self.is_kind(store, EQ) else None
        return self._cast(StructRef) if self.is_kind(store, STRUCT) else None

    def unwrap_struct(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> "Rooted[StructRef]":
        """The structref that shares this root. Raises `Unrooted`; panics if it is none."""
        return self.as_struct(store) or self._panic("struct", "structref")

    def is_array(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> bool:
        """Is it an array? Raises `Unrooted`."""
        return self.is_kind(store, ARRAY)

    def as_array(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> "Rooted[ArrayRef] | None":
        """The arrayref that shares this root, or None. Raises `Unrooted`."""
        from twinheap.targets.heap.arrayref import ArrayRef

        return self._cast(ArrayRef) if self.is_kind(store, ARRAY) else None

    def unwrap_array(self: "Access[AnyRef] | Access[EqRef]", store: "Store") -> "Rooted[ArrayRef]":
        """The arrayref that shares this root. Raises `Unrooted`; panics if it is none."""
        return self.as_array(store) or self._panic("array", "arrayref")

    def _panic(self: "Access[Any]", wanted: str, noun: str = "") -> NoReturn:
        raise HeapPanic(f"{self.heap_type.__name__}::unwrap_{wanted} on non-{noun or wanted}")
