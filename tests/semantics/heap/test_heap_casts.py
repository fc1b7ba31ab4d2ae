"""Casts between reference types, through LIFO and owned roots (docs/spec/semantics.md 3.2, K11)."""

import pytest

from twinheap.targets.heap import (
    EXTERNREF,
    I31,
    AnyRef,
    ExternRef,
    FieldType,
    HeapPanic,
    HeapType,
    Rooted,
    RootScope,
    Store,
    StructRef,
    StructType,
    Unrooted,
)

BOX = StructType([FieldType(EXTERNREF)])


def owned_box(store: Store, value: object):
    with RootScope(store):
        return StructRef.new(store, BOX, [ExternRef.new(store, value)]).to_owned_rooted(store)


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
