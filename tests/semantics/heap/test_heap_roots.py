"""LIFO and owned roots (docs/spec/semantics.md 2.1 to 2.3, 3.2)."""

import threading

import pytest

from twinheap.targets.heap import (
    I31,
    AnyRef,
    EqRef,
    ExternRef,
    HeapPanic,
    HeapType,
    OwnedRooted,
    Rooted,
    RootScope,
    Store,
    Unrooted,
)


def owned(store: Store, value: object) -> OwnedRooted[ExternRef]:
    with RootScope(store):
        return ExternRef.new(store, value).to_owned_rooted(store)


def test_leaving_a_scope_unroots_what_it_rooted(store):
    outer = ExternRef.new(store, 1)
    with RootScope(store):
        inner = ExternRef.new(store, 2)
        assert inner.data(store) == 2
    with pytest.raises(Unrooted, match="garbage-collected object that has been unrooted"):
        inner.data(store)
    assert outer.data(store) == 1


def test_a_reused_index_does_not_revive_a_stale_handle(store):
    with RootScope(store):
        stale = ExternRef.new(store, 1)
    fresh = ExternRef.new(store, 2)
    assert stale.index == fresh.index
    for operation in (
        stale.data,
        stale.data_mut,
        stale.to_raw,
        stale.to_owned_rooted,
        stale.ref_hash,
        lambda s: AnyRef.convert_extern(s, stale),
        lambda s: Rooted.ref_eq(s, fresh, stale),
    ):
        with pytest.raises(Unrooted):
            operation(store)


def test_only_a_truncating_exit_raises_the_generation(store):
    assert store.roots.generation == 0
    with RootScope(store):
        pass
    assert store.roots.generation == 0
    with RootScope(store):
        ExternRef.new(store, 1)
        ExternRef.new(store, 2)
    assert store.roots.generation == 1


def test_an_inner_scope_that_is_never_closed_merges_into_the_outer(store):
    outer = RootScope(store)
    inner = RootScope(store)
    handle = ExternRef.new(store, 1)
    outer.close()
    with pytest.raises(Unrooted):
        handle.data(store)
    kept = ExternRef.new(store, 2)
    inner.close()
    assert kept.data(store) == 2


def test_drc_finalizes_at_scope_exit_in_creation_order():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    with RootScope(store):
        for i in range(5):
            ExternRef.new(store, i)
        assert dropped == []
    assert dropped == [0, 1, 2, 3, 4]


def test_handles_of_another_store_panic(store):
    other = Store(store.collector)
    handle, own = ExternRef.new(store, 1), owned(store, 2)
    ExternRef.new(other, 3)
    for operation in (handle.data, handle.to_raw, handle.to_owned_rooted, own.to_rooted, own.data):
        with pytest.raises(HeapPanic, match="object used with wrong store"):
            operation(other)
    with pytest.raises(HeapPanic, match="object used with wrong store"):
        AnyRef.convert_extern(other, handle)


def test_identity_is_of_references_and_handles_compare_apart(store):
    a = ExternRef.new(store, 1)
    b = a.to_owned_rooted(store).to_rooted(store)
    c = ExternRef.new(store, 1)
    assert Rooted.ref_eq(store, a, b)
    assert not Rooted.ref_eq(store, a, c)
    assert a.ref_hash(store) == b.ref_hash(store)
    assert Rooted.rooted_eq(a, a)
    assert not Rooted.rooted_eq(a, b)
    assert a.rooted_hash() != b.rooted_hash()


def test_i31s_of_equal_payload_are_the_same_reference(store):
    a, b = (AnyRef.from_i31(store, I31.wrapping_i32(-5)) for _ in range(2))
    assert Rooted.ref_eq(store, a, b)
    assert store.heap is None


def test_an_owned_root_outlives_scopes_and_never_fails(store):
    handle = owned(store, "v")
    clone = handle.clone()
    handle.drop()
    store.gc()
    assert clone.data(store) == "v"
    with RootScope(store):
        assert clone.to_rooted(store).data(store) == "v"
    with pytest.raises(HeapPanic):
        handle.data(store)


def test_owned_handles_outlive_the_store_and_drop_on_any_thread(store):
    handle = owned(store, 1)
    thread = threading.Thread(target=handle.clone().drop)
    thread.start()
    thread.join()
    assert handle.data(store) == 1
    store.drop()
    handle.clone().drop()
    handle.drop()


