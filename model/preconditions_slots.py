"""Preconditions of globals, tables, bulk ops and the op that ends a program (docs/spec/program-ir.md 8.1).

As `preconditions`, which adds to the same table.
"""

# ruff: noqa: D103 -- each function is named after its op, and the module says what all of them do.
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twinheap.model.ops import ANY, EXTERN, INT_KINDS, NULL, UNADDRESSABLE

if TYPE_CHECKING:
    from twinheap.model.builder import Builder, Outs

Precondition = Callable[..., "Outs | None"]
UNBOUNDED: Final = 1
"""The value of a slot with a table that has neither a maximum nor 32-bit indexes."""
TABLE: dict[str, Precondition] = {}
"""The precondition of each op name, those of `preconditions` included."""


def precondition(function: Precondition) -> Precondition:
    TABLE[function.__name__] = function
    return function


# --- globals and tables


def _value_of(b: Builder, store: int, value: int) -> bool:
    """A null, or a usable handle of the same store; a wrong type is an observation, not a precondition."""
    slot = b.usable(value, "LO")
    return value == NULL or (slot is not None and slot.store == store)


@precondition
def global_new(b: Builder, store: int, type_: int, mutable: int, value: int) -> Outs | None:
    return (b.new("G", store, type_),) if b.ready(store) and _value_of(b, store, value) else None


def _read(b: Builder, container: int, kind: str, result: str) -> Outs | None:
    slot = b.usable(container, kind)
    return (b.new(result, slot.store, slot.type),) if slot else None


def _write(b: Builder, container: int, kind: str, value: int) -> Outs | None:
    slot = b.usable(container, kind)
    return () if slot and _value_of(b, slot.store, value) else None


TABLE["global_get"] = lambda b, container: _read(b, container, "G", "L")
TABLE["global_get_owned"] = lambda b, container: _read(b, container, "G", "O")
TABLE["global_set"] = lambda b, container, value: _write(b, container, "G", value)


@precondition
def table_new(b: Builder, store: int, type_: int, minimum: int, maximum: int, value: int) -> Outs | None:
    if not b.ready(store) or not _value_of(b, store, value) or (maximum != NULL and minimum > maximum):
        return None
    return (b.new("T", store, type_),)


@precondition
def table_new64(b: Builder, store: int, type_: int, minimum: int, maximum: int, value: int) -> Outs | None:
    made = table_new(b, store, type_, minimum, maximum, value)
    if made and maximum == NULL:
        b.slots[made[0]].value = UNBOUNDED
    return made


@precondition
def table_grow_huge(b: Builder, table: int, delta: int, value: int) -> Outs | None:
    slot = b.usable(table, "T")
    if not slot or (slot.value == UNBOUNDED and delta < UNADDRESSABLE):
        return None
    return _write(b, table, "T", value)


TABLE["table_get"] = lambda b, table, index: _read(b, table, "T", "L")
TABLE["table_get_owned"] = lambda b, table, index: _read(b, table, "T", "O")
TABLE["table_set"] = lambda b, table, index, value: _write(b, table, "T", value)
TABLE["table_grow"] = lambda b, table, delta, value: _write(b, table, "T", value)
TABLE["table_fill"] = lambda b, table, index, value, count: _write(b, table, "T", value)


@precondition
def table_copy(b: Builder, dst: int, dst_index: int, src: int, src_index: int, count: int) -> Outs | None:
    one, two = b.usable(dst, "T"), b.usable(src, "T")
    return () if one and two and one.store == two.store else None


@precondition
def table_size(b: Builder, table: int) -> Outs | None:
    return () if b.usable(table, "T") else None


# --- bulk, and the op that ends the program


@precondition
def fill(b: Builder, store: int, count: int, value: int) -> Outs | None:
    if not b.ready(store) or value != b.next_value or not b.fresh(value, count):
        return None
    b.collect_point(store)
    return (b.new("F", store, EXTERN),)


def _filled(b: Builder, slot: int) -> bool:
    """Drops touch no store: they also work while a future is pending, and after the store (semantics 2.3, 3.6)."""
    return 0 <= slot < len(b.slots) and b.slots[slot].kind == "F"


@precondition
def fill_race(b: Builder, store: int, count: int, value: int, raced: int) -> Outs | None:
    return fill(b, store, count, value) if _filled(b, raced) else None


@precondition
def store_drop_race(b: Builder, store: int, raced: int) -> Outs | None:
    return TABLE["store_drop"](b, store) if _filled(b, raced) else None


@precondition
def free(b: Builder, fill_slot: int, pattern: int) -> Outs | None:
    return () if _filled(b, fill_slot) else None


@precondition
def wrong_store(b: Builder, store: int, handle: int, use: int) -> Outs | None:
    slot = b.usable(handle, "LO")
    if not slot or not b.ready(store) or slot.store == store or b.callbacks:
        return None
    if any(state.pending != NULL for state in b.stores.values()):  # it would need a cancel after this op
        return None
    name = INT_KINDS["use"].names[use]
    allowed = {"data": slot.type == EXTERN, "to_raw": slot.type in (EXTERN, ANY), "own": slot.kind == "L"}
    if not allowed.get(name, True):
        return None
    b.closed = True  # on C it ends the process; nothing may follow on any target
    return ()
