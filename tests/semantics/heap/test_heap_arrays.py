"""Arrays of the host (docs/spec/semantics.md 1.3, 2.1, 3.2, 7; docs/spec/wasm-ops.md 6.4)."""

import pytest

from twinheap.targets.heap import (
    EXTERNREF,
    I31,
    I31REF,
    AnyRef,
    ArrayRef,
    ArrayRefPre,
    ArrayType,
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    HeapPanic,
    ImmutableField,
    OutOfBounds,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    TypeMismatch,
    Unrooted,
    Val,
)

EXTERNS = ArrayType(FieldType(EXTERNREF))
CONSTANT = ArrayType(FieldType(EXTERNREF, mutable=False))
BYTES = ArrayType(FieldType(Storage.I8))
FOREIGN_ARRAY = "attempted to use an array with the wrong store"


def owned_array(store: Store, *values: object):
    """An array of fresh externrefs, which it alone holds."""
    with RootScope(store):
        elems = [None if value is None else ExternRef.new(store, value) for value in values]
        return ArrayRef.new_fixed(store, EXTERNS, elems).to_owned_rooted(store)


def read(store: Store, array) -> list[object]:
    with RootScope(store):
        return [elem and elem.data(store) for elem in array.elems(store)]


@pytest.mark.parametrize(
    ("storage", "value", "bytes_needed"),
    [
        (Storage.I8, Val.i32(3), {"drc": 31, "null": 15, "copying": 46}),
        (Storage.I16, Val.i32(3), {"drc": 34, "null": 18, "copying": 52}),
        (Storage.F32, Val.f32(3), {"drc": 40, "null": 24, "copying": 64}),
        (Storage.I64, Val.i64(3), {"drc": 56, "null": 40, "copying": 96}),
        (EXTERNREF, None, {"drc": 40, "null": 24, "copying": 64}),
    ],
)
def test_elements_follow_the_length_at_natural_alignment(store, storage, value, bytes_needed):
    ty = ArrayType(FieldType(storage))
    store.limiter = StoreLimits(memory_size=0)
    with pytest.raises(GcHeapOutOfMemory) as caught:
        ArrayRef.new(store, ty, value, 3)
    assert caught.value.bytes_needed == bytes_needed[store.collector]
    store.limiter = None
    array = ArrayRef.new(store, ty, value, 3)
    store.gc()
    assert array.elems(store) == [value] * 3
    assert array.object_type(store) == ty


def test_new_repeats_one_element_and_new_fixed_takes_all(store):
    value = ExternRef.new(store, "v")
    array = ArrayRef.new(store, EXTERNS, value, 3)
    assert read(store, array) == ["v"] * 3
    assert array.len(store) == 3
    assert read(store, ArrayRef.new_fixed(store, EXTERNS, [value, None])) == ["v", None]
    assert ArrayRef.new_fixed(store, EXTERNS, []).len(store) == 0


def test_every_element_counts(drc, dropped):
    with RootScope(drc):
        array = ArrayRef.new(drc, EXTERNS, ExternRef.new(drc, "v"), 3).to_owned_rooted(drc)
    for index in range(3):
        assert dropped == []
        array.set(drc, index, None)
    assert dropped == ["v"]


def test_a_death_cascades_last_element_first(drc, dropped):
    owned_array(drc, "a", "b", "c").drop()
    drc.gc()
    assert dropped == ["c", "b", "a"]


def test_i31_elements_are_never_counted(store):
    ty = ArrayType(FieldType(I31REF))
    array = ArrayRef.new(store, ty, AnyRef.from_i31(store, I31(5)), 4)
    array.set(store, 1, None)
    store.gc()
    assert [elem and elem.unwrap_i31(store).get_u32() for elem in array.elems(store)] == [5, None, 5, 5]


# --- errors and panics


def test_elements_are_checked_after_the_heap_is_made_and_only_if_there_are_any(store):
    foreign = ExternRef.new(Store("drc"), 1)
    with pytest.raises(TypeMismatch, match="element type mismatch") as caught:
        ArrayRef.new(store, EXTERNS, foreign, 2)
    assert str(caught.value.__cause__) == "value used with wrong store"
    assert store.heap is not None
    with pytest.raises(TypeMismatch, match="element type mismatch"):
        ArrayRef.new_fixed(store, EXTERNS, [None, Val.i32(1)])
    assert ArrayRef.new(store, EXTERNS, Val.i32(1), 0).len(store) == 0


def test_an_initialization_that_fails_halfway_gives_everything_back(store, dropped):
    with RootScope(store):
        stale = ExternRef.new(store, "stale")
    with RootScope(store):
        value = ExternRef.new(store, "v")
        with pytest.raises(Unrooted):
            ArrayRef.new_fixed(store, EXTERNS, [value, value, stale])
        with pytest.raises(Unrooted):
            ArrayRef.new(store, EXTERNS, stale, 5)
        assert ArrayRef.new(store, EXTERNS, stale, 0).len(store) == 0
    store.gc()
    assert dropped == {"drc": ["stale", "v"], "null": [], "copying": ["v", "stale"]}[store.collector]


