"""The random engine: one program for each (seed, number, profile), whatever the number of workers.

A program draws from its own seed: a menu of motifs (see `profiles.py`), a length, the limits of its stores, and then
motifs until it is long enough. Between them single ops are drawn uniformly over everything there is, so that no
sequence is out of reach.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final

from msgspec.structs import replace

from twinheap.fuzz.draft import Draft
from twinheap.fuzz.motif_table import Motif, Registered
from twinheap.fuzz.motifs import MOTIFS
from twinheap.fuzz.motifs_corners import CORNERS
from twinheap.fuzz.motifs_holding import HOLDING
from twinheap.fuzz.motifs_left import LEFT
from twinheap.fuzz.motifs_lifetimes import LIFETIMES
from twinheap.fuzz.motifs_memory import (
    ASYNC_LIMITER,
    FULL,
    MEMORY,
    PAGE,
    churn,
    end_in_wrong_store,
    fill_up,
)
from twinheap.fuzz.motifs_object_corners import OBJECT_CORNERS
from twinheap.fuzz.motifs_objects import OBJECTS, fill_with_arrays
from twinheap.fuzz.motifs_raw import RAW, expose_early
from twinheap.fuzz.motifs_slots import CONTAINERS
from twinheap.fuzz.motifs_typed import TYPED
from twinheap.fuzz.motifs_wasm import WASM
from twinheap.fuzz.profiles import DEFAULT, VARIANTS, Profile
from twinheap.fuzz.uniform import uniform_op
from twinheap.fuzz.wasm_instances import begin_wasm
from twinheap.fuzz.wasm_pool import SHARED, pool_of
from twinheap.fuzz.zeal import zealous
from twinheap.model.engines import ENGINES, feature
from twinheap.model.ops import UNLIMITED
from twinheap.model.program import Config, Program
from twinheap.model.view import ALL_OPS, OWNED_FORM

MENU: Final = 256  # entries of a menu: one byte picks
UNIFORM: Final = 24  # of them, single ops drawn uniformly
CORE: Final = frozenset({"roots", "owned", "data", "gc"})  # groups that swarming only reweighs
FACTORS: Final = (0.3, 0.7, 1.0, 1.0, 2.0, 4.0)  # by which swarming reweighs a group
MIX: Final = 0x9E3779B97F4A7C15  # spreads neighbouring (seed, number) pairs over all seeds (golden ratio)
FULL_LIMITS: Final = (PAGE, PAGE, PAGE, PAGE, 2 * PAGE, 3 * PAGE, 3 * PAGE, UNLIMITED)
SMALL_LIMITS: Final = (0, 1, PAGE - 1, PAGE, PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE)
TIGHT_LIMITS: Final = (0, PAGE, PAGE, PAGE, PAGE, 2 * PAGE, 2 * PAGE, 3 * PAGE)
FULL_SHARE: Final = 0.5  # of the motifs of a program that fills a store, those about that
MAX_STEPS: Final = 4  # motifs per op aimed at: ends programs in which most is dropped

USUAL: Final = (*MOTIFS, *RAW, *CONTAINERS, *OBJECTS, *HOLDING, *MEMORY, *CORNERS, *OBJECT_CORNERS, *TYPED, *LIFETIMES)
Menu = tuple[Motif, ...]


def generate(seed: int, number: int, profile: Profile = DEFAULT, supported: frozenset[str] = ALL_OPS) -> Program:
    """Program `number` of the run with `seed`.

    The same arguments give the same program, on every machine and Python. `supported`: op kinds of the targets;
    motifs that need others are left out, single ops of others may occur and are dropped by each target's view.
    """
    rng = Random(seed * MIX + number)
    menus, full_menus, wasm_menus = _menus(profile, supported)
    full = rng.random() < profile.full
    bodies = rng.random() < profile.wasm and "run" in supported
    config = _config(rng, profile, full)
    engines = _engines(supported)
    if rng.random() < profile.engines and engines:
        config = replace(config, engine=rng.choice(engines))
    tight = bodies and rng.random() < profile.tight
    if bodies:
        pool = pool_of(seed, number // SHARED, "run_exn" in supported, "call" in supported)
        engine = pool.engine(profile.engines, engines)
        config = replace(config, limiter=0, bodies=pool.some(rng), engine=engine)
    if tight:
        config = replace(config, limit=rng.choice(TIGHT_LIMITS))
    draft = Draft(rng, config, engines if "store_new_in" in supported else ())
    menu = (wasm_menus if bodies else full_menus if full else menus)[draft.byte() * VARIANTS >> 8]
    low, high = profile.ops
    wanted = low + ((high - low) * draft.byte() >> 8)
    if rng.random() < profile.early:
        expose_early(draft)
    if rng.random() < profile.churn:
        churn(draft)
    _begin(draft, rng.random() < profile.stores, full)
    if tight:
        fill_with_arrays(draft)
    if bodies:
        begin_wasm(draft)
    _run(draft, menu, wanted)
    if rng.random() < profile.wrong_store:
        end_in_wrong_store(draft)
    program = draft.builder.finish()
    return zealous(program) if not full and rng.random() < profile.zeal else program


def _config(rng: Random, profile: Profile, full: bool) -> Config:
    if full:
        return Config(FULL_LIMITS[rng.getrandbits(3)])
    limit = SMALL_LIMITS[rng.getrandbits(3)] if rng.random() < profile.limits else UNLIMITED
    return Config(limit, ASYNC_LIMITER if rng.random() < profile.limiter else 0)


def _begin(draft: Draft, several: bool, full: bool) -> None:
    """Store 0, and perhaps others, mostly with something in them."""
    if full:
        fill_up(draft)
    elif draft.byte() < 220:  # else without a heap, for a while
        draft.ext(draft.byte() & 1 == 0)
    if several:
        for _ in range(1 + (draft.byte() < 50)):
            limit = SMALL_LIMITS[draft.byte() & 7] if draft.byte() < 50 else UNLIMITED
            if draft.new_place(limit):
                draft.ext(draft.byte() & 1 == 0)
        draft.place = draft.places[0]


def _run(draft: Draft, menu: Menu, wanted: int) -> None:
    ops, byte = draft.builder.ops, draft.byte
    for _ in range(wanted * MAX_STEPS):
        if len(ops) >= wanted:
            return
        if len(draft.places) > 1 and byte() < 80:
            draft.place = draft.places[byte() * len(draft.places) >> 8]
        menu[byte()](draft)


@lru_cache(maxsize=32)  # sets of supported ops and engines
def _engines(supported: frozenset[str]) -> tuple[int, ...]:
    """The engine configurations that programs may have, each as often as its share says."""
    able = [number for number in range(len(ENGINES)) if feature(number) in supported]
    return tuple(number for number in able for _ in range(ENGINES[number].share))


@lru_cache(maxsize=32)  # profiles times sets of supported ops that one process generates for
def _menus(profile: Profile, supported: frozenset[str]) -> tuple[tuple[Menu, ...], ...]:
    """The menus of a profile: for usual programs, for those that fill a store, and for those with bodies."""
    able = _expressible(supported)
    rng = Random(profile.name)
    usual = [entry for entry in USUAL if able.issuperset(entry.needs)]
    full = [entry for entry in FULL if able.issuperset(entry.needs)]
    wasm = [entry for entry in (*WASM, *LEFT) if able.issuperset(entry.needs)]
    specials: tuple[tuple[list[Registered], float], ...] = (([], 0.0), (full, FULL_SHARE), (wasm, profile.code))
    return tuple(tuple(_menu(rng, profile, usual, *special) for _ in range(VARIANTS)) for special in specials)


def _expressible(supported: frozenset[str]) -> frozenset[str]:
    """What a target can be asked, lowering included (docs/spec/program-ir.md 8.2)."""
    if "scope" in supported:
        return supported
    return supported | {"scope", "lend"} | {name for name, lowered in OWNED_FORM.items() if lowered in supported}


def _menu(rng: Random, profile: Profile, entries: list[Registered], special: list[Registered], share: float) -> Menu:
    """One swarm variant: most groups off or reweighed. The `special` motifs get that share of the menu."""
    factors = {}
    for group in sorted({entry.group for entry in entries}):
        kept = group in CORE or rng.random() < profile.swarm or profile.weight(group) > 1
        factors[group] = rng.choice(FACTORS) * profile.weight(group) if kept else 0.0
    places = MENU - UNIFORM
    menu = _spread(special, [entry.weight for entry in special], int(places * share))
    weights = [entry.weight * factors[entry.group] for entry in entries]
    menu += _spread(entries, weights, places - len(menu))
    return tuple(menu + [uniform_op] * (MENU - len(menu)))


def _spread(entries: list[Registered], weights: list[float], places: int) -> list[Motif]:
    """`places` entries: one of each that has any weight, the rest as often as the weights say.

    Where there is no room for one of each, all are as often as the weights say, and the rarest are left out.
    """
    kept = [(entry.run, weight) for entry, weight in zip(entries, weights, strict=True) if weight]
    total = sum(weight for _, weight in kept)
    sure = int(len(kept) <= places)
    rest = places - sure * len(kept)
    menu: list[Motif] = []
    done = 0.0
    for run, weight in kept:
        before = round(done * rest / total)
        done += weight
        menu += [run] * (sure + round(done * rest / total) - before)
    return menu
