"""How many bytes an object takes under each collector (docs/spec/semantics.md 1.3, 1.5)."""

from __future__ import annotations

from functools import cache
from typing import Final

from twinheap.model.entities import BYTES_NEEDED, EXTERNREF_BLOCK, Obj
from twinheap.model.kit import ARRAYS, REFERENCE_BYTES, STRUCTS, TAGS, ObjectType

TYPES: Final = {"struct": STRUCTS, "array": ARRAYS, "exn": TAGS}
"""The object types of each kind."""

HEADER: Final = {"drc": 24, "null": 8, "copying": 16}
GRANULE: Final = {"drc": 16, "null": 8, "copying": 16}
TAG_BYTES: Final = 8  # an exception's tag instance and tag index, after the header
FORWARDED: Final = {"drc": 0, "null": 0, "copying": 20}  # the least: a forwarding reference after the header


def round_up(size: int, to: int) -> int:
    """The multiple of `to` that holds `size`."""
    return -(-size // to) * to


def object_bytes(collector: str, kind: str, type_: int | ObjectType, length: int = 0) -> int:
    """The bytes of a struct, array of `length` elements, or exception, before they are rounded to granules.

    `type_`: the number of a type of the kit, or the type itself.

    >>> object_bytes("drc", "array", 0, 10), object_bytes("null", "array", 0, 10)
    (68, 52)
    >>> [object_bytes(collector, "struct", 5) for collector in GRANULE]
    [24, 8, 32]
    """
    base, each = _layout(collector, kind, type_)
    return base + length * each


@cache
def _layout(collector: str, kind: str, type_: int | ObjectType) -> tuple[int, int]:
    """The bytes without elements, and those of each element."""
    made = TYPES[kind][type_] if isinstance(type_, int) else type_
    header = HEADER[collector]
    if kind == "array":
        each = made.fields[0].bytes
        return round_up(header + REFERENCE_BYTES, each), each
    end = header + (TAG_BYTES if kind == "exn" else 0)
    align = 16 if collector == "copying" else 8
    for field in made.fields:
        end = round_up(end, field.bytes) + field.bytes
    return round_up(max(end, FORWARDED[collector]), align), 0


def needed(collector: str, obj: Obj) -> int:
    """The bytes that the request for an object asks for, as its out-of-memory error names them (1.5)."""
    if obj.kind == "extern":
        return BYTES_NEEDED[collector]
    return 2 * obj.size if collector == "copying" else obj.size


def block(collector: str, obj: Obj) -> int:
    """The bytes that an object takes: whole granules."""
    return round_up(obj.size, GRANULE[collector]) if obj.size else EXTERNREF_BLOCK[collector]
