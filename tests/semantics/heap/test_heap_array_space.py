"""Arrays in the allocation protocol: mixed sizes, fragments, K7, largest objects (docs/spec/semantics.md 1.4, 1.5)."""

import pytest

from twinheap.targets.heap import (
    EXTERNREF,
    AllocationTooLarge,
    ArrayRef,
    ArrayType,
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    Val,
)

KIB = 1024
EXTERNS = ArrayType(FieldType(EXTERNREF))
BYTES = ArrayType(FieldType(Storage.I8))


@pytest.mark.parametrize(
    ("collector", "length"),
    [("drc", 16_374), ("drc", 16_377), ("null", 16_380), ("null", 16_381), ("copying", 8_184), ("copying", 8_187)],
)
@pytest.mark.parametrize("defects", [set(), {"k7"}])
def test_a_first_request_of_just_under_a_page_fits_unless_k7_is_on(collector, length, defects):
    store = Store(collector, defects=defects)
    if defects:
        with pytest.raises(GcHeapOutOfMemory):
            ArrayRef.new(store, EXTERNS, None, length)
        assert store.heap_capacity == 64 * KIB
    assert ArrayRef.new(store, EXTERNS, None, length).len(store) == length
    assert store.heap_capacity == 128 * KIB
    store.verify()


@pytest.mark.parametrize(("collector", "length"), [("drc", 16_373), ("null", 16_379), ("copying", 8_183)])
def test_the_largest_array_in_one_page(collector, length):
    store = Store(collector, limiter=StoreLimits(memory_size=64 * KIB))
    assert ArrayRef.new(store, EXTERNS, None, length).len(store) == length
    with pytest.raises(GcHeapOutOfMemory):
        ArrayRef.new(store, EXTERNS, None, 0 if collector == "drc" else 1)


def test_a_large_request_takes_the_odd_step():
    store = Store("drc", limiter=StoreLimits(memory_size=192 * KIB))
    ExternRef.new(store, 1)
    ArrayRef.new(store, BYTES, Val.i32(0), 70 * KIB)
    assert store.heap_capacity == 192 * KIB


def test_fragments_do_not_add_up(dropped):
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    with RootScope(store):
        handles = [ExternRef.new(store, number).to_owned_rooted(store) for number in range(2047)]
    for handle in handles[::2]:
        handle.drop()
    store.gc()
    with pytest.raises(GcHeapOutOfMemory):
        ArrayRef.new(store, EXTERNS, None, 9)
    ExternRef.new(store, "fits")
    store.verify()


def test_freed_blocks_merge_into_room_for_a_large_array(dropped):
    store = Store("drc", limiter=StoreLimits(memory_size=64 * KIB), on_finalize=dropped.append)
    with RootScope(store):
        handles = [ExternRef.new(store, number).to_owned_rooted(store) for number in range(2047)]
    for handle in handles:
        handle.drop()
    store.gc()
    assert ArrayRef.new(store, EXTERNS, None, 16_000).len(store) == 16_000


def test_the_null_heap_refuses_2_to_the_26_bytes_before_it_asks_anybody():
    calls = []
    store = Store("null", limiter=StoreLimits(memory_size=0), on_limiter_call=lambda *sizes: calls.append(sizes))
    with pytest.raises(AllocationTooLarge, match="allocation size too large"):
        ArrayRef.new(store, BYTES, Val.i32(0), (1 << 26) - 12)
    assert calls == [(0, 0)]
    with pytest.raises(GcHeapOutOfMemory):
        ArrayRef.new(store, BYTES, Val.i32(0), (1 << 26) - 13)
    assert len(calls) == 2


def test_no_heap_holds_2_to_the_32_bytes(store):
    with pytest.raises(AllocationTooLarge):
        ArrayRef.new(store, ArrayType(FieldType(Storage.I64)), Val.i64(0), 1 << 29)
    assert store.heap_capacity == 0
