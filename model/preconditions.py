"""One precondition per op kind: whether a `Builder` takes it, and what slots it defines.

Each function returns the op's results, or None to drop it. Order and names follow docs/spec/program-ir.md 8.1.
Operands that are plain integers were checked against their `IntKind` by whoever made them.
"""

# ruff: noqa: D103 -- each function is named after its op, and the module says what all of them do.
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinheap.model import preconditions_objects, preconditions_typed  # noqa: F401 -- add to the table
from twinheap.model.engines import ENGINES
from twinheap.model.ops import ANY, ARRAY, BY_NAME, EQ, EXTERN, MAX_DEPTH, MAX_STORES, NULL, OPS, STRUCT
from twinheap.model.preconditions_slots import TABLE, Precondition, precondition

if TYPE_CHECKING:
    from twinheap.model.builder import Builder, Outs

# --- stores and scopes


@precondition
def store_new(b: Builder, limit: int, limiter: int) -> Outs | None:
    if b.callbacks or len(b.stores) >= MAX_STORES:  # callbacks may not run, and stores are always there
        return None
    return (b.new_store(limiter, b.config.engine),)


@precondition
def store_new_in(b: Builder, engine: int, limit: int, limiter: int) -> Outs | None:
    if b.callbacks or len(b.stores) >= MAX_STORES:
        return None
    return (b.new_store(limiter, engine),)


@precondition
def store_drop(b: Builder, store: int) -> Outs | None:
    if not b.ready(store) or b.stores[store].scopes or b.callbacks:
        return None
    b.close(store)
    return ()


@precondition
def set_limit(b: Builder, store: int, limit: int) -> Outs | None:
    return () if b.ready(store) else None


@precondition
def set_limiter(b: Builder, store: int, answer: int) -> Outs | None:
    if not b.ready(store) or b.callbacks:  # a run under way, and those that it is in, may grow things yet
        return None
    b.stores[store].answer = answer
    return ()


@precondition
def set_fuel(b: Builder, store: int, fuel: int) -> Outs | None:
    return () if b.ready(store) and ENGINES[b.stores[store].engine].fuel else None


@precondition
def set_epoch_deadline(b: Builder, store: int, ticks: int) -> Outs | None:
    return () if b.ready(store) and ENGINES[b.stores[store].engine].epochs else None


@precondition
def scope(b: Builder, store: int) -> Outs | None:
    if not b.ready(store) or len(b.brackets) >= MAX_DEPTH:
        return None
    b.brackets.append(store)
    b.stores[store].scopes += 1
    return ()


@precondition
def end(b: Builder) -> Outs | None:
    if not b.brackets:
        return None
    store = b.brackets[-1]
    pending = b.stores[store].pending
    if pending != NULL:  # the future borrows the scope: it ends first
        b.add(BY_NAME["cancel"].code, (pending,))
    b.brackets.pop()
    b.stores[store].scopes -= 1
    if b.callbacks and b.callbacks[-1] == len(b.brackets):
        b.callbacks.pop()
        b.collect_point(store)  # the run goes on
        b.returned = len(b.ops) + 1, store
    return ()


# --- making handles


def _allocate(b: Builder, kind: str, store: int, value: int) -> Outs | None:
    if not b.ready(store) or not b.fresh(value):
        return None
    b.collect_point(store)
    handle = b.new(kind, store, EXTERN)
    return handle, b.new("X", store, value=value) if b.keep else NULL


@precondition
def ext_new(b: Builder, store: int, value: int) -> Outs | None:
    return _allocate(b, "L", store, value)


@precondition
def ext_new_owned(b: Builder, store: int, value: int) -> Outs | None:
    return _allocate(b, "O", store, value)


@precondition
def i31_new(b: Builder, store: int, payload: int) -> Outs | None:
    return (b.new("L", store, ANY),) if b.ready(store) else None


@precondition
def i31_new_owned(b: Builder, store: int, payload: int) -> Outs | None:
    return (b.new("O", store, ANY),) if b.ready(store) else None


def _derive(b: Builder, handle: int, kinds: str, result: str) -> Outs | None:
    slot = b.usable(handle, kinds)
    return (b.new(result, slot.store, slot.type),) if slot else None


@precondition
def own(b: Builder, handle: int) -> Outs | None:
    return _derive(b, handle, "L", "O")


@precondition
def lend(b: Builder, owned: int) -> Outs | None:
    return _derive(b, owned, "O", "L")


def _owned(b: Builder, owned: int) -> bool:
    """Clones and drops touch no store: they also work while a future is pending, and after the store."""
    return 0 <= owned < len(b.slots) and b.slots[owned].kind == "O" and b.slots[owned].alive


@precondition
def oclone(b: Builder, owned: int) -> Outs | None:
    slot = b.slots[owned] if _owned(b, owned) else None
    return (b.new("O", slot.store, slot.type),) if slot else None


@precondition
def odrop(b: Builder, owned: int) -> Outs | None:
    if not _owned(b, owned):
        return None
    b.close(owned)
    return ()


@precondition
def null_use(b: Builder, store: int, use: int) -> Outs | None:
    return () if b.ready(store) else None


TABLE["null_object"] = null_use
TABLE["owned_drop_thread"] = odrop


