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
from twinheap.fuzz.motifs_raw import CAST
from twinheap.fuzz.motifs_slots import (
    BEYOND,
    GLOBAL_GET,
    GLOBAL_SET,
    TABLE_GROW_HUGE,
    TABLE_NEW,
    TABLE_NEW64,
    global_value,
)
from twinheap.fuzz.motifs_typed import MATCHES, SET_LIMITER
from twinheap.fuzz.motifs_wasm import WASM
from twinheap.fuzz.wasm_instances import arguments, exported, instance, linked, some_body
from twinheap.fuzz.wasm_runs import INST_DROP, MODULES_DROP, run
from twinheap.model.engines import ENGINES
from twinheap.model.ops import ANY, ARRAY, CODE, INT_KINDS, NULL, UNLIMITED

LIFETIMES: Final[list[Registered]] = []
"""The motifs of this module for programs of host operations; those on Wasm are among `WASM`."""

FEWER: Final = 90  # of 256: how often modules are dropped when their turn comes, since all is compiled anew then

MOST_OBJECTS: Final = 5  # that the host makes in a store for one of these motifs
POOL_FILL: Final = CODE["pool_fill"]
CASTS, WASM_TYPES = INT_KINDS["cast"].edges, INT_KINDS["wasm_type"].edges


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


def _engine(g: Draft) -> int:
    """An engine for stores of which one follows another: mostly with a pool, if it may be had."""
    if not g.engines:
        return g.builder.config.engine
    pools = [number for number in g.engines if ENGINES[number].pooling]
    if pools and g.byte() < 140:
        return pools[0]
    return g.builder.config.engine if g.byte() < 80 else g.engines[g.upto(len(g.engines))]


def _objects(g: Draft) -> None:
    """Objects of the host's in the current store; then they are read, cast and written, with a collection between."""
    made = []
    for _ in range(1 + g.upto(MOST_OBJECTS)):
        owned = g.byte() & 1 == 0
        made.append(some_struct(g, owned) if g.byte() < 160 else some_array(g, owned))
    if g.byte() < 150:
        g.collect(g.byte() & 1 == 0)
    for handle in made:
        if handle < 0:
            continue
        array = g.builder.slots[handle].type == ARRAY
        (get_element if array else get_field)(g, handle)
        if g.byte() < 60:
            g.made(CAST, (handle, CASTS[g.upto(len(CASTS))]), False)
        if g.byte() < 60:
            g.add(MATCHES, (handle, WASM_TYPES[g.upto(len(WASM_TYPES))]))
        if g.byte() < 60:
            write_struct(g)
    if made and g.byte() < 128:
        g.drop(made[g.upto(len(made))])


def _code(g: Draft, bodies: list[int]) -> None:
    """Each of the bodies in an instance of the current store; collections between."""
    slot = instance(g)
    for body in bodies:
        run(g, body, arguments(g), g.byte() & 1 == 0, slot)
        if g.byte() < 110:
            g.collect(g.byte() & 1 == 0)


def _after_types_ended(g: Draft, bodies: list[int]) -> None:
    """What comes in the second store, whose types take the places of others."""
    order = bodies[::-1] if g.byte() < 128 else bodies
    code_first = g.byte() < 128
    if bodies and code_first:
        _code(g, order)
    _objects(g)
    if bodies and not code_first:
        _code(g, order)
    elif not bodies:
        _objects(g)


def _stores_in_turn(g: Draft, bodies: list[int]) -> None:
    """A store ends with the types that the host has of its engine; in the next one others take their places.

    The second store makes what the first one made, and what comes with other bodies, in another order.
    """
    if g.byte() > FEWER or len(g.places) >= MOST_STORES:
        return
    home, engine = g.place, _engine(g)
    if not g.new_place_in(engine):
        return
    first = [body for body in bodies if g.byte() < 200]
    g.ext(g.byte() & 1 == 0)
    if first or (bodies and g.byte() < 128):
        _code(g, first)
    if not bodies or g.byte() < 128:
        _objects(g)
    if g.byte() < 200:
        g.add(GC, (g.place.slot,))
    g.add(MODULES_DROP, (g.place.slot,))
    if g.byte() < 230:
        g.end_place()
        if not g.new_place_in(engine):
            return
        if g.byte() < 90:  # now types end that only the first store needed
            g.add(MODULES_DROP, (g.place.slot,))
    _after_types_ended(g, bodies)
    g.collect()
    if g.byte() < 100:
        g.end_place()
    if home in g.places and g.byte() < 200:
        g.place = home


@motif(WASM, "wasm", 1.0, "inst", "run", "modules_drop", "store_new", "store_drop")
def code_of_stores_in_turn(g: Draft) -> None:
    """Types that bodies declare, where those of an earlier store have been."""
    _stores_in_turn(g, list(range(len(g.builder.config.bodies))))


@motif(LIFETIMES, "stores", 0.12, "struct_new", "array_new", "modules_drop", "store_new", "store_drop")
def objects_of_stores_in_turn(g: Draft) -> None:
    """The host's types, where those of an earlier store have been."""
    _stores_in_turn(g, [])


@motif(LIFETIMES, "stores", 0.1, "pool_fill", "store_new")
def exhausted_pool(g: Draft) -> None:
    """All heaps of an engine are taken, and given back; then the store that was there, or another, goes on."""
    home = g.place
    if len(g.places) < MOST_STORES and g.byte() < 128 and g.new_place_in(_engine(g)) and g.byte() < 150:
        g.ext(g.byte() & 1 == 0)
    for _ in range(1 + g.upto(2)):
        g.add(POOL_FILL, (g.place.slot,))
        if g.byte() < 90:
            g.ext(g.byte() & 1 == 0)
    if g.byte() < 60:
        g.end_place()
    if home in g.places:
        g.place = home
        g.add(POOL_FILL, (g.place.slot,))


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
