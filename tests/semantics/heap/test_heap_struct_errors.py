"""What structs of the host refuse, and in which order (docs/spec/semantics.md 2.1, 3.2, 7, K12)."""

import pytest

from twinheap.targets.heap import (
    ANYREF,
    ARRAYREF,
    EQREF,
    EXTERNREF,
    I31,
    I31REF,
    STRUCTREF,
    AnyRef,
    AsyncResourceLimiter,
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    HeapPanic,
    HeapType,
    ImmutableField,
    LimiterError,
    OutOfBounds,
    RefType,
    Rooted,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    StructRef,
    StructRefPre,
    StructType,
    TypeMismatch,
    Unrooted,
    Val,
)

UNROOTED = "attempted to use a garbage-collected object that has been unrooted"
SAME_STORE = r"assertion failed: self.comes_from_same_store\(store\)"
BOX = StructType([FieldType(EXTERNREF)])
NODE = StructType([FieldType(EXTERNREF), FieldType(ANYREF)])


def stale(store: Store) -> Rooted[ExternRef]:
    with RootScope(store):
        return ExternRef.new(store, "stale")


def struct_of(*storage) -> StructType:
    return StructType([FieldType(element) for element in storage])


def test_the_number_of_fields_is_checked_first(store):
    with pytest.raises(TypeMismatch, match="expected 2 fields, got 1"):
        StructRef.new(store, NODE, [None])
    assert store.heap is None


@pytest.mark.parametrize(
    ("storage", "value"),
    [
        (Storage.I32, Val.i64(0)),
        (Storage.I8, None),
        (Storage.F32, Val.f64(0)),
        (EXTERNREF, Val.i32(0)),
        (RefType(HeapType.EXTERN, nullable=False), None),
    ],
)
def test_a_field_of_another_type_is_refused_before_the_heap_is_made(store, storage, value):
    with pytest.raises(TypeMismatch, match=r"^field type mismatch$") as caught:
        StructRef.new(store, struct_of(storage), [value])
    assert "type mismatch: expected" in str(caught.value.__cause__)
    assert store.heap is None


def test_what_a_reference_is_decides_not_the_type_of_its_handle(store):
    struct = StructRef.new(store, StructType([]), []).to_anyref()
    host = AnyRef.convert_extern(store, ExternRef.new(store, 1))
    number = AnyRef.from_i31(store, I31(1))
    for element, fitting, others in (
        (STRUCTREF, [struct], [host, number]),
        (ARRAYREF, [], [struct, host, number]),
        (EQREF, [struct, number], [host]),
        (I31REF, [number], [struct, host]),
        (ANYREF, [struct, number, host], [ExternRef.convert_any(store, struct)]),
    ):
        for value in fitting:
            StructRef.new(store, struct_of(element), [value])
        for value in others:
            with pytest.raises(TypeMismatch):
                StructRef.new(store, struct_of(element), [value])


def test_a_stale_value_is_a_type_mismatch_where_the_check_reads_it(store):
    with RootScope(store):
        number = AnyRef.from_i31(store, I31(1))
    with pytest.raises(TypeMismatch, match="field type mismatch") as caught:
        StructRef.new(store, struct_of(I31REF), [number])
    assert isinstance(caught.value.__cause__, Unrooted)
    assert store.heap is None
    with pytest.raises(Unrooted, match=UNROOTED):
        StructRef.new(store, struct_of(ANYREF), [number])
    assert store.heap is not None


def test_an_initialization_that_fails_halfway_gives_everything_back(store, dropped):
    gone = stale(store)
    dropped.clear()
    two = struct_of(EXTERNREF, EXTERNREF)
    with RootScope(store):
        for _ in range(3):
            with pytest.raises(Unrooted):
                StructRef.new(store, two, [ExternRef.new(store, "v"), gone])
    store.gc()
    assert dropped.count("v") == (0 if store.collector == "null" else 3)


def test_with_k12_the_fields_already_written_stay_counted(dropped):
    store = Store("drc", on_finalize=dropped.append, defects={"k12"}, verify=True)
    gone = stale(store)
    with RootScope(store), pytest.raises(Unrooted):
        StructRef.new(store, struct_of(EXTERNREF, EXTERNREF), [ExternRef.new(store, "v"), gone])
    store.gc()
    assert dropped == ["stale"]
    store.drop()
    assert dropped == ["stale", "v"]


