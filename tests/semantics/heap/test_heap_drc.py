"""Counts, the OASR list and the moment of finalization (docs/spec/semantics.md 1.6, 3.1, 4.3)."""

import pytest

from twinheap.targets.heap import (
    I31,
    AnyRef,
    ExternRef,
    Global,
    HeapPanic,
    RootScope,
    Store,
    Table,
)


class Heap:
    """A DRC store with what it finalized."""

    def __init__(self, **settings):
        self.dropped: list[object] = []
        self.store = Store("drc", on_finalize=self.dropped.append, verify=True, **settings)

    def owned(self, value):
        with RootScope(self.store):
            return ExternRef.new(self.store, value).to_owned_rooted(self.store)


@pytest.fixture
def heap() -> Heap:
    return Heap()


@pytest.mark.parametrize("exposures", [1, 2, 5])
def test_an_exposed_object_waits_for_the_next_collection(heap, exposures):
    with RootScope(heap.store):
        handle = ExternRef.new(heap.store, 1)
        for _ in range(exposures):
            handle.to_raw(heap.store)
    assert heap.dropped == []
    heap.store.gc()
    assert heap.dropped == [1]


def test_with_k1_a_second_exposure_leaks_until_store_drop():
    heap = Heap(defects={"k1"})
    with RootScope(heap.store):
        once, twice = ExternRef.new(heap.store, "once"), ExternRef.new(heap.store, "twice")
        for handle in (once, twice, twice):
            handle.to_raw(heap.store)
    heap.store.gc()
    heap.store.gc()
    assert heap.dropped == ["once"]
    heap.store.drop()
    assert heap.dropped == ["once", "twice"]


def test_an_object_can_be_listed_again_after_a_sweep(heap):
    owned = heap.owned(1)
    for _ in range(3):
        owned.to_raw(heap.store)
        heap.store.gc()
    owned.drop()
    heap.store.gc()
    assert heap.dropped == [1]


def test_the_list_is_swept_newest_first(heap):
    with RootScope(heap.store):
        for value in (1, 2, 3):
            ExternRef.new(heap.store, value).to_raw(heap.store)
    heap.store.gc()
    assert heap.dropped == [3, 2, 1]


def test_overwriting_the_last_global_finalizes_inside_the_call(heap):
    with RootScope(heap.store):
        cell = Global(heap.store, ExternRef, ExternRef.new(heap.store, 1))
    assert heap.dropped == []
    cell.set(heap.store, None)
    assert heap.dropped == [1]


def test_overwriting_after_an_exposure_waits(heap):
    with RootScope(heap.store):
        cell = Global(heap.store, ExternRef, ExternRef.new(heap.store, 1))
        value = cell.get(heap.store)
        assert value is not None
        value.to_raw(heap.store)
    cell.set(heap.store, None)
    assert heap.dropped == []
    heap.store.gc()
    assert heap.dropped == [1]


def test_setting_a_global_to_its_own_value_changes_nothing(heap):
    with RootScope(heap.store):
        cell = Global(heap.store, ExternRef, ExternRef.new(heap.store, 1))
    with RootScope(heap.store):
        cell.set(heap.store, cell.get(heap.store))
    assert heap.dropped == []
    cell.set(heap.store, None)
    assert heap.dropped == [1]


def test_the_barrier_counts_the_new_value_before_it_drops_the_old(heap):
    """A slot may be written with what only the slot holds (docs/spec/verification.md 10)."""
    with RootScope(heap.store):
        cell = Global(heap.store, ExternRef, ExternRef.new(heap.store, 1))
    slot = cell.cell
    heap.store.write_slot(slot, 0, slot[0])
    assert heap.dropped == []
    heap.store.verify()


def test_table_fill_finalizes_ascending_inside_the_call(heap):
    with RootScope(heap.store):
        table = Table(heap.store, ExternRef, 4)
        for i in range(4):
            table.set(heap.store, i, ExternRef.new(heap.store, i))
    table.fill(heap.store, 1, None, 3)
    assert heap.dropped == [1, 2, 3]


def test_a_dead_object_makes_room_at_once(heap):
    first = heap.owned(1)
    raw = first.to_raw(heap.store)
    heap.store.gc()
    first.drop()
    heap.store.gc()
    assert ExternRef.new(heap.store, 2).to_raw(heap.store) == raw


def test_raw_values_stay_valid_while_rooted(heap):
    handle = ExternRef.new(heap.store, "v")
    raw = handle.to_raw(heap.store)
    heap.store.gc()
    again = ExternRef.from_raw(heap.store, raw)
    assert again is not None
    assert again.data(heap.store) == "v"


def test_from_raw_zero_is_none_and_odd_is_an_i31(heap):
    assert ExternRef.from_raw(heap.store, 0) is None
    assert AnyRef.from_raw(heap.store, 0) is None
    number = ExternRef.from_raw(heap.store, 7)
    assert number is not None
    assert number.data(heap.store) is None
    assert number.to_raw(heap.store) == 7
    anyref = AnyRef.from_raw(heap.store, 0xFFFF_FFFF)
    assert anyref is not None
    assert anyref.unwrap_i31(heap.store) == I31.wrapping_i32(-1)
    assert heap.store.heap is None


def test_with_k6_an_i31_externref_needs_a_heap_to_become_raw():
    store = Store("drc", defects={"k6"})
    number = ExternRef.from_raw(store, 7)
    assert number is not None
    with pytest.raises(HeapPanic, match="before it has been allocated"):
        number.to_raw(store)
    assert AnyRef.from_i31(store, I31(3)).to_raw(store) == 7
    ExternRef.new(store, 1)
    assert number.to_raw(store) == 7


def test_raw_values_that_are_no_references_panic(heap):
    with pytest.raises(HeapPanic, match="before it has been allocated"):
        ExternRef.from_raw(heap.store, 16)
    ExternRef.new(heap.store, 1)
    with pytest.raises(HeapPanic):
        ExternRef.from_raw(heap.store, 1 << 20)
    with pytest.raises(HeapPanic, match="should be an externref or anyref"):
        ExternRef.from_raw(heap.store, 1024)


def test_what_a_wasm_frame_holds_stays_listed(heap):
    """Room for frames: a marked member survives the sweep, an unmarked one does not."""
    with RootScope(heap.store):
        held = ExternRef.new(heap.store, "held").to_raw(heap.store)
        ExternRef.new(heap.store, "dead").to_raw(heap.store)
        ExternRef.new(heap.store, "dead too").to_raw(heap.store)
    heap.store.frames.append([held, 0, 7])
    heap.store.gc()
    assert heap.dropped == ["dead too", "dead"]
    heap.store.frames.pop()
    heap.store.gc()
    assert heap.dropped == ["dead too", "dead", "held"]
