"""Globals, tables and typed calls (docs/spec/wasm-ops.md 6.2, 6.3, semantics.md 2.1, 3.3)."""

import pytest

from twinheap.targets.heap import (
    I31,
    Absent,
    AnyRef,
    ExternRef,
    Global,
    GrowFailed,
    HeapPanic,
    ImmutableGlobal,
    LimiterError,
    OutOfBounds,
    OwnedRooted,
    ParamKind,
    Rooted,
    RootScope,
    Store,
    StoreLimits,
    Table,
    TypedFunc,
    TypeMismatch,
    Unrooted,
)
from twinheap.targets.heap.limits import AsyncResourceLimiter


def table_of(store: Store, *values: object) -> Table[ExternRef]:
    with RootScope(store):
        table = Table(store, ExternRef, len(values))
        for i, value in enumerate(values):
            table.set(store, i, None if value is None else ExternRef.new(store, value))
    return table


def contents(store: Store, table: Table[ExternRef]) -> list[object]:
    with RootScope(store):
        handles = [table.get(store, i) for i in range(table.size(store))]
        return [handle.data(store) if isinstance(handle, Rooted) else handle for handle in handles]


def test_globals_are_roots_and_alias_by_reference(store):
    with RootScope(store):
        cell = Global(store, ExternRef, ExternRef.new(store, 1))
    store.gc()
    first, second = cell.get(store), cell.get(store)
    assert first is not None
    assert second is not None
    assert first.data(store) == 1
    assert Rooted.ref_eq(store, first, second)
    cell.set(store, None)
    assert cell.get(store) is None


def test_globals_hold_i31s_without_a_heap(store):
    cell = Global(store, AnyRef, AnyRef.from_i31(store, I31(5)))
    value = cell.get(store)
    assert value is not None
    assert value.unwrap_i31(store) == I31(5)
    assert store.heap is None


def test_what_a_global_refuses(store):
    cell = Global(store, ExternRef, mutable=False)
    with pytest.raises(ImmutableGlobal, match="immutable global cannot be set"):
        cell.set(store, None)
    cell = Global(store, ExternRef)
    with pytest.raises(TypeMismatch) as caught:
        cell.set(store, AnyRef.from_i31(store, I31(1)))
    other = Store(store.collector)
    with pytest.raises(TypeMismatch) as caught:
        cell.set(store, ExternRef.new(other, 1))
    assert str(caught.value.__cause__) == "value used with wrong store"
    with RootScope(store):
        stale = ExternRef.new(store, 1)
    with pytest.raises(Unrooted):
        cell.set(store, stale)
    with pytest.raises(HeapPanic):
        cell.get(other)
    assert cell.get(store) is None


def test_table_get_set_and_bounds(store):
    table = table_of(store, "a", None)
    assert contents(store, table) == ["a", None]
    assert table.get(store, 2) is Absent.ABSENT
    with pytest.raises(OutOfBounds, match="undefined element: out of bounds table access"):
        table.set(store, 2, None)
    other = Store(store.collector)
    with pytest.raises(TypeMismatch) as caught:
        table.set(store, 0, ExternRef.new(other, 1))
    assert str(caught.value.__cause__) == "reference used with wrong store"
    assert contents(store, table) == ["a", None]


def test_table_grow(store):
    table = Table(store, ExternRef, 1, maximum=4)
    assert table.grow(store, 2, ExternRef.new(store, "x")) == 1
    assert table.grow(store, 0) == 3
    with pytest.raises(GrowFailed, match="failed to grow table by `2`"):
        table.grow(store, 2)
    assert contents(store, table) == [None, "x", "x"]


def test_table_growth_asks_the_limiter_unless_by_zero():
    store = Store("drc", limiter=StoreLimits(table_elements=2), verify=True)
    table = Table(store, ExternRef, 2)
    assert table.grow(store, 0) == 2
    with pytest.raises(GrowFailed):
        table.grow(store, 1)
    with pytest.raises(LimiterError, match="table minimum size of 3 elements exceeds table limits"):
        Table(store, ExternRef, 3)
    store.limiter = AsyncResourceLimiter()
    with pytest.raises(LimiterError):
        table.grow(store, 0)


def test_table_fill_checks_before_it_writes(store):
    table = table_of(store, 1, 2, 3)
    with RootScope(store):
        value = ExternRef.new(store, "v")
        with pytest.raises(OutOfBounds):
            table.fill(store, 2, value, 2)
        assert contents(store, table) == [1, 2, 3]
        table.fill(store, 3, value, 0)
        table.fill(store, 0, value, 2)
    store.gc()
    assert contents(store, table) == ["v", "v", 3]


