"""Motifs on Wasm: instances, bodies run with varied arguments, and host operations on what the code left behind.

Compiling a body costs as much as hundreds of ops, so programs that come after one another draw their bodies from one
pool, and each runs its few bodies several times; executors keep what they compiled.
"""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from twinheap.fuzz.bodies import random_body
from twinheap.fuzz.draft import GC, MOST_STORES, Draft
from twinheap.fuzz.kit_bodies import CALLING_BODIES, KIT_BODIES
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_memory import FREE, fill
from twinheap.fuzz.motifs_slots import GLOBAL_GET, GLOBAL_SET, TABLE_GET, TABLE_SET, global_value
from twinheap.fuzz.uniform import uniform_op
from twinheap.model.body import calls_back, features_of
from twinheap.model.engines import DEFAULT, ENGINES
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, SHARES, TAGS
from twinheap.model.ops import ANY, ARRAY, CODE, EQ, EXN, EXTERN, MAX_DEPTH, NULL, REF_TYPES, STRUCT, UNLIMITED

WASM: Final[list[Registered]] = []
"""The motifs of this module. Only programs with bodies use them."""

POOL: Final = 5  # bodies in it
KIT: Final = 0.4  # share of them that are of the kit
CALLING: Final = 0.55  # share of pools with bodies that call back
SIZES: Final = (4, 8, 12, 12, 12, 16, 24, 30)
SELECTORS: Final = (0, 1, 0, 1, 2, 3, 1, 2**31 - 1)
FEW_HANDLES: Final = 9  # of a fill in a callback: one trim
LIMITED: Final = 200  # of 256: how often a store's limits are set before a run
FUELS: Final = (UNLIMITED, UNLIMITED, 0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 200)
DEADLINES: Final = (UNLIMITED, UNLIMITED, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6)
FEW: Final = 2  # instances of a store
FEW_LINKED: Final = 5  # the same, those counted that are linked with another
SMALL: Final = 64 << 10  # bytes: four arrays of those that bodies make
FEWEST_TRIMMED: Final = 9  # owned handles that make a trim run (semantics 2.3)
MIX: Final = 0xD1B54A32D192ED03  # spreads (seed, pool) pairs over all seeds, otherwise than programs

INST_DROP, MODULES_DROP = CODE["inst_drop"], CODE["modules_drop"]
INST, INST_GLOBAL, INST_TABLE, LINK = CODE["inst"], CODE["inst_global"], CODE["inst_table"], CODE["link"]
RUN, RUN_EXN = CODE["run"], CODE["run_exn"]
CALL, CALL_EXN, RESULT = CODE["call"], CODE["call_exn"], CODE["result"]
FILL_RACE, STORE_DROP_RACE = CODE["fill_race"], CODE["store_drop_race"]
SET_FUEL, SET_EPOCH_DEADLINE = CODE["set_fuel"], CODE["set_epoch_deadline"]
ARG, RET, RAISE, RAISE_EXN = CODE["arg"], CODE["ret"], CODE["raise"], CODE["raise_exn"]
EXN_NEW, EXN_TAKE = CODE["exn_new"], CODE["exn_take"]
STALE_THROWN: Final = 240
"""Of 256: above it a callback throws by a handle that its scope has left."""
THROWN: Final = 236  # of 256: how a callback ends, counted after what returns or traps
DEEPEST: Final = 4  # callbacks inside callbacks
MOST_INSIDE: Final = 5  # steps of a callback
# Static types of handles that will do for a parameter of type any.
LOWER: Final = (ANY, ANY, EQ, STRUCT, ARRAY)


class Pool(NamedTuple):
    """What consecutive programs share: bodies, and the engine configuration.

    Code is compiled for one engine: if each program drew its own, bodies would be compiled twice as often, or more.
    """

    bodies: tuple[str, ...]
    lot: float  # below a profile's share of engines it is one of those; both from 0 to 1, which is left out
    place: float  # where among them

    def engine(self, share: float, engines: Sequence[int]) -> int:
        """The engine configuration of all its programs; `engines` as often as each should be drawn."""
        return engines[int(self.place * len(engines))] if engines and self.lot < share else DEFAULT

    def some(self, rng: Random) -> tuple[str, ...]:
        """The bodies of a program: one to three."""
        return tuple(dict.fromkeys(rng.choices(self.bodies, k=rng.choice((1, 2, 2, 3)))))


