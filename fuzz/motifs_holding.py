"""Motifs on what structs, arrays and exceptions hold: only holders, nesting, cycles, pending exceptions, corners."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_objects import (
    ARRAY_GET,
    ARRAY_NEW_FIXED,
    ARRAY_NUMBER,
    LENGTHS,
    STRUCT_GET,
    STRUCT_NUMBER,
    STRUCT_SET,
    content,
    contents,
    get_element,
    get_field,
    new_array,
    new_struct,
    shaped,
    some_array,
    some_struct,
)
from twinheap.fuzz.motifs_slots import GLOBAL_GET, GLOBAL_SET, TABLE_SET, global_slot, table_slot
from twinheap.model.kit import TAGS
from twinheap.model.ops import ANY, CODE, EQ, EXN, NULL, STRUCT

HOLDING: Final[list[Registered]] = []
"""The motifs of this module."""

# Around a page: references take 4 bytes, longs 8, and headers differ by collector (semantics 1.5, K7).
LARGE: Final = (("externs", 16_370), ("anys", 16_376), ("longs", 8_185), ("externs", 8_180), ("nodes", 16_378))

EXN_NEW, EXN_GET, THROW = CODE["exn_new"], CODE["exn_get"], CODE["throw"]
EXN_TAKE, EXN_PENDING = CODE["exn_take"], CODE["exn_pending"]
CHAIN, UPCAST, CAST = CODE["chain"], CODE["upcast"], CODE["cast"]


# --- holding


def let_go(g: Draft, handle: int) -> None:
    """The host's handle goes, if it is an owned one, and mostly there is a collection."""
    g.drop(handle)
    if g.byte() < 170:
        g.collect(g.byte() & 1 == 0)


@motif(HOLDING, "structs", 1.5, "struct_new")
def only_in_struct(g: Draft) -> None:
    """The struct is the only holder; then it is read, or the field overwritten, or the struct dropped too."""
    inner = g.ext(True)
    outer = new_struct(g, STRUCT_NUMBER["pair"], [inner, NULL, NULL, NULL], True)
    let_go(g, inner)
    way = g.upto(4)
    if way == 0:
        g.add(STRUCT_SET, (outer, 0, content(g, "extern")))
    elif way == 1:
        g.drop(outer)
        g.collect()
    if outer in g.place.owned:
        get_field(g, outer)


@motif(HOLDING, "arrays", 1.2, "array_new")
def only_in_array(g: Draft) -> None:
    """Many times the same, or three different ones; the array goes, and all of them go with it."""
    if g.byte() & 1:
        values = [g.ext(True) for _ in range(3)]
        operands = (g.place.slot, ARRAY_NUMBER["externs"], 0, *values, 1)
        outer = shaped(g, g.made(ARRAY_NEW_FIXED, operands, True), ARRAY_NUMBER["externs"])
    else:
        values = [g.ext(True)]
        outer = new_array(g, g.upto(3) & 2, LENGTHS[g.upto(8)], values[0], True)
    for value in values:
        g.drop(value)
    if g.byte() & 1:
        g.collect()
        get_element(g, outer)
    let_go(g, outer)


@motif(HOLDING, "structs", 1, "struct_new", "array_new")
def nest(g: Draft) -> None:
    """An object in an object in an object; the inner handles go, and one looks inside."""
    inner = g.ext(True)
    middle = new_struct(g, STRUCT_NUMBER["pair"], [inner, NULL, NULL, NULL], True)
    if g.byte() & 1:
        outer = new_array(g, ARRAY_NUMBER["anys"], 1 + g.upto(3), middle, True)
        read_back = (ARRAY_GET, (outer, 0, ANY, 1))
    else:
        outer = new_struct(g, STRUCT_NUMBER["pair"], [NULL, middle, NULL, NULL], True)
        read_back = (STRUCT_GET, (outer, 1, ANY, 1))
    g.drop(inner)
    let_go(g, middle)
    found = g.made(*read_back, True)
    get_field(g, g.made(CAST, (found, STRUCT), False))
    if g.byte() & 1:
        g.drop(found)
        let_go(g, outer)


@motif(HOLDING, "structs", 0.8, "struct_new")
def node_list(g: Draft) -> None:
    """A list, perhaps closed to a cycle, held by its head alone; it is cut, or dropped."""
    node = STRUCT_NUMBER["node"]
    made = [new_struct(g, node, [NULL, g.ext(True), NULL, NULL], True)]
    for _ in range(1 + g.upto(4)):
        made.append(new_struct(g, node, [made[-1], content(g, "extern"), NULL, NULL], True))
    if g.byte() < 110:
        g.add(STRUCT_SET, (made[0], 0, made[-1]))
    for handle in made[:-1]:
        g.drop(handle)
    if g.byte() & 1:
        g.collect()
        get_field(g, made[-1])
    if g.byte() & 1:
        g.add(STRUCT_SET, (made[-1], 0, NULL))
    let_go(g, made[-1])