def test_an_element_outside_the_array(store):
    array = ArrayRef.new(store, EXTERNS, None, 2)
    for index in (2, -1):
        text = f"index out of bounds: the length is 2 but the index is {index}"
        with pytest.raises(OutOfBounds, match=text):
            array.get(store, index)
        with pytest.raises(OutOfBounds, match=text):
            array.set(store, index, None)


def test_set_checks_mutability_then_type_then_bounds_then_rootedness(store):
    with RootScope(store):
        stale = ExternRef.new(store, 1)
    constant, array = (ArrayRef.new(store, ty, None, 1) for ty in (CONSTANT, EXTERNS))
    with pytest.raises(ImmutableField, match="cannot set element 5: array elements are not mutable"):
        constant.set(store, 5, Val.i32(0))
    with pytest.raises(TypeMismatch, match="cannot set element 5: type mismatch"):
        array.set(store, 5, Val.i32(0))
    with pytest.raises(OutOfBounds):
        array.set(store, 5, stale)
    with pytest.raises(Unrooted):
        array.set(store, 0, stale)


def test_other_stores_arrays_values_and_allocators_panic(store):
    other = Store("drc")
    array, pre = ArrayRef.new(store, EXTERNS, None, 1), ArrayRefPre(store, EXTERNS)
    foreign = ExternRef.new(other, 1)
    for use, text in (
        (lambda: array.get(other, 0), FOREIGN_ARRAY),
        (lambda: array.set(other, 0, None), FOREIGN_ARRAY),
        (lambda: array.set(store, 9, foreign), "attempted to use a value with the wrong store"),
        (lambda: array.len(other), r"assertion failed: self.comes_from_same_store\(store\)"),
        (lambda: array.elems(other), r"assertion failed: self.comes_from_same_store\(store\)"),
        (lambda: ArrayRef.new(other, pre, Val.i32(0), 1), "attempted to use a `ArrayRefPre` with the wrong store"),
    ):
        with pytest.raises(HeapPanic, match=text):
            use()


# --- array.fill and array.copy


def test_fill_finalizes_ascending_and_checks_its_range_first(drc, dropped):
    array = owned_array(drc, 0, 1, 2, 3)
    with pytest.raises(OutOfBounds, match="out of bounds array access"):
        ArrayRef.fill(drc, array, 2, None, 3)
    ArrayRef.fill(drc, array, 4, None, 0)
    assert dropped == []
    ArrayRef.fill(drc, array, 1, None, 3)
    assert dropped == [1, 2, 3]


def test_fill_counts_every_element(drc, dropped):
    array = owned_array(drc, None, None, None)
    with RootScope(drc):
        ArrayRef.fill(drc, array, 0, ExternRef.new(drc, "v"), 3)
    array.set(drc, 0, None)
    array.set(drc, 2, None)
    assert dropped == []
    assert read(drc, array) == [None, "v", None]


@pytest.mark.parametrize(
    ("to", "start", "count", "result", "finalized"),
    [
        (1, 0, 3, "aabc", "d"),
        (0, 1, 3, "bcdd", "a"),
        (0, 2, 2, "cdcd", "ab"),
        (2, 0, 2, "abab", "dc"),
        (1, 1, 2, "abcd", ""),
    ],
)
def test_copy_is_as_if_buffered_and_what_was_not_read_before_dies_at_its_write(
    drc, dropped, to, start, count, result, finalized
):
    array = owned_array(drc, *"abcd")
    ArrayRef.copy(drc, array, to, array, start, count)
    assert read(drc, array) == list(result)
    assert dropped == list(finalized)


def test_copy_between_arrays_descends_unless_the_source_index_is_higher(drc, dropped):
    target, source = owned_array(drc, *"abc"), owned_array(drc, *"xyz")
    ArrayRef.copy(drc, target, 0, source, 0, 2)
    assert dropped == ["b", "a"]
    ArrayRef.copy(drc, target, 1, source, 2, 1)
    assert dropped == ["b", "a"]
    assert read(drc, target) == ["x", "z", "c"]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_copy_has_a_scope_of_its_own_whatever_comes_of_it(store, count):
    array = ArrayRef.new(store, EXTERNS, None, 2)
    generation, roots = store.roots.generation, len(store.roots.lifo_refs)
    if count == 9:
        with pytest.raises(OutOfBounds, match="out of bounds array access"):
            ArrayRef.copy(store, array, 0, array, 1, count)
    else:
        ArrayRef.copy(store, array, 0, array, 1, count)
    assert store.roots.generation == generation + 1
    assert len(store.roots.lifo_refs) == roots


def test_copy_into_constant_elements_or_of_another_type_is_refused(store):
    array, constant = ArrayRef.new(store, EXTERNS, None, 1), ArrayRef.new(store, CONSTANT, None, 1)
    with pytest.raises(ImmutableField):
        ArrayRef.copy(store, constant, 0, array, 0, 1)
    with pytest.raises(TypeMismatch):
        ArrayRef.copy(store, array, 0, ArrayRef.new(store, BYTES, Val.i32(0), 1), 0, 1)
    ArrayRef.copy(store, array, 0, constant, 0, 1)
