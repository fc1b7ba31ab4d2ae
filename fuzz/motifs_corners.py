"""Motifs for corners that the others hardly ever turn: what a judge's rule tells apart and chance does not bring about.

Each is rare. They are here because `model/behaviour.py` lists every behaviour that a rule knows, and a behaviour that
no program shows is one in which no bug is found.
"""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, OCLONE, ODROP, OWN, STORE_DROP, Draft, Place
from twinheap.fuzz.motif_table import KIND, Registered, motif
from twinheap.fuzz.motifs_memory import (
    ASYNC_LIMITER,
    CHURNS,
    GC_FOR,
    NEW_ASYNC,
    OOM_DROP,
    OOM_TAKE,
    PAGE,
    POLL,
    allocate_async,
)
from twinheap.fuzz.motifs_raw import CAST, CONV_ANY, CONV_ANY_OWNED, CONV_EXT, CONV_EXT_OWNED
from twinheap.fuzz.motifs_slots import (
    GLOBAL_NEW,
    GLOBAL_SET,
    TABLE_COPY,
    TABLE_FILL,
    TABLE_GROW,
    TABLE_NEW,
    TABLE_SET,
    TYPED_CALL,
    TYPED_CALL_OWNED,
    global_slot,
    table_slot,
)
from twinheap.model.ops import ANY, CODE, EQ, EXTERN, STRUCT, UNLIMITED

CORNERS: Final[list[Registered]] = []
"""The motifs of this module."""

FEW_STORES: Final = 4  # stores of a program; each costs as much as thirty ops
TRIM: Final = (8, 9, 16, 17)  # owned handles that make a trim run (semantics 2.3)

CHURNED: Final = (3000, 4000)  # handles; leaks of a byte each go unseen, of thirty do not

CHURN, DROP_THREAD, EQ_OP = CODE["churn"], CODE["owned_drop_thread"], CODE["eq"]
EXT_NEW, EXT_NEW_OWNED = CODE["ext_new"], CODE["ext_new_owned"]


def further_store(g: Draft, limit: int, limiter: int = 0) -> Place | None:
    """A new store, which is not made the current one; None if there are enough."""
    home = g.place
    if len(g.places) >= FEW_STORES or not g.new_place(limit, limiter):
        return None
    made, g.place = g.place, home
    return made


# --- stores


@motif(CORNERS, "stores", 0.3, "store_new", "store_drop")
def outlive_store(g: Draft) -> None:
    """Owned handles are cloned and dropped after their store."""
    place = further_store(g, UNLIMITED)
    if place is None:
        return
    home, g.place = g.place, place
    handles = [g.any_new(True) for _ in range(1 + g.upto(3))]
    g.place = home
    g.add(STORE_DROP, (place.slot,))
    g.places.remove(place)
    for handle in handles:
        g.add((ODROP, OCLONE, DROP_THREAD, ODROP)[g.upto(4)], (handle,))


@motif(CORNERS, "typed", 0.3, "store_new", "typed_call")
def foreign_argument(g: Draft) -> None:
    """A handle of another store as an argument is an ordinary type error (semantics 2.1)."""
    other = further_store(g, UNLIMITED)
    if other is None:
        return
    home, g.place = g.place, other
    owned = g.byte() & 1 == 0
    handle = g.ext(owned)
    g.place = home
    g.made(TYPED_CALL_OWNED if owned else TYPED_CALL, (home.slot, g.byte() & 1, handle), owned)


# --- errors and async limiters


@motif(CORNERS, "async", 0.25, "store_new", "new_async", "oom_take")
def async_store(g: Draft) -> None:
    """A store with an async limiter that refuses: its errors, and what synchronous operations say there."""
    place = further_store(g, (0, PAGE, PAGE - 1, UNLIMITED)[g.upto(4)], ASYNC_LIMITER)
    if place is None:
        return
    home, g.place = g.place, place
    made = g.add(NEW_ASYNC, (place.slot, g.fresh_value()), True)
    if made is not None:
        g.add(POLL, (made[0], 0))
        place.lifo.append(made[1])
        if g.byte() & 1:
            g.add(GC_FOR, (place.slot, made[2]))
        if g.add(OOM_TAKE if g.byte() & 1 else OOM_DROP, (made[2],)) is not None:
            allocate_async(g)
    g.place = home


@motif(CORNERS, "convert", 0.2, "store_new")
def convert_nothing(g: Draft) -> None:
    """Conversions of a handle that there is not, since its allocation was refused."""
    place = further_store(g, 0)
    made = g.add(EXT_NEW_OWNED, (place.slot, g.fresh_value())) if place else None
    if place and made:
        empty = g.add(CONV_ANY_OWNED, made[:1]) or made[:1]
        place.owned += [made[0], *empty, *(g.add(CONV_EXT_OWNED, empty) or ())]


@motif(CORNERS, "oom", 0.2, "oom_take")
def taken_for_nothing(g: Draft) -> None:
    """The error of an allocation that succeeds is empty; so the value is not back, and cannot be used again."""
    place = g.place
    made = g.add(EXT_NEW_OWNED, (place.slot, g.builder.next_value), True)
    if made is None:
        return
    place.owned.append(made[0])
    if g.add(OOM_TAKE, (made[1],)) is not None:
        if g.byte() & 1:
            g.ext(g.byte() & 1 == 0)
        else:
            allocate_async(g)


