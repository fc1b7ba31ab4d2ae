"""Structs of the host (docs/spec/semantics.md 1.3, 1.5, 2.1, 3.2, 4.3, 7)."""

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

KIB = 1024
UNROOTED = "attempted to use a garbage-collected object that has been unrooted"
SAME_STORE = r"assertion failed: self.comes_from_same_store\(store\)"
BOX = StructType([FieldType(EXTERNREF)])
NODE = StructType([FieldType(EXTERNREF), FieldType(ANYREF)])


@pytest.fixture
def dropped() -> list[object]:
    return []


@pytest.fixture(params=["drc", "null", "copying"])
def store(request, dropped) -> Store:
    return Store(request.param, on_finalize=dropped.append, verify=True)


@pytest.fixture
def drc(dropped) -> Store:
    return Store("drc", on_finalize=dropped.append, verify=True)


def stale(store: Store) -> Rooted[ExternRef]:
    with RootScope(store):
        return ExternRef.new(store, "stale")


def owned_box(store: Store, value: object):
    with RootScope(store):
        return StructRef.new(store, BOX, [ExternRef.new(store, value)]).to_owned_rooted(store)


def struct_of(*storage) -> StructType:
    return StructType([FieldType(element) for element in storage])


@pytest.mark.parametrize(
    ("storage", "value", "read"),
    [
        (Storage.I8, Val.i32(-2), Val.i32(0xFE)),
        (Storage.I8, Val.i32(0x1FF), Val.i32(0xFF)),
        (Storage.I16, Val.i32(-2), Val.i32(0xFFFE)),
        (Storage.I32, Val.i32(-2), Val.i32(-2)),
        (Storage.I64, Val.i64(-(1 << 63)), Val.i64(-(1 << 63))),
        (Storage.F32, Val.f32_bits(0x7FC0_1234), Val.f32_bits(0x7FC0_1234)),
        (Storage.F64, Val.f64(-0.1), Val.f64(-0.1)),
    ],
)
def test_numbers_are_stored_in_their_bytes_and_packed_ones_read_zero_extended(store, storage, value, read):
    before = Val.i32(0x55)
    struct = StructRef.new(store, struct_of(Storage.I8, storage, Storage.I8), [before, value, before])
    assert struct.fields(store) == [before, read, before]
    struct.set_field(store, 1, Val(value.type, 0))
    struct.set_field(store, 1, value)
    assert struct.fields(store) == [before, read, before]


def test_fields_of_every_reference_type_keep_identity_and_null(store):
    host = ExternRef.new(store, "host")
    number = AnyRef.from_i31(store, I31(7))
    inner = StructRef.new(store, StructType([]), [])
    ty = struct_of(EXTERNREF, ANYREF, EQREF, I31REF, STRUCTREF, ARRAYREF)
    outer = StructRef.new(store, ty, [host, number, inner, number, inner, None])
    store.gc()
    read = outer.fields(store)
    assert [handle and handle.heap_type for handle in read] == [ExternRef, AnyRef, AnyRef, AnyRef, AnyRef, None]
    for handle, expected in zip(read[:5], [host, number, inner, number, inner], strict=True):
        assert Rooted.ref_eq(store, handle, expected)


@pytest.mark.parametrize(
    ("collector", "offsets", "size"),
    [("drc", [24, 26, 32, 40], 48), ("null", [8, 10, 16, 24], 32), ("copying", [16, 18, 24, 32], 48)],
)
def test_fields_follow_the_header_at_natural_alignment(collector, offsets, size):
    store = Store(collector)
    ty = struct_of(Storage.I8, Storage.I16, Storage.F64, EXTERNREF)
    StructRef.new(store, ty, [Val.i32(1), Val.i32(2), Val.f64(3), None])
    layout = store.require_heap().layout(ty)
    assert [field.offset for field in layout.fields] == offsets
    assert layout.size == size


@pytest.mark.parametrize(("collector", "fits"), [("drc", 2047), ("null", 8191), ("copying", 1023)])
def test_empty_structs_that_fit_into_64_kib(collector, fits):
    store = Store(collector, limiter=StoreLimits(memory_size=64 * KIB))
    made = 0
    with pytest.raises(GcHeapOutOfMemory):
        while True:
            StructRef.new(store, StructType([]), [])
            made += 1
    assert made == fits
    store.verify()


@pytest.mark.parametrize(("collector", "needed"), [("drc", 40), ("null", 24), ("copying", 64)])
def test_out_of_memory_counts_the_layout_and_owns_nothing(collector, needed):
    store = Store(collector, limiter=StoreLimits(memory_size=0), verify=True)
    with pytest.raises(GcHeapOutOfMemory) as caught:
        StructRef.new(store, struct_of(Storage.I64, Storage.I64), [Val.i64(1), Val.i64(2)])
    assert caught.value.bytes_needed == needed
    assert caught.value.into_inner() is None


def test_a_struct_is_a_root_of_its_own_and_holds_its_fields(drc, dropped):
    box = owned_box(drc, "v")
    assert dropped == []
    with RootScope(drc):
        assert box.field(drc, 0).data(drc) == "v"
    assert dropped == []
    box.drop()
    drc.gc()
    assert dropped == ["v"]


def test_overwriting_a_field_finalizes_inside_the_call(drc, dropped):
    box = owned_box(drc, "old")
    with RootScope(drc):
        box.set_field(drc, 0, ExternRef.new(drc, "new"))
        assert dropped == ["old"]
    box.set_field(drc, 0, None)
    assert dropped == ["old", "new"]