def trim_batches(kept: int, rounds: int) -> list[tuple[int, int]]:
    """(creation number, finalized) for a program that keeps some owned roots, then makes and drops others."""
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    keep = [owned(store, -i) for i in range(kept)]
    batches = []
    for number in range(1, rounds + 1):
        before = len(dropped)
        owned(store, number).drop()
        if len(dropped) > before:
            batches.append((number, len(dropped) - before))
    assert len(keep) == kept
    return batches


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (0, [(9, 8), (17, 8), (25, 8)]),
        (5, [(4, 3), (9, 5), (14, 5), (19, 5), (24, 5)]),
        (20, [(13, 12), (33, 20)]),
    ],
)
def test_lazy_trim_runs_in_batches(kept, expected):
    assert trim_batches(kept, expected[-1][0] + 1) == expected


def test_eager_trim_runs_in_creation_order_before_the_list_is_swept():
    dropped: list[object] = []
    store = Store("drc", on_finalize=dropped.append, verify=True)
    handles = [owned(store, i) for i in range(3)]
    with RootScope(store):
        for name in "abc":
            ExternRef.new(store, name).to_raw(store)
    for handle in reversed(handles):
        handle.drop()
    assert dropped == []
    store.gc()
    assert dropped == [0, 1, 2, "c", "b", "a"]


def test_without_a_heap_only_creations_trim(store):
    for _ in range(20):
        AnyRef.from_i31(store, I31(1)).to_owned_rooted(store).drop()
    store.gc()
    assert len(store.roots.liveness) == 4
    store.verify()


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_without_a_heap_nothing_is_trimmed_with_k8(collector):
    store = Store(collector, defects={"k8"}, verify=True)
    for _ in range(20):
        AnyRef.from_i31(store, I31(1)).to_owned_rooted(store).drop()
    store.gc()
    assert len(store.roots.liveness) == 20
    ExternRef.new(store, 1)
    store.gc()
    assert len(store.roots.liveness) == 0


def test_a_cast_shares_the_root_entry(store):
    anyref = AnyRef.from_i31(store, I31(3))
    eqref = anyref.as_eqref(store)
    assert eqref is not None
    assert Rooted.rooted_eq(anyref, eqref)
    assert eqref.heap_type is EqRef
    assert eqref.to_anyref().unwrap_i31(store) == I31(3)
    assert len(store.roots.lifo_refs) == 1


def test_a_cast_through_an_owned_root_ends_with_it_for_ever(store):
    ExternRef.new(store, "makes the heap")
    own = AnyRef.from_i31(store, I31(3)).to_owned_rooted(store)
    cast = own.as_eqref(store)
    assert cast is not None
    assert cast.unwrap_i31(store) == I31(3)
    assert Rooted.ref_eq(store, cast, own)
    assert cast.to_owned_rooted(store).unwrap_i31(store) == I31(3)
    own.drop()
    store.gc()
    with pytest.raises(Unrooted):
        cast.unwrap_i31(store)
    reused = owned(store, "somebody else")
    assert reused.index in (cast.index, cast.index + 1)
    with pytest.raises(Unrooted):
        cast.unwrap_i31(store)


def test_what_an_anyref_can_be(store):
    number = AnyRef.from_i31(store, I31(3))
    assert number.is_i31(store)
    assert number.is_eqref(store)
    assert not number.is_struct(store)
    assert not number.is_array(store)
    assert number.as_struct(store) is None
    assert number.as_array(store) is None
    assert number.ty(store) is HeapType.I31
    host = AnyRef.convert_extern(store, ExternRef.new(store, 1))
    assert not host.is_i31(store)
    assert host.as_i31(store) is None
    assert host.as_eqref(store) is None
    assert host.ty(store) is HeapType.ANY
    assert host.kind(store) is HeapType.EXTERN
    for unwrap, text in (
        (host.unwrap_i31, "AnyRef::unwrap_i31 on non-i31"),
        (host.unwrap_eqref, "AnyRef::unwrap_eqref on non-eqref"),
        (host.unwrap_struct, "AnyRef::unwrap_struct on non-struct"),
        (host.unwrap_array, "AnyRef::unwrap_array on non-array"),
    ):
        with pytest.raises(HeapPanic, match=text):
            unwrap(store)


def test_conversions_keep_identity_both_ways(store):
    extern = ExternRef.new(store, "v")
    back = ExternRef.convert_any(store, AnyRef.convert_extern(store, extern))
    assert Rooted.ref_eq(store, extern, back)
    assert back.data(store) == "v"
    assert ExternRef.convert_any(store, AnyRef.from_i31(store, I31(1))).data(store) is None


def test_mutation_shows_through_every_alias(store):
    handle = ExternRef.new(store, 1)
    own = handle.to_owned_rooted(store)
    box = handle.data_mut(store)
    assert box is not None
    box.value = 2
    store.gc()
    assert own.data(store) == 2