def test_out_of_memory_comes_before_a_stale_field():
    store = Store("drc", limiter=StoreLimits())
    gone = stale(store)
    store.limiter.memory_size = 0
    for number in range(2047):
        ExternRef.new(store, number)
    with pytest.raises(GcHeapOutOfMemory):
        StructRef.new(store, BOX, [gone])


def test_set_field_checks_bounds_then_mutability_then_type_then_rootedness(store):
    gone = stale(store)
    struct = StructRef.new(store, StructType([FieldType(EXTERNREF), FieldType(EXTERNREF, mutable=False)]), [None] * 2)
    with pytest.raises(OutOfBounds, match="cannot access field 2: struct only has 2 fields"):
        struct.set_field(store, 2, Val.i32(0))
    with pytest.raises(ImmutableField, match="cannot set field 1: field is not mutable"):
        struct.set_field(store, 1, Val.i32(0))
    with pytest.raises(TypeMismatch, match="cannot set field 0: type mismatch"):
        struct.set_field(store, 0, Val.i32(0))
    with pytest.raises(Unrooted):
        struct.set_field(store, 0, gone)
    assert struct.fields(store) == [None, None]


@pytest.mark.parametrize("index", [-1, 1])
def test_a_field_outside_the_struct(store, index):
    struct = StructRef.new(store, BOX, [None])
    with pytest.raises(OutOfBounds, match=f"cannot access field {index}: struct only has 1 fields"):
        struct.field(store, index)


def test_a_stale_struct_is_unrooted(store):
    with RootScope(store):
        struct = StructRef.new(store, BOX, [None])
    for use in (
        lambda: struct.field(store, 9),
        lambda: struct.fields(store),
        lambda: struct.set_field(store, 9, None),
        lambda: struct.object_type(store),
    ):
        with pytest.raises(Unrooted, match=UNROOTED):
            use()


def test_another_stores_value_panics_in_new_and_is_an_error_in_set_field(store):
    foreign = ExternRef.new(Store("drc"), 1)
    with pytest.raises(HeapPanic, match="field value comes from the wrong store"):
        StructRef.new(store, BOX, [foreign])
    struct = StructRef.new(store, BOX, [None])
    with pytest.raises(TypeMismatch, match="cannot set field 0: type mismatch") as caught:
        struct.set_field(store, 0, foreign)
    assert str(caught.value.__cause__) == "value used with wrong store"


def test_another_stores_struct_panics(store):
    other = Store("drc")
    struct = StructRef.new(store, BOX, [None])
    for use in (
        lambda: struct.field(other, 0),
        lambda: struct.fields(other),
        lambda: struct.set_field(other, 0, None),
        lambda: struct.object_type(other),
        lambda: struct.to_anyref().is_i31(other),
        lambda: struct.to_anyref().as_i31(other),
        lambda: struct.to_anyref().is_eqref(other),
    ):
        with pytest.raises(HeapPanic, match=SAME_STORE):
            use()
    with pytest.raises(HeapPanic, match="object used with wrong store"):
        struct.to_anyref().is_struct(other)


def test_another_stores_allocator_panics_after_the_checks(store):
    pre = StructRefPre(store, BOX)
    assert StructRef.new(store, pre, [None]).object_type(store) == BOX
    other = Store("drc")
    with pytest.raises(TypeMismatch):
        StructRef.new(other, pre, [])
    assert other.heap is None
    with pytest.raises(HeapPanic, match="attempted to use a `StructRefPre` with the wrong store"):
        StructRef.new(other, pre, [None])
    assert other.heap is not None


def test_an_async_limiter_needs_the_awaitable(dropped):
    store = Store("drc", limiter=AsyncResourceLimiter())
    with pytest.raises(LimiterError, match="`\\*_async` functions must be used instead"):
        StructRef.new(store, BOX, [])
    with pytest.raises(TypeMismatch):
        StructRef.new_async(store, BOX, []).poll()
