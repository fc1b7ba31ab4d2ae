"""Motifs on structs, arrays and exceptions that the host makes: contents read and data read through them, nesting."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import Draft
from twinheap.fuzz.motif_table import NUMBERS, Registered, motif, read
from twinheap.model.kit import ARRAYS, STRUCTS, Field
from twinheap.model.ops import ANY, ARRAY, CODE, EQ, EXTERN, INT_KINDS, MAX_LENGTH, NULL, STRUCT

OBJECTS: Final[list[Registered]] = []
"""The motifs of this module."""

LENGTHS: Final = (0, 1, 2, 2, 3, 3, 4, 10)
STRUCT_NUMBER: Final = {made.name: at for at, made in enumerate(STRUCTS)}
ARRAY_NUMBER: Final = {made.name: at for at, made in enumerate(ARRAYS)}
FITTING: Final = {
    "extern": (EXTERN,),
    "any": (ANY, ANY, STRUCT, ARRAY, EQ),
    "eq": (EQ, STRUCT, ARRAY, ANY),
    "i31": (ANY,),
    "struct": (STRUCT,),
    "array": (ARRAY,),
    "node": (STRUCT,),
}
"""Static types of handles whose objects may fit a storage type."""

STRUCT_NEW, STRUCT_GET, STRUCT_SET = CODE["struct_new"], CODE["struct_get"], CODE["struct_set"]
STRUCT_GET_NUMBER, STRUCT_SET_NUMBER = CODE["struct_get_number"], CODE["struct_set_number"]
ARRAY_NEW, ARRAY_NEW_FIXED, ARRAY_GET = CODE["array_new"], CODE["array_new_fixed"], CODE["array_get"]
ARRAY_SET, ARRAY_GET_NUMBER = CODE["array_set"], CODE["array_get_number"]
ARRAY_SET_NUMBER, ARRAY_LEN = CODE["array_set_number"], CODE["array_len"]


ARRAY_NEW_HUGE: Final = CODE["array_new_huge"]
HUGE: Final = INT_KINDS["huge"].edges
HUGE_SHARE: Final = 40  # of 256: how often one is asked for when its turn comes, since old releases take seconds (K10)
LONGS: Final = ARRAY_NUMBER["longs"]
LEAST_FREE: Final = 64  # bytes that are not worth an array


# --- making


def content(g: Draft, storage: str) -> int:
    """A value for a field: mostly one that fits, sometimes null or anything."""
    way = g.byte()
    if way < 30:
        return NULL
    if way < 36:
        return g.handle() if g.place.owned or g.place.lifo else NULL
    if storage in ("any", "i31", "eq") and way < 90:
        return g.i31(g.byte() & 1 == 0)
    fitting = FITTING[storage]
    found = g.sure(fitting[g.upto(len(fitting))])
    if found < 0 and storage in ("extern", "any"):
        found = g.ext(g.byte() & 1 == 0) if storage == "extern" else g.i31(True)
    return found if found >= 0 else NULL


def contents(g: Draft, fields: tuple[Field, ...], count: int) -> list[int]:
    """Values for the reference fields, and nulls up to `count` operands."""
    made = [content(g, field.storage) for field in fields if field.is_reference]
    return made + [NULL] * (count - len(made))


def new_struct(g: Draft, struct: int, values: list[int], owned: bool) -> int:
    operands = (g.place.slot, struct, NUMBERS[g.upto(3)], *values, int(owned))
    return shaped(g, g.made(STRUCT_NEW, operands, owned), struct)


def new_array(g: Draft, array: int, length: int, value: int, owned: bool) -> int:
    operands = (g.place.slot, array, length, NUMBERS[g.upto(3)], value, int(owned))
    return shaped(g, g.made(ARRAY_NEW, operands, owned), array)


def fill_with_arrays(g: Draft) -> None:
    """Ever smaller arrays of numbers, kept, until next to nothing is free."""
    limit = max(g.builder.config.limit, 0)
    bytes_ = limit - g.upto(64) * 16
    while bytes_ > LEAST_FREE:
        length = min(bytes_ // 8, MAX_LENGTH)
        new_array(g, LONGS, length, NULL, True)
        bytes_ = bytes_ - length * 8 if length == MAX_LENGTH else bytes_ // 2
    if g.byte() < 128:
        for _ in range(1 + g.upto(8)):
            g.ext(g.byte() & 1 == 0)


def shaped(g: Draft, handle: int, type_: int) -> int:
    if handle >= 0:
        g.place.shapes[handle] = type_
        g.place.allocated = True
    return handle


def some_struct(g: Draft, owned: bool) -> int:
    struct = g.upto(len(STRUCTS))
    return new_struct(g, struct, contents(g, STRUCTS[struct].fields, 4), owned)


def some_array(g: Draft, owned: bool) -> int:
    array = g.upto(len(ARRAYS))
    element = ARRAYS[array].fields[0]
    if g.byte() < 110:
        values = [content(g, element.storage) if element.is_reference else NULL for _ in range(3)]
        operands = (g.place.slot, array, NUMBERS[g.upto(3)], *values, int(owned))
        return shaped(g, g.made(ARRAY_NEW_FIXED, operands, owned), array)
    value = content(g, element.storage) if element.is_reference else NULL
    return new_array(g, array, LENGTHS[g.upto(8)], value, owned)


@motif(OBJECTS, "structs", 2, "struct_new")
def make_struct(g: Draft) -> None:
    some_struct(g, g.byte() & 1 == 0)


@motif(OBJECTS, "arrays", 2, "array_new")
def make_array(g: Draft) -> None:
    some_array(g, g.byte() & 1 == 0)


# --- contents


def _field(g: Draft, handle: int) -> tuple[int, str]:
    """A field of a struct with its storage type; sometimes of another struct, or none at all."""
    fields = STRUCTS[g.place.shapes.get(handle, 0)].fields
    if not fields or g.byte() < 12:
        return g.upto(8), "extern"
    at = g.upto(len(fields))
    return at, fields[at].storage


def _seen_as(g: Draft, storage: str) -> int:
    right = EXTERN if storage == "extern" else ANY
    return right if g.byte() < 248 else EXTERN + ANY - right


def get_field(g: Draft, handle: int) -> None:
    """Any field, and what it holds."""
    at, storage = _field(g, handle)
    if storage in FITTING:
        owned = g.byte() & 1
        read(g, g.made(STRUCT_GET, (handle, at, _seen_as(g, storage), owned), bool(owned)))
    else:
        g.add(STRUCT_GET_NUMBER, (handle, at))


def get_element(g: Draft, handle: int) -> None:
    """Any of the first elements, and what it holds."""
    storage = ARRAYS[g.place.shapes.get(handle, 0)].fields[0].storage
    if storage in FITTING:
        owned = g.byte() & 1
        read(g, g.made(ARRAY_GET, (handle, g.upto(4), _seen_as(g, storage), owned), bool(owned)))
    else:
        g.add(ARRAY_GET_NUMBER, (handle, g.upto(4)))


@motif(OBJECTS, "structs", 2, "struct_new")
def read_struct(g: Draft) -> None:
    get_field(g, g.typed(STRUCT, 6))


@motif(OBJECTS, "arrays", 2, "array_new")
def read_array(g: Draft) -> None:
    handle = g.typed(ARRAY, 6)
    if g.byte() < 80:
        g.add(ARRAY_LEN, (handle,))
    get_element(g, handle)


@motif(OBJECTS, "structs", 1.8, "struct_new")
def write_struct(g: Draft) -> None:
    """Any field, also those that cannot be set; then it is read."""
    handle = g.typed(STRUCT, 6)
    if handle < 0:
        return
    at, storage = _field(g, handle)
    if storage in FITTING:
        g.add(STRUCT_SET, (handle, at, content(g, storage)))
    else:
        g.add(STRUCT_SET_NUMBER, (handle, at, NUMBERS[g.upto(3)]))
    get_field(g, handle)


@motif(OBJECTS, "arrays", 1.8, "array_new")
def write_array(g: Draft) -> None:
    handle = g.typed(ARRAY, 6)
    if handle < 0:
        return
    storage = ARRAYS[g.place.shapes.get(handle, 0)].fields[0].storage
    if storage in FITTING:
        g.add(ARRAY_SET, (handle, g.upto(4), content(g, storage)))
    else:
        g.add(ARRAY_SET_NUMBER, (handle, g.upto(4), NUMBERS[g.upto(3)]))
    get_element(g, handle)


@motif(OBJECTS, "arrays", 0.05, "array_new_huge")
def array_too_large(g: Draft) -> None:
    """An array that no heap can hold; then what is there is looked at."""
    if g.byte() > HUGE_SHARE:
        return
    g.add(ARRAY_NEW_HUGE, (g.place.slot, HUGE[g.upto(len(HUGE))]))
    g.place.allocated = g.place.allocated or not g.place.limiter
    read(g, g.handle())


@motif(OBJECTS, "structs", 0.6, "struct_new")
def write_wrong(g: Draft) -> None:
    """Fields that there are not, or of another type."""
    handle = g.typed(STRUCT, 4) if g.byte() & 1 else g.typed(ARRAY, 4)
    value = g.handle() if g.byte() < 200 else NULL
    if handle >= 0 and g.builder.slots[handle].type == STRUCT:
        g.add(STRUCT_SET, (handle, g.upto(8), value))
        g.add(STRUCT_SET_NUMBER, (handle, g.upto(8), 1))
        g.add(STRUCT_GET_NUMBER, (handle, g.upto(8)))
    elif handle >= 0:
        g.add(ARRAY_SET, (handle, g.upto(8), value))
