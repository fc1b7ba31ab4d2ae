"""Exceptions of the host, and the pending one (docs/spec/semantics.md 1.3, 1.6, 3.2; docs/spec/wasm-ops.md 6.4)."""

import pytest

from twinheap.targets.heap import (
    EXNREF,
    EXTERNREF,
    AnyRef,
    ExnRef,
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    Global,
    HeapPanic,
    HeapType,
    OutOfBounds,
    Rooted,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    StructRef,
    StructType,
    Tag,
    TagType,
    ThrownException,
    TypeMismatch,
    Unrooted,
    Val,
)

PAYLOAD = TagType([EXTERNREF])


def throw(store: Store, *values: object) -> None:
    """Throw an exception around fresh externrefs, which only the pending slot holds afterwards."""
    with RootScope(store):
        tag = Tag(store, TagType([EXTERNREF] * len(values)))
        with pytest.raises(ThrownException, match="thrown Wasm exception"):
            store.throw(ExnRef.new(store, tag, [ExternRef.new(store, value) for value in values]))


def test_an_exception_keeps_its_tag_and_fields(store):
    first, second = (Tag(store, TagType([Storage.I64, EXTERNREF])) for _ in range(2))
    exns = [ExnRef.new(store, tag, [Val.i64(-5), ExternRef.new(store, "v")]) for tag in (first, second)]
    store.gc()
    for exn, tag in zip(exns, (first, second), strict=True):
        assert exn.tag(store) is tag
        assert exn.kind(store) is HeapType.EXN
        number, value = exn.fields(store)
        assert (number, value.data(store)) == (Val.i64(-5), "v")
    assert not Tag.eq(first, second)


@pytest.mark.parametrize(("collector", "needed"), [("drc", 40), ("null", 24), ("copying", 64)])
def test_an_exception_has_two_words_for_its_tag(collector, needed):
    store = Store(collector, limiter=StoreLimits(memory_size=0))
    with pytest.raises(GcHeapOutOfMemory) as caught:
        ExnRef.new(store, Tag(store, PAYLOAD), [None])
    assert caught.value.bytes_needed == needed


def test_a_dead_exception_drops_its_fields_last_first(drc, dropped):
    with RootScope(drc):
        values = [ExternRef.new(drc, value) for value in "ab"]
        exn = ExnRef.new(drc, Tag(drc, TagType([EXTERNREF] * 2)), values).to_owned_rooted(drc)
    assert dropped == []
    exn.drop()
    drc.gc()
    assert dropped == ["b", "a"]


def test_exceptions_fit_only_where_exceptions_are_wanted(store):
    exn = ExnRef.new(store, Tag(store, TagType([])), [])
    holder = StructRef.new(store, StructType([FieldType(EXNREF)]), [exn])
    store.gc()
    held = holder.field(store, 0)
    assert held.heap_type is ExnRef
    assert Rooted.ref_eq(store, held, exn)
    with pytest.raises(TypeMismatch):
        StructRef.new(store, StructType([FieldType(EXTERNREF)]), [exn])
    with pytest.raises(TypeMismatch):
        Global(store, AnyRef, exn)


def test_exceptions_go_through_raw_values_of_their_own(store):
    exn = ExnRef.new(store, Tag(store, TagType([])), [])
    again = ExnRef.from_raw(store, exn.to_raw(store))
    assert Rooted.ref_eq(store, exn, again)
    assert ExnRef.from_raw(store, 0) is None
    with pytest.raises(HeapPanic, match="should be an externref or anyref"):
        ExternRef.from_raw(store, exn.to_raw(store))
    with pytest.raises(HeapPanic, match="should be an exnref"):
        ExnRef.from_raw(store, ExternRef.new(store, 1).to_raw(store))


# --- the pending exception


