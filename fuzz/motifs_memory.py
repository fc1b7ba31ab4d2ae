"""Motifs on memory, futures and stores: running out, errors and retries, cancelled operations, other stores."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, MOST_STORES, OCLONE, SYNC, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.model.ops import CODE, INT_KINDS, UNLIMITED

MEMORY: Final[list[Registered]] = []
"""The motifs on memory, futures and stores."""
FULL: Final[list[Registered]] = []
"""The motifs on a store filled to capacity, which only programs that begin with a fill use."""

PAGE: Final = 64 << 10
ASYNC_LIMITER: Final = 1
# Externrefs that fit into 64, 128, 192 and 256 KiB, under every collector (semantics 1.4), and one more or less.
CAPACITIES: Final = (2047, 2047, 2046, 2048, 1023, 2040, 4096, 4096)
USES: Final = (0, 1, 2, 3, 3)  # of a handle with the wrong store: the last ends otherwise than the others

SET_LIMIT, STORE_DROP = CODE["set_limit"], CODE["store_drop"]
GC_FOR, OOM_TAKE, OOM_DROP = CODE["gc_for"], CODE["oom_take"], CODE["oom_drop"]
NEW_ASYNC, GC_ASYNC, POLL, CANCEL = CODE["new_async"], CODE["gc_async"], CODE["poll"], CODE["cancel"]
TO_RAW, FILL, FREE, CHURN = CODE["to_raw"], CODE["fill"], CODE["free"], CODE["churn"]
WRONG_STORE = CODE["wrong_store"]
CHURNS: Final = INT_KINDS["churn"].names


# --- running out


@motif(MEMORY, "oom", 0.5, "set_limit")
def change_limit(g: Draft) -> None:
    """Lowering it shrinks nothing; raising it lets the next allocation grow."""
    limit = (0, PAGE, PAGE, 2 * PAGE, 3 * PAGE, UNLIMITED, PAGE - 1, 1)[g.upto(8)]
    g.add(SET_LIMIT, (g.place.slot, limit))
    g.place.limited = limit != UNLIMITED


@motif(MEMORY, "oom", 0.6)
def use_error(g: Draft) -> None:
    """What one can do with an out-of-memory error; most are empty, since the allocation succeeded."""
    errors = g.place.errors
    if not errors:
        return
    error = errors[-1] if g.byte() & 1 else g.pick(errors)
    way = g.upto(4)
    if way == 0 and g.add(GC_FOR, (g.place.slot, error)) is not None:
        return
    if g.add(OOM_DROP if way == 1 else OOM_TAKE, (error,)) is not None:
        errors.remove(error)
        if way > 1:  # the same value again
            g.ext(g.byte() & 1 == 0)


@motif(FULL, "oom", 4)
def allocate(g: Draft) -> None:
    handle = g.ext(g.byte() < 160)
    if g.byte() < 128:
        read(g, handle)


@motif(MEMORY, "oom", 0.3, "gc_for")
def spend_foreign_error(g: Draft) -> None:
    """An error of a store without room, spent on another store: with garbage, without, or without a heap."""
    if len(g.places) >= MOST_STORES:
        return
    here = g.place
    g.new_place(0)
    refused = g.add(CODE["ext_new_owned"], (g.place.slot, g.fresh_value()), True)
    if g.byte() < 60:
        g.new_place(UNLIMITED)
    else:
        g.place = here
    for _ in range(g.upto(3)):
        g.drop(g.ext(True))
    if refused is not None:
        g.add(GC_FOR, (g.place.slot, refused[1]))


@motif(FULL, "oom", 2, "oom_take")
def retry(g: Draft) -> None:
    """Refused, room made or not, and the same value again."""
    place = g.place
    made = g.add(CODE["ext_new_owned"], (place.slot, g.fresh_value()), True)
    if made is None:
        return
    place.owned.append(made[0])
    way = g.upto(6)
    if way == 0:
        g.add(GC_FOR, (place.slot, made[1]))
    elif way == 1:
        make_room(g)
    elif way == 2:
        g.add(GC, (place.slot,))
    if g.byte() < 60:
        g.add(OOM_DROP, (made[1],))
    elif g.add(OOM_TAKE, (made[1],)) is not None:
        again = g.ext(True)
        read(g, again)


@motif(FULL, "raw", 1.2, "to_raw")
def only_exposed(g: Draft) -> None:
    """What only the list of exposed objects holds makes room in a collection, not in a trim."""
    handle = g.owned()
    if g.add(TO_RAW, (handle,)) is not None:
        g.drop(handle)
        g.ext(True)


@motif(FULL, "bulk", 2, "fill")
def make_room(g: Draft) -> None:
    place = g.place
    if place.fills and g.byte() < 120:
        g.add(FREE, (g.pick(place.fills), g.upto(4)))
    else:
        for _ in range(1 + g.upto(3)):
            g.drop(g.owned())


@motif(FULL, "bulk", 0.7, "fill")
def fill_again(g: Draft) -> None:
    fill(g, (3, 40, 200, 1100)[g.upto(4)])


@motif(FULL, "bulk", 0.4, "fill")
def free_in_turn(g: Draft) -> None:
    """Freed by pattern, collected or not, then filled up again: placement in the holes."""
    place = g.place
    if not place.fills:
        return
    g.add(FREE, (place.fills[-1], g.upto(4)))
    if g.byte() & 1:
        g.collect(False)
    for _ in range(1 + g.upto(6)):
        g.ext(True)


@motif(FULL, "oom", 0.5, "set_limit")
def more_room(g: Draft) -> None:
    change_limit(g)
    g.ext(True)


def fill(g: Draft, count: int) -> None:
    """`count` owned handles in one op."""
    made = g.add(FILL, (g.place.slot, count, g.builder.next_value))
    if made:
        g.place.fills.append(made[0])
        g.place.allocated = not g.place.limiter


def fill_up(g: Draft) -> None:
    """How a program of the full kind begins: a few handles, then nearly all that the limit allows, or more."""
    for _ in range(g.upto(4)):
        g.any_new(g.byte() & 1 == 0)
    limit = g.builder.config.limit
    if limit == UNLIMITED or limit > PAGE:  # up to where doubling stops, and beyond
        fill(g, (4094, 4095, 4096, 2047)[g.upto(4)])
    else:
        fill(g, CAPACITIES[g.upto(8)])


def churn(g: Draft) -> None:
    """Thousands of handles made and dropped in turn, mostly in a store that has no heap yet, and perhaps once more."""
    count = (1000, 1500, 2000, 4000)[g.upto(4)]
    if g.byte() < 60:
        g.any_new(g.byte() & 1 == 0)
    g.add(CHURN, (g.place.slot, g.upto(len(CHURNS)), count))
    if g.byte() < 100:
        g.ext(True)
        g.add(CHURN, (g.place.slot, g.upto(len(CHURNS)), count))


@motif(MEMORY, "bulk", 0.5, "fill")
def small_fill(g: Draft) -> None:
    """Some handles at once, dropped by pattern: trims, without filling the heap."""
    fill(g, (7, 8, 9, 16, 17, 1, 2, 33)[g.upto(8)])
    if g.byte() < 150:
        g.add(FREE, (g.pick(g.place.fills), g.upto(4)))


# --- futures


@motif(MEMORY, "async", 1.5, "new_async")
def allocate_async(g: Draft) -> None:
    place = g.place
    keep = place.limited and g.byte() < 160
    made = g.add(NEW_ASYNC, (place.slot, g.fresh_value()), keep)
    if made is None:
        return
    place.allocated = True
    pending, handle, error = made
    if _wait(g, pending):
        place.lifo.append(handle)
        if keep:
            place.errors.append(error)
        if g.byte() < 90:
            read(g, handle)


@motif(MEMORY, "async", 1.5, "gc_async")
def collect_async(g: Draft) -> None:
    made = g.add(GC_ASYNC, (g.place.slot,))
    if made is not None:
        _wait(g, made[0])
        if g.byte() < 170:
            g.add(SYNC, (g.place.slot,))


def _wait(g: Draft, pending: int) -> bool:
    """Polls to the end or cancels; meanwhile handles are cloned and dropped, and other stores go on.

    Whether it was not cancelled.
    """
    for _ in range((0, 0, 1, 1, 2, 3, 1, 0)[g.upto(8)]):
        g.add(POLL, (pending, 1 + g.upto(2)))
        if g.byte() < 60:
            g.drop(g.owned())
        elif g.byte() < 40:
            g.made(OCLONE, (g.owned(),), True)
        elif g.byte() < 60 and len(g.places) > 1:
            here = g.place
            g.place = next(place for place in g.places if place is not here)
            g.ext(True)
            g.place = here
    if g.byte() < 110:
        g.add(CANCEL, (pending,))
        return False
    g.add(POLL, (pending, 0))
    return True


# --- stores


@motif(MEMORY, "stores", 0.2, "store_new")
def new_store(g: Draft) -> None:
    if len(g.places) < MOST_STORES:
        g.new_place((UNLIMITED, UNLIMITED, PAGE, 0)[g.upto(4)])
        g.ext(g.byte() & 1 == 0)


@motif(MEMORY, "stores", 0.2, "store_drop")
def drop_store(g: Draft) -> None:
    """With handles outstanding. The last store is kept: nothing could follow."""
    place = g.place
    if len(g.places) > 1 and g.add(STORE_DROP, (place.slot,)) is not None:
        g.places.remove(place)
        g.orphans += place.owned
        g.place = g.places[0]


def end_in_wrong_store(g: Draft) -> None:
    """Ends the program: a handle is used with another store, in which the same index mostly exists."""
    while g.scopes:
        g.close_scope()
    owned = g.byte() & 1 == 0
    handles: list[int] = []
    refusing = 0 if g.byte() < 64 else UNLIMITED  # then there is no handle, and nothing to refuse
    for limit in (refusing, UNLIMITED):
        g.new_place(limit)
        handles = [g.ext(owned) for _ in range(1 + g.upto(3))] + handles
    g.add(WRONG_STORE, (g.place.slot, handles[-1], USES[g.upto(len(USES))]))
