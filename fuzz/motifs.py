"""Motifs: short templates of ops with random parameters, which programs are mixed from.

A motif says what belongs together (drop the last holder between to_raw and from_raw; probe a stale handle right after
its index was used again), never a whole scenario: those arise from several motifs on the same few objects. Each is
registered with its group (a profile weighs groups), a weight within the default mix, and the op kinds without which
it makes no sense. Weights follow docs/spec/program-ir.md 8.4.
"""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.fuzz.draft import GC, LEND, OCLONE, ODROP, OWN, SYNC, Draft, is_extern
from twinheap.model.ops import ANY, CODE, EXTERN, INT_KINDS
from twinheap.model.ops import EQ as EQ_TYPE

Motif = Callable[[Draft], None]


class Registered:
    """A motif with its group, weight and the op kinds that it needs."""

    __slots__ = ("group", "needs", "run", "weight")

    def __init__(self, run: Motif, group: str, weight: float, needs: tuple[str, ...]) -> None:
        self.run = run
        self.group = group
        self.weight = weight
        self.needs = needs


def motif(into: list[Registered], group: str, weight: float, *needs: str) -> Callable[[Motif], Motif]:
    """Registers a motif in the table `into`."""

    def register(run: Motif) -> Motif:
        into.append(Registered(run, group, weight, needs))
        return run

    return register


MOTIFS: Final[list[Registered]] = []
"""The motifs on one store's roots. Those on containers, memory, futures and stores are in the other motif modules."""

# Around the edges at which owned roots are trimmed: 8 at first, then twice what remained (semantics 2.3).
BURSTS: Final = (7, 8, 9, 9, 10, 16, 17, 8)
NUMBERS: Final = INT_KINDS["number"].edges
IMMEDIATES: Final = INT_KINDS["immediate"].edges

DATA, DATA_SET, KIND, EQ = CODE["data"], CODE["data_set"], CODE["kind"], CODE["eq"]
TO_RAW, FROM_RAW, FROM_RAW_OWNED = CODE["to_raw"], CODE["from_raw"], CODE["from_raw_owned"]
FROM_IMM, FROM_IMM_OWNED = CODE["from_imm"], CODE["from_imm_owned"]
CONV_ANY, CONV_EXT = CODE["conv_any"], CODE["conv_ext"]
CONV_ANY_OWNED, CONV_EXT_OWNED = CODE["conv_any_owned"], CODE["conv_ext_owned"]
CAST, DROP_THREAD = CODE["cast"], CODE["owned_drop_thread"]


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


def read(g: Draft, handle: int) -> None:
    """Reads through a handle in one of the ways that tell objects apart."""
    if is_extern(g, handle):
        if g.byte() < 40:
            g.add(DATA_SET, (handle, NUMBERS[g.upto(3)]))
        g.add(DATA, (handle,))
    else:
        g.add(KIND, (handle,))


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


# --- raw values and conversions


def exposed(g: Draft, handle: int) -> int:
    """to_raw, unless it may meet K6 (the draft makes no such handle before an allocation)."""
    made = g.add(TO_RAW, (handle,))
    return made[0] if made else -1


def rooted(g: Draft, raw: int, owned: bool) -> int:
    """from_raw as the type that the handle had; sometimes as the other."""
    if raw < 0:
        return -1
    type_ = g.builder.slots[raw].type
    if g.byte() < 24:
        type_ = ANY if type_ == EXTERN else EXTERN
    if not g.ready_for_i31(type_):
        type_ = ANY
    return g.made(FROM_RAW_OWNED if owned else FROM_RAW, (raw, type_), owned)


def expose_early(g: Draft) -> None:
    """An i31 as externref, exposed in a store that has no heap yet."""
    owned = g.byte() & 1 == 0
    made = g.made(FROM_IMM_OWNED if owned else FROM_IMM, (g.place.slot, 1 + 2 * g.byte(), EXTERN), owned)
    g.add(TO_RAW, (made,))


@motif(MOTIFS, "raw", 2.5, "to_raw")
def through_raw(g: Draft) -> None:
    rooted(g, exposed(g, g.handle()), g.byte() & 1 == 0)


@motif(MOTIFS, "raw", 2, "to_raw")
def expose(g: Draft) -> None:
    """Exposed once or again, and left at that: the list holds it until the next collection."""
    handle = g.handle()
    for _ in range((1, 1, 2, 3)[g.upto(4)]):
        g.add(TO_RAW, (handle,))


@motif(MOTIFS, "raw", 2, "to_raw", "ext_new_owned")
def raw_only(g: Draft) -> None:
    """The exposure is the only holder left: the owned handle goes, trims run, and the raw value is rooted again."""
    handle = g.ext(True) if g.byte() < 100 else g.owned()
    if g.byte() < 100:
        g.add(TO_RAW, (handle,))
        g.collect(False)
    raw = exposed(g, handle)
    if raw < 0:
        return
    if g.byte() < 200:
        g.drop(handle)
    if g.byte() < 140:
        for _ in range((3, 8, 9, 17)[g.upto(4)]):
            g.i31(True)
    back = rooted(g, raw, g.byte() & 1 == 0)
    if g.byte() < 100:
        g.collect()
    read(g, back if back >= 0 else handle)


@motif(MOTIFS, "raw", 0.8)
def immediate(g: Draft) -> None:
    """null and i31 raw values."""
    owned = g.byte() & 1 == 0
    type_ = g.byte() & 1
    if g.ready_for_i31(type_):
        raw = IMMEDIATES[g.upto(len(IMMEDIATES))]
        g.made(FROM_IMM_OWNED if owned else FROM_IMM, (g.place.slot, raw, type_), owned)


@motif(MOTIFS, "convert", 2)
def convert(g: Draft) -> None:
    owned = g.byte() & 1 == 0
    handle = g.owned() if owned else g.lifo()
    if is_extern(g, handle):
        g.made(CONV_ANY_OWNED if owned else CONV_ANY, (handle,), owned)
    elif g.ready_for_i31(EXTERN):
        g.made(CONV_EXT_OWNED if owned else CONV_EXT, (handle,), owned)


@motif(MOTIFS, "convert", 0.5, "cast")
def cast(g: Draft) -> None:
    # Of a LIFO handle: one shared with an owned root panics in most uses (K11), so that is left to chance.
    handle = g.lifo() if g.byte() < 230 else g.owned()
    g.made(CAST, (handle, 2 + g.upto(3)), False)


@motif(MOTIFS, "convert", 0.25, "cast")
def shared_cast(g: Draft) -> None:
    """A cast of an owned handle has no root of its own: a look at it while that lives, and after its trim."""
    owned = g.i31(True)
    made = g.add(CAST, (owned, EQ_TYPE))
    if made is None:
        return
    if g.byte() < 200:
        g.drop(owned)
    if g.byte() < 200:
        g.add(GC, (g.place.slot,))
    if g.byte() < 200:
        g.any_new(True)
    g.add(KIND, made)  # nothing else: most uses of it panic (K11), so it goes into no pool


@motif(MOTIFS, "owned", 0.15)
def drop_orphan(g: Draft) -> None:
    """Handles that outlived their store."""
    if g.orphans:
        handle = g.orphans.pop()
        g.add(OCLONE if g.byte() & 1 else ODROP, (handle,))
