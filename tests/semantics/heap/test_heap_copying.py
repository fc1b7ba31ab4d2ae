"""The copying collector of 48 (docs/spec/semantics.md 1.5, 4.5)."""

import pytest

from twinheap.targets.heap import (
    ExternRef,
    GcHeapOutOfMemory,
    Global,
    Rooted,
    RootScope,
    Store,
    StoreLimits,
    Table,
)

KIB = 1024


@pytest.fixture
def dropped() -> list[object]:
    return []


@pytest.fixture
def store(dropped) -> Store:
    return Store("copying", on_finalize=dropped.append, verify=True)


def test_every_collection_moves_and_keeps_identity(store):
    a = ExternRef.new(store, 1)
    raws = []
    for _ in range(4):
        raws.append(a.to_raw(store))
        store.gc()
    assert raws[0] == raws[2] != raws[1] == raws[3]
    assert a.data(store) == 1


def test_all_kinds_of_roots_are_rewritten(store, dropped):
    with RootScope(store):
        handle = ExternRef.new(store, "v")
        cell = Global(store, ExternRef, handle)
        table = Table(store, ExternRef, 2, handle)
        owned = handle.to_owned_rooted(store)
        ExternRef.new(store, "garbage")
    lifo = owned.to_rooted(store)
    store.gc()
    assert dropped == ["garbage"]
    others = [cell.get(store), table.get(store, 0), table.get(store, 1), owned]
    for other in others:
        assert not isinstance(other, type(None))
        assert Rooted.ref_eq(store, lifo, other)


def test_finalizers_run_only_in_collections_most_recently_linked_first(store, dropped):
    with RootScope(store):
        for i in range(4):
            ExternRef.new(store, i)
    assert dropped == []
    store.gc()
    assert dropped == [3, 2, 1, 0]


def test_copied_externrefs_are_linked_anew(store, dropped):
    with RootScope(store):
        for i in range(4):
            ExternRef.new(store, i)
        store.gc()
    ExternRef.new(store, "kept")
    store.gc()
    assert dropped == [3, 2, 1, 0]


def test_allocation_collects_first_while_less_than_half_is_alive(dropped):
    calls = []
    store = Store("copying", on_finalize=dropped.append, on_limiter_call=lambda *sizes: calls.append(sizes))
    store.limiter = StoreLimits()
    for i in range(1024):
        with RootScope(store):
            ExternRef.new(store, i)
    assert calls == [(0, 0), (0, 64 * KIB)]
    assert len(dropped) == 1023
    store.verify()


def test_growth_comes_first_once_half_is_alive(dropped):
    store = Store("copying", on_finalize=dropped.append, limiter=StoreLimits())
    for i in range(1023):
        ExternRef.new(store, i)
    store.gc()
    assert store.live_bytes == 16 + 1023 * 32
    calls = []
    store.on_limiter_call = lambda *sizes: calls.append(sizes)
    ExternRef.new(store, "one more")
    assert calls == [(64 * KIB, 128 * KIB)]
    assert dropped == []
    store.verify()


def test_growth_with_the_upper_half_active_collects_before(store, dropped):
    store.verifying = False
    keep = [ExternRef.new(store, i) for i in range(1022)]
    store.gc()
    assert store.heap is not None
    assert store.heap.needs_gc_before_growth()
    with RootScope(store):
        ExternRef.new(store, "garbage")
    keep.append(ExternRef.new(store, 1022))
    assert dropped == ["garbage"]
    assert store.heap_capacity == 128 * KIB
    assert not store.heap.needs_gc_before_growth()
    assert [handle.data(store) for handle in keep] == list(range(1023))
    store.verify()


def test_a_full_heap_of_garbage_never_runs_out(dropped):
    store = Store("copying", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    for i in range(5000):
        with RootScope(store):
            ExternRef.new(store, i)
    assert sorted(dropped) == list(range(4 * 1023))


def test_both_halves_hold_the_same_number():
    store = Store("copying", limiter=StoreLimits(memory_size=64 * KIB))
    for collections in range(2):
        with RootScope(store):
            for i in range(1023):
                ExternRef.new(store, i)
            with pytest.raises(GcHeapOutOfMemory):
                ExternRef.new(store, "no room")
        for _ in range(collections + 1):
            store.gc()


def test_gc_with_an_error_collects_and_grows_only_if_needed():
    calls = []
    store = Store("copying", limiter=StoreLimits(memory_size=64 * KIB))
    with RootScope(store):
        for i in range(1023):
            ExternRef.new(store, i)
        with pytest.raises(GcHeapOutOfMemory) as caught:
            ExternRef.new(store, "no room")
    store.on_limiter_call = lambda *sizes: calls.append(sizes)
    store.gc(caught.value.take_inner()[1])
    assert calls == []
