"""What Wasm code and the host agree on: object types, tags, and the globals and tables of an instance.

Fixed, so that every target can have them ready: modules of one engine that declare the same types share them, and the
host makes the same ones. Implements docs/spec/wasm-ops.md 6.2 to 6.4 and semantics.md 1.3 (sizes follow from it).
"""

from __future__ import annotations

from typing import Final

import msgspec

# Storage types: references by hierarchy, `node` a nullable reference to the struct type of that name, and numbers.
REFERENCES: Final = ("extern", "any", "eq", "i31", "struct", "array", "node", "exn")
NUMBERS: Final = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4, "f64": 8}
"""Numeric storage types and their bytes."""

REFERENCE_BYTES: Final = 4


class Field(msgspec.Struct, frozen=True):
    """A field of a struct or exception, or the elements of an array: a storage type, and whether it can be set.

    `is_reference`: whether it holds a reference, `nullable`: and also null; those of the kit may.
    """

    storage: str
    mutable: bool
    is_reference: bool
    nullable: bool = True

    @property
    def has_default(self) -> bool:
        """Whether there is a null or a zero for it."""
        return self.nullable or not self.is_reference

    @property
    def bytes(self) -> int:
        """Its size and alignment."""
        return REFERENCE_BYTES if self.is_reference else NUMBERS[self.storage]


class ObjectType(msgspec.Struct, frozen=True):
    """A struct type, the argument list of a tag, or an array type (one field: its elements).

    `parent`: the supertype that it names; `above`: that and all those above it. `references`: the indexes of the fields
    that hold references; `storages`: the storage type of each field. Both follow from `fields`, and are asked for at
    every object that is made.
    """

    name: str
    fields: tuple[Field, ...]
    parent: str | None
    final: bool
    above: tuple[str, ...]
    references: tuple[int, ...]
    storages: tuple[str, ...]


def field_of(storage: str, mutable: bool, nullable: bool) -> Field:
    """A field of a storage type."""
    return Field(storage, mutable, storage not in NUMBERS, nullable)


def object_type(
    name: str, fields: tuple[Field, ...], parent: str | None, final: bool, above: tuple[str, ...]
) -> ObjectType:
    """A type with such fields."""
    references = tuple(at for at, field in enumerate(fields) if field.is_reference)
    return ObjectType(name, fields, parent, final, above, references, tuple(field.storage for field in fields))


def _type(name: str, fields: str, parent: str | None = None, final: bool = True) -> ObjectType:
    """`fields`: storage types, with `!` for those that cannot be set."""
    made = tuple(field_of(word.rstrip("!"), not word.endswith("!"), nullable=True) for word in fields.split())
    return object_type(name, made, parent, final, (parent,) if parent else ())


STRUCTS: Final = (
    _type("box", "extern", final=False),
    _type("sub", "extern i32", parent="box"),  # a subtype: a box, and more
    _type("pair", "extern any"),
    _type("mixed", "i8 extern i64 extern!"),
    _type("nums", "i8 i16 i32 i64! f32 f64"),
    _type("empty", ""),
    _type("node", "node extern"),  # lists and cycles
    _type("eqs", "eq i31 struct array"),
)
"""Struct types, by the number that `struct_new` takes."""

ARRAYS: Final = (
    _type("externs", "extern"),
    _type("anys", "any"),
    _type("consts", "extern!"),
    _type("bytes", "i8"),
    _type("longs", "i64"),
    _type("nodes", "node"),
)
"""Array types, by the number that `array_new` takes."""

TAGS: Final = (_type("one", "extern"), _type("two", "any extern"), _type("nothing", ""))
"""Exception tags, by the number that `exn_new` takes."""

KIT_GLOBALS: Final = ("extern", "extern", "any", "any", "eq", "struct", "array")
"""The storage types of an instance's globals: all mutable and nullable, null at first."""

KIT_TABLES: Final = ("extern", "any")
"""The storage types of an instance's tables."""

CLEAR: Final = (
    f"(body (main {' '.join(f'(global.set {at} (null {of}))' for at, of in enumerate(KIT_GLOBALS))} (null extern)))"
)
"""A body that does what `clear` does, and calls nothing."""

TABLE_MINIMUM: Final = 4
TABLE_MAXIMUM: Final = 16
"""Elements of an instance's tables at first, all null, and at most."""

SHARES: Final = {
    "all": ("g", "t", "tag"),
    "globals": ("g",),
    "tables": ("t",),
    "tags": ("tag",),
}
"""What an instance may have of another one, by the kinds of exports; the rest is its own."""

HIERARCHY: Final = {"extern": "extern", "exn": "exn", "func": "func"} | dict.fromkeys(
    ("any", "eq", "i31", "struct", "array", "node"), "any"
)
"""The hierarchy that each reference storage type of the kit belongs to."""


BOTTOMS: Final = {"none": "any", "noextern": "extern", "noexn": "exn", "nofunc": "func"}
"""The types below all others, which have only null, with the hierarchy of each."""


FUNCTION_PREFIX: Final = "fn."
"""What the identities of function types begin with that bodies declare."""


def hierarchy(storage: str) -> str | None:
    """The hierarchy that a storage type belongs to; None for numbers. Object types that bodies declare are below any.

    >>> hierarchy("i31"), hierarchy("rec.0"), hierarchy("fn.0"), hierarchy("i8")
    ('any', 'any', 'func', None)
    """
    if storage in NUMBERS:
        return None
    above = HIERARCHY.get(storage) or BOTTOMS.get(storage)
    return above or ("func" if storage.startswith(FUNCTION_PREFIX) else "any")


def stored_number(storage: str, number: int) -> int:
    """What a numeric field holds after `number` (0 to 2**31-1) was stored there, and what a read of it gives.

    Packed fields keep their low bits and are read unsigned. 64-bit ones get the number in both halves, so that each
    is checked; floats get what they can hold exactly.

    >>> stored_number("i8", 300), stored_number("i64", 1), stored_number("f32", 2**31 - 1)
    (44, 4294967297, 16777215)
    """
    if storage == "i8":
        return number & 0xFF
    if storage == "i16":
        return number & 0xFFFF
    if storage == "i64":
        return number << 32 | number
    return number & 0xFFFFFF if storage == "f32" else number
