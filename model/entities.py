"""Entities: reference values, object sizes, capacities (docs/spec/semantics.md 1.1 to 1.4).

A reference in the model is None (null), an int (the 31-bit payload of an i31, unsigned), an `Obj` or a `Func`.
Addresses appear only in exact mode, inside `space.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twinheap.model.body_env import Env
    from twinheap.model.contents import BodyState, Instance
    from twinheap.model.kit import ObjectType

PAGE: Final = 64 * 1024  # bytes; heaps grow by pages (1.1)
MAX_HEAP: Final = 1 << 32  # bytes; no declared maximum, so 4 GiB (1.1)
I31_MASK: Final = 0x7FFFFFFF

FIRST_INDEX: Final = {"drc": 16, "null": 8, "copying": 16}  # first usable byte (1.3)
EXTERNREF_BLOCK: Final = {"drc": 32, "null": 16, "copying": 32}  # bytes that an externref takes, rounded (1.3)
BYTES_NEEDED: Final = {"drc": 32, "null": 16, "copying": 64}  # what the out-of-memory error of an externref names (1.5)


class Obj:
    """An object: an externref with its host value, or a struct, array or exception with its cells.

    `value`: the host value's id; objects without a host value have negative numbers of their own. `kind`: "extern",
    "struct", "array" or "exn"; `type`: its number among `kit.STRUCTS`, `ARRAYS` or `TAGS`, or the type itself if a body
    declared it. `cells`: what its fields or elements hold; `storages`: of what storage type each is.
    `holders`: strong holders of 4.1 (LIFO entries, owned roots with a living token, slots, unexpired raw values);
    `inside`: cells of objects that are held themselves. `count`: the exact reference count; `address`: its block; both
    only in exact mode. The rest are predicates of known defects: `listed` and `tainted` (in the OASR list, and exposed
    while already there: 1.6, K1), `tabled` (was offered to a table: K14), `as_any` (a raw value was rooted as an any
    reference: K15), `copied` (by a host table copy: K18), `caught` (thrown and caught: K2), `halfway` (a field of an
    object whose initialization failed later: K12), `taken` (from the pending slot: K19), `hosted` (a host function's
    parameter or result: K22), `off` (the defect for which a collection took it off the OASR list while a frame held
    it: K3, K4, K28, K34, K35), `marked` (`off` when a later one marked it, which no sweep undoes until it is in the
    list again), `spared` (then the sweep for once), `orphaned` (held by an object that died: K20), `misfit` (an
    array whose elements had the wrong type: K29), `missing` (how many of its holders were not counted: K9, K15,
    K33), `lost` (a collection freed it for that).
    `tags`: whose tag an exception was made with: those of an instance, or None for the host's.
    `size`: the bytes of an object other than an externref, before rounding.
    """

    __slots__ = (
        "_children",
        "address",
        "as_any",
        "caught",
        "cells",
        "copied",
        "count",
        "finalized",
        "halfway",
        "holders",
        "hosted",
        "inside",
        "kind",
        "listed",
        "lost",
        "marked",
        "misfit",
        "missing",
        "off",
        "orphaned",
        "payload",
        "size",
        "spared",
        "storages",
        "store",
        "tabled",
        "tags",
        "tainted",
        "taken",
        "type",
        "value",
    )

    def __init__(self, value: int, store: int, kind: str = "extern", type_: int | ObjectType = 0) -> None:
        self.value = value
        self.store = store
        self.kind = kind
        self.type = type_
        self.cells: list[Stored] = []
        self.storages: Sequence[str] = ()
        self._children: Sequence[Obj] | None = ()
        self.holders = 0
        self.inside = 0
        self.payload = 0
        self.finalized = False
        self.listed = False
        self.tainted = False
        self.tabled = False
        self.as_any = False
        self.copied = False
        self.caught = False
        self.halfway = False
        self.taken = False
        self.hosted = False
        self.orphaned = False
        self.off: str | None = None
        self.marked: str | None = None
        self.spared: str | None = None
        self.misfit = False
        self.tags: object = None
        self.missing = 0
        self.lost = False
        self.size = 0
        self.count = 0
        self.address = 0

    @property
    def held(self) -> bool:
        """Whether it has a strong holder (4.1), a cell of a held object included."""
        return bool(self.holders or self.inside)

    def children(self) -> Sequence[Obj]:
        """The objects that its cells hold, in order, with repetitions."""
        found = self._children
        if found is None:  # looked for once after each write: arrays may be long, and most of those hold nothing
            cells = self.cells
            empty = cells.count(None) == len(cells)
            found = self._children = () if empty else [cell for cell in cells if type(cell) is Obj]
        return found

    def fill(self, cells: list[Stored], storages: Sequence[str], references: bool) -> None:
        """What a fresh object holds. `references`: whether any of its storage types is one of references."""
        self.cells, self.storages = cells, storages
        self._children = None if references else ()

    def write(self, at: int, new: Stored) -> Stored:
        """Overwrites a cell; what it held."""
        old = self.cells[at]
        self.cells[at] = new
        if type(old) is Obj or type(new) is Obj:
            self._children = None
        return old

    def write_numbers(self, start: int, new: Sequence[Stored]) -> list[Stored]:
        """Overwrites numeric cells from `start` on; what they held."""
        old = self.cells[start : start + len(new)]
        self.cells[start : start + len(new)] = new
        return old


class Func:
    """A reference to a function: to a helper by number, of the body that `env` describes, in an instance of the kit.

    `home`: that instance; `own`: what the body's instance has of its own. `type`: the identity of its type.
    It keeps nothing alive (wasm-ops.md 6.4).
    """

    __slots__ = ("env", "helper", "home", "own", "type")

    def __init__(self, env: Env, home: Instance, own: BodyState, helper: int, type_: str) -> None:
        self.env, self.home, self.own, self.helper, self.type = env, home, own, helper, type_


Ref = None | int | Obj | Func
Stored = None | int | Obj | Func
"""What a field or element holds: a reference, or a number; its storage type says which."""


def i31_of_raw(raw: int) -> Ref:
    """The reference that a raw value without an object denotes: 0 is null, an odd one an i31 (1.2).

    >>> i31_of_raw(0xFFFFFFFF) == 0x7FFFFFFF, i31_of_raw(0)
    (True, None)
    """
    return raw >> 1 if raw else None


def capacity(collector: str, heap_bytes: int) -> int:
    """How many externrefs fit in a heap of `heap_bytes` that holds nothing else (1.4).

    >>> [capacity(c, 65536) for c in ("drc", "null", "copying")]
    [2047, 4095, 1023]
    """
    usable = heap_bytes // 2 if collector == "copying" else heap_bytes
    return max(0, (usable - FIRST_INDEX[collector]) // EXTERNREF_BLOCK[collector])


def growth(current: int, needed: int) -> int:
    """The bytes by which a heap of `current` bytes grows for `needed` bytes: it doubles, or jumps (1.5)."""
    pages = -(-needed // PAGE) * PAGE
    return max(min(current, MAX_HEAP - current), pages)


def largest_heap(limit: int) -> int:
    """The size at which a heap of externrefs stops doubling under `limit` bytes: 64 KiB times a power of two (1.5).

    >>> [largest_heap(k * 1024) // 1024 for k in (63, 64, 128, 192, 256)]
    [0, 64, 128, 128, 256]
    """
    if limit < PAGE:
        return 0
    return PAGE << ((limit // PAGE).bit_length() - 1)
