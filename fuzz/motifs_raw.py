"""Motifs on raw values, conversions and casts."""

# ruff: noqa: D103 -- a motif's name and its comment say what it is.
from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, Draft, is_extern
from twinheap.fuzz.motif_table import Registered, motif, read
from twinheap.model.ops import ANY, CODE, EQ, EXTERN, INT_KINDS

RAW: Final[list[Registered]] = []
"""The motifs on raw values, conversions and casts."""

IMMEDIATES: Final = INT_KINDS["immediate"].edges

TO_RAW, FROM_RAW, FROM_RAW_OWNED = CODE["to_raw"], CODE["from_raw"], CODE["from_raw_owned"]
FROM_IMM, FROM_IMM_OWNED = CODE["from_imm"], CODE["from_imm_owned"]
CONV_ANY, CONV_EXT = CODE["conv_any"], CODE["conv_ext"]
CONV_ANY_OWNED, CONV_EXT_OWNED = CODE["conv_any_owned"], CODE["conv_ext_owned"]
CAST, KIND = CODE["cast"], CODE["kind"]


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


@motif(RAW, "raw", 2.5, "to_raw")
def through_raw(g: Draft) -> None:
    rooted(g, exposed(g, g.handle()), g.byte() & 1 == 0)


@motif(RAW, "raw", 2, "to_raw")
def expose(g: Draft) -> None:
    """Exposed once or again, and left at that: the list holds it until the next collection."""
    handle = g.handle()
    for _ in range((1, 1, 2, 3)[g.upto(4)]):
        g.add(TO_RAW, (handle,))


@motif(RAW, "raw", 2, "to_raw", "ext_new_owned")
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


@motif(RAW, "raw", 0.8)
def immediate(g: Draft) -> None:
    """null and i31 raw values."""
    owned = g.byte() & 1 == 0
    type_ = g.byte() & 1
    if g.ready_for_i31(type_):
        raw = IMMEDIATES[g.upto(len(IMMEDIATES))]
        g.made(FROM_IMM_OWNED if owned else FROM_IMM, (g.place.slot, raw, type_), owned)


@motif(RAW, "convert", 2)
def convert(g: Draft) -> None:
    owned = g.byte() & 1 == 0
    handle = g.owned() if owned else g.lifo()
    if is_extern(g, handle):
        g.made(CONV_ANY_OWNED if owned else CONV_ANY, (handle,), owned)
    elif g.ready_for_i31(EXTERN):
        g.made(CONV_EXT_OWNED if owned else CONV_EXT, (handle,), owned)


@motif(RAW, "convert", 0.5, "cast")
def cast(g: Draft) -> None:
    # Of a LIFO handle: one shared with an owned root panics in most uses (K11), so that is left to chance.
    handle = g.lifo() if g.byte() < 230 else g.owned()
    g.made(CAST, (handle, 2 + g.upto(3)), False)


@motif(RAW, "convert", 0.25, "cast")
def shared_cast(g: Draft) -> None:
    """A cast of an owned handle has no root of its own: a look at it while that lives, and after its trim."""
    owned = g.i31(True)
    made = g.add(CAST, (owned, EQ))
    if made is None:
        return
    if g.byte() < 200:
        g.drop(owned)
    if g.byte() < 200:
        g.add(GC, (g.place.slot,))
    if g.byte() < 200:
        g.any_new(True)
    g.add(KIND, made)  # nothing else: most uses of it panic (K11), so it goes into no pool