def test_setting_a_field_to_its_own_value_changes_nothing(drc, dropped):
    box = owned_box(drc, "v")
    with RootScope(drc):
        box.set_field(drc, 0, box.field(drc, 0))
    assert dropped == []
    box.set_field(drc, 0, None)
    assert dropped == ["v"]


def test_a_death_cascades_last_field_first(drc, dropped):
    with RootScope(drc):
        leaves = [StructRef.new(drc, BOX, [ExternRef.new(drc, value)]) for value in "ab"]
        ty = struct_of(EXTERNREF, ANYREF, ANYREF, EXTERNREF)
        StructRef.new(drc, ty, [ExternRef.new(drc, "first"), *leaves, ExternRef.new(drc, "last")])
        leaves.clear()
        assert dropped == []
    assert dropped == ["last", "b", "a", "first"]


def test_a_shared_child_dies_once_with_its_last_parent(drc, dropped):
    with RootScope(drc):
        shared = ExternRef.new(drc, "shared")
        parents = [StructRef.new(drc, BOX, [shared]).to_owned_rooted(drc) for _ in range(2)]
    for parent, expected in zip(parents, ([], ["shared"]), strict=True):
        parent.drop()
        drc.gc()
        assert dropped == expected


@pytest.mark.parametrize("collector", ["drc", "copying"])
def test_a_long_list_dies_without_recursion(collector, dropped):
    store = Store(collector, on_finalize=dropped.append)
    head = None
    for number in range(20_000):
        with RootScope(store):
            value = None if number % 1000 else ExternRef.new(store, number)
            node = StructRef.new(store, NODE, [value, head]).to_owned_rooted(store)
        if head is not None:
            head.drop()
        head = node
    store.gc()
    assert dropped == []
    head.drop()
    store.gc()
    assert sorted(dropped) == list(range(0, 20_000, 1000))
    store.verify()


@pytest.mark.parametrize(("collector", "freed"), [("drc", []), ("null", []), ("copying", ["v"])])
def test_only_copying_frees_a_cycle(collector, freed, dropped):
    store = Store(collector, on_finalize=dropped.append, verify=True)
    with RootScope(store):
        node = StructRef.new(store, NODE, [ExternRef.new(store, "v"), None])
        node.set_field(store, 1, node)
    store.gc()
    assert dropped == freed
    store.drop()
    assert dropped == ["v"]


def test_copying_rewrites_fields_and_keeps_sharing(dropped):
    store = Store("copying", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        value = ExternRef.new(store, "v")
        inner = StructRef.new(store, BOX, [value])
        owned = StructRef.new(store, NODE, [value, inner]).to_owned_rooted(store)
        ExternRef.new(store, "garbage")
    for _ in range(3):
        store.gc()
    assert dropped == ["garbage"]
    value, inner = owned.fields(store)
    assert Rooted.ref_eq(store, value, inner.unwrap_struct(store).field(store, 0))


# --- errors and panics


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
    with pytest.raises(TypeMismatch, match="^field type mismatch$") as caught:
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


# --- casts


def test_down_casts_share_the_root_and_tell_kinds_apart(store):
    struct = StructRef.new(store, BOX, [None])
    anyref = struct.to_anyref()
    roots = len(store.roots.lifo_refs)
    for handle in (anyref, struct.to_eqref()):
        assert handle.is_struct(store)
        assert not handle.is_array(store)
        assert handle.as_array(store) is None
        assert Rooted.rooted_eq(handle.unwrap_struct(store), struct)
    assert anyref.ty(store) is HeapType.STRUCT
    assert anyref.unwrap_eqref(store).heap_type.type is HeapType.EQ
    assert len(store.roots.lifo_refs) == roots


def test_unwrapping_what_it_is_not_panics(store):
    struct = StructRef.new(store, BOX, [None])
    number = AnyRef.from_i31(store, I31(1))
    for use, text in (
        (struct.to_anyref().unwrap_array, "AnyRef::unwrap_array on non-arrayref"),
        (struct.to_eqref().unwrap_i31, "EqRef::unwrap_i31 on non-i31"),
        (number.unwrap_struct, "AnyRef::unwrap_struct on non-structref"),
        (number.unwrap_eqref(store).unwrap_array, "EqRef::unwrap_array on non-arrayref"),
    ):
        with pytest.raises(HeapPanic, match=text):
            use(store)


def test_a_cast_through_an_owned_root_ends_with_it(store):
    """K11 mended: the handle is unrooted for ever, also when the slab's place holds another root."""
    anyref = owned_box(store, "first").to_anyref()
    cast = anyref.unwrap_struct(store)
    assert cast.field(store, 0).data(store) == "first"
    assert Rooted.ref_eq(store, cast.to_owned_rooted(store), anyref)
    anyref.drop()
    store.gc()
    store.gc()
    again = owned_box(store, "second")
    with pytest.raises(Unrooted):
        cast.field(store, 0)
    assert again.field(store, 0).data(store) == "second"


def test_an_up_cast_of_an_owned_root_takes_it_over(drc, dropped):
    struct = owned_box(drc, "v")
    owned = struct.to_eqref().to_anyref()
    assert struct.is_dropped
    drc.gc()
    assert dropped == []
    owned.drop()
    drc.gc()
    assert dropped == ["v"]


def test_structs_travel_as_externrefs_without_host_data(store):
    struct = StructRef.new(store, BOX, [ExternRef.new(store, 1)])
    externref = ExternRef.convert_any(store, struct.to_anyref())
    assert externref.data(store) is None
    back = AnyRef.convert_extern(store, externref).unwrap_struct(store)
    assert back.field(store, 0).data(store) == 1
    raw = ExternRef.from_raw(store, externref.to_raw(store))
    assert raw is not None
    assert Rooted.ref_eq(store, raw, struct)
