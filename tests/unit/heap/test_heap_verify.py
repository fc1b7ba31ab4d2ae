"""The self-verification notices every way of breaking a heap (docs/spec/verification.md 9)."""

import pytest

from twinheap.targets.heap import (
    EXTERNREF,
    ArrayRef,
    ArrayType,
    ExnRef,
    ExternRef,
    FieldType,
    InvariantViolation,
    RootScope,
    Storage,
    Store,
    StructRef,
    StructType,
    Tag,
    TagType,
    ThrownException,
    Val,
)
from twinheap.targets.heap.copying import COPIED_BIT
from twinheap.targets.heap.drc import IN_LIST_BIT, MARK_BIT
from twinheap.targets.heap.host_data import VACANT
from twinheap.targets.heap.layout import ARRAY, EXN, STRUCT


@pytest.fixture
def drc() -> Store:
    return kept(Store("drc", verify=True))


@pytest.fixture
def copying() -> Store:
    return kept(Store("copying", verify=True))


def kept(store: Store) -> Store:
    for i in range(6):
        ExternRef.new(store, i)
    ExternRef.new(store, "x").to_raw(store)
    with RootScope(store):
        ExternRef.new(store, "freed")
    store.verify()
    return store


def broken(store: Store) -> int:
    with pytest.raises(InvariantViolation) as violation:
        store.verify()
    return violation.value.number


def test_a_count_too_high(drc):
    drc.heap.longs[3] += 1
    assert broken(drc) == 9


def test_a_count_of_zero(drc):
    drc.heap.longs[3] = 0
    assert broken(drc) == 8


def test_a_count_that_wrapped(drc):
    drc.heap.longs[3] = 2**64 - 1
    assert broken(drc) == 10


def test_a_flag_without_membership(drc):
    drc.heap.words[4] |= IN_LIST_BIT
    assert broken(drc) == 12


def test_a_mark_that_stayed(drc):
    drc.heap.words[4] |= MARK_BIT
    assert broken(drc) == 14


def test_a_list_that_leads_nowhere(drc):
    drc.heap.list_head = 24
    assert broken(drc) == 12


def test_a_gap_between_blocks(drc):
    drc.heap.free_list.starts[-1] += 16
    drc.heap.free_list.lengths[-1] -= 16
    assert broken(drc) in (1, 2, 19)


def test_unmerged_blocks(drc):
    free_list = drc.heap.free_list
    start, length = free_list.starts[-1], free_list.lengths[-1]
    free_list.lengths[-1] = 32
    free_list.starts.append(start + 32)
    free_list.lengths.append(length - 32)
    assert broken(drc) == 3


def test_a_wrong_byte_counter(drc):
    drc.heap.allocated += 32
    assert broken(drc) == 5


def test_an_invalid_kind(drc):
    drc.heap.words[4] = 0
    assert broken(drc) == 19


def test_a_shared_host_data_id(drc):
    drc.heap.words[4 + 6] = 1
    assert broken(drc) == 16


def test_a_host_value_without_object(drc):
    drc.host_data.entries.append(drc.host_data.entries[0])
    assert broken(drc) == 16


def test_a_vacant_id_outside_the_free_chain(drc):
    drc.host_data.entries.append(VACANT)
    assert broken(drc) == 17


def test_decreasing_generations(drc):
    drc.roots.lifo_generations[0] = 1
    drc.roots.generation = 1
    assert broken(drc) == 20


def test_a_scope_mark_above_the_roots(drc):
    drc.roots.scopes.append(99)
    assert broken(drc) == 21


def test_a_dead_root(drc):
    drc.roots.lifo_refs[0] = 0x2000
    assert broken(drc) == 25


def test_an_owned_root_that_nobody_lists(drc):
    drc.roots.owned_refs.append(16)
    drc.roots.owned_serials.append(1)
    assert broken(drc) == 22


def test_an_operation_inside_a_finalizer():
    store = Store("drc", on_finalize=lambda _: store.verify())
    scope = RootScope(store)
    ExternRef.new(store, 1)
    with pytest.raises(InvariantViolation, match="invariant 28"):
        scope.close()


def test_a_copied_bit_that_stayed(copying):
    copying.heap.words[4] |= COPIED_BIT
    assert broken(copying) == 29


def test_a_broken_chain(copying):
    copying.heap.chain = 16
    assert broken(copying) == 29


def test_halves_of_different_size(copying):
    copying.heap.idle_end -= 16
    assert broken(copying) == 29


@pytest.fixture(params=["drc", "null", "copying"])
def objects(request) -> Store:
    store = Store(request.param, verify=True)
    struct = StructRef.new(store, StructType([FieldType(EXTERNREF)]), [ExternRef.new(store, 1)])
    ArrayRef.new(store, ArrayType(FieldType(Storage.I32)), Val.i32(0), 3)
    with pytest.raises(ThrownException):
        store.throw(ExnRef.new(store, Tag(store, TagType([])), []))
    assert struct.is_kind(store, STRUCT)
    return store


def ref_of(store: Store, kind: int) -> int:
    heap = store.require_heap()
    return next(ref for ref, _ in heap.objects() if heap.kind(ref) == kind)


def field_word(store: Store, kind: int) -> int:
    return (ref_of(store, kind) + store.require_heap().header.header_bytes) >> 2


def test_a_field_that_holds_no_object(objects):
    objects.heap.words[field_word(objects, STRUCT)] = 0x4000
    assert broken(objects) == 26


def test_a_field_without_its_count():
    store = Store("drc", verify=True)
    struct = StructRef.new(store, StructType([FieldType(EXTERNREF)]), [ExternRef.new(store, 1)])
    store.heap.words[(struct._ref(store) + 24) >> 2] = 0
    assert broken(store) == 9


def test_a_type_that_does_not_exist(objects):
    objects.heap.words[(ref_of(objects, STRUCT) >> 2) + 1] = 99
    assert broken(objects) == 19


def test_a_type_of_another_kind(objects):
    words = objects.heap.words
    words[(ref_of(objects, STRUCT) >> 2) + 1] = words[(ref_of(objects, EXN) >> 2) + 1]
    assert broken(objects) == 19


def test_an_array_without_its_length(objects):
    objects.heap.words[field_word(objects, ARRAY)] = 100
    assert broken(objects) == 27


def test_an_exception_without_its_tag(objects):
    objects.heap.words[field_word(objects, EXN)] = 7
    assert broken(objects) == 27


def test_a_pending_exception_that_is_none(objects):
    objects.pending[0] = ref_of(objects, STRUCT)
    assert broken(objects) == 25


def test_a_bump_pointer_before_the_last_object():
    store = kept(Store("null", verify=True))
    store.heap.next -= 16
    assert broken(store) in (1, 16)