@lru_cache(maxsize=64)
def pool_of(seed: int, number: int, exceptions: bool, callbacks: bool) -> Pool:
    """Pool `number` of the run with `seed`. `exceptions`, `callbacks`: whether bodies may use them."""
    rng = Random(seed * MIX + number)
    kit = [text for text in KIT_BODIES if exceptions or not features_of(text)]
    calls = callbacks and rng.random() < CALLING
    calling = [text for text in CALLING_BODIES if exceptions or not features_of(text)]
    bodies = tuple(
        rng.choice(calling if calls and rng.random() < 0.5 else kit)
        if rng.random() < KIT
        else random_body(lambda: rng.getrandbits(8), exceptions, rng.choice(SIZES), calls)
        for _ in range(POOL)
    )
    return Pool(bodies, rng.random(), rng.random())


# --- what motifs need


def instance(g: Draft) -> int:
    """An instance of the current store, made if there are few; its globals and tables join those of the store."""
    place = g.place
    if not place.instances or (len(place.instances) < FEW and g.byte() < 12):
        made = g.add(INST, (place.slot,))
        if made:
            place.instances.append(made[0])
            place.allocated = True
    elif len(place.instances) < FEW_LINKED and g.byte() < 16:
        linked(g)
    return g.pick(place.instances)


def linked(g: Draft) -> int:
    """An instance that shares what another one has, or -1."""
    made = g.add(LINK, (g.pick(g.place.instances), g.upto(len(SHARES))))
    g.place.instances += made or ()
    return made[0] if made else -1


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


def run(g: Draft, body: int, arguments: tuple[int, int, int], owned: bool, at: int = -1) -> int:
    """One run of a body, in the instance `at` or any; with a callback if it calls back. Its result, or -1."""
    limit_runs(g)
    if calls_back(g.builder.config.bodies[body]):
        return call(g, body, arguments, owned, at)
    throws = bool(features_of(g.builder.config.bodies[body]))
    selector = SELECTORS[g.upto(8)]
    operands = (at if at >= 0 else instance(g), body, g.builder.next_value, *arguments, selector, int(owned))
    return g.made(RUN_EXN if throws else RUN, operands, owned)


def limit_runs(g: Draft) -> None:
    """What the next runs may use, mostly said anew: once it is used up, nothing runs any more."""
    engine = ENGINES[g.builder.stores[g.place.slot].engine]
    if engine.limits_runs and g.byte() < LIMITED:
        code, amounts = (SET_FUEL, FUELS) if engine.fuel else (SET_EPOCH_DEADLINE, DEADLINES)
        g.add(code, (g.place.slot, amounts[g.upto(len(amounts))]))


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


# --- callbacks


def call(g: Draft, body: int, arguments: tuple[int, int, int], owned: bool, at: int = -1) -> int:
    """A run with a callback; its result, or -1."""
    place = g.place
    operands = (at if at >= 0 else instance(g), body, g.builder.next_value, *arguments, SELECTORS[g.upto(8)])
    throws = bool(features_of(g.builder.config.bodies[body]))
    if len(g.scopes) >= MAX_DEPTH or g.add(CALL_EXN if throws else CALL, operands) is None:
        return -1
    g.scopes.append((place, len(place.lifo)))
    before, before_fills, before_instances = len(place.owned), len(place.fills), len(place.instances)
    _inside(g)
    g.place = place
    g.close_scope()
    place.unsure.update(place.owned[before:])  # the callback may not have run
    back = g.made(RESULT, (int(owned),), owned) if g.byte() < 220 else -1
    _race(g, before_fills)
    if len(place.instances) > before_instances:  # perhaps
        g.add(LINK, (place.instances[-1], g.upto(len(SHARES))))
        if g.byte() < 60:
            g.add(INST_DROP, (place.instances.pop(),))
    return back


def _race(g: Draft, before: int) -> None:
    """A fill of the callback, which may not be there, is freed, or meets another thread."""
    if len(g.place.fills) <= before:
        return
    slot, raced = g.place.slot, g.place.fills[-1]
    if g.byte() > 120:
        g.add(FREE, (raced, g.upto(4)))
        return
    if g.byte() & 1:
        g.add(FILL_RACE, (slot, FEW_HANDLES, g.builder.next_value, raced))
    elif g.new_place(UNLIMITED):
        further, g.place = g.place, next(place for place in g.places if place.slot == slot)
        g.ext(True)
        if g.add(STORE_DROP_RACE, (further.slot, raced)) is not None:
            g.places.remove(further)


