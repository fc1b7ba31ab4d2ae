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

    `is_reference`: whether it holds a (nullable) reference.
    """

    storage: str
    mutable: bool
    is_reference: bool

    @property
    def bytes(self) -> int:
        """Its size and alignment."""
        return REFERENCE_BYTES if self.is_reference else NUMBERS[self.storage]


class ObjectType(msgspec.Struct, frozen=True):
    """A struct type, the argument list of a tag, or an array type (one field: its elements). `parent`: a supertype.

    `references`: the indexes of the fields that hold references; `storages`: the storage type of each field. Both
    follow from `fields`, and are asked for at every object that is made.
    """

    name: str
    fields: tuple[Field, ...]
    parent: str | None
    final: bool
    references: tuple[int, ...]
    storages: tuple[str, ...]


def _type(name: str, fields: str, parent: str | None = None, final: bool = True) -> ObjectType:
    """`fields`: storage types, with `!` for those that cannot be set."""
    storages = tuple(word.rstrip("!") for word in fields.split())
    references = tuple(at for at, storage in enumerate(storages) if storage in REFERENCES)
    words = zip(fields.split(), storages, strict=True)
    made = tuple(Field(storage, not word.endswith("!"), storage in REFERENCES) for word, storage in words)
    return ObjectType(name, made, parent, final, references, storages)


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

HIERARCHY: Final = {"extern": "extern", "exn": "exn"} | dict.fromkeys(
    ("any", "eq", "i31", "struct", "array", "node"), "any"
)
"""The hierarchy that each reference storage type belongs to."""


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
