"""Rules for globals and tables as root slots (wasm-ops.md 6.2, 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model.contents import Cell, Table, offered
from twinheap.model.entities import Obj, Ref
from twinheap.model.kit import HIERARCHY
from twinheap.model.observation import GROW, IMMUTABLE, OK, OOB, OTHER, TYPE, Observation
from twinheap.model.ops import INT_KINDS, NULL, REF_TYPES, UNLIMITED
from twinheap.model.room import LIMIT
from twinheap.model.roots import Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.world import World

INDEXED: Final = 2**32 - 1
"""Elements of the largest table without a maximum."""

_REFUSED_WRITE = "err:type/mismatch err:unrooted/stale err:grow/maximum err:grow/limiter err:other/limiter skip/empty"
_WRITE = "ok/object ok/i31 ok/null err:type/mismatch err:unrooted/stale skip/empty"


# --- globals (6.3)


@rule("global_new", _WRITE)
def global_new(w: World, obs: Observation, slot: int, type_: int, mutable: int, value: int, result: int) -> None:
    """A global is a root; host-created ones too."""
    if w.empty(obs, value):
        return
    store = store_at(w, slot)
    ref = w.value(obs, value, type_)
    if isinstance(ref, Stale):
        return
    w.require(obs, OK, "the value fits")
    store.write(None, ref)
    w.slots[result] = Cell(store, type_, bool(mutable), ref)


def _global_get(owned: bool) -> Callable[..., None]:
    def global_get(w: World, obs: Observation, source: int, result: int) -> None:
        if w.empty(obs, source):
            return
        cell = w.slots[source]
        assert isinstance(cell, Cell)
        if w.kind_of_null(obs, cell.ref):
            w.put(result, own_in_scope(cell.store, cell.ref) if owned else cell.store.root(cell.ref), cell.type)

    return global_get


rule("global_get", "ok/object ok/i31 ok/null skip/empty", Gives.VALUES)(_global_get(owned=False))
rule("global_get_owned", "ok/object ok/i31 ok/null skip/empty", Gives.VALUES)(_global_get(owned=True))


@rule("global_set", _WRITE + " err:immutable/const")
def global_set(w: World, obs: Observation, target: int, value: int) -> None:
    """New value first, then the old one (1.6)."""
    if w.empty(obs, target, value):
        return
    cell = w.slots[target]
    assert isinstance(cell, Cell)
    if not cell.mutable:
        w.case = "const"
        w.require(obs, IMMUTABLE, "the global is immutable")
        return
    ref = w.value(obs, value, cell.type)
    if isinstance(ref, Stale):
        return
    w.require(obs, OK, "the value fits")
    cell.store.write(cell.ref, ref)
    cell.ref = ref


# --- tables (6.2)


@rule("table_new", _WRITE + " err:other/async-limiter err:other/limiter")
def table_new(
    w: World, obs: Observation, slot: int, type_: int, minimum: int, maximum: int, value: int, result: int
) -> None:
    """A table of `minimum` elements, each a root."""
    if w.empty(obs, value):
        return
    store = store_at(w, slot)
    if store.limiter:
        w.case = "async-limiter"
        w.require(obs, OTHER, "an async limiter needs the async form (1.5 A)")
        return
    refused = store.answer != LIMIT
    if refused and not w.profile.bounds_first:
        _refused(w, obs, OTHER)
        return
    ref = w.value(obs, value, type_) if _is_read(w, value, type_, 0 if refused else minimum) else None
    if isinstance(ref, Stale):
        return
    if refused:
        _refused(w, obs, OTHER)
        return
    offered(ref)
    w.require(obs, OK, "the value fits")
    table = Table(store, type_, maximum, [])
    _append(table, ref, minimum)
    w.slots[result] = table


@rule("table_new64", _WRITE + " err:other/async-limiter err:other/limiter")
def table_new64(
    w: World, obs: Observation, slot: int, type_: int, minimum: int, maximum: int, value: int, result: int
) -> None:
    """The same with indexes of 64 bits."""
    table_new(w, obs, slot, type_, minimum, maximum, value, result)
    made = w.slots[result]
    if isinstance(made, Table):
        made.wide = True


def _refused(w: World, obs: Observation, outcome: str) -> None:
    """The limiter is asked about every table, also one without elements (6.2)."""
    w.case = "limiter"
    w.require(obs, outcome, "the limiter does not let the table grow")


def _append(table: Table, ref: Ref, count: int) -> None:
    for _ in range(count):
        table.store.write(None, ref)
    table.refs.extend([ref] * count)


def _table(w: World, slot: int) -> Table:
    table = w.slots[slot]
    assert isinstance(table, Table)
    return table


def _table_get(owned: bool) -> Callable[..., None]:
    def table_get(w: World, obs: Observation, source: int, index: int, result: int) -> None:
        if w.empty(obs, source):
            return
        table = _table(w, source)
        if index >= len(table.refs):
            w.case = "absent"
            w.require_values(obs, ("absent",), "TH105")
            return
        ref = table.refs[index]
        if w.kind_of_null(obs, ref):
            w.put(result, own_in_scope(table.store, ref) if owned else table.store.root(ref), table.type)

    return table_get


rule("table_get", "ok/object ok/i31 ok/null ok/absent skip/empty", Gives.VALUES)(_table_get(owned=False))
rule("table_get_owned", "ok/object ok/i31 ok/null ok/absent skip/empty", Gives.VALUES)(_table_get(owned=True))


def _is_read(w: World, value: int, type_: int, count: int) -> bool:
    """Whether a value of the right type is looked at: from 46 on, only if it is written somewhere."""
    fits = value == NULL or HIERARCHY[REF_TYPES[w.types[value]]] == HIERARCHY[REF_TYPES[type_]]
    return bool(count) or not (fits and w.profile.bounds_first)


def _set_range(w: World, obs: Observation, table: Table, index: int, value: int, count: int) -> None:
    """`count` slots from `index` on: type, then roots, then bounds; nothing is written if out of bounds."""
    ref = w.value(obs, value, table.type)
    if isinstance(ref, Stale):
        return
    offered(ref)
    if index + count > len(table.refs):
        w.case = "bounds"
        w.require(obs, OOB, f"the table has {len(table.refs)} elements")
        return
    w.require(obs, OK, "in range")
    for at in range(index, index + count):
        table.store.write(table.refs[at], ref)
        table.refs[at] = ref


@rule("table_set", _WRITE + " err:oob/bounds")
def table_set(w: World, obs: Observation, target: int, index: int, value: int) -> None:
    """Replaces one element. Nobody releases what was there (K14)."""
    if w.empty(obs, target, value):
        return
    table = _table(w, target)
    before = table.refs[index] if index < len(table.refs) else None
    _set_range(w, obs, table, index, value, 1)
    if obs.outcome == OK:
        offered(before)


@rule("table_fill", _WRITE + " err:oob/bounds")
def table_fill(w: World, obs: Observation, target: int, index: int, value: int, count: int) -> None:
    """Replaces a range, ascending; a range of 0 at the end is fine."""
    if w.empty(obs, target, value):
        return
    table = _table(w, target)
    outside = index + count > len(table.refs)
    if not _is_read(w, value, table.type, 0 if outside else count):
        w.case = "bounds" if outside else "null"
        w.require(obs, OOB if outside else OK, "nothing is written")
        return
    _set_range(w, obs, table, index, value, count)


@rule("table_grow", _WRITE + " err:grow/maximum err:grow/limiter err:other/limiter", Gives.VALUES)
def table_grow(w: World, obs: Observation, target: int, delta: int, value: int) -> None:
    """Gives the previous size; delta 0 always succeeds. Without a maximum, what indexes can reach is the bound."""
    if w.empty(obs, target, value):
        return
    table = _table(w, target)
    size = len(table.refs)
    over = size + delta > (table.maximum if table.maximum != UNLIMITED else INDEXED)
    refused = bool(delta) and table.store.answer != LIMIT
    ref = w.value(obs, value, table.type) if _is_read(w, value, table.type, 0 if over or refused else delta) else None
    if isinstance(ref, Stale):
        return
    offered(ref)
    if refused:
        _refused(w, obs, OTHER if INT_KINDS["answer"].names[table.store.answer] == "error" else GROW)
        return
    if over:
        w.case = "maximum"
        if obs.outcome != OTHER or not table.wide or table.maximum != UNLIMITED:  # else for want of memory
            w.require(obs, GROW, f"the maximum is {table.maximum if table.maximum != UNLIMITED else INDEXED}")
        return
    w.require_values(obs, (size,), "TH109")
    _append(table, ref, delta)


rule("table_grow_huge", _REFUSED_WRITE, Gives.VALUES)(table_grow)


@rule("table_copy", "ok/up ok/down ok/same ok/other ok/nothing err:type/mismatch err:oob/bounds skip/empty")
def table_copy(w: World, obs: Observation, target: int, at: int, source: int, start: int, count: int) -> None:
    """As if buffered; within one table ascending if the destination is lower, else descending (6.2)."""
    if w.empty(obs, target, source):
        return
    dst, src = _table(w, target), _table(w, source)
    outside = at + count > len(dst.refs) or start + count > len(src.refs)
    if dst.type != src.type and not (outside and w.profile.bounds_first):
        w.case = "mismatch"
        w.require(obs, TYPE, "the element types differ")
        return
    if outside:
        w.case = "bounds"
        w.require(obs, OOB, "out of range")
        return
    w.require(obs, OK, "in range")
    for ref in src.refs[start : start + count]:
        if isinstance(ref, Obj):
            ref.copied = True
    if dst is src and at == start:
        w.case = "same"
        return
    w.case = "nothing" if not count else "other" if dst is not src else "up" if at > start else "down"
    descending = dst is src and at > start
    for step in reversed(range(count)) if descending else range(count):
        ref = src.refs[start + step]
        dst.store.write(dst.refs[at + step], ref)
        dst.refs[at + step] = ref


@rule("table_size", "ok/size skip/empty", Gives.VALUES)
def table_size(w: World, obs: Observation, target: int) -> None:
    """The number of elements."""
    if w.empty(obs, target):
        return
    w.case = "size"
    w.require_values(obs, (len(_table(w, target).refs),), "TH109")
