"""Resources: whether the process grows while handles are made and dropped (docs/spec/semantics.md 2.3)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from twinheap.model.engines import ENGINES, POOL_TRIED
from twinheap.model.kit import ARRAYS, CLEAR, STRUCTS, TAGS
from twinheap.model.ops import CHURNED_OBJECTS, INT_KINDS, NULL, Op
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_objects import ObjectOps
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.shapes import VAL_HANDLE
from twinheap.targets.capi.valtypes import RefType
from twinheap.targets.capi.wasm import Body, Instance
from twinheap.targets.machine import Raw
from twinheap.targets.modules import module_of

_CHURNS: Final = INT_KINDS["churn"].names
_ALLOCATED: Final = frozenset({"extern", *CHURNED_OBJECTS})
_FROM_OBJECTS: Final = frozenset({"call", "cast", "field"})
_ARGUMENTS: Final = 4  # of a body's main
_NODE: Final = next(at for at, made in enumerate(STRUCTS) if made.name == "node")
_PAIR: Final = next(at for at, made in enumerate(STRUCTS) if made.name == "pair")
_EXTERNS: Final = next(at for at, made in enumerate(ARRAYS) if made.name == "externs")
_ONE: Final = next(at for at, tag in enumerate(TAGS) if tag.name == "one")
_LENGTH: Final = 3  # elements of an array
_COLLECT_EVERY: Final = 256  # externrefs: their host data is released by collections


_FIELDS: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo2(ctypes.Structure):
    """struct mallinfo2 of malloc.h: how much of the C heap is in use."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def bytes_in_use() -> int:
    """What malloc has handed out and not got back, mapped blocks included."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = _Mallinfo2
    info = function()
    return int(info.uordblks + info.hblkhd)


class ResourceOps(ObjectOps):
    """The ops `churn` and `pool_fill`."""

    def op_churn(self, op: Op) -> Raw:
        _, at, what, count = op
        store: StoreState = self.slots[at]
        api, context, churned = self._api, store.context, _CHURNS[what]
        root, spare, subject = api.memory.take_any(), api.memory.take_any(), api.memory.take_any()
        extern = api.memory.take_extern()
        api.anyref_from_i31(context, 1, root)
        if churned in CHURNED_OBJECTS:
            step = self._object_step(churned, store, spare)
        elif churned == "call":
            step = self._call_step(store, extern)
        elif churned in ("cast", "field"):
            step = self._pair_step(churned, store, root, subject, spare)
        else:
            step = self._step(churned, context, root, spare, extern)
        grown = 0
        for half in (count - count // 2, count // 2):  # the first warms up
            start = bytes_in_use()
            for at in range(half):
                step(at)
            if churned in _ALLOCATED:
                api.gc(context)
            grown = bytes_in_use() - start
        api.anyref_unroot(context, root)
        if churned in _FROM_OBJECTS:
            self._end_of_subject(context, extern, subject)
        for address in (root, spare, subject):
            api.memory.give_any(address)
        api.memory.give_extern(extern)
        return ("ok", (max(grown, 0),))

    def op_pool_fill(self, op: Op) -> Raw:
        api, memory = self._engines.api(self.slots[op[1]].engine), self._api.memory
        stores: list[int] = []
        out = memory.take_extern()
        given = 0
        for _ in range(POOL_TRIED):
            pointer, context = api.store_new(None)
            stores.append(pointer)
            if not api.externref_plain(context, out):
                break
            given += 1
        again = True
        if given < len(stores):
            if given:
                api.store_delete(stores.pop(0))
            again = api.externref_plain(context, out)
        for pointer in stores:
            api.store_delete(pointer)
        ctypes.memset(out, 0, self._api.shape.handle_size)
        memory.give_extern(out)
        return ("ok", (given, again))

    def _end_of_subject(self, context: int, extern: int, subject: int) -> None:
        """What the roots came from goes, and is collected."""
        if not is_null(extern):
            self._api.externref_unroot(context, extern)
        if not is_null(subject):
            self._api.anyref_unroot(context, subject)
        self._api.gc(context)

    def _call_step(self, store: StoreState, extern: int) -> Callable[[int], Any]:
        """A call of Wasm gets a reference; its result is null."""
        api, context, wasm = self._api, store.context, self._wasm_of(store)
        with self._limits.lifted(store):
            made = wasm.instance(context)
            assert isinstance(made, Instance)
            body = wasm.body(context, made, module_of(CLEAR, ENGINES[store.engine].limits_runs))
        wasm.drop(made)
        assert isinstance(body, Body)
        api.externref_plain(context, extern)
        size = api.shape.val_size
        memory = ctypes.create_string_buffer(size * (_ARGUMENTS + 1))
        start = ctypes.addressof(memory)
        for place, source in enumerate((extern, self._nulls[0], self._nulls[1])):
            ctypes.memmove(start + size * place, source - VAL_HANDLE, size)

        def call(at: int) -> None:
            result = ctypes.addressof(memory) + size * _ARGUMENTS
            with self._limits.lifted(store):
                ended = wasm.call(context, body.main, start, _ARGUMENTS, result)
            assert ended is None
            if at % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                api.gc(context)

        return call

    def _pair_step(self, what: str, store: StoreState, root: int, subject: int, spare: int) -> Callable[[int], Any]:
        """A struct is cast to a type above its own, or a field of it is read."""
        api, context, objects = self._api, store.context, self._objects(store)
        values = self._fields(STRUCTS[_PAIR].fields, 0, (NULL, NULL))
        assert values is not None
        ctypes.memmove(values + api.shape.val_size, root - VAL_HANDLE, api.shape.val_size)
        if objects.struct_new(store, context, _PAIR, values, subject) is not None:
            return lambda _: None  # no room
        if what == "field":

            def field(_: int) -> None:
                objects.get(0, context, subject, 1, spare - VAL_HANDLE)
                api.anyref_unroot(context, spare)

            return field
        as_eqref, unroot = api.library.bound("wasmtime_anyref_as_eqref"), api.library.bound("wasmtime_eqref_unroot")

        def cast(_: int) -> None:
            if as_eqref(context, subject, spare):
                unroot(spare)

        return cast

    def _object_step(self, what: str, store: StoreState, spare: int) -> Callable[[int], Any]:
        """One object with null in it made and dropped."""
        api, context, objects = self._api, store.context, self._objects(store)
        values = self._fields(STRUCTS[_NODE].fields, 0, (NULL, NULL)) or 0  # other kinds take the extern in it
        last = values + api.shape.val_size
        makers: dict[str, Callable[[], str | None]] = {
            "struct": lambda: objects.struct_new(store, context, _NODE, values, spare),
            "array": lambda: objects.array_new(store, context, _EXTERNS, last, _LENGTH, spare),
            "exn": lambda: objects.exn_new(store, context, _ONE, last, spare),
        }
        make = makers[what]
        unroot = self._exn_unroot if what == "exn" else api.anyref_unroot

        def made(at: int) -> None:
            if make() is None:
                unroot(context, spare)
            if at % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                api.gc(context)

        return made

    def _exn_unroot(self, _: int, handle: int) -> None:
        self._api.library.bound("wasmtime_exnref_unroot")(handle)

    def _step(self, what: str, context: int, root: int, spare: int, extern: int) -> Callable[[int], Any]:
        """One handle made and dropped."""
        api = self._api
        if what == "i31":

            def i31(at: int) -> None:
                api.anyref_from_i31(context, at, spare)
                api.anyref_unroot(context, spare)

            return i31
        if what == "clone":

            def clone(_: int) -> None:
                api.anyref_clone(context, root, spare)
                api.anyref_unroot(context, spare)

            return clone
        if what == "global":
            item = api.memory.take_item()
            api.global_new(context, RefType.ANYREF, True, root, item)

            def read(_: int) -> None:
                api.global_get(context, item, spare)
                api.anyref_unroot(context, spare)

            return read

        if what == "table":
            item = api.memory.take_item()
            api.table_new(context, RefType.ANYREF, 1, None, root, item)

            def element(_: int) -> None:
                api.table_get(context, item, 0, spare)
                api.anyref_unroot(context, spare)

            return element

        def made(at: int) -> None:
            if api.externref_plain(context, extern):
                api.externref_unroot(context, extern)
            if at % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                api.gc(context)

        return made
