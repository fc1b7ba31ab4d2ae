"""Motifs on globals and tables: every container with null, i31 and objects mixed, overlaps, self-assignment."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, SYNC, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.model.ops import ANY, CODE, EXTERN, INT_KINDS, NULL, UNLIMITED

CONTAINERS: Final[list[Registered]] = []
"""The motifs on globals, tables and typed calls."""

FEW: Final = 3  # containers a store: more would not be met twice

GLOBAL_NEW, GLOBAL_GET, GLOBAL_GET_OWNED = CODE["global_new"], CODE["global_get"], CODE["global_get_owned"]
TABLE_NEW64, TABLE_GROW_HUGE = CODE["table_new64"], CODE["table_grow_huge"]
BEYOND: Final = INT_KINDS["beyond"].edges
GLOBAL_SET, TABLE_NEW, TABLE_GET = CODE["global_set"], CODE["table_new"], CODE["table_get"]
TABLE_GET_OWNED, TABLE_SET, TABLE_GROW = CODE["table_get_owned"], CODE["table_set"], CODE["table_grow"]
TABLE_FILL, TABLE_COPY, TABLE_SIZE = CODE["table_fill"], CODE["table_copy"], CODE["table_size"]
TYPED_CALL, TYPED_CALL_OWNED = CODE["typed_call"], CODE["typed_call_owned"]


def _type(g: Draft) -> int:
    return EXTERN if g.byte() < 190 else ANY


# --- globals


def global_slot(g: Draft) -> int:
    """A global of the current store, made if there are few."""
    place = g.place
    if not place.globals or (len(place.globals) < FEW and g.byte() < 30):
        type_ = _type(g)
        made = g.add(GLOBAL_NEW, (place.slot, type_, int(g.byte() > 10), g.value(type_)))
        if made:
            place.globals.append(made[0])
    return g.pick(place.globals)


def global_value(g: Draft, slot: int) -> int:
    """A value for a global."""
    return g.value(g.builder.slots[slot].type) if slot >= 0 else NULL


@motif(CONTAINERS, "globals", 2.5)
def set_global(g: Draft) -> None:
    slot = global_slot(g)
    g.add(GLOBAL_SET, (slot, global_value(g, slot)))


def get_global(g: Draft, slot: int, owned: bool) -> int:
    """A new root of what a global holds."""
    return g.made(GLOBAL_GET_OWNED if owned else GLOBAL_GET, (slot,), owned)


@motif(CONTAINERS, "globals", 2)
def read_global(g: Draft) -> None:
    read(g, get_global(g, global_slot(g), g.byte() & 1 == 0))


@motif(CONTAINERS, "globals", 1.2)
def set_global_to_itself(g: Draft) -> None:
    slot = global_slot(g)
    inside = g.byte() & 1 and g.open_scope()
    g.add(GLOBAL_SET, (slot, get_global(g, slot, False)))
    if inside:
        g.close_scope()


@motif(CONTAINERS, "globals", 1.5)
def only_in_global(g: Draft) -> None:
    """The global is the only holder; then it is read, or emptied, or overwritten."""
    slot = global_slot(g)
    inside = g.byte() & 1 and g.open_scope()
    handle = g.ext(not inside)
    g.add(GLOBAL_SET, (slot, handle))
    if inside:
        g.close_scope()
    elif g.byte() < 200:
        g.drop(handle)
    if g.byte() < 150:
        g.collect(False)
    if g.byte() < 60 and g.open_scope():  # holds the same as before, by way of a root that goes
        g.add(GLOBAL_SET, (slot, get_global(g, slot, False)))
        g.close_scope()
    if g.byte() < 128:
        read(g, get_global(g, slot, g.byte() & 1 == 0))
    else:
        g.add(GLOBAL_SET, (slot, NULL if g.byte() < 170 else global_value(g, slot)))
        g.collect()


# --- tables


def table_slot(g: Draft) -> int:
    """A table of the current store, made if there are few."""
    place = g.place
    if not place.tables or (len(place.tables) < FEW and g.byte() < 40):
        type_ = _type(g)
        maximum = (UNLIMITED, UNLIMITED, 4, 8)[g.upto(4)]
        made = g.add(TABLE_NEW, (place.slot, type_, (0, 1, 2, 3, 3, 4, 4, 4)[g.upto(8)], maximum, g.value(type_)))
        if made:
            place.tables.append(made[0])
    return g.pick(place.tables)


def _index(g: Draft) -> int:
    return g.upto(4) if g.byte() < 240 else g.upto(70)


@motif(CONTAINERS, "tables", 3, "table_set")
def set_table(g: Draft) -> None:
    slot = table_slot(g)
    g.add(TABLE_SET, (slot, _index(g), global_value(g, slot)))


@motif(CONTAINERS, "tables", 2.5, "table_get")
def read_table(g: Draft) -> None:
    owned = g.byte() & 1 == 0
    read(g, g.made(TABLE_GET_OWNED if owned else TABLE_GET, (table_slot(g), _index(g)), owned))


@motif(CONTAINERS, "tables", 1, "table_get")
def set_table_to_itself(g: Draft) -> None:
    slot, index = table_slot(g), _index(g)
    g.add(TABLE_SET, (slot, index, g.made(TABLE_GET, (slot, index), False)))


@motif(CONTAINERS, "tables", 1, "table_grow")
def grow_table(g: Draft) -> None:
    slot = table_slot(g)
    g.add(TABLE_GROW, (slot, g.upto(5), global_value(g, slot)))
    if g.byte() & 1:
        g.add(TABLE_SIZE, (slot,))


@motif(CONTAINERS, "tables", 0.4, "table_grow_huge")
def grow_table_too_far(g: Draft) -> None:
    """Over the maximum, or over what indexes reach; what is there stays as it was."""
    slot = table_slot(g)
    if g.byte() < 100:
        type_ = _type(g)
        made = g.add(TABLE_NEW64, (g.place.slot, type_, g.upto(4), (UNLIMITED, 4, 8)[g.upto(3)], g.value(type_)))
        g.place.tables += made or ()
        slot = made[0] if made else slot
    g.add(TABLE_GROW_HUGE, (slot, BEYOND[g.upto(len(BEYOND))], global_value(g, slot)))
    g.add(TABLE_SIZE, (slot,))
    read(g, g.made(TABLE_GET, (slot, _index(g)), False))


@motif(CONTAINERS, "tables", 1.5, "table_fill")
def fill_table(g: Draft) -> None:
    slot = table_slot(g)
    g.add(TABLE_FILL, (slot, g.upto(3), global_value(g, slot), g.upto(5)))


@motif(CONTAINERS, "tables", 2, "table_copy")
def copy_table(g: Draft) -> None:
    """Often overlapping: the same table, one element on."""
    one = table_slot(g)
    two = one if g.byte() < 190 else table_slot(g)
    g.add(TABLE_COPY, (one, g.upto(3), two, g.upto(3), g.upto(5)))


@motif(CONTAINERS, "tables", 1, "table_copy")
def move_distinct(g: Draft) -> None:
    """Elements that differ, copied onto themselves some way up or down, and all read."""
    slot = table_slot(g)
    for index in range(3):
        g.add(TABLE_SET, (slot, index, g.any_new(True)))
    g.add(TABLE_COPY, (slot, g.upto(3), slot, g.upto(3), 1 + g.upto(3)))
    for index in range(4):
        read(g, g.made(TABLE_GET, (slot, index), False))


@motif(CONTAINERS, "tables", 1.5, "table_fill")
def one_in_many(g: Draft) -> None:
    """One object in several elements only; some are overwritten, and the others read."""
    slot = table_slot(g)
    handle = g.ext(True)
    g.add(TABLE_FILL, (slot, g.upto(2), handle, 1 + g.upto(4)))
    if g.byte() < 200:
        g.drop(handle)
    for _ in range(g.upto(3)):
        g.add(TABLE_SET, (slot, g.upto(4), global_value(g, slot)))
    if g.byte() < 160:
        g.collect(g.byte() & 1 == 0)
    for index in range(1 + g.upto(4)):
        read(g, g.made(TABLE_GET, (slot, index), False))


@motif(CONTAINERS, "tables", 0.7)
def empty_table(g: Draft) -> None:
    """Every element overwritten, one by one or at once."""
    slot = table_slot(g)
    if g.byte() & 1:
        g.add(TABLE_FILL, (slot, 0, NULL, 1 + g.upto(4)))
    else:
        for index in range(4):
            g.add(TABLE_SET, (slot, index, NULL))
    g.add(GC, (g.place.slot,))
    g.add(SYNC, (g.place.slot,))


# --- typed calls: host to Wasm and back


@motif(CONTAINERS, "typed", 2, "typed_call")
def typed_call(g: Draft) -> None:
    nullable = g.byte() & 1
    handle = NULL if nullable and g.byte() < 60 else g.lifo()
    g.made(TYPED_CALL, (g.place.slot, nullable, handle), False)


@motif(CONTAINERS, "typed", 2, "typed_call_owned")
def typed_call_owned(g: Draft) -> None:
    nullable = g.byte() & 1
    handle = NULL if nullable and g.byte() < 60 else g.owned()
    back = g.made(TYPED_CALL_OWNED, (g.place.slot, nullable, handle), True)
    for done in (handle, back):
        if done in g.place.owned and g.byte() < 90:
            g.drop(done)
