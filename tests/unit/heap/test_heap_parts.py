"""i31, host-data table, layouts, limits, errors, futures: the parts without a store."""

import pytest

from twinheap.targets.heap import (
    I31,
    GcHeapOutOfMemory,
    HeapPanic,
    HeapType,
    Store,
    StoreLimits,
)
from twinheap.targets.heap.drc import DATA_WORD, EXTERNREF, HEADER_BYTES, NEXT_WORD, DrcHeap
from twinheap.targets.heap.future import HeapFuture
from twinheap.targets.heap.host_data import HostData, HostDataTable
from twinheap.targets.heap.layout import ARRAY, EQ, EXN, EXTERN, STRUCT, TraceInfo, children, kind_matches


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, 0x1), (0x3FFF_FFFF, 0x7FFF_FFFF), (0x4000_0000, 0x8000_0001), (-1, 0xFFFF_FFFF), (0xFFFF_FFFF, 0xFFFF_FFFF)],
)
def test_i31_encodings(value, raw):
    assert I31.wrapping_i32(value).raw == raw
    assert I31.from_raw(raw) == I31.wrapping_u32(value)


def test_i31_getters_extend_from_bit_30():
    top = I31.wrapping_u32(0x4000_0000)
    assert (top.get_u32(), top.get_i32()) == (0x4000_0000, -(1 << 30))
    assert I31.wrapping_i32(-1).get_u32() == 2**31 - 1


def test_checked_i31_constructors_accept_exactly_their_range():
    assert [I31.new_u32(x) is not None for x in (-1, 0, 2**31 - 1, 2**31)] == [False, True, True, False]
    assert [I31.new_i32(x) is not None for x in (-(2**30) - 1, -(2**30), 2**30 - 1, 2**30)] == [
        False,
        True,
        True,
        False,
    ]


def test_host_data_ids_are_reused_last_freed_first():
    table = HostDataTable(None)
    ids = [table.alloc(HostData(i)) for i in range(4)]
    assert ids == [0, 1, 2, 3]
    for data_id in (1, 3, 2):
        table.free(data_id)
    assert [table.alloc(HostData(i)) for i in range(4)] == [2, 3, 1, 4]


def test_the_rest_is_dropped_in_ascending_id():
    dropped: list[object] = []
    table = HostDataTable(dropped.append)
    for value in "abcd":
        table.alloc(HostData(value))
    table.free(2)
    table.free(0)
    table.alloc(HostData("e"))
    table.drop_all()
    assert dropped == ["c", "a", "e", "b", "d"]


def test_kinds_form_a_bit_lattice():
    assert kind_matches(STRUCT, EQ)
    assert kind_matches(ARRAY, EQ)
    assert not kind_matches(EXTERN, EQ)
    assert not kind_matches(EXN, EQ)
    assert not kind_matches(STRUCT, ARRAY)


def test_the_drc_header_lies_where_compiled_code_expects_it():
    assert HEADER_BYTES == 24
    assert EXTERNREF.size == 28
    assert DATA_WORD * 4 == HEADER_BYTES
    heap = DrcHeap(HostDataTable(None))
    assert heap.grow(1)
    ref = heap.alloc_externref(7)
    assert ref == 16
    assert list(heap.words[4:11]) == [EXTERN, 0xFFFF_FFFF, 1, 0, 0, 32, 7]


def test_children_follow_the_trace_information():
    words = memoryview(bytearray(256)).cast("I")
    infos = [TraceInfo(offsets=(24, 32)), TraceInfo(elements=28)]
    words[4], words[5] = STRUCT, 0
    words[10], words[12] = 0x40, 9
    assert children(words, 16, infos) == [0x40, 9]
    words[20], words[21], words[26] = ARRAY, 1, 3
    words[27:30] = memoryview(bytes([1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0])).cast("I")
    assert children(words, 80, infos) == [1, 0, 5]


def test_lowering_a_limit_counts_at_once():
    limits = StoreLimits(memory_size=65536, table_elements=3)
    assert limits.memory_growing(0, 65536, 1 << 32)
    limits.memory_size = 0
    assert not limits.memory_growing(0, 65536, 1 << 32)
    assert limits.table_growing(0, 3, None)
    assert not limits.table_growing(0, 4, None)
    assert not limits.table_growing(0, 3, 2)


def test_out_of_memory_hands_the_value_out_once():
    dropped: list[object] = []
    oom = GcHeapOutOfMemory("v", 32, dropped.append)
    value, unit = oom.take_inner()
    assert (value, unit.bytes_needed, str(unit)) == ("v", 32, str(oom))
    unit.drop()
    oom.drop()
    assert dropped == []
    with GcHeapOutOfMemory("w", 32, dropped.append):
        pass
    assert dropped == ["w"]


def test_a_future_does_nothing_before_its_first_poll_and_panics_after_its_last():
    seen = []

    def steps():
        seen.append("started")
        yield
        return 5

    future = HeapFuture(steps())
    assert seen == []
    assert not future.poll()
    with pytest.raises(HeapPanic):
        _ = future.result
    assert future.poll()
    assert future.result == 5
    with pytest.raises(HeapPanic, match="resumed after completion"):
        future.send(None)


def test_a_future_can_be_awaited():
    async def program() -> str:
        await Store("drc").gc_async()
        return "done"

    coroutine = program()
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value == "done"


def test_unknown_collectors_and_defects_are_refused():
    with pytest.raises(ValueError, match="unknown collector 'mark'"):
        Store("mark")
    with pytest.raises(ValueError, match="unknown defect 'k3'"):
        Store("drc", defects={"k3"})


def test_heap_types_have_the_names_of_the_text_form():
    abstract = ["extern", "any", "eq", "i31", "struct", "array", "exn"]
    assert [kind.value for kind in HeapType] == [*abstract, "none", "noextern", "func", "nofunc", "noexn"]


def test_a_list_in_a_circle_panics_and_does_not_hang():
    heap = DrcHeap(HostDataTable(None))
    assert heap.grow(1)
    first, *_, last = refs = [heap.alloc_externref(number) for number in range(3)]
    for ref in refs:
        heap.expose(ref)
    assert list(heap.listed()) == refs[::-1]
    heap.words[(first >> 2) + NEXT_WORD] = last
    with pytest.raises(HeapPanic, match="in a circle"):
        list(heap.listed())
