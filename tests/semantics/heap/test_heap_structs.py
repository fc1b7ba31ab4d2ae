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
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    Rooted,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    StructRef,
    StructType,
    Val,
)

KIB = 1024
BOX = StructType([FieldType(EXTERNREF)])
NODE = StructType([FieldType(EXTERNREF), FieldType(ANYREF)])


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
    for _ in range(fits):
        StructRef.new(store, StructType([]), [])
    with pytest.raises(GcHeapOutOfMemory):
        StructRef.new(store, StructType([]), [])
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
