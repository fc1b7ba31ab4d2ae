"""Motifs on what code left behind of types that only its body knows: the host opens it, reads it, writes into it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from twinheap.fuzz.draft import Draft
from twinheap.fuzz.motif_table import NUMBERS, Registered, motif, read
from twinheap.fuzz.motifs_objects import (
    ARRAY_GET,
    ARRAY_GET_NUMBER,
    ARRAY_SET,
    ARRAY_SET_NUMBER,
    STRUCT_GET,
    STRUCT_GET_NUMBER,
    STRUCT_SET,
    STRUCT_SET_NUMBER,
)
from twinheap.fuzz.motifs_slots import GLOBAL_GET
from twinheap.fuzz.wasm_instances import INST_GLOBAL, argument, arguments, instance, some_body
from twinheap.fuzz.wasm_runs import run
from twinheap.model.body import CACHED
from twinheap.model.kit import KIT_GLOBALS
from twinheap.model.ops import ANY, ARRAY, CODE, EQ, EXTERN, NULL, STRUCT

LEFT: Final[list[Registered]] = []
"""The motifs of this module."""

CAST, FIELDS = CODE["cast"], CODE["fields"]
OBJECTS: Final = tuple(at for at, of in enumerate(KIT_GLOBALS) if of in ("struct", "array"))
"""The globals in which there are objects of one kind, or null."""

MIXED: Final = tuple(at for at, of in enumerate(KIT_GLOBALS) if of in ("any", "eq"))
"""Those in which an object has to be told from an i31, by a cast, which not every API has."""

FEW_FIELDS: Final = 4  # bodies declare few more
MOST_STEPS: Final = 3
OTHERS: Final = 200  # of 256: how often nothing is opened if no body leaves something of its own types
NULLS: Final = 110  # of 256: how often null is written, which not every field takes


@lru_cache(maxsize=CACHED)
def left_by(body: str) -> tuple[int, ...]:
    """The globals that a body writes, of those in which objects of its own types may lie; none if it declares none."""
    if "(rec " not in body:
        return ()
    return tuple(at for at in (*OBJECTS, *MIXED) if re.search(rf"\(global\.set {at} (?!\(null)", body))


@motif(LEFT, "wasm", 1.3, "inst_global", "run", "struct_get", "array_get")
def opened(g: Draft) -> None:
    """What lies in a global for structs or arrays."""
    _opened(g, OBJECTS)


@motif(LEFT, "wasm", 1.7, "inst_global", "run", "cast", "struct_get", "array_get")
def opened_as_what_it_is(g: Draft) -> None:
    """What lies in a global for objects of any kind, as the struct or array that it is."""
    _opened(g, MIXED)


def _opened(g: Draft, of: tuple[int, ...]) -> None:
    """What is in one of these globals of an instance, mostly after a run of a body that writes it."""
    written = [
        (body, slot) for body, text in enumerate(g.builder.config.bodies) for slot in left_by(text) if slot in of
    ]
    if not written and g.byte() < OTHERS:
        return
    at, which = instance(g), of[g.upto(len(of))]
    if g.byte() < 220:
        body, which = written[g.upto(len(written))] if written else (some_body(g), which)
        run(g, body, arguments(g), g.byte() & 1 == 0, at)
    made = g.add(INST_GLOBAL, (at, which))
    found = g.made(GLOBAL_GET, (made[0] if made else -1,), False)
    if found < 0:
        return
    handles = [found]
    if g.builder.slots[found].type in (ANY, EQ):
        handles = [g.made(CAST, (found, kind), False) for kind in (STRUCT, ARRAY)]  # one of the two
    for handle in (made for made in handles if made >= 0):
        for _ in range(1 + g.upto(MOST_STEPS)):
            _step(g, handle)
        if g.byte() < 60:
            g.collect()
            g.add(FIELDS, (handle,))


def _step(g: Draft, handle: int) -> None:
    """One field or element: written, whether it takes that or not, or read."""
    array = g.builder.slots[handle].type == ARRAY
    at, way = g.upto(FEW_FIELDS), g.byte()
    if way < 130:
        g.add(ARRAY_SET if array else STRUCT_SET, (handle, at, _value(g)))
    elif way < 165:
        g.add(ARRAY_SET_NUMBER if array else STRUCT_SET_NUMBER, (handle, at, NUMBERS[g.upto(3)]))
    elif way < 220:
        owned = g.byte() & 1
        seen_as = EXTERN if g.byte() & 1 else ANY
        read(g, g.made(ARRAY_GET if array else STRUCT_GET, (handle, at, seen_as, owned), bool(owned)))
    else:
        g.add(ARRAY_GET_NUMBER if array else STRUCT_GET_NUMBER, (handle, at))


def _value(g: Draft) -> int:
    if g.byte() < NULLS:
        return NULL
    return argument(g, EXTERN if g.byte() & 1 else ANY)
