"""Capacity, growth, limits and out of memory (docs/spec/semantics.md 1.4, 1.5, 3.5)."""

import pytest

from twinheap.targets.heap import (
    AsyncResourceLimiter,
    ExternRef,
    GcHeapOutOfMemory,
    LimiterError,
    ResourceLimiter,
    RootScope,
    Store,
    StoreLimits,
)

KIB = 1024
MAXIMUM = 1 << 32


def fill(store: Store) -> int:
    """Allocate until out of memory; how many fitted."""
    count = 0
    try:
        while True:
            ExternRef.new(store, count)
            count += 1
    except GcHeapOutOfMemory:
        return count


@pytest.mark.parametrize(
    ("collector", "expected"),
    [("drc", (2047, 4095, 8191)), ("null", (4095, 8191, 16383)), ("copying", (1023, 2047, 4095))],
)
def test_capacity_table(collector, expected):
    for pages, fits in zip((1, 2, 4), expected, strict=True):
        store = Store(collector, limiter=StoreLimits(memory_size=pages * 64 * KIB))
        assert fill(store) == fits
        store.verify()


@pytest.mark.parametrize(("collector", "fits"), [("drc", 4095), ("null", 8191), ("copying", 2047)])
def test_a_limit_between_two_steps_stops_at_the_lower(collector, fits):
    calls = []
    store = Store(
        collector,
        limiter=StoreLimits(memory_size=192 * KIB),
        on_limiter_call=lambda current, desired: calls.append((current // KIB, desired // KIB)),
    )
    assert fill(store) == fits
    assert calls == [(0, 0), (0, 64), (64, 128), (128, 256)]
    assert store.heap_capacity == 128 * KIB


def test_without_a_limit_nothing_is_collected():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append)
    with RootScope(store):
        ExternRef.new(store, "listed").to_raw(store)
    for i in range(5000):
        ExternRef.new(store, i)
    assert dropped == []
    assert store.heap_capacity == 256 * KIB


@pytest.mark.parametrize(("collector", "needed"), [("drc", 32), ("null", 16), ("copying", 64)])
def test_out_of_memory_tells_the_bytes_and_keeps_the_value(collector, needed):
    dropped: list[object] = []
    store = Store(collector, limiter=StoreLimits(memory_size=0), on_finalize=dropped.append, verify=True)
    value = object()
    with pytest.raises(GcHeapOutOfMemory) as caught:
        ExternRef.new(store, value)
    assert str(caught.value) == f"GC heap out of memory: no capacity for allocation of {needed} bytes"
    assert caught.value.bytes_needed == needed
    same, unit = caught.value.take_inner()
    assert same is value
    store.limiter = None
    store.gc(unit)
    assert ExternRef.new(store, same).data(store) is value


def test_a_dropped_error_finalizes_its_value():
    dropped: list[object] = []
    store = Store("drc", limiter=StoreLimits(memory_size=0), on_finalize=dropped.append, verify=True)
    with pytest.raises(GcHeapOutOfMemory) as caught:
        ExternRef.new(store, "lost")
    assert dropped == []
    caught.value.drop()
    caught.value.drop()
    assert dropped == ["lost"]
    store.drop()
    assert dropped == ["lost"]


def test_lowering_the_limit_does_not_shrink_the_heap():
    store = Store("drc", limiter=StoreLimits())
    for i in range(3000):
        ExternRef.new(store, i)
    store.limiter = StoreLimits(memory_size=64 * KIB)
    assert fill(store) == 4095 - 3000


def test_when_growth_is_refused_trimming_and_the_sweep_make_room():
    dropped: list[object] = []
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    with RootScope(store):
        handles = [ExternRef.new(store, i).to_owned_rooted(store) for i in range(2046)]
        ExternRef.new(store, "listed").to_raw(store)
    handles[7].drop()
    assert ExternRef.new(store, "a").data(store) == "a"
    assert dropped == [7, "listed"]
    store.verify()
    assert ExternRef.new(store, "b").data(store) == "b"
    with pytest.raises(GcHeapOutOfMemory):
        ExternRef.new(store, "c")


def test_the_retry_takes_the_id_freed_last():
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB))
    with RootScope(store):
        handles = [ExternRef.new(store, i).to_owned_rooted(store) for i in range(2047)]
    handles[3].drop()
    handles[9].drop()
    handle = ExternRef.new(store, "new")
    assert store.host_data.entries[9].value == "new"
    assert handle.data(store) == "new"


class Refuses(ResourceLimiter):
    def memory_growing(self, current, desired, maximum):
        assert maximum == MAXIMUM
        return False


class Fails(ResourceLimiter):
    def memory_growing(self, current, desired, maximum):
        if desired:
            raise RuntimeError("trap on grow failure")
        return True


def test_a_limiter_may_refuse_the_heap_itself():
    dropped: list[object] = []
    store = Store("drc", limiter=Refuses(), on_finalize=dropped.append, verify=True)
    with pytest.raises(LimiterError, match="memory minimum size of 0 pages exceeds memory limits"):
        ExternRef.new(store, 1)
    assert dropped == [1]
    assert store.heap is None


def test_an_error_of_the_limiter_is_a_refusal():
    store = Store("drc", limiter=Fails(), verify=True)
    with pytest.raises(GcHeapOutOfMemory):
        ExternRef.new(store, 1)


def test_an_async_limiter_refuses_synchronous_operations():
    dropped: list[object] = []
    store = Store("drc", limiter=AsyncResourceLimiter(), on_finalize=dropped.append)
    with pytest.raises(LimiterError, match="`\\*_async` functions must be used instead"):
        ExternRef.new(store, 1)
    assert dropped == [1]
    with pytest.raises(LimiterError):
        store.gc()


def oom_of(store: Store) -> GcHeapOutOfMemory[None]:
    try:
        while True:
            ExternRef.new(store, 0)
    except GcHeapOutOfMemory as oom:
        return oom.take_inner()[1]


@pytest.mark.parametrize("collector", ["drc", "null"])
def test_gc_with_an_error_grows_even_when_there_is_room(collector):
    dropped: list[object] = []
    store = Store(collector, limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    with RootScope(store):
        oom = oom_of(store)
    dropped.clear()
    store.limiter = StoreLimits(memory_size=128 * KIB)
    with RootScope(store):
        ExternRef.new(store, "listed").to_raw(store)
    store.gc(oom)
    assert store.heap_capacity == 128 * KIB
    assert dropped == []
    store.gc(oom)
    assert dropped == (["listed"] if collector == "drc" else [])


def test_gc_with_an_error_of_another_store_is_harmless_without_heap():
    oom = oom_of(Store("drc", limiter=StoreLimits(memory_size=64 * KIB)))
    store = Store("drc", verify=True)
    store.gc(oom)
    store.gc()
    assert store.heap is None


def test_null_frees_nothing_before_store_drop():
    dropped: list[object] = []
    store = Store("null", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        for i in range(5):
            ExternRef.new(store, i)
    store.gc()
    assert dropped == []
    store.drop()
    assert dropped == [0, 1, 2, 3, 4]


def test_store_drop_finalizes_the_rest_in_ascending_id():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        handles = [ExternRef.new(store, i).to_owned_rooted(store) for i in range(4)]
    handles[2].drop()
    handles[0].drop()
    store.gc()
    assert dropped == [0, 2]
    ExternRef.new(store, "a")
    store.drop()
    store.drop()
    assert dropped == [0, 2, 1, "a", 3]