def test_a_pending_exception_is_held_until_it_is_taken(store, dropped):
    assert not store.has_pending_exception()
    assert store.take_pending_exception() is None
    throw(store, "v")
    assert store.has_pending_exception()
    for _ in range(3):
        store.gc()
    with RootScope(store):
        exn = store.take_pending_exception()
        assert exn.field(store, 0).data(store) == "v"
        assert not store.has_pending_exception()
        assert store.take_pending_exception() is None
        store.gc()
        assert dropped == []
    store.gc()
    assert dropped == ([] if store.collector == "null" else ["v"])


def test_taking_moves_the_slots_count_to_the_new_root(drc, dropped):
    throw(drc, "v")
    drc.gc()
    with RootScope(drc):
        drc.take_pending_exception()
        assert dropped == []
    assert dropped == ["v"]


def test_a_throw_exposes(drc, dropped):
    throw(drc, "v")
    with RootScope(drc):
        drc.take_pending_exception()
    assert dropped == []
    drc.gc()
    assert dropped == ["v"]


def test_a_second_throw_drops_the_first_exception(drc, dropped):
    throw(drc, "first")
    throw(drc, "second")
    assert dropped == []
    drc.gc()
    assert dropped == ["first"]
    throw(drc, "third")
    assert dropped == ["first", "second"]


def test_throwing_the_pending_exception_again_changes_nothing(drc, dropped):
    with RootScope(drc):
        exn = ExnRef.new(drc, Tag(drc, PAYLOAD), [ExternRef.new(drc, "v")])
        for _ in range(3):
            with pytest.raises(ThrownException):
                drc.throw(exn)
    drc.gc()
    assert dropped == []
    with RootScope(drc):
        drc.take_pending_exception()
    assert dropped == ["v"]


def test_a_store_may_end_with_an_exception_pending(store, dropped):
    throw(store, "v")
    store.drop()
    assert dropped == ["v"]


# --- errors and panics


def test_the_number_and_the_types_of_fields_are_checked_before_the_heap_is_made(store):
    tag = Tag(store, PAYLOAD)
    with pytest.raises(TypeMismatch, match="expected 1 fields, got 0"):
        ExnRef.new(store, tag, [])
    with pytest.raises(TypeMismatch, match="field type mismatch"):
        ExnRef.new(store, tag, [Val.i32(1)])
    assert store.heap is None


def test_a_tags_parameters_are_not_packed():
    with pytest.raises(ValueError, match="cannot be packed"):
        TagType([Storage.I8])


def test_a_field_outside_the_exception(store):
    exn = ExnRef.new(store, Tag(store, PAYLOAD), [None])
    with pytest.raises(OutOfBounds, match="cannot access field 1: exn only has 1 fields"):
        exn.field(store, 1)


def test_an_initialization_that_fails_halfway_gives_everything_back(store, dropped):
    with RootScope(store):
        stale = ExternRef.new(store, "stale")
    with RootScope(store), pytest.raises(Unrooted):
        ExnRef.new(store, Tag(store, TagType([EXTERNREF] * 2)), [ExternRef.new(store, "v"), stale])
    store.gc()
    assert ("v" in dropped) == (store.collector != "null")


def test_a_stale_exception_cannot_be_thrown(store):
    with RootScope(store):
        exn = ExnRef.new(store, Tag(store, PAYLOAD), [None])
    with pytest.raises(Unrooted):
        store.throw(exn)
    assert not store.has_pending_exception()


def test_other_stores_tags_values_and_exceptions_panic(store):
    other = Store("drc")
    exn = ExnRef.new(store, Tag(store, PAYLOAD), [None])
    for use, text in (
        (lambda: ExnRef.new(other, Tag(store, PAYLOAD), []), "tag comes from the wrong store"),
        (lambda: ExnRef.new(store, Tag(store, PAYLOAD), [ExternRef.new(other, 1)]), "field value comes from the wrong"),
        (lambda: other.throw(exn), "object used with wrong store"),
        (lambda: exn.field(other, 0), r"assertion failed: self.comes_from_same_store\(store\)"),
        (lambda: exn.tag(other), r"assertion failed: self.comes_from_same_store\(&store\)"),
    ):
        with pytest.raises(HeapPanic, match=text):
            use()
