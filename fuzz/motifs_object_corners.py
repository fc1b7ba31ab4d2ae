"""Motifs for corners of objects and bodies that chance does not turn (see `motifs_corners.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.fuzz.draft import MOST_STORES, OWN, Draft
from twinheap.fuzz.motif_table import KIND, Registered, motif
from twinheap.fuzz.motifs_memory import ASYNC_LIMITER, PAGE
from twinheap.fuzz.motifs_objects import (
    ARRAY_GET,
    ARRAY_GET_NUMBER,
    ARRAY_LEN,
    ARRAY_NEW,
    ARRAY_NUMBER,
    ARRAY_SET,
    ARRAY_SET_NUMBER,
    STRUCT_GET,
    STRUCT_GET_NUMBER,
    STRUCT_NEW,
    STRUCT_NUMBER,
    STRUCT_SET,
    STRUCT_SET_NUMBER,
)
from twinheap.fuzz.motifs_raw import CONV_EXT, CONV_EXT_OWNED
from twinheap.model.ops import ANY, CODE, EXTERN, NULL, UNLIMITED

OBJECT_CORNERS: Final[list[Registered]] = []
"""The motifs of this module."""

LONG_CHAIN: Final = 3500  # structs: more than a page holds
CHAIN_LIMITS: Final = (PAGE, PAGE, PAGE + 1, 0)
LARGE: Final = (1000, 4000, 4000, 7000)  # elements: a few such arrays fit into a page
DATA, DATA_SET, FIELDS = CODE["data"], CODE["data_set"], CODE["fields"]
EXN_NEW, EXN_GET, THROW, UPCAST, CHAIN = (CODE[name] for name in ("exn_new", "exn_get", "throw", "upcast", "chain"))


_ON_STRUCT: Final = (
    (STRUCT_GET, (0, EXTERN, 0)),
    (STRUCT_GET_NUMBER, (0,)),
    (STRUCT_SET, (0, NULL)),
    (STRUCT_SET_NUMBER, (0, 1)),
    (UPCAST, (ANY,)),
)
_ON_ARRAY: Final = (
    (ARRAY_GET, (0, EXTERN, 0)),
    (ARRAY_GET_NUMBER, (0,)),
    (ARRAY_SET, (0, NULL)),
    (ARRAY_SET_NUMBER, (0, 1)),
    (ARRAY_LEN, ()),
)


def _any_of(g: Draft, ways: Sequence[tuple[int, tuple[int, ...]]], handle: int) -> None:
    """Any of these ops on an object."""
    code, operands = ways[g.upto(len(ways))]
    g.add(code, (handle, *operands))


@motif(OBJECT_CORNERS, "structs", 0.4, "struct_new", "array_new", "scope")
def stale_object(g: Draft) -> None:
    """An object whose scope is over, in everything that takes one."""
    if not g.open_scope():
        return
    slot, kind = g.place.slot, g.upto(3)
    if kind == 0:
        handle = g.made(STRUCT_NEW, (slot, STRUCT_NUMBER["box"], 0, NULL, NULL, NULL, NULL, 0), False)
    elif kind == 1:
        handle = g.made(ARRAY_NEW, (slot, ARRAY_NUMBER["externs"], 1, 0, NULL, 0), False)
    else:
        handle = g.made(EXN_NEW, (slot, 0, NULL, NULL, 0), False)
    g.close_scope()
    if handle < 0:
        return
    if kind < 2 and g.byte() < 60:
        g.add(FIELDS, (handle,))
    if kind == 0:
        _any_of(g, _ON_STRUCT, handle)
        _any_of(g, _ON_STRUCT, handle)
    elif kind == 1:
        _any_of(g, _ON_ARRAY, handle)
        _any_of(g, _ON_ARRAY, handle)
    elif g.byte() & 1:
        g.add(EXN_GET, (handle, 0, EXTERN, 0))
    else:
        g.add(THROW, (handle,))


@motif(OBJECT_CORNERS, "arrays", 0.3, "array_new")
def odd_element(g: Draft) -> None:
    """Elements that cannot be set, are of another kind, or are not there; and a stale value for them."""
    name = ("consts", "anys", "bytes", "externs")[g.upto(4)]
    array = g.made(ARRAY_NEW, (g.place.slot, ARRAY_NUMBER[name], 2, 1, NULL, 1), True)
    if array < 0:
        return
    way = g.upto(4)
    if way == 0:
        g.add(ARRAY_SET_NUMBER, (array, g.upto(3), 1))
    elif way == 1:
        g.add(ARRAY_GET_NUMBER, (array, g.upto(3)))
    elif way == 2:
        g.add(ARRAY_SET, (array, g.upto(3), g.i31(True) if name == "anys" else NULL))
    elif g.place.stale:
        g.add(ARRAY_NEW, (g.place.slot, ARRAY_NUMBER["externs"], 1, 0, g.pick(g.place.stale), 0))
    g.add(KIND, (array,))


@motif(OBJECT_CORNERS, "arrays", 0.15, "array_new", "store_new")
def refused_for_an_element(g: Draft) -> None:
    """Arrays that are refused for what they should hold, in a store where few fit; then one that holds nothing."""
    home = g.place
    if not home.limited and (len(g.places) >= MOST_STORES or not g.new_place(PAGE)):
        return
    place = g.place
    length = LARGE[g.upto(len(LARGE))]
    name, value = ("anys", g.ext(True)) if g.byte() & 1 else ("externs", g.i31(True))  # each of the other hierarchy
    for _ in range(1 + g.upto(5)):
        g.add(ARRAY_NEW, (place.slot, ARRAY_NUMBER[name], length, 0, value, 0))
    if g.byte() < 128:
        g.add(CODE["gc"], (place.slot,))
    g.made(ARRAY_NEW, (place.slot, ARRAY_NUMBER["externs"], length, 0, NULL, 1), True)
    g.place = home


@motif(OBJECT_CORNERS, "structs", 0.2, "struct_new")
def odd_field(g: Draft) -> None:
    """Fields that cannot be set, and an i31 in one."""
    way = g.upto(3)
    if way == 0:
        owned = g.made(STRUCT_NEW, (g.place.slot, STRUCT_NUMBER["nums"], 1, NULL, NULL, NULL, NULL, 1), True)
        g.add(STRUCT_SET_NUMBER, (owned, 3, 1))
    elif way == 1:
        owned = g.made(STRUCT_NEW, (g.place.slot, STRUCT_NUMBER["mixed"], 1, NULL, NULL, NULL, NULL, 1), True)
        g.add(STRUCT_SET, (owned, 3, NULL))
        g.add(STRUCT_GET_NUMBER, (owned, 1))
    else:
        value = g.i31(True)
        owned = g.made(STRUCT_NEW, (g.place.slot, STRUCT_NUMBER["pair"], 1, NULL, value, NULL, NULL, 1), True)
        g.add(STRUCT_GET, (owned, 1, ANY, 0))


@motif(OBJECT_CORNERS, "convert", 0.25, "struct_new", "conv_ext")
def object_as_extern(g: Draft) -> None:
    """A struct seen as an externref has no host value."""
    made = g.made(STRUCT_NEW, (g.place.slot, STRUCT_NUMBER["empty"], 0, NULL, NULL, NULL, NULL, 0), False)
    seen, owned = g.made(UPCAST, (made, ANY), False), g.byte() < 128
    handle = g.made(CONV_EXT_OWNED, (g.made(OWN, (seen,), True),), True) if owned else g.made(CONV_EXT, (seen,), False)
    g.add(DATA, (handle,))
    g.add(DATA_SET, (handle, 7))


@motif(OBJECT_CORNERS, "exceptions", 0.3, "exn_new", "throw")
def throw_twice(g: Draft) -> None:
    """A second exception takes the place of the pending one."""
    for _ in range(2):
        g.add(THROW, (g.made(EXN_NEW, (g.place.slot, 0, g.ext(True), NULL, 1), True),))


@motif(OBJECT_CORNERS, "stores", 0.15, "store_new", "chain")
def chain_to_the_end(g: Draft) -> None:
    """A list as long as it fits; or none, since the limiter may wait."""
    home = g.place
    limiter = ASYNC_LIMITER if g.byte() < 80 else 0
    limit = UNLIMITED if limiter else CHAIN_LIMITS[g.upto(4)]
    if len(g.places) < 4 and g.new_place(limit, limiter):
        g.made(CHAIN, (g.place.slot, 8 if limiter else LONG_CHAIN), True)
    g.place = home
