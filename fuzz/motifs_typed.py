"""Motifs on typed functions, comparisons of roots, limiters that refuse everything, and handles dropped meanwhile."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, Draft
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.fuzz.motifs_corners import further_store
from twinheap.fuzz.motifs_memory import ASYNC_LIMITER
from twinheap.model.kit import ARRAYS, STRUCTS
from twinheap.model.ops import (
    ANY,
    ARRAY,
    CODE,
    EQ,
    EXN,
    EXTERN,
    INT_KINDS,
    NULL,
    REF_TYPES,
    STRUCT,
    UNLIMITED,
    WASM_TYPES,
)
from twinheap.model.preconditions_typed import HOST_TYPE, may_pass

TYPED: Final[list[Registered]] = []
"""The motifs of this module."""

WAYS: Final = len(INT_KINDS["way"].names)
INTEGERS: Final = INT_KINDS["i31"].edges
LIMIT, NO, ERROR = range(len(INT_KINDS["answer"].names))

PASS, PASS_OWNED, PASS_I31 = CODE["typed_pass"], CODE["typed_pass_owned"], CODE["typed_i31"]
REF_EQ, REF_HASH = CODE["ref_eq"], CODE["ref_hash"]
ROOTED_EQ, ROOTED_HASH = CODE["rooted_eq"], CODE["rooted_hash"]
STRUCT_NEW, ARRAY_NEW, EXN_NEW = CODE["struct_new"], CODE["array_new"], CODE["exn_new"]
ARRAY_FIXED = CODE["array_new_fixed"]
UPCAST, CAST, CONV_ANY, CONV_ANY_OWNED = CODE["upcast"], CODE["cast"], CODE["conv_any"], CODE["conv_any_owned"]
SET_LIMITER, TABLE_NEW, TABLE_GROW, TABLE_SIZE = (
    CODE["set_limiter"],
    CODE["table_new"],
    CODE["table_grow"],
    CODE["table_size"],
)
FILL, FILL_RACE, STORE_DROP_RACE = CODE["fill"], CODE["fill_race"], CODE["store_drop_race"]
MATCHES, FIELDS = CODE["matches"], CODE["fields"]
NEW_ASYNC, POLL, CHAIN = CODE["new_async"], CODE["poll"], CODE["chain"]

SCOPED: Final = 90  # of 256: how often a scope is about a typed call alone


def _struct(g: Draft, name: str, owned: bool) -> int:
    """A struct of a type, of nulls or of what is at hand."""
    number = next(at for at, made in enumerate(STRUCTS) if made.name == name)
    filled = g.typed(EXTERN) if name in ("box", "sub") and g.byte() & 1 else NULL
    return g.made(STRUCT_NEW, (g.place.slot, number, 7, max(filled, NULL), NULL, NULL, NULL, int(owned)), owned)


def _array(g: Draft, name: str, owned: bool) -> int:
    number = next(at for at, made in enumerate(ARRAYS) if made.name == name)
    return g.made(ARRAY_NEW, (g.place.slot, number, g.upto(4), 7, NULL, int(owned)), owned)


def any_type(g: Draft, owned: bool) -> int:
    """A new root of whatever type."""
    way = g.upto(8)
    if way < 2:
        return _struct(g, ("box", "sub", "empty", "node")[g.upto(4)], owned)
    if way < 4:
        return _array(g, ("externs", "nodes", "bytes")[g.upto(3)], owned)
    if way == 4:
        return g.made(EXN_NEW, (g.place.slot, 2, NULL, NULL, int(owned)), owned)
    return g.i31(owned) if way == 5 else g.ext(owned)


def _down(g: Draft, handle: int) -> int:
    """The same root as of another type, if there is one: up, or down again."""
    slot = g.builder.slots[handle] if handle >= 0 else None
    if slot is None or slot.kind != "L" or g.byte() < 90:
        return handle
    if slot.type == ANY:
        return g.made(CAST, (handle, (EQ, STRUCT, ARRAY)[g.upto(3)]), False)
    if slot.type == EQ and g.byte() & 1:
        return g.made(CAST, (handle, (STRUCT, ARRAY)[g.upto(2)]), False)
    if slot.type in (EQ, STRUCT, ARRAY):
        return g.made(UPCAST, (handle, ANY if slot.type == EQ or g.byte() & 1 else EQ), False)
    return handle


def pass_on(g: Draft, handle: int) -> int:
    """A handle through a typed function of a type that it may have, or any null."""
    way = g.upto(WAYS)
    if handle < 0 or g.byte() < 24:
        owned = g.byte() & 1 == 0
        return g.made(PASS_OWNED if owned else PASS, (g.place.slot, way, g.upto(len(WASM_TYPES)), 1, NULL), owned)
    slot = g.builder.slots[handle]
    fitting = [to for to in range(len(WASM_TYPES)) if may_pass(way, slot.type, to)]
    owned = slot.kind == "O"
    to = fitting[g.upto(len(fitting))]
    return g.made(PASS_OWNED if owned else PASS, (g.place.slot, way, to, g.byte() & 1, handle), owned)


@motif(TYPED, "typed", 2.5, "typed_pass")
def through_any_type(g: Draft) -> None:
    """What there is, or something new, there and back, perhaps twice; then what came out is all that is left.

    Or not even that, with the end of a scope: what Wasm was given is let go of by the next collection alone.
    """
    owned = g.byte() & 1 == 0
    scoped = g.byte() < SCOPED and g.open_scope()
    first = g.handle() if g.byte() & 1 else any_type(g, owned)
    back = pass_on(g, _down(g, first))
    if g.byte() < 90:
        back = pass_on(g, back)
    if g.byte() < 120:
        g.drop(first)
    if g.byte() < 60:
        g.add(GC, (g.place.slot,))
    if back >= 0:
        read(g, back)
    if scoped:
        g.close_scope()


@motif(TYPED, "typed", 0.5, "typed_pass")
def to_object_type(g: Draft) -> None:
    """To a function that takes one object type: what is of it, of a subtype, of another type, or no object."""
    owned = g.byte() & 1 == 0
    way = g.upto(WAYS)
    made = (
        _struct(g, ("box", "sub", "node")[g.upto(3)], owned)
        if g.byte() & 1
        else _array(g, ("externs", "nodes", "longs")[g.upto(3)], owned)
    )
    if g.byte() < 100 and not owned:
        made = _down(g, made)
    to = len(REF_TYPES) + g.upto(len(WASM_TYPES) - len(REF_TYPES))
    code = PASS_OWNED if owned else PASS
    read(g, g.made(code, (g.place.slot, way, to, g.byte() & 1, made), owned))


@motif(TYPED, "typed", 0.3, "typed_pass", "scope")
def stale_to_any_type(g: Draft) -> None:
    """A handle whose scope is over, to a function of a type that has to be looked at, or not."""
    if g.open_scope():
        handle = _down(g, any_type(g, False))
        g.close_scope()
        pass_on(g, handle)
        g.add(MATCHES, (handle, STRUCT))


@motif(TYPED, "typed", 0.3, "store_new", "typed_pass")
def foreign_to_any_type(g: Draft) -> None:
    """A handle of another store, as an argument or as the result of a host function, is a type error (2.1)."""
    other = further_store(g, UNLIMITED)
    if other is None:
        return
    home, g.place = g.place, other
    owned = g.byte() & 1 == 0
    handle = any_type(g, owned)
    g.place = home
    pass_on(g, handle)


@motif(TYPED, "i31", 0.5, "typed_i31")
def integer(g: Draft) -> None:
    payload = INTEGERS[g.upto(len(INTEGERS))]
    g.add(PASS_I31, (g.place.slot, g.upto(WAYS), 1 if payload == NULL else g.byte() & 1, payload))


@motif(TYPED, "convert", 0.5, "matches")
def match_type(g: Draft) -> None:
    """What a handle is, asked of one type after the other."""
    handle = _down(g, any_type(g, g.byte() & 1 == 0) if g.byte() & 1 else g.handle())
    for _ in range(1 + g.upto(2)):
        g.add(MATCHES, (handle, ANY + g.upto(len(WASM_TYPES) - 1)))


@motif(TYPED, "structs", 0.6, "fields")
def all_fields(g: Draft) -> None:
    """Every field at once, in a scope or not; then the object goes, and what was in it is left."""
    place = g.place
    known = [handle for handle in (*place.owned, *place.lifo) if handle in place.shapes]
    handle = g.pick(known) if g.byte() < 150 else g.handle()
    inside = g.byte() & 1 and g.open_scope()
    g.add(FIELDS, (handle,))
    g.drop(handle)
    if g.byte() < 100:
        g.collect()
    if inside:
        g.close_scope()


# --- comparisons


@motif(TYPED, "eq", 1.2, "ref_eq")
def compare(g: Draft) -> None:
    """Two handles, often to the same object by way of another type or root; the roots, too."""
    one = g.handle() if g.byte() < 150 else any_type(g, g.byte() & 1 == 0)
    if g.byte() < 20:
        one, two = g.i31(g.byte() & 1 == 0), g.i31(False)
    else:
        two = (one, _down(g, one), pass_on(g, one), g.handle())[g.upto(4)]
    if one >= 0 and g.builder.slots[one].type == EXTERN and g.byte() < 60:
        owned = g.builder.slots[one].kind == "O"
        two, one = _another_any(g), g.made(CONV_ANY_OWNED if owned else CONV_ANY, (one,), owned)
    for code in (REF_EQ, REF_HASH, ROOTED_EQ, ROOTED_HASH):
        if g.byte() < 150:
            g.add(code, (one, two))


def _another_any(g: Draft) -> int:
    found = g.typed(ANY)
    return found if found >= 0 else g.i31(g.byte() & 1 == 0)


@motif(TYPED, "eq", 0.4, "rooted_eq", "scope")
def stale_roots(g: Draft) -> None:
    """Roots compared after their scope, with each other and with those that came into their places."""
    if not g.open_scope():
        return
    gone = [g.any_new(False) for _ in range(1 + g.upto(3))]
    copy = _down(g, gone[0])
    g.close_scope()
    new = [g.any_new(False) for _ in range(1 + g.upto(2))]
    for one, two in ((gone[0], new[0]), (gone[0], copy), (gone[-1], gone[0])):
        g.add((ROOTED_EQ, ROOTED_HASH, REF_EQ, REF_HASH)[g.upto(4)], (one, two))


@motif(TYPED, "eq", 0.3, "rooted_hash", "oclone")
def clones(g: Draft) -> None:
    """A clone names the same root, also after the store."""
    owned = g.owned()
    clone = g.made(CODE["oclone"], (owned,), True)
    g.add((ROOTED_HASH, REF_HASH)[g.upto(2)], (owned, clone if g.byte() < 200 else g.owned()))


# --- limiters


def _attempt(g: Draft) -> None:
    """Something that asks the limiter."""
    slot, way = g.place.slot, g.upto(10)
    if way < 2:
        g.ext(way == 0)
    elif way == 2:
        _struct(g, "box", g.byte() & 1 == 0)
    elif way == 3:
        _array(g, "bytes", g.byte() & 1 == 0)
    elif way == 4:
        g.made(EXN_NEW, (slot, 2, NULL, NULL, 0), False)
    elif way == 5:
        g.made(CHAIN, (slot, 1 + g.upto(20)), True)
    elif way == 6:
        _fill(g, 1 + g.upto(9))
    elif way == 7:
        made = g.add(TABLE_NEW, (slot, EXTERN, g.upto(3), UNLIMITED, g.value(EXTERN)))
        g.place.tables += made or ()
    elif way == 8:
        g.made(ARRAY_FIXED, (slot, 0, 7, NULL, NULL, NULL, 0), False)
    else:
        made = g.add(NEW_ASYNC, (slot, g.fresh_value()))
        if made:
            g.add(POLL, (made[0], 0))
            g.place.lifo.append(made[1])
            g.place.unsure.add(made[1])


def _fill(g: Draft, count: int) -> None:
    made = g.add(FILL, (g.place.slot, count, g.builder.next_value))
    g.place.fills += made or ()


@motif(TYPED, "stores", 0.25, "store_new", "set_limiter")
def without_heap(g: Draft) -> None:
    """A store whose limiter does not even let the heap be made, and then does."""
    place = further_store(g, (UNLIMITED, UNLIMITED, 65536)[g.upto(3)], ASYNC_LIMITER if g.byte() < 60 else 0)
    if place is None:
        return
    home, g.place = g.place, place
    g.add(SET_LIMITER, (place.slot, NO if g.byte() & 1 else ERROR))
    for _ in range(1 + g.upto(4)):
        _attempt(g)
    if g.byte() < 200:
        g.add(SET_LIMITER, (place.slot, LIMIT))
        for _ in range(1 + g.upto(3)):
            _attempt(g)
    g.place = home


@motif(TYPED, "stores", 0.25, "set_limiter")
def no_growth(g: Draft) -> None:
    """A limiter that refuses all growth for a while: of the heap, and of tables."""
    place = g.place
    if not place.allocated:
        g.ext(True)
    g.add(SET_LIMITER, (place.slot, NO if g.byte() & 1 else ERROR))
    for _ in range(1 + g.upto(4)):
        if place.tables and g.byte() & 1:
            table = g.pick(place.tables)
            g.add(
                TABLE_GROW, (table, g.upto(4), g.value(g.builder.slots[table].type) if g.byte() < 220 else g.handle())
            )
            g.add(TABLE_SIZE, (table,))
        else:
            _attempt(g)
    if g.byte() < 230:
        g.add(SET_LIMITER, (place.slot, LIMIT))


# --- handles that another thread drops meanwhile


def _race(g: Draft, raced: int, count: int) -> None:
    made = g.add(FILL_RACE, (g.place.slot, count, g.builder.next_value, raced))
    g.place.fills += made or ()


@motif(TYPED, "bulk", 0.08, "fill_race")
def fill_and_drop(g: Draft) -> None:
    """In the same store, or in another one that is full, or whose limiter lets no heap be made."""
    _fill(g, (9, 17, 40, 200)[g.upto(4)])
    if not g.place.fills:
        return
    raced, home = g.pick(g.place.fills), g.place
    if g.byte() < 60 and (place := further_store(g, 65536)) is not None:
        g.place = place
        if g.byte() & 1:
            g.add(SET_LIMITER, (place.slot, NO))
        else:
            _fill(g, 2040)
    _race(g, raced, (8, 16, 33, 250)[g.upto(4)])
    g.place = home
    if g.byte() < 100:
        g.collect()


@motif(TYPED, "stores", 0.1, "store_new", "store_drop_race")
def drop_with_store(g: Draft) -> None:
    """A store goes while another thread drops its handles, or those of another one."""
    place = further_store(g, UNLIMITED)
    if place is None:
        return
    home, g.place = g.place, place
    _fill(g, (9, 40, 200)[g.upto(3)])
    raced = g.pick(place.fills if g.byte() < 180 else home.fills)
    g.place = home
    if g.add(STORE_DROP_RACE, (place.slot, raced)) is not None:
        g.places.remove(place)
        g.orphans += place.owned


assert {HOST_TYPE[to] for to in range(len(WASM_TYPES))} == {EXTERN, ANY, EQ, STRUCT, ARRAY, EXN}
