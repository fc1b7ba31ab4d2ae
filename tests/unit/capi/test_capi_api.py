"""The facade against the installed library: each function once, by what can be seen from outside."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest

from twinheap.targets.capi import wheels
from twinheap.targets.capi.api import CApi, Store
from twinheap.targets.capi.library import load
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.valtypes import RefType

PAGE = 65536
CAPACITY = 2047
"""Externrefs in a heap of one page, docs/spec/capi.md 5.1 and the DRC row of semantics.md 1.4."""


@pytest.fixture(scope="module")
def api() -> Iterator[CApi]:
    """One engine for all tests; the library's absence fails where TWINHEAP_REQUIRE names wasmtime."""
    if importlib.util.find_spec("wasmtime") is None and "wasmtime" not in os.environ.get("TWINHEAP_REQUIRE", ""):
        pytest.skip("the wasmtime distribution is absent")
    release, path = wheels.installed_library()
    made = CApi(load(path, release))
    yield made
    made.close()


@pytest.fixture
def store(api: CApi) -> Iterator[Store]:
    """A store of one page; what is left in it is finalized and forgotten."""
    api.drain()
    made = api.store_new(PAGE)
    yield made
    api.store_delete(made.pointer)
    api.drain()


def extern(api: CApi, store: Store, value: int) -> int:
    handle = api.memory.take_extern()
    assert api.externref_new(store.context, value, handle)
    return handle


def test_value_zero_is_not_null(api: CApi, store: Store) -> None:
    handle = extern(api, store, 0)
    assert not is_null(handle)
    assert api.externref_data(store.context, handle) == 0


def test_clone_keeps_alive_and_the_last_unroot_lets_go(api: CApi, store: Store) -> None:
    first, second = extern(api, store, 5), api.memory.take_extern()
    api.externref_clone(store.context, first, second)
    api.externref_unroot(store.context, first)
    assert api.gc(store.context) is None
    assert api.drain() == []
    assert api.externref_data(store.context, second) == 5
    api.externref_unroot(store.context, second)
    assert api.gc(store.context) is None
    assert api.drain() == [5]


def test_null_handles_are_harmless(api: CApi, store: Store) -> None:
    null, copy = api.memory.take_extern(), api.memory.take_extern()
    api.externref_clone(store.context, null, copy)
    assert is_null(copy)
    assert api.externref_data(store.context, null) is None
    assert api.externref_to_raw(store.context, null) == 0
    api.externref_unroot(store.context, null)


def test_raw_values_lead_back_to_the_object(api: CApi, store: Store) -> None:
    handle, again = extern(api, store, 9), api.memory.take_extern()
    api.externref_from_raw(store.context, api.externref_to_raw(store.context, handle), again)
    api.externref_unroot(store.context, handle)
    assert api.externref_data(store.context, again) == 9


def test_i31_payloads_wrap_and_extend(api: CApi, store: Store) -> None:
    handle = api.memory.take_any()
    assert api.i31_get_u(store.context, handle) is None
    api.anyref_from_i31(store.context, 0xFFFFFFFF, handle)
    assert (api.i31_get_u(store.context, handle), api.i31_get_s(store.context, handle)) == (2**31 - 1, -1)
    assert api.anyref_to_raw(store.context, handle) == 0xFFFFFFFF
    api.anyref_from_raw(store.context, 7, handle)
    assert api.i31_get_s(store.context, handle) == 3


def test_store_delete_finalizes_the_rest(api: CApi) -> None:
    store = api.store_new()
    for value in (1, 2, 3):
        extern(api, store, value)
    api.drain()
    api.store_delete(store.pointer)
    assert sorted(api.drain()) == [1, 2, 3]


def test_a_full_heap_finalizes_the_refused_value_inside_the_call(api: CApi, store: Store) -> None:
    for value in range(CAPACITY):
        extern(api, store, value)
    handle = api.memory.take_extern()
    assert not api.externref_new(store.context, CAPACITY, handle)
    assert api.drain() == [CAPACITY]
    assert is_null(handle)
    api.set_limit(store.pointer, 2 * PAGE)
    assert api.externref_new(store.context, 5000, handle)


