"""Preconditions of structs, arrays, exceptions and Wasm (docs/spec/program-ir.md 8.1).

As `preconditions_slots`, in the same table. What an object really is shows at run time: a field that it does not have,
or a value of the wrong type, is an observation.
"""

# ruff: noqa: D103 -- each function is named after its op, and the module says what all of them do.
from __future__ import annotations

from typing import TYPE_CHECKING

from twinheap.model.body import calls_back, features_of
from twinheap.model.kit import ARRAYS, HIERARCHY, KIT_GLOBALS, KIT_TABLES, STRUCTS, TAGS
from twinheap.model.ops import (
    ANY,
    ARRAY,
    EQ,
    EXN,
    EXTERN,
    FORM_KINDS,
    MAX_CALLS,
    MAX_DEPTH,
    NULL,
    REF_TYPES,
    RUN_VALUES,
    STRUCT,
)
from twinheap.model.preconditions_slots import TABLE, precondition

if TYPE_CHECKING:
    from twinheap.model.builder import Builder, Outs, Slot


def _values(b: Builder, store: int, values: tuple[int, ...], used: int) -> bool:
    """Handles of this store for the first `used` operands, or nulls, and nothing for the rest."""
    for value in values[:used]:
        slot = b.usable(value, "LO")
        if value != NULL and (slot is None or slot.store != store):
            return False
    return all(value == NULL for value in values[used:])


def _made(b: Builder, store: int, type_: int, form: int) -> Outs:
    b.collect_point(store)
    return (b.new(FORM_KINDS[form], store, type_),)


def _object(b: Builder, handle: int, type_: int) -> Slot | None:
    slot = b.usable(handle, "LO")
    return slot if slot and slot.type == type_ else None


def _read(b: Builder, handle: int, of: int, type_: int, form: int) -> Outs | None:
    slot = _object(b, handle, of)
    return (b.new(FORM_KINDS[form], slot.store, type_),) if slot else None


def _write(b: Builder, handle: int, of: int, value: int) -> Outs | None:
    slot = _object(b, handle, of)
    return () if slot and _values(b, slot.store, (value,), 1) else None


@precondition
def upcast(b: Builder, handle: int, type_: int) -> Outs | None:
    slot = b.usable(handle, "L")
    up = {EQ: (ANY,), STRUCT: (ANY, EQ), ARRAY: (ANY, EQ)}
    return (b.new("L", slot.store, type_),) if slot and type_ in up.get(slot.type, ()) else None


# --- structs


@precondition
def struct_new(
    b: Builder, store: int, struct: int, number: int, v0: int, v1: int, v2: int, v3: int, form: int
) -> Outs | None:
    if not b.ready(store) or not _values(b, store, (v0, v1, v2, v3), len(STRUCTS[struct].references)):
        return None
    return _made(b, store, STRUCT, form)


TABLE["struct_get"] = lambda b, handle, field, type_, form: _read(b, handle, STRUCT, type_, form)
TABLE["struct_get_number"] = lambda b, handle, field: () if _object(b, handle, STRUCT) else None
TABLE["struct_set"] = lambda b, handle, field, value: _write(b, handle, STRUCT, value)
TABLE["struct_set_number"] = lambda b, handle, field, number: () if _object(b, handle, STRUCT) else None


# --- arrays


@precondition
def array_new(b: Builder, store: int, array: int, length: int, number: int, value: int, form: int) -> Outs | None:
    if not b.ready(store) or not _values(b, store, (value,), len(ARRAYS[array].references)):
        return None
    return _made(b, store, ARRAY, form)


@precondition
def array_new_fixed(
    b: Builder, store: int, array: int, number: int, v0: int, v1: int, v2: int, form: int
) -> Outs | None:
    if not b.ready(store) or not _values(b, store, (v0, v1, v2), 3 * len(ARRAYS[array].references)):
        return None
    return _made(b, store, ARRAY, form)


@precondition
def array_new_huge(b: Builder, store: int, length: int) -> Outs | None:
    return () if b.ready(store) else None


TABLE["array_get"] = lambda b, handle, index, type_, form: _read(b, handle, ARRAY, type_, form)
TABLE["array_get_number"] = lambda b, handle, index: () if _object(b, handle, ARRAY) else None
TABLE["array_set"] = lambda b, handle, index, value: _write(b, handle, ARRAY, value)
TABLE["array_set_number"] = lambda b, handle, index, number: () if _object(b, handle, ARRAY) else None
TABLE["array_len"] = lambda b, handle: () if _object(b, handle, ARRAY) else None


@precondition
def fields(b: Builder, handle: int) -> Outs | None:
    slot = b.usable(handle, "LO")
    return () if slot and slot.type in (STRUCT, ARRAY, EXN) else None


# --- exceptions


@precondition
def exn_new(b: Builder, store: int, tag: int, v0: int, v1: int, form: int) -> Outs | None:
    if not b.ready(store) or not _values(b, store, (v0, v1), len(TAGS[tag].references)):
        return None
    return _made(b, store, EXN, form)


TABLE["exn_get"] = lambda b, handle, field, type_, form: _read(b, handle, EXN, type_, form)
TABLE["throw"] = lambda b, handle: () if _object(b, handle, EXN) else None


@precondition
def exn_take(b: Builder, store: int, form: int) -> Outs | None:
    return (b.new(FORM_KINDS[form], store, EXN),) if b.ready(store) else None


