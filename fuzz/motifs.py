"""Motifs on one store's roots: handles and their holders, bursts of owned ones, scopes, reading."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, LEND, OCLONE, ODROP, OWN, SYNC, Draft
from twinheap.fuzz.motif_table import DATA, DATA_SET, KIND, Registered, motif, read
from twinheap.fuzz.motifs_raw import CONV_ANY, TO_RAW, through_raw
from twinheap.model.ops import CODE, EXTERN, NULL_OBJECT_USES, NULL_USES

MOTIFS: Final[list[Registered]] = []
"""The motifs on one store's roots."""

# Around the edges at which owned roots are trimmed: 8 at first, then twice what remained (semantics 2.3).
BURSTS: Final = (7, 8, 9, 9, 10, 16, 17, 8)

EQ, DROP_THREAD = CODE["eq"], CODE["owned_drop_thread"]


# --- roots: one op each, which is most of a program


@motif(MOTIFS, "roots", 3, "ext_new")
def new_lifo(g: Draft) -> None:
    g.ext(False)


@motif(MOTIFS, "owned", 3, "ext_new_owned")
def new_owned(g: Draft) -> None:
    g.ext(True)


@motif(MOTIFS, "i31", 1, "i31_new")
def new_i31(g: Draft) -> None:
    g.i31(g.byte() & 1 == 0)


@motif(MOTIFS, "roots", 5)
def hold(g: Draft) -> None:
    """One more holder of something."""
    way = g.upto(3)
    if way == 0:
        g.made(OWN, (g.lifo(),), True)
    elif way == 1:
        g.made(LEND, (g.owned(),), False)
    else:
        g.made(OCLONE, (g.owned(),), True)


@motif(MOTIFS, "owned", 4)
def drop(g: Draft) -> None:
    g.drop(g.owned())


@motif(MOTIFS, "owned", 0.15, "null_use")
def null_handle(g: Draft) -> None:
    g.add(CODE["null_use"], (g.place.slot, g.upto(len(NULL_USES))))


@motif(MOTIFS, "structs", 0.06, "null_object")
def null_object(g: Draft) -> None:
    """A null where an object should be; then what is pending, and what there is."""
    g.add(CODE["null_object"], (g.place.slot, g.upto(len(NULL_OBJECT_USES))))
    g.add(CODE["exn_pending"], (g.place.slot,))
    read(g, g.handle())


@motif(MOTIFS, "owned", 0.5, "owned_drop_thread")
def drop_elsewhere(g: Draft) -> None:
    handle = g.owned()
    if g.add(DROP_THREAD, (handle,)) is not None:
        g.place.owned.remove(handle)


@motif(MOTIFS, "gc", 2.5)
def collect(g: Draft) -> None:
    g.collect()


@motif(MOTIFS, "gc", 1)
def collect_only(g: Draft) -> None:
    g.add(GC, (g.place.slot,))


@motif(MOTIFS, "gc", 0.3)
def look(g: Draft) -> None:
    g.add(SYNC, (g.place.slot,))


# --- reading


@motif(MOTIFS, "data", 4)
def read_one(g: Draft) -> None:
    read(g, g.handle())


@motif(MOTIFS, "data", 0.7)
def read_all(g: Draft) -> None:
    for handle in (g.place.owned + g.place.lifo)[-12:]:
        read(g, handle)


@motif(MOTIFS, "data", 0.5)
def kind_of(g: Draft) -> None:
    g.add(KIND, (g.handle(),))


@motif(MOTIFS, "data", 0.5)
def write_and_read(g: Draft) -> None:
    """Through one handle and back through another, perhaps of the same object."""
    g.add(DATA_SET, (g.typed(EXTERN), g.byte()))
    g.add(DATA, (g.typed(EXTERN),))


@motif(MOTIFS, "eq", 1.5, "eq")
def compare(g: Draft) -> None:
    g.add(EQ, (g.handle(), g.handle()))


# --- owned roots