def test_globals(api: CApi, store: Store) -> None:
    value, other, out = extern(api, store, 1), api.memory.take_any(), api.memory.take_extern()
    variable, constant = api.memory.take_item(), api.memory.take_item()
    assert api.global_new(store.context, RefType.EXTERNREF, True, value, variable) is None
    assert api.global_new(store.context, RefType.EXTERNREF, False, value, constant) is None
    api.externref_unroot(store.context, value)
    api.gc(store.context)
    assert api.drain() == []
    api.global_get(store.context, variable, out)
    assert api.externref_data(store.context, out) == 1
    assert api.global_set(store.context, constant, out) == "immutable global cannot be set"
    mismatch = api.global_set(store.context, variable, other)
    assert mismatch is not None
    assert mismatch.startswith("type mismatch")
    assert api.global_set(store.context, variable, api.memory.take_extern()) is None
    api.global_get(store.context, variable, value)
    assert is_null(value)


@pytest.mark.parametrize("of", [RefType.ANYREF, RefType.EQREF, RefType.I31REF])
def test_slots_of_internal_types_hold_i31(api: CApi, store: Store, of: RefType) -> None:
    value, item = api.memory.take_any(), api.memory.take_item()
    api.anyref_from_i31(store.context, 4, value)
    assert api.global_new(store.context, of, True, value, item) is None
    api.global_get(store.context, item, value)
    assert api.i31_get_u(store.context, value) == 4
    assert api.table_new(store.context, of, 1, None, value, item) is None
    assert api.table_get(store.context, item, 0, value)
    assert api.i31_get_u(store.context, value) == 4


def test_tables(api: CApi, store: Store) -> None:
    value, out, table = extern(api, store, 3), api.memory.take_extern(), api.memory.take_item()
    assert api.table_new(store.context, RefType.EXTERNREF, 2, 3, value, table) is None
    assert api.table_size(store.context, table) == 2
    assert api.table_get(store.context, table, 1, out)
    assert api.externref_data(store.context, out) == 3
    assert not api.table_get(store.context, table, 2, out)
    outside = api.table_set(store.context, table, 2, value)
    assert outside is not None
    assert outside.endswith("out of bounds table access")
    assert api.table_grow(store.context, table, 1, value) == 2
    assert api.table_grow(store.context, table, 1, value) == "failed to grow table by `1`"
    null = api.memory.take_extern()
    assert [api.table_set(store.context, table, index, null) for index in range(3)] == [None, None, None]
    for handle in (value, out):
        api.externref_unroot(store.context, handle)
    api.gc(store.context)
    assert api.drain() == [3]


def test_a_table_above_its_maximum_is_an_error(api: CApi, store: Store) -> None:
    null, table = api.memory.take_extern(), api.memory.take_item()
    error = api.table_new(store.context, RefType.EXTERNREF, 2, 1, null, table)
    assert error == "table minimum size of 2 elements exceeds table limits"


def test_casts_where_the_release_has_them(api: CApi, store: Store) -> None:
    is_i31 = api.optional("wasmtime_anyref_is_i31")
    if is_i31 is None:
        assert api.shape.major < 44
        return
    handle = api.memory.take_any()
    api.anyref_from_i31(store.context, 1, handle)
    assert is_i31(store.context, handle)
    is_struct = api.optional("wasmtime_anyref_is_struct")
    assert is_struct is not None
    assert not is_struct(store.context, handle)
    assert api.optional("wasmtime_of_the_future") is None


def test_memory_is_wiped_and_reused(api: CApi, store: Store) -> None:
    handle = extern(api, store, 1)
    api.externref_unroot(store.context, handle)
    api.memory.give_extern(handle)
    assert api.memory.take_extern() == handle
    assert is_null(handle)


def test_addresses_are_distinct_and_stable(api: CApi, store: Store) -> None:
    handles = [extern(api, store, value) for value in range(1000)]
    assert len(set(handles)) == 1000
    assert [api.externref_data(store.context, handle) for handle in handles] == list(range(1000))