@pytest.mark.parametrize(
    ("to", "start", "count", "expected"),
    [
        (1, 0, 3, [0, 0, 1, 2]),
        (0, 1, 3, [1, 2, 3, 3]),
        (2, 2, 2, [0, 1, 2, 3]),
        (2, 0, 2, [0, 1, 0, 1]),
        (4, 4, 0, [0, 1, 2, 3]),
    ],
)
def test_table_copy_within_works_as_if_buffered(store, to, start, count, expected):
    table = table_of(store, 0, 1, 2, 3)
    Table.copy(store, table, to, table, start, count)
    store.gc()
    assert contents(store, table) == expected


def test_table_copy_order_shows_in_the_finalizers():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    table = table_of(store, 0, 1, 2, 3)
    Table.copy(store, table, 0, table, 2, 2)
    assert dropped == [0, 1]
    table = table_of(store, "a", "b", "c", "d")
    dropped.clear()
    Table.copy(store, table, 2, table, 0, 2)
    assert dropped == ["d", "c"]
    source, target = table_of(store, "x", "y"), table_of(store, "p", "q", "r")
    dropped.clear()
    Table.copy(store, target, 1, source, 0, 2)
    assert dropped == ["q", "r"]


def test_table_copy_checks_types_and_ranges_first(store):
    externs, anys = table_of(store, 1, 2), Table(store, AnyRef, 2)
    with pytest.raises(TypeMismatch, match="source table's element type"):
        Table.copy(store, externs, 0, anys, 0, 1)
    with pytest.raises(OutOfBounds):
        Table.copy(store, externs, 1, externs, 0, 2)
    assert contents(store, externs) == [1, 2]


@pytest.mark.parametrize("kind", ParamKind)
def test_typed_calls_give_the_same_reference_back(store, kind):
    identity = TypedFunc(store, kind, ExternRef)
    handle = ExternRef.new(store, "v")
    argument = handle.to_owned_rooted(store) if kind.owned else handle
    result = identity.call(store, argument)
    assert isinstance(result, OwnedRooted if kind.owned else Rooted)
    assert Rooted.ref_eq(store, handle, result)
    number = ExternRef.from_raw(store, 9)
    assert number is not None
    result = identity.call(store, number.to_owned_rooted(store) if kind.owned else number)
    assert result is not None
    assert result.i31(store) == I31(4)


@pytest.mark.parametrize("kind", ParamKind)
def test_what_typed_calls_refuse(store, kind):
    identity = TypedFunc(store, kind, ExternRef)
    if kind.nullable:
        assert identity.call(store, None) is None
    else:
        with pytest.raises(TypeMismatch):
            identity.call(store, None)
    other = Store(store.collector)
    foreign = ExternRef.new(other, 1)
    with pytest.raises(TypeMismatch, match="cross-`Store` value"):
        identity.call(store, foreign.to_owned_rooted(other) if kind.owned else foreign)
    if not kind.owned:
        with RootScope(store):
            stale = ExternRef.new(store, 1)
        with pytest.raises(Unrooted):
            identity.call(store, stale)


def test_an_owned_typed_call_nets_one_owned_root_and_one_generation():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        owned = ExternRef.new(store, 1).to_owned_rooted(store)
    generation = store.roots.generation
    result = TypedFunc(store, ParamKind.OWNED, ExternRef).call(store, owned)
    assert isinstance(result, OwnedRooted)
    assert owned.is_dropped
    assert store.roots.generation == generation + 1
    assert len(store.roots.lifo_refs) == 0
    store.gc()
    assert len(store.roots.liveness) == 1
    assert dropped == []
    result.drop()
    store.gc()
    assert dropped == [1]


def test_a_typed_call_exposes_its_argument():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        TypedFunc(store, ParamKind.ROOTED, ExternRef).call(store, ExternRef.new(store, 1))
    assert dropped == []
    store.gc()
    assert dropped == [1]


def test_the_owned_load_trims_lazily_after_the_argument_was_dropped():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    for i in range(7):
        with RootScope(store):
            ExternRef.new(store, i).to_owned_rooted(store).drop()
    with RootScope(store):
        argument = ExternRef.new(store, "kept").to_owned_rooted(store)
    result = TypedFunc(store, ParamKind.OWNED, ExternRef).call(store, argument)
    assert dropped == [0, 1, 2, 3, 4, 5, 6]
    assert result is not None
    assert len(store.roots.liveness) == 1
