"""Suspended and cancelled operations (docs/spec/semantics.md 1.5, 3.5, program-ir.md 8.1)."""

import pytest

from twinheap.targets.heap import AsyncResourceLimiter, ExternRef, GcHeapOutOfMemory, RootScope, Store, StoreLimits

COLLECTORS = ("drc", "null", "copying")
KIB = 1024


@pytest.fixture
def dropped() -> list[object]:
    return []


@pytest.fixture(params=COLLECTORS)
def store(request, dropped) -> Store:
    return Store(request.param, on_finalize=dropped.append, verify=True)


def poll_to_end(future) -> int:
    polls = 1
    while not future.poll():
        polls += 1
    return polls


def test_gc_async_does_what_gc_does(store, dropped):
    kept = ExternRef.new(store, "kept")
    with RootScope(store):
        ExternRef.new(store, "dead").to_raw(store)
    future = store.gc_async()
    assert poll_to_end(future) > 1
    assert future.result is None
    assert dropped == ([] if store.collector == "null" else ["dead"])
    assert kept.data(store) == "kept"


def test_gc_async_without_heap_is_done_at_once(store):
    assert poll_to_end(store.gc_async()) == 1


@pytest.mark.parametrize("polls", range(7))
def test_a_cancelled_collection_is_repaired_by_the_next(store, dropped, polls):
    kept = ExternRef.new(store, "kept")
    with RootScope(store):
        owned = ExternRef.new(store, "owned").to_owned_rooted(store)
        ExternRef.new(store, "dead").to_raw(store)
    owned.drop()
    future = store.gc_async()
    for _ in range(polls):
        if future.poll():
            break
    future.cancel()
    store.verify()
    assert kept.data(store) == "kept"
    assert set(dropped) <= {"owned", "dead"}
    store.gc()
    if store.collector != "null":
        assert sorted(dropped) == ["dead", "owned"]
    store.drop()
    assert sorted(dropped) == ["dead", "kept", "owned"]


def test_new_async_gives_a_root_at_once_when_there_is_room(store):
    future = ExternRef.new_async(store, "v")
    assert store.heap is None
    assert future.poll()
    assert future.result.data(store) == "v"


@pytest.mark.parametrize("started", [False, True])
def test_cancelling_an_allocation_finalizes_its_value(dropped, started):
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    for i in range(2047):
        ExternRef.new(store, i)
    future = ExternRef.new_async(store, "v")
    if started:
        assert not future.poll()
    future.cancel()
    future.cancel()
    assert dropped == ["v"]
    store.verify()


def test_forgetting_an_allocation_cancels_it(store, dropped):
    ExternRef.new_async(store, "v")
    assert dropped == ["v"]


def test_cancelling_a_finished_allocation_does_nothing(store, dropped):
    future = ExternRef.new_async(store, "v")
    assert future.poll()
    future.cancel()
    assert dropped == []


def test_new_async_collects_and_hands_the_value_back_when_out_of_memory(dropped):
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    with RootScope(store):
        ExternRef.new(store, "listed").to_raw(store)
    for i in range(2046):
        ExternRef.new(store, i)
    future = ExternRef.new_async(store, "a")
    assert poll_to_end(future) > 1
    assert dropped == ["listed"]
    failing = ExternRef.new_async(store, "b")
    with pytest.raises(GcHeapOutOfMemory) as caught:
        poll_to_end(failing)
    failing.cancel()
    assert caught.value.into_inner() == "b"
    assert dropped == ["listed"]


class Waits(AsyncResourceLimiter):
    """Waits once before each answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def memory_growing(self, current, desired, maximum):
        await Once()
        self.asked.append((current, desired))
        return desired <= 64 * KIB


class Once:
    def __await__(self):
        yield


def test_an_async_limiter_is_awaited(store):
    limiter = Waits()
    store.limiter = limiter
    future = ExternRef.new_async(store, 1)
    assert poll_to_end(future) == 3
    assert limiter.asked == [(0, 0), (0, 64 * KIB)]
    assert future.result.data(store) == 1
    poll_to_end(store.gc_async())
    assert future.result.data(store) == 1