def _inside(g: Draft) -> None:
    """What a callback does: mostly something about its argument, a collection, and something to return."""
    given = argument_of_callback(g)
    for _ in range(g.upto(MOST_INSIDE)):
        steps = STEPS if len(g.builder.callbacks) < DEEPEST else STEPS[2:]
        steps[g.upto(len(steps))](g)
    if given >= 0 and g.byte() < 110:
        read(g, given)
    if g.byte() < 150:
        g.add(GC, (g.place.slot,))
    way = g.byte()
    if way < 90:
        g.add(RET, (given if given >= 0 else NULL,))
    elif way < 190:
        g.add(RET, (argument(g, EXTERN),))
    elif way < 200:
        g.add(RAISE, (0,))
    elif way < THROWN:
        throw(g)


def throw(g: Draft) -> None:
    """The callback throws: an exception of the host's, one that Wasm left, or what is pending."""
    way = g.byte()
    if way < 60:
        g.add(RAISE_EXN, (NULL,))
        return
    if way > STALE_THROWN and g.open_scope():
        gone = g.made(EXN_NEW, (g.place.slot, 0, NULL, NULL, 0), False)
        g.close_scope()
        g.add(RAISE_EXN, (gone,))
        return
    handle = g.made(EXN_TAKE, (g.place.slot, 1), True) if way < 120 else g.typed(EXN, 4)
    if handle < 0:
        tag = g.upto(len(TAGS))
        types = (*(REF_TYPES.index(field.storage) for field in TAGS[tag].fields), NULL, NULL)[:2]
        payload = (NULL if type_ == NULL else argument(g, type_) for type_ in types)
        handle = g.made(EXN_NEW, (g.place.slot, tag, *payload, 1), True)
    g.add(RAISE_EXN, (handle,))
    if g.byte() < 100:
        g.drop(handle)
    if g.byte() < 60:
        g.add(GC, (g.place.slot,))


def argument_of_callback(g: Draft) -> int:
    """A root of the argument, mostly."""
    if g.byte() < 50:
        return -1
    owned = g.byte() & 1
    return g.made(ARG, (owned,), bool(owned))


def _call_again(g: Draft) -> None:
    """Down into Wasm once more."""
    result = run(g, some_body(g), arguments(g), g.byte() & 1 == 0)
    if result >= 0 and g.byte() < 90:
        read(g, result)


def _fresh(g: Draft) -> None:
    handle = g.ext(g.byte() & 1 == 0)
    if handle >= 0 and g.byte() < 90:
        g.add(RET, (handle,))


def _forget(g: Draft) -> None:
    """Holders outside the frames go."""
    if g.byte() < 120:
        g.drop(g.owned())
    for slot in g.place.globals[-3:]:
        g.add(GLOBAL_SET, (slot, NULL if g.byte() < 150 else global_value(g, slot)))


def _scoped(g: Draft) -> None:
    if g.open_scope():
        handle = argument_of_callback(g) if g.byte() & 1 else g.ext(False)
        if handle >= 0 and g.byte() < 128:
            read(g, handle)
        g.close_scope()


def _collect(g: Draft) -> None:
    if g.byte() < 8:  # all is compiled anew
        g.add(MODULES_DROP, (g.place.slot,))
    g.add(GC, (g.place.slot,))


def _look(g: Draft) -> None:
    read(g, g.handle())


def _expect(g: Draft) -> None:
    """What code left in a slot before it called."""
    exported(g)
    if g.place.globals:
        read(g, g.made(GLOBAL_GET, (g.place.globals[-1],), False))


def _filled(g: Draft) -> None:
    fill(g, FEW_HANDLES)
    if g.place.fills:
        g.add(FREE, (g.place.fills[-1], g.upto(4)))


def _instantiated(g: Draft) -> None:
    """An instance that is there only if the callback runs."""
    made = g.add(INST, (g.place.slot,))
    if made:
        g.add((INST_GLOBAL, INST_TABLE, LINK)[g.upto(3)], (made[0], 0))
    if made and g.byte() < 120:
        g.place.instances.append(made[0])


STEPS: Final = (
    _call_again,
    _call_again,
    _fresh,
    _forget,
    _scoped,
    _collect,
    _look,
    _expect,
    uniform_op,
    uniform_op,
    _filled,
    _instantiated,
)
"""What happens in callbacks; calls first."""


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
