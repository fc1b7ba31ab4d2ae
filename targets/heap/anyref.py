"""References to any object of Wasm, and to those with an identity (section 3.2)."""

from typing import TYPE_CHECKING, ClassVar

from twinheap.targets.heap.externref import reroot, root_from_raw
from twinheap.targets.heap.handle import GcRef, Handle, T
from twinheap.targets.heap.i31 import I31
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.rooted import Rooted, make_rooted

if TYPE_CHECKING:
    from twinheap.targets.heap.externref import ExternRef
    from twinheap.targets.heap.store import Store


class AnyRef(GcRef):
    """The type of every reference that Wasm itself can make; never instantiated.

    >>> from twinheap.targets.heap import AnyRef, ExternRef, I31, Store
    >>> store = Store("drc")
    >>> anyref = AnyRef.from_i31(store, I31.wrapping_u32(0x1234))
    >>> externref = ExternRef.convert_any(store, anyref)
    >>> hex(AnyRef.convert_extern(store, externref).unwrap_i31(store).get_u32())
    '0x1234'
    """

    type: ClassVar[HeapType] = HeapType.ANY

    @staticmethod
    def from_i31(store: "Store", value: I31) -> "Rooted[AnyRef]":
        """A LIFO root for an i31. Needs no heap."""
        return _i31_root(store, value, AnyRef)

    @staticmethod
    def convert_extern(store: "Store", externref: "Handle[ExternRef]") -> "Rooted[AnyRef]":
        """The same reference as an anyref, as a new LIFO root: `any.convert_extern`. Raises `Unrooted`."""
        return reroot(store, externref, AnyRef)

    @staticmethod
    def from_raw(store: "Store", raw: int) -> "Rooted[AnyRef] | None":
        """A new LIFO root for a raw value; None for 0. See `ExternRef.from_raw`."""
        return root_from_raw(store, raw, AnyRef)


class EqRef(GcRef):
    """The type of references that `ref.eq` can compare: i31, structs, arrays. Never instantiated.

    Made by `as_eqref` of an anyref. It has no raw conversions in 42.
    """

    type: ClassVar[HeapType] = HeapType.EQ

    @staticmethod
    def from_i31(store: "Store", value: I31) -> "Rooted[EqRef]":
        """A LIFO root for an i31. Needs no heap."""
        return _i31_root(store, value, EqRef)


def _i31_root(store: "Store", value: I31, of: type[T]) -> "Rooted[T]":
    rooted = make_rooted(store, value.raw, of)
    if store.verifying:
        store.verify()
    return rooted
