"""Wasmtime's C API as a machine: what a handle denotes (docs/spec/capi.md 5.1)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model.ops import NULL_USES, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_objects import ObjectOps
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.shapes import VAL_HANDLE
from twinheap.targets.capi.valtypes import RefType
from twinheap.targets.machine import DONE, NONE, NONNULL, NULL_REF, SKIPPED, Raw

_EXTERN: Final[Raw] = ("ok", ("extern",))
_STRUCT: Final[Raw] = ("ok", ("struct",))
_ARRAY: Final[Raw] = ("ok", ("array",))
_EXN: Final[Raw] = ("ok", ("exn",))


class ReadOps(ObjectOps):
    """The ops `kind`, `data`, `data_set` and `eq`."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        self._data = api.externref_data
        self._array_test = api.optional("wasmtime_anyref_is_array")
        # By the third part of a handle's slot: whether it is an anyref, or 2 for an exception.
        self._to_raw: tuple[Callable[[int, int], int], ...] = (api.externref_to_raw, api.anyref_to_raw)
        if api.library.knows("wasmtime_exnref_to_raw"):
            self._to_raw += (api.library.bound("wasmtime_exnref_to_raw"),)

    def op_kind(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle, is_any = held
        if is_any == 2:
            return _EXN
        # The functions look at the reference only, and all handles are the same C struct.
        if self._data(store.context, handle) is not None:
            return _EXTERN
        payload = self._api.i31_get_u(store.context, handle)
        if payload is None:
            return _ARRAY if self._is_array(store, handle) else _STRUCT
        if not is_any:  # aborts without a heap from 32 to 45 (K6)
            payload = self._to_raw[0](store.context, handle) >> 1
        return ("ok", ("i31", payload))

    def _is_array(self, store: StoreState, handle: int) -> bool:
        """Of a struct or array."""
        if self._array_test:
            return bool(self._array_test(store.context, handle))
        # Before 44 only the types of globals tell. What is written is let go at once.
        item = self._api.memory.take_item()
        null = self._nulls[1]
        try:
            self._api.global_new(store.context, RefType.ARRAYREF, True, null, item)
            fits = self._api.global_set(store.context, item, handle) is None
            if fits:
                self._api.global_set(store.context, item, null)
        finally:
            self._api.memory.give_item(item)
        return fits

    def op_null_use(self, op: Op) -> Raw:
        _, at, use = op
        api, context, spare = self._api, self.slots[at].context, self._api.memory.take_extern()
        null, any_null = self._nulls
        clones = {"extern_clone": api.externref_clone, "any_clone": api.anyref_clone}
        unroots = {"extern_unroot": api.externref_unroot, "any_unroot": api.anyref_unroot}
        raws = {"extern_to_raw": api.externref_to_raw, "any_to_raw": api.anyref_to_raw}
        payloads = {"i31_get_u": api.i31_get_u, "i31_get_s": api.i31_get_s}
        name, seen = NULL_USES[use], DONE
        source = null if name.startswith("extern") else any_null
        if name in clones:
            clones[name](context, source, spare)
            seen = NULL_REF if is_null(spare) else NONNULL
        elif name in unroots:
            unroots[name](context, source)
        elif name in raws:
            seen = NONNULL if raws[name](context, source) else NULL_REF
        elif name in payloads:
            seen = ("ok", (payloads[name](context, source) is not None,))
        elif name == "extern_data":
            seen = NONE if api.externref_data(context, source) is None else NONNULL
        elif name == "val_clone":
            api.val_clone(context, source - VAL_HANDLE, spare - VAL_HANDLE)
            seen = NULL_REF if is_null(spare) else NONNULL
        elif name == "val_unroot":
            api.val_unroot(context, source - VAL_HANDLE)
        else:
            api.externref_unroot(context, 0)
            api.anyref_unroot(context, 0)
        api.memory.give_extern(spare)
        return seen

    def op_data(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        value = self._data(held[0].context, held[1])
        return NONE if value is None else ("ok", (value, self._payloads.get(value, 0)))

    def op_data_set(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        value = self._data(held[0].context, held[1])
        if value is None:
            return NONE
        self._payloads[value] = op[2]
        return DONE

    def op_eq(self, op: Op) -> Raw:
        left, right = self.slots[op[1]], self.slots[op[2]]
        if left is None or right is None:
            return SKIPPED
        context, is_any = left[0].context, left[2]
        if not is_any:
            one, two = self._data(context, left[1]), self._data(context, right[1])
            if one is not None or two is not None:  # every object has a pointer of its own
                return ("ok", (one == two,))
        to_raw = self._to_raw[is_any]
        return ("ok", (to_raw(context, left[1]) == to_raw(context, right[1]),))
