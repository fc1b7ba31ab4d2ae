"""Motifs on Wasm: instances, bodies run with varied arguments, and host operations on what the code left behind."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, MOST_STORES, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_memory import fill
from twinheap.fuzz.motifs_slots import GLOBAL_GET, GLOBAL_SET, TABLE_GET, TABLE_SET, global_value
from twinheap.fuzz.wasm_instances import (
    FEW,
    INST,
    INST_GLOBAL,
    argument,
    arguments,
    exported,
    instance,
    linked,
    some_body,
)
from twinheap.fuzz.wasm_runs import run
from twinheap.model.kit import KIT_GLOBALS
from twinheap.model.ops import ANY, CODE, EQ, EXTERN, NULL

WASM: Final[list[Registered]] = []
"""The motifs of this module. Only programs with bodies use them."""

SMALL: Final = 64 << 10  # bytes: four arrays of those that bodies make
FEWEST_TRIMMED: Final = 9  # owned handles that make a trim run (semantics 2.3)


@motif(WASM, "wasm", 4, "inst", "run")
def run_one(g: Draft) -> None:
    result = run(g, some_body(g), arguments(g), g.byte() & 1 == 0)
    if result >= 0 and g.byte() < 90:
        read(g, result)


@motif(WASM, "wasm", 3, "inst", "run")
def run_again(g: Draft) -> None:
    """One body several times: the same arguments or others, with collections between."""
    body, given = some_body(g), arguments(g)
    for _ in range(2 + g.upto(3)):
        run(g, body, given, g.byte() & 1 == 0)
        if g.byte() < 110:
            g.collect(g.byte() & 1 == 0)
        if g.byte() < 100:
            given = arguments(g)


@motif(WASM, "wasm", 1, "inst", "run")
def run_many(g: Draft) -> None:
    """One body with many lists of arguments: it was expensive to compile."""
    body = some_body(g)
    for _ in range(4 + g.upto(5)):
        result = run(g, body, arguments(g), g.byte() & 1 == 0)
        if g.byte() < 40:
            g.collect(g.byte() & 1 == 0)
        elif result >= 0 and g.byte() < 60:
            read(g, result)


@motif(WASM, "wasm", 2, "inst", "run")
def run_with_fresh(g: Draft) -> None:
    """Arguments that only the host holds, dropped after the run: what the code kept is left."""
    first, second = g.ext(True), g.ext(g.byte() & 1 == 0)
    result = run(g, some_body(g), (first, second, argument(g, ANY)), True)
    g.drop(first)
    if g.byte() < 120:
        g.drop(result)
    if g.byte() < 180:
        g.collect()
    if result in g.place.owned:
        read(g, result)


@motif(WASM, "wasm", 1.5, "inst", "run")
def run_in_scope(g: Draft) -> None:
    """Handles of a scope as arguments; the scope ends, and slots alone hold what the code stored."""
    if not g.open_scope():
        return
    given = (g.ext(False), argument(g, EXTERN), g.i31(False) if g.byte() & 1 else argument(g, ANY))
    run(g, some_body(g), given, False)
    g.close_scope()
    if g.byte() < 180:
        g.collect()


@motif(WASM, "wasm", 1.5, "inst", "run")
def feed(g: Draft) -> None:
    """Something in a slot of the instance, which alone holds it; then code looks at it."""
    place = g.place
    if not place.globals or g.byte() < 60:
        exported(g)
    slot = g.pick(place.globals if g.byte() < 160 or not place.tables else place.tables)
    handle = g.ext(True) if slot >= 0 and g.builder.slots[slot].type == EXTERN else global_value(g, slot)
    if slot in place.globals:
        g.add(GLOBAL_SET, (slot, handle))
    else:
        g.add(TABLE_SET, (slot, g.upto(4), handle))
    g.drop(handle)
    if g.byte() < 100:
        g.add(GC, (place.slot,))
    run(g, some_body(g), (NULL, argument(g, EXTERN), NULL), g.byte() & 1 == 0)


@motif(WASM, "wasm", 1.5, "inst", "run")
def fetch(g: Draft) -> None:
    """What code left in a slot."""
    exported(g)
    place = g.place
    if place.tables and g.byte() < 90:
        read(g, g.made(TABLE_GET, (place.tables[-1], g.upto(5)), False))
    else:
        read(g, g.made(GLOBAL_GET, (g.pick(place.globals),), False))


@motif(WASM, "wasm", 0.7, "inst", "run")
def empty_slots(g: Draft) -> None:
    for slot in g.place.globals[-8:]:
        g.add(GLOBAL_SET, (slot, NULL))
    g.collect()


@motif(WASM, "wasm", 0.5, "inst", "run")
def another_instance(g: Draft) -> None:
    """Two instances of one store; what one holds is given to the other."""
    made = g.add(INST, (g.place.slot,)) if len(g.place.instances) < FEW else None
    if made:
        g.place.instances.append(made[0])
    result = run(g, some_body(g), arguments(g), True)
    run(g, some_body(g), (result if g.byte() < 80 else NULL, argument(g, EXTERN), argument(g, ANY)), False)


@motif(WASM, "wasm", 1, "inst", "run", "link")
def run_linked(g: Draft) -> None:
    """What is written through one instance is read through one that is linked with it; collections between."""
    source = instance(g)
    importer = linked(g) if g.byte() < 150 or len(g.place.instances) < FEW else g.pick(g.place.instances)
    first = g.ext(True)
    which = g.upto(len(KIT_GLOBALS))
    made = g.add(INST_GLOBAL, (source, which))
    if made:
        g.add(GLOBAL_SET, (made[0], first if KIT_GLOBALS[which] == "extern" else global_value(g, made[0])))
    g.drop(first)
    run(g, some_body(g), (NULL, argument(g, EXTERN), argument(g, ANY)), True, importer)
    if g.byte() < 130:
        g.add(GC, (g.place.slot,))
    read(g, g.made(GLOBAL_GET, (made[0] if made else -1,), False))


@motif(WASM, "wasm", 0.08, "inst", "run", "fill")
def run_when_full(g: Draft) -> None:
    """Code that allocates where there is hardly room."""
    if g.place.limited:
        fill(g, (2040, 2046, 1023, 2047)[g.upto(4)])
        run(g, some_body(g), arguments(g), True)


@motif(WASM, "wasm", 0.1, "inst", "run", "cast")  # rare: see `trimmed_cast` of motifs_corners.py
def run_with_trimmed(g: Draft) -> None:
    """An argument whose root a trim may have ended."""
    owned = g.i31(True)
    cast = g.made(CODE["cast"], (owned, EQ), False)
    g.drop(owned)
    for _ in range(FEWEST_TRIMMED):
        g.drop(g.i31(True))
    run(g, some_body(g), (NULL, NULL, cast), False)


@motif(WASM, "wasm", 0.2, "inst", "run", "store_new")
def run_in_small_store(g: Draft) -> None:
    """The same code where little fits."""
    home = g.place
    if len(g.places) < MOST_STORES and g.new_place(SMALL):
        run(g, some_body(g), (NULL, NULL, NULL), True)
    g.place = home