@motif(MOTIFS, "owned", 1.3)
def burst(g: Draft) -> None:
    """Owned handles to a trim edge, some of them dropped, perhaps a few more to make the trim run."""
    made = [handle for _ in range(BURSTS[g.upto(8)]) if (handle := _one_owned(g)) >= 0]
    way = g.upto(4)
    drops = (made, made[1:], made[::2], made[: len(made) // 2])[way]
    for handle in drops:
        g.drop(handle)
    for _ in range(g.upto(10)):
        g.any_new(True)
    if g.byte() & 1:
        read_all(g)


def _one_owned(g: Draft) -> int:
    way = g.byte()
    if way < 150:
        return g.any_new(True)
    return g.made(OCLONE, (g.owned(),), True) if way < 190 else g.made(OWN, (g.lifo(),), True)


@motif(MOTIFS, "owned", 0.8)
def churn(g: Draft) -> None:
    """Made and dropped in turn: dead handles pile up until a trim."""
    quiet = g.byte() < 100  # i31 handles only: no collection point, so raw values outlive the trims
    for _ in range(BURSTS[g.upto(8)]):
        handle = g.i31(True) if quiet else _one_owned(g)
        if handle >= 0:
            g.drop(handle)
    if g.byte() & 1:
        g.ext(True)


@motif(MOTIFS, "owned", 1.2)
def last_holder(g: Draft) -> None:
    """Clones, one of them dropped, trims in between, and the other one read."""
    first = g.ext(True) if g.byte() & 1 else g.owned()
    second = g.made(OCLONE, (first,), True)
    if second < 0:
        return
    g.drop(first if g.byte() & 1 else second)
    if g.byte() & 1:
        churn(g)
    if g.byte() & 1:
        g.collect()
    for handle in (first, second):
        if handle in g.place.owned:
            read(g, handle)


# --- scopes


def body(g: Draft) -> None:
    """What a scope holds: no root, one, or many, from every source of roots."""
    for _ in range((0, 1, 1, 2, 2, 3, 5, 9)[g.upto(8)]):
        way = g.upto(8)
        if way < 4:
            g.ext(False)
        elif way == 4:
            g.i31(False)
        elif way == 5:
            g.made(LEND, (g.owned(),), False)
        elif way == 6:
            g.made(OWN, (g.lifo(),), True)
        else:
            through_raw(g)


@motif(MOTIFS, "scopes", 2.5, "scope")
def whole_scope(g: Draft) -> None:
    outside = g.handle() if g.byte() & 1 else g.ext(False)
    depth = (1, 1, 1, 2, 2, 3, 4, 1)[g.upto(8)]
    opened = 0
    for _ in range(depth):
        if g.open_scope():
            opened += 1
            body(g)
    if g.byte() < 60:
        g.add(GC, (g.place.slot,))
        body(g)
    for _ in range(opened):
        g.close_scope()
        if g.byte() < 90:
            probe_stale(g)
    if outside >= 0:
        read(g, outside)


@motif(MOTIFS, "scopes", 1.2, "scope")
def enter(g: Draft) -> None:
    g.open_scope()


@motif(MOTIFS, "scopes", 1.6, "scope")
def leave(g: Draft) -> None:
    if g.scopes:
        g.close_scope()


@motif(MOTIFS, "scopes", 1.5, "scope")
def probe_stale(g: Draft) -> None:
    """A stale handle right after new roots took its index."""
    if not g.place.stale:
        return
    for _ in range(g.upto(4)):
        g.any_new(False)
    handle = g.pick(g.place.stale)
    way = g.upto(8)
    if way < 3:
        read(g, handle)
    elif way == 3:
        g.add(KIND, (handle,))
    elif way == 4:
        g.made(OWN, (handle,), True)
    elif way == 5:
        g.add(TO_RAW, (handle,))
    elif way == 6:
        g.add(EQ, (handle, g.typed(g.builder.slots[handle].type)))
    else:
        g.made(CONV_ANY, (handle,), False)


@motif(MOTIFS, "owned", 0.15)
def drop_orphan(g: Draft) -> None:
    """Handles that outlived their store."""
    if g.orphans:
        handle = g.orphans.pop()
        g.add(OCLONE if g.byte() & 1 else ODROP, (handle,))
