"""Values of fields and elements, and whether they fit (`docs/spec/semantics.md` 2.1, 3.2, 7)."""

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twinheap.targets.heap.errors import HeapError, HeapPanic, TypeMismatch
from twinheap.targets.heap.handle import Handle
from twinheap.targets.heap.layout import ARRAY, EQ, STRUCT, HeapType
from twinheap.targets.heap.types import FUNCTIONS, ArrayType, FieldType, RefType, Storage, StructType

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

FOREIGN_VALUE: Final = "value used with wrong store"
FOREIGN_FIELD: Final = "field value comes from the wrong store"
FIELD_CONTEXT: Final = "field type mismatch"
NOTHING: Final = FUNCTIONS | {HeapType.NONE, HeapType.NOEXTERN}
"""Types of which the host has no values but null."""

KINDS: Final = {HeapType.EQ: EQ, HeapType.STRUCT: STRUCT, HeapType.ARRAY: ARRAY}


class Val(NamedTuple):
    """A number as Wasm sees it: integers signed, floats as their bits (a NaN keeps its payload).

    >>> Val.i32(0xFFFF_FFFF), Val.f32(1.5).as_float
    (Val(type=<Storage.I32: 'i32'>, number=-1), 1.5)
    """

    type: Storage
    number: int

    @staticmethod
    def i32(value: int) -> "Val":
        """A 32-bit integer, modulo 2^32."""
        return Val(Storage.I32, (value + (1 << 31)) % (1 << 32) - (1 << 31))

    @staticmethod
    def i64(value: int) -> "Val":
        """A 64-bit integer, modulo 2^64."""
        return Val(Storage.I64, (value + (1 << 63)) % (1 << 64) - (1 << 63))

    @staticmethod
    def f32(value: float) -> "Val":
        """The nearest 32-bit float; infinite where it is too large."""
        try:
            packed = struct.pack("<f", value)
        except OverflowError:
            packed = struct.pack("<f", math.copysign(math.inf, value))
        return Val.f32_bits(int.from_bytes(packed, "little"))

    @staticmethod
    def f64(value: float) -> "Val":
        """A 64-bit float."""
        return Val.f64_bits(int.from_bytes(struct.pack("<d", value), "little"))

    @staticmethod
    def f32_bits(bits: int) -> "Val":
        """A 32-bit float by its bits."""
        return Val(Storage.F32, bits & 0xFFFF_FFFF)

    @staticmethod
    def f64_bits(bits: int) -> "Val":
        """A 64-bit float by its bits."""
        return Val(Storage.F64, bits & 0xFFFF_FFFF_FFFF_FFFF)

    @property
    def as_float(self) -> float:
        """A float's value; an integer's as it is."""
        if self.type is Storage.F32:
            return float(struct.unpack("<f", struct.pack("<I", self.number))[0])
        if self.type is Storage.F64:
            return float(struct.unpack("<d", struct.pack("<Q", self.number))[0])
        return self.number

    @staticmethod
    def from_storage(storage: Storage, bits: int) -> "Val":
        """What a field of this storage type holds; packed integers are zero-extended."""
        if storage is Storage.I32:
            return Val.i32(bits)
        if storage is Storage.I64:
            return Val.i64(bits)
        return Val(storage.unpacked, bits)


class FunctionRef(Val):
    """A reference to a function, by its number in the store; 0 is null. Neither a handle nor something traced."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return self.number != 0

    @staticmethod
    def of(number: int) -> "FunctionRef":
        """The reference with that number."""
        return FunctionRef(Storage.I32, number)


Value = Val | Handle[Any] | None
"""What goes into a field or element: a number, a handle of any kind, or None for null."""


def matches(store: "Store", value: Value, wanted: Storage | RefType) -> bool:
    """Does `value`, of this store, fit? Looks at the object unless every reference of its hierarchy fits.

    Raises `Unrooted` if it has to look and the handle is stale.
    """
    if isinstance(wanted, Storage):
        return isinstance(value, Val) and value.type is wanted.unpacked
    if value is None:
        return wanted.nullable  # mutant f15: return True
    if isinstance(value, Val):
        return False
    found, wanted_type = value.heap_type.type, wanted.heap_type
    if wanted_type in NOTHING:
        return False
    if HeapType.EXTERN in (found, wanted_type) or HeapType.EXN in (found, wanted_type):
        return found is wanted_type
    if wanted_type is HeapType.ANY:
        return True
    if wanted_type is HeapType.I31:
        return value._ref(store) & 1 == 1
    if not value.is_kind(store, KINDS[wanted_type]):
        return False
    concrete = wanted.concrete
    if not isinstance(concrete, StructType | ArrayType):
        return True
    return store.require_heap().layout_at(value._ref(store)).type.is_subtype(concrete)  # mutant f21: return True


def ensure_matches(store: "Store", value: Value, wanted: Storage | RefType, context: str) -> None:
    """Raise `TypeMismatch` with the text `context` unless `value` fits.

    Its cause says why: another store's handle, a stale handle that had to be looked at, or the types.
    """
    try:
        if isinstance(value, Handle) and not value.comes_from_same_store(store):
            raise TypeMismatch(FOREIGN_VALUE)
        if not matches(store, value, wanted):
            raise TypeMismatch(f"type mismatch: expected {wanted}, found {type_name(value)}")
    except HeapError as cause:
        raise TypeMismatch(context) from cause


def check_fields(store: "Store", types: Sequence[FieldType], values: Sequence[Value]) -> None:
    """What is checked before a struct or an exception is allocated: number, stores, types.

    Raises `TypeMismatch`; panics on another store's handle.
    """
    if len(values) != len(types):
        raise TypeMismatch(f"expected {len(types)} fields, got {len(values)}")
    for ty, value in zip(types, values, strict=True):
        if isinstance(value, Handle) and not value.comes_from_same_store(store):
            raise HeapPanic(FOREIGN_FIELD)
        ensure_matches(store, value, ty.element_type, FIELD_CONTEXT)


def type_name(value: Value) -> str:
    """How an error names the type of a value."""
    if value is None:
        return "(ref null none)"
    return str(value.type) if isinstance(value, Val) else str(RefType(value.heap_type.type, nullable=False))