@precondition
def exn_pending(b: Builder, store: int) -> Outs | None:
    return () if b.ready(store) else None


# --- bulk, Wasm


@precondition
def chain(b: Builder, store: int, count: int) -> Outs | None:
    if not b.ready(store):
        return None
    b.collect_point(store)
    return (b.new("O", store, STRUCT),)


@precondition
def churn(b: Builder, store: int, what: int, count: int) -> Outs | None:
    if not _synchronous(b, store):
        return None
    b.collect_point(store)
    return ()


def _synchronous(b: Builder, store: int) -> bool:
    return b.ready(store) and b.stores[store].synchronous


@precondition
def inst(b: Builder, store: int) -> Outs | None:
    if not _synchronous(b, store):
        return None
    b.collect_point(store)
    return (b.new("I", store),)


@precondition
def link(b: Builder, instance: int, shares: int) -> Outs | None:
    slot = b.usable(instance, "I")
    return inst(b, slot.store) if slot else None


def _export(b: Builder, instance: int, kind: str, storage: str) -> Outs | None:
    slot = b.usable(instance, "I")
    return (b.new(kind, slot.store, REF_TYPES.index(storage)),) if slot else None


@precondition
def inst_drop(b: Builder, instance: int) -> Outs | None:
    if not b.usable(instance, "I"):
        return None
    b.close(instance)
    return ()


@precondition
def modules_drop(b: Builder, store: int) -> Outs | None:
    return () if b.ready(store) else None


@precondition
def pool_fill(b: Builder, store: int) -> Outs | None:
    return () if b.ready(store) else None


TABLE["inst_global"] = lambda b, instance, which: _export(b, instance, "G", KIT_GLOBALS[which])
TABLE["inst_table"] = lambda b, instance, which: _export(b, instance, "T", KIT_TABLES[which])


def _runnable(
    b: Builder, throwing: bool, instance: int, body: int, value: int, handles: tuple[int, ...]
) -> Slot | None:
    """The instance, if the body can run in it with these; the values of the run are taken then."""
    slot = b.usable(instance, "I")
    if not slot or body >= len(b.config.bodies) or not _values(b, slot.store, handles, len(handles)):
        return None
    if not _synchronous(b, slot.store):
        return None
    for handle, hierarchy in zip(handles, ("extern", "extern", "any"), strict=True):
        if handle != NULL and HIERARCHY[REF_TYPES[b.slots[handle].type]] != hierarchy:
            return None
    if ("exceptions" in features_of(b.config.bodies[body])) != throwing:
        return None
    if value != b.next_value or not b.fresh(value, RUN_VALUES):
        return None
    return slot


def _run(
    b: Builder, throwing: bool, instance: int, body: int, value: int, handles: tuple[int, ...], form: int
) -> Outs | None:
    if body < len(b.config.bodies) and calls_back(b.config.bodies[body]):
        return None
    slot = _runnable(b, throwing, instance, body, value, handles)
    return _made(b, slot.store, EXTERN, form) if slot else None


TABLE["run"] = lambda b, i, body, value, v0, v1, v2, number, form: _run(b, False, i, body, value, (v0, v1, v2), form)
TABLE["run_exn"] = lambda b, i, body, value, v0, v1, v2, number, form: _run(b, True, i, body, value, (v0, v1, v2), form)


# --- callbacks


def _call(b: Builder, throwing: bool, instance: int, body: int, value: int, handles: tuple[int, ...]) -> Outs | None:
    if len(b.brackets) >= MAX_DEPTH or len(b.callbacks) >= MAX_CALLS:
        return None
    slot = _runnable(b, throwing, instance, body, value, handles)
    if slot is None:
        return None
    b.collect_point(slot.store)
    b.callbacks.append(len(b.brackets))
    b.brackets.append(slot.store)
    b.stores[slot.store].scopes += 1
    return ()


TABLE["call"] = lambda b, i, body, value, v0, v1, v2, number: _call(b, False, i, body, value, (v0, v1, v2))
TABLE["call_exn"] = lambda b, i, body, value, v0, v1, v2, number: _call(b, True, i, body, value, (v0, v1, v2))


def _calling(b: Builder) -> int:
    """The store of the innermost call, or NULL."""
    return b.brackets[b.callbacks[-1]] if b.callbacks else NULL


@precondition
def arg(b: Builder, form: int) -> Outs | None:
    store = _calling(b)
    return (b.new(FORM_KINDS[form], store, EXTERN),) if b.ready(store) else None


def _handed(b: Builder, value: int, type_: int) -> Outs | None:
    store = _calling(b)
    if not b.ready(store) or not _values(b, store, (value,), 1):
        return None
    return () if value == NULL or b.slots[value].type == type_ else None


@precondition
def ret(b: Builder, value: int) -> Outs | None:
    return _handed(b, value, EXTERN)


TABLE["raise"] = lambda b, how: () if b.callbacks else None


@precondition
def raise_exn(b: Builder, exn: int) -> Outs | None:
    return _handed(b, exn, EXN)


@precondition
def result(b: Builder, form: int) -> Outs | None:
    place, store = b.returned
    if place != len(b.ops) or not b.ready(store):
        return None
    return (b.new(FORM_KINDS[form], store, EXTERN),)