def _convert(b: Builder, handle: int, kind: str, source: int, target: int) -> Outs | None:
    slot = b.usable(handle, kind)
    return (b.new(kind, slot.store, target),) if slot and slot.type == source else None


TABLE["conv_any"] = lambda b, handle: _convert(b, handle, "L", EXTERN, ANY)
TABLE["conv_ext"] = lambda b, handle: _convert(b, handle, "L", ANY, EXTERN)
TABLE["conv_any_owned"] = lambda b, owned: _convert(b, owned, "O", EXTERN, ANY)
TABLE["conv_ext_owned"] = lambda b, owned: _convert(b, owned, "O", ANY, EXTERN)


@precondition
def cast(b: Builder, handle: int, type_: int) -> Outs | None:
    slot = b.usable(handle, "LO")
    down = {ANY: (EQ, STRUCT, ARRAY), EQ: (STRUCT, ARRAY)}
    if not slot or type_ not in down.get(slot.type, ()):
        return None
    return (b.new("L", slot.store, type_),)


# --- reading through handles


@precondition
def kind(b: Builder, handle: int) -> Outs | None:
    return () if b.usable(handle, "LO") else None


def _extern(b: Builder, handle: int) -> Outs | None:
    slot = b.usable(handle, "LO")
    return () if slot and slot.type == EXTERN else None


TABLE["data"] = _extern
TABLE["data_set"] = lambda b, handle, number: _extern(b, handle)


@precondition
def eq(b: Builder, left: int, right: int) -> Outs | None:
    one, two = b.usable(left, "LO"), b.usable(right, "LO")
    return () if one and two and (one.store, one.type) == (two.store, two.type) else None


@precondition
def to_raw(b: Builder, handle: int) -> Outs | None:
    slot = b.usable(handle, "LO")
    return (b.new("W", slot.store, slot.type),) if slot and slot.type in (EXTERN, ANY) else None


def _from_raw(b: Builder, raw: int, type_: int, kind: str) -> Outs | None:
    slot = b.usable(raw, "W")
    if not slot or slot.epoch != b.stores[slot.store].epoch:
        return None
    return (b.new(kind, slot.store, type_),)


TABLE["from_raw"] = lambda b, raw, type_: _from_raw(b, raw, type_, "L")
TABLE["from_raw_owned"] = lambda b, raw, type_: _from_raw(b, raw, type_, "O")


def _from_imm(b: Builder, store: int, raw: int, type_: int, kind: str) -> Outs | None:
    if not b.ready(store) or (raw and not raw & 1):  # only null and i31 are valid without an object
        return None
    return (b.new(kind, store, type_),)


TABLE["from_imm"] = lambda b, store, raw, type_: _from_imm(b, store, raw, type_, "L")
TABLE["from_imm_owned"] = lambda b, store, raw, type_: _from_imm(b, store, raw, type_, "O")


# --- collection, errors, futures


@precondition
def gc(b: Builder, store: int) -> Outs | None:
    if not b.ready(store):
        return None
    b.collect_point(store)
    return ()


@precondition
def sync(b: Builder, store: int) -> Outs | None:
    return () if b.ready(store) else None


@precondition
def gc_for(b: Builder, store: int, error: int) -> Outs | None:
    return gc(b, store) if b.usable(error, "X") else None


def _consume_error(b: Builder, error: int) -> int | None:
    slot = b.usable(error, "X")
    if not slot:
        return None
    b.close(error)
    return slot.value


@precondition
def oom_take(b: Builder, error: int) -> Outs | None:
    value = _consume_error(b, error)
    if value is None:
        return None
    b.taken.add(value)
    return ()


@precondition
def oom_drop(b: Builder, error: int) -> Outs | None:
    return None if _consume_error(b, error) is None else ()


@precondition
def new_async(b: Builder, store: int, value: int) -> Outs | None:
    made = None if b.callbacks else _allocate(b, "L", store, value)
    if made is None:
        return None
    pending = b.stores[store].pending = b.new("P", store)
    return pending, *made


@precondition
def gc_async(b: Builder, store: int) -> Outs | None:
    if b.callbacks or gc(b, store) is None:
        return None
    pending = b.stores[store].pending = b.new("P", store)
    return (pending,)


def _open(b: Builder, pending: int) -> int | None:
    """The store of an open future, else None."""
    if not 0 <= pending < len(b.slots) or b.slots[pending].kind != "P":
        return None
    store = b.slots[pending].store
    return store if b.stores[store].pending == pending and b.slots[store].alive else None


@precondition
def poll(b: Builder, pending: int, polls: int) -> Outs | None:
    store = _open(b, pending)
    if store is None or b.callbacks:  # the callback may not run, and the future would stay open
        return None
    b.collect_point(store)
    if not polls:
        b.stores[store].pending = NULL
    return ()


@precondition
def cancel(b: Builder, pending: int) -> Outs | None:
    store = _open(b, pending)
    if store is None or b.callbacks:
        return None
    b.collect_point(store)
    b.stores[store].pending = NULL
    return ()


PRECONDITIONS: Final[tuple[Precondition, ...]] = tuple(TABLE[spec.name] for spec in OPS)
"""The precondition of each op, by code."""
