"""Motifs on Wasm: instances, bodies run with varied arguments, and host operations on what the code left behind.

Compiling a body costs as much as hundreds of ops, so programs that come after one another draw their bodies from one
pool, and each runs its few bodies several times; executors keep what they compiled.
"""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final

from twinheap.fuzz.bodies import random_body
from twinheap.fuzz.draft import GC, Draft
from twinheap.fuzz.kit_bodies import KIT_BODIES
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_memory import fill
from twinheap.fuzz.motifs_slots import GLOBAL_GET, GLOBAL_SET, TABLE_GET, TABLE_SET, global_value
from twinheap.model.body import features_of
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES
from twinheap.model.ops import ANY, ARRAY, CODE, EQ, EXTERN, NULL, STRUCT

WASM: Final[list[Registered]] = []
"""The motifs of this module. Only programs with bodies use them."""

SHARED: Final = 8  # consecutive programs that draw from one pool of bodies
POOL: Final = 5  # bodies in it
KIT: Final = 0.4  # share of them that are of the kit
SIZES: Final = (4, 8, 12, 12, 12, 16, 24, 30)
SELECTORS: Final = (0, 1, 0, 1, 2, 3, 1, 2**31 - 1)
FEW: Final = 2  # instances of a store
FEWEST_TRIMMED: Final = 9  # owned handles that make a trim run (semantics 2.3)
MIX: Final = 0xD1B54A32D192ED03  # spreads (seed, pool) pairs over all seeds, otherwise than programs

INST, INST_GLOBAL, INST_TABLE = CODE["inst"], CODE["inst_global"], CODE["inst_table"]
RUN, RUN_EXN = CODE["run"], CODE["run_exn"]
# Static types of handles that will do for a parameter of type any.
LOWER: Final = (ANY, ANY, EQ, STRUCT, ARRAY)


def bodies_for(rng: Random, seed: int, number: int, exceptions: bool) -> tuple[str, ...]:
    """The bodies of a program: one to three of its pool."""
    pool = _pool(seed, number // SHARED, exceptions)
    return tuple(dict.fromkeys(pool[rng.randrange(len(pool))] for _ in range(rng.choice((1, 2, 2, 3)))))


@lru_cache(maxsize=64)
def _pool(seed: int, pool: int, exceptions: bool) -> tuple[str, ...]:
    rng = Random(seed * MIX + pool)
    kit = [text for text in KIT_BODIES if exceptions or not features_of(text)]
    return tuple(
        rng.choice(kit)
        if rng.random() < KIT
        else random_body(lambda: rng.getrandbits(8), exceptions, rng.choice(SIZES))
        for _ in range(POOL)
    )


# --- what motifs need


def instance(g: Draft) -> int:
    """An instance of the current store, made if there are few; its globals and tables join those of the store."""
    place = g.place
    if not place.instances or (len(place.instances) < FEW and g.byte() < 12):
        made = g.add(INST, (place.slot,))
        if made:
            place.instances.append(made[0])
            place.allocated = True
    return g.pick(place.instances)


def exported(g: Draft) -> None:
    """One more global or table of an instance in the host's hands."""
    if g.byte() < 160:
        made = g.add(INST_GLOBAL, (instance(g), g.upto(len(KIT_GLOBALS))))
        g.place.globals += made or ()
    else:
        made = g.add(INST_TABLE, (instance(g), g.upto(len(KIT_TABLES))))
        g.place.tables += made or ()


def argument(g: Draft, type_: int) -> int:
    """A handle that fits the parameter, or null."""
    found = g.sure(LOWER[g.upto(len(LOWER))] if type_ == ANY else type_)
    if found < 0 or (found in g.place.unsure and g.byte() < 220):
        return NULL if g.byte() & 1 else g.i31(True) if type_ == ANY else g.ext(g.byte() & 1 == 0)
    return found if g.byte() < 240 else NULL


def run(g: Draft, body: int, arguments: tuple[int, int, int], owned: bool) -> int:
    """One run of a body; its result, or -1."""
    throws = bool(features_of(g.builder.config.bodies[body]))
    selector = SELECTORS[g.upto(8)]
    operands = (instance(g), body, g.builder.next_value, *arguments, selector, int(owned))
    return g.made(RUN_EXN if throws else RUN, operands, owned)


def some_body(g: Draft) -> int:
    return g.upto(len(g.builder.config.bodies))


def arguments(g: Draft) -> tuple[int, int, int]:
    return argument(g, EXTERN), argument(g, EXTERN), argument(g, ANY)


def begin_wasm(g: Draft) -> None:
    """How a program with bodies begins: an instance, and perhaps something in its slots."""
    instance(g)
    for _ in range(g.upto(4)):
        exported(g)
    for slot in g.place.globals:
        if g.byte() < 128:
            g.add(GLOBAL_SET, (slot, global_value(g, slot)))


# --- motifs


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