@motif(HOLDING, "structs", 0.8, "struct_new", "upcast", "global_set")
def object_in_slot(g: Draft) -> None:
    """An object in a global or table of any, the only holder; it comes back as any and is cast."""
    handle = (some_struct if g.byte() & 1 else some_array)(g, False)
    up = g.made(UPCAST, (handle, ANY), False)
    if up < 0:
        return
    if g.byte() < 90:
        g.add(TABLE_SET, (table_slot(g), g.upto(4), up))
        return
    slot = global_slot(g)
    g.add(GLOBAL_SET, (slot, up if g.byte() < 200 else handle))
    if g.byte() & 1:
        g.add(GC, (g.place.slot,))
    back = g.made(GLOBAL_GET, (slot,), False)
    g.made(CAST, (back, STRUCT + g.upto(2)), False)


@motif(HOLDING, "structs", 0.5, "upcast")
def up_and_down(g: Draft) -> None:
    handle = g.lifo()
    up = g.made(UPCAST, (handle, ANY if g.byte() & 1 else EQ), False)
    read(g, g.made(CAST, (up, EQ + g.upto(3)), False))


# --- corners


@motif(HOLDING, "structs", 0.35, "struct_new", "scope")
def stale_content(g: Draft) -> None:
    """A stale handle among the contents: what was written before it must not stay counted (K12)."""
    if not g.open_scope():
        return
    stale = g.ext(False)
    g.close_scope()
    live = g.ext(True)
    way = g.upto(3)
    if way == 0:
        new_struct(g, STRUCT_NUMBER["mixed"], [live, stale, NULL, NULL], True)
    elif way == 1:
        operands = (g.place.slot, ARRAY_NUMBER["externs"], 0, live, stale, live, 1)
        g.made(ARRAY_NEW_FIXED, operands, True)
    else:
        g.made(EXN_NEW, (g.place.slot, 0, stale, NULL, 1), True)
    let_go(g, live)


@motif(HOLDING, "arrays", 0.12, "array_new")
def near_page(g: Draft) -> None:
    """An array that just fits a page, or just does not; again, since the first attempt may fail (K7)."""
    name, length = LARGE[g.upto(len(LARGE))]
    for _ in range(1 + g.upto(2)):
        handle = new_array(g, ARRAY_NUMBER[name], length + g.upto(12), NULL, True)
        if g.byte() & 1:
            let_go(g, handle)


@motif(HOLDING, "bulk", 0.3, "chain")
def long_chain(g: Draft) -> None:
    """Each the only holder of the next: all of them go with the first."""
    head = g.made(CHAIN, (g.place.slot, (1, 2, 9, 40, 200, 1000)[g.upto(6)]), True)
    if head >= 0:
        g.place.shapes[head] = STRUCT_NUMBER["node"]
        if g.byte() & 1:
            get_field(g, head)
        let_go(g, head)


# --- exceptions


@motif(HOLDING, "exceptions", 2, "exn_new")
def make_exception(g: Draft) -> None:
    tag = g.upto(len(TAGS))
    owned = g.byte() & 1
    handle = g.made(EXN_NEW, (g.place.slot, tag, *contents(g, TAGS[tag].fields, 2), owned), bool(owned))
    if g.byte() < 130 and handle >= 0:
        get_payload(g, handle)


def get_payload(g: Draft, handle: int) -> None:
    owned = g.byte() & 1
    read(g, g.made(EXN_GET, (handle, g.upto(2), g.byte() & 1, owned), bool(owned)))


@motif(HOLDING, "exceptions", 1.5, "exn_new", "throw")
def throw_and_take(g: Draft) -> None:
    """Pending while its handle goes, in a scope or dropped, and collections run (K9)."""
    inside = g.byte() < 120 and g.open_scope()
    handle = g.typed(EXN, 4)
    if handle < 0 or g.byte() < 120:
        handle = g.made(EXN_NEW, (g.place.slot, 0, g.ext(not inside), NULL, int(not inside)), not inside)
    g.add(THROW, (handle,))
    if inside:
        g.close_scope()
    elif g.byte() < 160:
        g.drop(handle)
    if g.byte() < 150:
        g.collect()
    if g.byte() < 100:
        g.add(EXN_PENDING, (g.place.slot,))
    if g.byte() < 200:
        taken = g.made(EXN_TAKE, (g.place.slot, 1), True)
        if taken >= 0:
            get_payload(g, taken)
            let_go(g, taken)


@motif(HOLDING, "exceptions", 0.6, "exn_new", "throw")
def take(g: Draft) -> None:
    owned = g.byte() & 1
    g.made(EXN_TAKE, (g.place.slot, owned), bool(owned))