# --- stale handles


@motif(CORNERS, "scopes", 0.8, "scope")
def stale_value(g: Draft) -> None:
    """A stale handle, just made or older, where a value is expected, and in conversions."""
    if (g.byte() & 1 or not g.place.stale) and g.open_scope():
        for _ in range(1 + g.upto(2)):
            g.any_new(False)
        g.close_scope()
    handle = g.pick(g.place.stale)
    type_ = g.builder.slots[handle].type if handle >= 0 else EXTERN
    way = g.upto(12)
    if way < 3:
        g.add(TABLE_SET, (table_slot(g), g.upto(2), handle))
    elif way == 3:
        g.add(TABLE_FILL, (table_slot(g), 0, handle, g.upto(3)))
    elif way == 4:
        g.add(TABLE_GROW, (table_slot(g), g.upto(3), handle))
    elif way == 5:
        g.add(TABLE_NEW, (g.place.slot, min(type_, ANY), g.upto(3), UNLIMITED, handle))
    elif way == 6:
        g.add(GLOBAL_SET, (global_slot(g), handle))
    elif way == 7:
        g.add(GLOBAL_NEW, (g.place.slot, min(type_, ANY), 1, handle))
    elif way == 8:
        g.made(TYPED_CALL, (g.place.slot, 1, handle), False)
    elif type_ == EXTERN:
        g.made(CONV_ANY, (handle,), False)
    elif way < 11 and type_ == ANY and g.ready_for_i31(EXTERN):
        g.made(CONV_EXT, (handle,), False)
    else:
        g.made(CAST, (handle, EQ if type_ == ANY else STRUCT), False)


# --- casts, i31 where objects are usual


@motif(CORNERS, "convert", 0.15, "cast")  # rare, since a real runtime mostly panics then (K11)
def trimmed_cast(g: Draft) -> None:
    """A cast of an owned handle that a trim may or may not have ended, in everything that takes it."""
    owned = g.i31(True)
    made = g.add(CAST, (owned, EQ))
    if made is None:
        return
    if g.byte() < 190:
        g.drop(owned)
        for _ in range(TRIM[g.upto(4)]):
            g.drop(g.i31(True))
    way = g.upto(8)
    if way < 2:
        g.add(KIND, made)
    elif way < 4:
        g.add(EQ_OP, (made[0], made[0]))
    elif way < 6:
        g.add(CAST, (made[0], STRUCT))
    else:
        g.add(OWN, made)
    if g.byte() < 60:
        g.add(GC, (g.place.slot,))


@motif(CORNERS, "convert", 0.3, "cast", "upcast")
def upcast_cast(g: Draft) -> None:
    """An up-cast of a cast of an owned handle, which shares its root."""
    cast = g.made(CAST, (g.i31(True), EQ), False)
    g.add(KIND, g.add(CODE["upcast"], (cast, ANY)) or (cast,))


@motif(CORNERS, "convert", 0.3, "cast")
def cast_i31(g: Draft) -> None:
    """An i31 is an eqref, and its cast shares the root."""
    cast = g.made(CAST, (g.i31(False), EQ), False)
    if g.byte() & 1:
        g.add(EQ_OP, (cast, cast))


@motif(CORNERS, "typed", 0.3, "typed_call")
def i31_argument(g: Draft) -> None:
    """An i31, seen as an externref, as an argument, and seen as any again."""
    if g.ready_for_i31(EXTERN):
        owned = g.byte() & 1 == 0
        extern = g.made(CONV_EXT_OWNED if owned else CONV_EXT, (g.i31(owned),), owned)
        if g.byte() & 1:
            g.made(CONV_ANY_OWNED if owned else CONV_ANY, (extern,), owned)
        g.made(TYPED_CALL_OWNED if owned else TYPED_CALL, (g.place.slot, g.byte() & 1, extern), owned)


@motif(CORNERS, "tables", 0.4, "table_copy")
def i31_table(g: Draft) -> None:
    """A table of any with i31s in it, and a copy from it to another one."""
    first = g.i31(True)
    made = g.add(TABLE_NEW, (g.place.slot, ANY, 1 + g.upto(3), UNLIMITED, first))
    if made is None:
        return
    g.place.tables.append(made[0])
    second = g.i31(g.byte() & 1 == 0)
    way = g.upto(4)
    if way == 0:
        g.add(TABLE_FILL, (made[0], 0, second, 2))
    elif way == 1:
        g.add(TABLE_GROW, (made[0], 1 + g.upto(2), second))
    elif way == 2:
        g.add(TABLE_SET, (made[0], 0, second))
    else:
        other = g.add(TABLE_NEW, (g.place.slot, ANY, 2, UNLIMITED, second))
        if other is not None:
            g.add(TABLE_COPY, (other[0], g.upto(2), made[0], 0, 1))
    owned = g.byte() & 1 == 0
    g.made(CODE["table_get_owned"] if owned else CODE["table_get"], (made[0], g.upto(2)), owned)


@motif(CORNERS, "bulk", 0.03, "churn")
def churn(g: Draft) -> None:
    """More handles made and dropped than any slack hides (`model/rules_resources.py`), heap or not."""
    if g.byte() < 40:  # it takes as long as a thousand ops
        g.add(CHURN, (g.place.slot, g.upto(len(CHURNS)), CHURNED[g.upto(len(CHURNED))]))
