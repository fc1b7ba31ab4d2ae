"""The kit's object types as types of the heap, and its numbers as values (docs/spec/wasm-ops.md 6.2 to 6.4)."""

from typing import TYPE_CHECKING, Final

from twinheap.model.kit import ARRAYS, STRUCTS, TAGS, Field, stored_number
from twinheap.targets.heap.exnref import Tag
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.types import (
    ArrayType,
    FieldType,
    RefType,
    Storage,
    StructType,
    TagType,
    This,
)
from twinheap.targets.heap.values import Val

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

NODE: Final = "node"


def _make_structs() -> dict[str, StructType]:
    made: dict[str, StructType] = {}
    for ty in STRUCTS:
        fields = [_field(field, This.THIS if ty.name == NODE else made.get(NODE)) for field in ty.fields]
        made[ty.name] = StructType(fields, parent=made[ty.parent] if ty.parent else None, final=ty.final)
    return made


def _field(field: Field, node: StructType | This | None) -> FieldType:
    storage = field.storage
    if not field.is_reference:
        return FieldType(Storage(storage), field.mutable)
    if storage == NODE:
        return FieldType(RefType(HeapType.STRUCT, concrete=node), field.mutable)
    return FieldType(RefType(HeapType(storage)), field.mutable)


STRUCT_TYPES: Final = _make_structs()
"""By name, as all of these."""

ARRAY_TYPES: Final = {ty.name: ArrayType(_field(ty.fields[0], STRUCT_TYPES[NODE])) for ty in ARRAYS}
TAG_TYPES: Final = {ty.name: TagType(_field(field, None).element_type for field in ty.fields) for ty in TAGS}


def kit_tag(store: "Store", number: int) -> Tag:
    """A tag of the host's own in a store, which is no instance's: all are made with the first."""
    # mutant f22 below: if number >= 0:
    if not store.host_tags:
        store.host_tags = [Tag(store, TAG_TYPES[ty.name]) for ty in TAGS]
    return store.host_tags[number]


def number_value(storage: str, number: int) -> Val:
    """The value that stores `number` into a numeric field so that it reads as `stored_number` says.

    >>> number_value("i8", 300).number, number_value("f32", 3).as_float
    (44, 3.0)
    """
    stored = stored_number(storage, number)
    if storage == "i64":
        return Val.i64(stored)
    if storage == "f32":
        return Val.f32(stored)
    return Val.f64(stored) if storage == "f64" else Val.i32(stored)


def value_number(value: Val) -> int:
    """The number that a read of a numeric field shows: integers signed, floats cut to a whole number."""
    return int(value.as_float)
