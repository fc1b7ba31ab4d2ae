"""Motifs on what ends before its store: handles to instances, modules and types of the host.

Instances live as long as their store, and types as long as objects have them (docs/spec/semantics.md 1.3,
docs/spec/wasm-ops.md 6.3). What shows a mistake is what is used after the end: a global of an instance, an object of a
type that the host made anew meanwhile.
"""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, MOST_STORES, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_objects import (
    ARRAY_NEW_HUGE,
    HUGE,
    get_element,
    get_field,
    some_array,
    some_struct,
    write_struct,
)
from twinheap.fuzz.motifs_slots import (
    BEYOND,
    GLOBAL_GET,
    GLOBAL_SET,
    TABLE_GROW_HUGE,
    TABLE_NEW,
    TABLE_NEW64,
    global_value,
)
from twinheap.fuzz.motifs_typed import SET_LIMITER
from twinheap.fuzz.motifs_wasm import (
    INST_DROP,
    MODULES_DROP,
    WASM,
    arguments,
    exported,
    instance,
    linked,
    run,
    some_body,
)
from twinheap.model.ops import ANY, NULL, UNLIMITED

LIFETIMES: Final[list[Registered]] = []
"""The motifs of this module for programs of host operations; those on Wasm are among `WASM`."""

FEWER: Final = 90  # of 256: how often modules are dropped when their turn comes, since all is compiled anew then


def drop_instance(g: Draft, slot: int) -> None:
    """Ends a handle to an instance of the current store."""
    if g.add(INST_DROP, (slot,)) is not None:
        g.place.instances.remove(slot)


@motif(WASM, "wasm", 0.6, "inst", "run", "inst_drop")
def run_and_drop(g: Draft) -> None:
    """What code left in an instance whose handle goes; collections before its globals are looked at, or none."""
    slot = instance(g)
    exported(g)
    if g.byte() < 90 and slot >= 0:
        linked(g)
    run(g, some_body(g), arguments(g), g.byte() & 1 == 0, slot)
    drop_instance(g, slot)
    if g.byte() < 150:
        g.add(GC, (g.place.slot,))
    for found in g.place.globals[-2:]:
        read(g, g.made(GLOBAL_GET, (found,), False))
    if g.place.globals and g.byte() < 90:
        g.add(GLOBAL_SET, (g.place.globals[-1], global_value(g, g.place.globals[-1])))
    if g.place.instances and g.byte() < 130:  # perhaps one that was linked with it
        run(g, some_body(g), arguments(g), False, g.place.instances[-1])


@motif(WASM, "wasm", 0.05, "inst", "run", "modules_drop")
def run_without_modules(g: Draft) -> None:
    """A body that goes on though its module is gone, and one that is compiled anew."""
    if g.byte() > FEWER:
        return
    slot, body = instance(g), some_body(g)
    run(g, body, arguments(g), g.byte() & 1 == 0, slot)
    g.add(MODULES_DROP, (g.place.slot,))
    if g.byte() < 90:
        g.add(GC, (g.place.slot,))
    run(g, body if g.byte() < 130 else some_body(g), arguments(g), False, slot if g.byte() < 130 else -1)


@motif(LIFETIMES, "structs", 0.05, "struct_new", "array_new", "modules_drop")
def objects_without_types(g: Draft) -> None:
    """Objects whose types the host forgets: they are read, written, and held by new ones of the types made anew."""
    if g.byte() > FEWER:
        return
    kept, array = some_struct(g, g.byte() & 1 == 0), some_array(g, g.byte() & 1 == 0)
    g.add(MODULES_DROP, (g.place.slot,))
    if g.byte() < 90:
        g.add(GC, (g.place.slot,))
    if kept >= 0:
        get_field(g, kept)
    if array >= 0:
        get_element(g, array)
    some_struct(g, True)
    write_struct(g)
    if array >= 0 and g.byte() < 90:
        get_element(g, array)


@motif(LIFETIMES, "stores", 0.15, "store_new", "set_limiter", "table_grow_huge", "table_new64", "array_new_huge")
def refused_in_new_store(g: Draft) -> None:
    """What cannot be had, in a store without heap, whose limiter mostly says no."""
    home, answer = g.place, g.upto(3)
    stale = -1
    if len(g.places) >= MOST_STORES or not g.new_place(UNLIMITED):
        return
    slot = g.place.slot
    if g.open_scope():
        stale = g.i31(False)
        g.close_scope()
    made = g.add(TABLE_NEW64, (slot, ANY, 1, 4, stale if g.byte() < 128 else NULL))
    table = g.add(TABLE_NEW, (slot, ANY, 1, 4, NULL))
    g.add(SET_LIMITER, (slot, answer))
    if g.byte() < 60:
        g.add(TABLE_NEW64, (slot, ANY, 1, 4, NULL))
    if g.byte() < 40:
        g.add(MODULES_DROP, (slot,))
    for found in (*(made or ()), *(table or ())):
        g.add(TABLE_GROW_HUGE, (found, BEYOND[0], stale if g.byte() < 90 else NULL))
    if g.byte() < 60:
        g.add(ARRAY_NEW_HUGE, (slot, HUGE[0]))
    g.place = home
