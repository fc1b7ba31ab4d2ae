"""A program in the making: a builder, a stream of random bytes, and what there is to pick from.

The resolver is the authority on what is possible; a draft only remembers enough to offer mostly possible ops, and to
aim: at recent handles, at handles whose scope is over, at full stores. Every method that makes something appends it
to its pool and returns its slot, or -1 if the op was dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from random import Random
from typing import Final

from twinheap.model.builder import Builder
from twinheap.model.ops import ANY, CODE, END, EXTERN, INT_KINDS, MAX_DEPTH, NULL, OPS
from twinheap.model.program import Config

CHUNK: Final = 256  # random bytes drawn at once: one call of the generator a hundred choices
KEPT_STALE: Final = 6  # handles remembered after their scope: the youngest share indices with the next roots
MOST_STORES: Final = 3  # of a program: each costs as much as thirty ops
OTHER_ENGINE: Final = 70  # of 256: how often a further store has an engine of its own

PAYLOADS: Final = INT_KINDS["payload"].edges
EXT_NEW, EXT_NEW_OWNED = CODE["ext_new"], CODE["ext_new_owned"]
I31_NEW, I31_NEW_OWNED = CODE["i31_new"], CODE["i31_new_owned"]
OWN, LEND, OCLONE, ODROP = CODE["own"], CODE["lend"], CODE["oclone"], CODE["odrop"]
UNSURE: Final = frozenset(
    spec.code for spec in OPS if spec.group == "wasm" or spec.name in ("cast", "exn_take") or "_get" in spec.name
)
"""Ops whose result is a handle or nothing, as the run has it."""

SCOPE, SYNC, GC = CODE["scope"], CODE["sync"], CODE["gc"]
STORE_NEW, STORE_NEW_IN = CODE["store_new"], CODE["store_new_in"]


class Place:
    """A store and what is in it: slots by role."""

    __slots__ = (
        "allocated",
        "errors",
        "fills",
        "globals",
        "instances",
        "lifo",
        "limited",
        "limiter",
        "owned",
        "shapes",
        "slot",
        "stale",
        "tables",
        "unsure",
    )

    def __init__(self, slot: int, limited: bool, limiter: int) -> None:
        self.slot = slot
        self.limited = limited  # out of memory is likely: errors are kept
        self.limiter = limiter  # 1: async, so that a synchronous allocation is refused before the heap is made
        self.allocated = False  # an allocation was asked for, so the heap is there
        self.lifo: list[int] = []
        self.owned: list[int] = []
        self.stale: list[int] = []  # LIFO handles whose scope is over
        self.globals: list[int] = []
        self.tables: list[int] = []
        self.fills: list[int] = []
        self.errors: list[int] = []
        self.instances: list[int] = []
        self.unsure: set[int] = set()  # handles that may be empty, so that what uses them is skipped
        self.shapes: dict[int, int] = {}  # handles of structs and arrays: the number of the object's type


class Draft:
    """See the module. `reuse`: 0 picks evenly, 1 recent handles, 2 the oldest: few objects with many holders.

    `engines`: the configurations that stores may have beside that of the program, each as often as it should be drawn.
    """

    __slots__ = ("add", "builder", "byte", "engines", "orphans", "place", "places", "reuse", "scopes")

    def __init__(self, rng: Random, config: Config, engines: Sequence[int] = ()) -> None:
        self.engines = engines
        chunks = iter(lambda: rng.randbytes(CHUNK), b"")
        self.byte: Callable[[], int] = chain.from_iterable(chunks).__next__
        self.builder = Builder(config)
        self.add = self.builder.add
        self.place = Place(0, config.limit >= 0, config.limiter)
        self.places = [self.place]
        self.orphans: list[int] = []  # owned handles that outlived their store
        self.scopes: list[tuple[Place, int]] = []
        self.reuse = self.byte() % 3

    # --- choices

    def upto(self, n: int) -> int:
        """A number below `n`; `n` at most 256."""
        return self.byte() * n >> 8

    def rarely(self) -> bool:
        """True once in 64 times: for what may end the process on a real runtime."""
        return self.byte() < 4

    def pick(self, pool: list[int]) -> int:
        """A slot of `pool` by the program's bias, or -2 (which no op takes) if it is empty."""
        if not pool:
            return -2
        byte = self.byte()
        if self.reuse and byte & 3:
            byte = byte * byte >> 8
            return pool[-1 - (byte * len(pool) >> 8)] if self.reuse == 1 else pool[byte * len(pool) >> 8]
        return pool[byte * len(pool) >> 8]

    def owned(self) -> int:
        """An owned handle of the current store."""
        return self.pick(self.place.owned)

    def lifo(self) -> int:
        """A LIFO handle of the current store; one in sixteen is stale."""
        place = self.place
        if place.stale and (not place.lifo or self.byte() < 16):
            return place.stale[self.byte() * len(place.stale) >> 8]
        return self.pick(place.lifo)

    def handle(self) -> int:
        """A handle of the current store."""
        found = self.lifo() if self.byte() & 1 else self.owned()
        return found if found >= 0 else self.pick(self.place.owned or self.place.lifo)

    def typed(self, type_: int, tries: int = 3) -> int:
        """A handle of static type `type_`, or -2 if none was met in `tries` picks."""
        slots = self.builder.slots
        for _ in range(tries):
            found = self.handle()
            if found >= 0 and slots[found].type == type_:
                return found
        return -2

    def sure(self, type_: int) -> int:
        """As `typed`, and mostly one that is not empty."""
        found = self.typed(type_)
        return found if found not in self.place.unsure or self.byte() < 24 else self.typed(type_)

    def value(self, type_: int) -> int:
        """A value for a container: mostly a handle of its type, sometimes null or a handle of the wrong type."""
        if self.byte() < 40:
            return NULL
        found = self.handle() if self.byte() < 8 else self.typed(type_)
        return found if found >= 0 else NULL

    # --- making

    def ext(self, owned: bool) -> int:
        """A fresh externref."""
        place = self.place
        keep = place.limited and self.byte() < 160
        code = EXT_NEW_OWNED if owned else EXT_NEW
        made = self.add(code, (place.slot, self.fresh_value()), keep)
        if made is None:
            return -1
        place.allocated = not place.limiter
        (place.owned if owned else place.lifo).append(made[0])
        if keep:
            place.errors.append(made[1])
        return made[0]

    def fresh_value(self) -> int:
        """The host value for an allocation: one that came back from an error, if there is any, else a new one."""
        taken = self.builder.taken
        return min(taken) if taken and self.byte() < 200 else self.builder.next_value

    def i31(self, owned: bool) -> int:
        """An i31 reference."""
        payload = PAYLOADS[self.byte() & 7]
        return self.made(I31_NEW_OWNED if owned else I31_NEW, (self.place.slot, payload), owned)

    def made(self, code: int, operands: tuple[int, ...], owned: bool) -> int:
        """An op of the current store whose result is one handle."""
        outs = self.add(code, operands)
        if outs is None:
            return -1
        (self.place.owned if owned else self.place.lifo).append(outs[0])
        if code in UNSURE:
            self.place.unsure.add(outs[0])
        return outs[0]

    def any_new(self, owned: bool) -> int:
        """A new root, mostly of an externref."""
        return self.i31(owned) if self.byte() < 40 else self.ext(owned)

    def drop(self, handle: int) -> None:
        """Drops an owned handle of the current store."""
        if handle in self.place.owned and self.add(ODROP, (handle,)) is not None:
            self.place.owned.remove(handle)

    # --- brackets and stores

    def open_scope(self) -> bool:
        """Opens a scope on the current store."""
        if len(self.scopes) >= MAX_DEPTH or self.add(SCOPE, (self.place.slot,)) is None:
            return False
        self.scopes.append((self.place, len(self.place.lifo)))
        return True

    def close_scope(self) -> None:
        """Closes the innermost scope, of whatever store; its handles are stale then."""
        place, mark = self.scopes.pop()
        self.add(END, ())
        place.stale = (place.stale + place.lifo[mark:])[-KEPT_STALE:]
        del place.lifo[mark:]

    def new_place(self, limit: int, limiter: int = 0) -> bool:
        """A further store, which becomes the current one; at times in another engine."""
        if self.engines and self.byte() < OTHER_ENGINE:
            made = self.add(STORE_NEW_IN, (self.engines[self.upto(len(self.engines))], limit, limiter))
        else:
            made = self.add(STORE_NEW, (limit, limiter))
        if made is None:
            return False
        self.place = Place(made[0], limit >= 0, limiter)
        self.places.append(self.place)
        return True

    def ready_for_i31(self, type_: int) -> bool:
        """Whether an i31 may be seen as `type_` here: K6 (semantics 3.1) wants an allocation before."""
        return type_ == ANY or self.place.allocated or self.rarely()

    def collect(self, check: bool = True) -> None:
        """A collection of the current store, and mostly a look at what it finalized."""
        self.add(GC, (self.place.slot,))
        if check:
            self.add(SYNC, (self.place.slot,))


def is_extern(draft: Draft, handle: int) -> bool:
    """Whether `handle` is of static type extern."""
    return handle >= 0 and draft.builder.slots[handle].type == EXTERN
