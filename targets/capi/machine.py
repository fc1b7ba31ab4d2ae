"""Wasmtime's C API as a machine: programs of owned handles, one method per op kind (docs/spec/capi.md 5.1).

There are no scopes, LIFO handles, errors that give a value back, futures or typed calls in C: `view` lowers or drops
them (docs/spec/program-ir.md 8.2).
"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twinheap.model.observation import OOM
from twinheap.model.ops import INT_KINDS, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.doomed import outcome_of
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_reads import ReadOps
from twinheap.targets.capi.machine_resources import ResourceOps
from twinheap.targets.capi.machine_slots import TYPES
from twinheap.targets.capi.outcomes import failure_of
from twinheap.targets.machine import DONE, NONNULL, NULL_REF, SKIPPED, Raw
from twinheap.targets.other_thread import OtherThread
from twinheap.targets.wire import WIRE_VERSION, Hello

_OOM: Final[Raw] = (OOM,)
_USES: Final = INT_KINDS["use"].names


class CapiMachine(ResourceOps, ReadOps):
    """Runs programs on one library in this process: an engine for each configuration, a store for each of the program.

    A defect of the runtime kills the process: use it in an executor. Host data is a pointer made of the value id,
    and payloads are kept here, as the memory behind those pointers.
    """

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        self._new = api.externref_new
        self._from_raw = (api.externref_from_raw, api.anyref_from_raw)
        self._clone: tuple[Callable[..., Any], ...] = (api.externref_clone, api.anyref_clone)
        self._unroot: tuple[Callable[..., Any], ...] = (api.externref_unroot, api.anyref_unroot)
        clone, unroot = api.optional("wasmtime_exnref_clone"), api.optional("wasmtime_exnref_unroot")
        if clone and unroot:
            self._clone += (lambda _, handle, out: clone(handle, out),)
            self._unroot += (lambda _, handle: unroot(handle),)
        self._from_i31 = api.anyref_from_i31
        self._other_thread = OtherThread()

    def hello(self) -> Hello:
        """What the handshake says; looks which collector the library runs."""
        library = self._api.library
        status = library.path.stat()
        names = self._engines.names()
        build = f"{library.path.name} {status.st_size:x}-{int(status.st_mtime):x} ctypes"
        return Hello(WIRE_VERSION, "wasmtime", library.release, self._collector(), False, self.supported, build, names)

    def _collector(self) -> str:
        """A moving collector changes raw values, and only null finalizes nothing."""
        api = self._api
        store = api.store_new()
        kept, dropped = api.memory.take_extern(), api.memory.take_extern()
        api.externref_new(store.context, 0, kept)
        api.externref_new(store.context, 1, dropped)
        before = api.externref_to_raw(store.context, kept)
        api.externref_unroot(store.context, dropped)
        api.gc(store.context)
        finalized = api.drain()
        moved = api.externref_to_raw(store.context, kept) != before
        api.externref_unroot(store.context, kept)
        api.store_delete(store.pointer)
        api.drain()
        api.memory.give_extern(kept)
        api.memory.give_extern(dropped)
        return "copying" if moved else "drc" if finalized else "null"

    def clean_up(self) -> None:
        # Every handle holds a piece of memory of its own until it is unrooted, also after its store.
        for held in self._left:
            self._release(*held)
        super().clean_up()
        for store in self._stores:
            if store.alive:
                self._api.store_delete(store.pointer)
        self._stores.clear()
        self._api.drain()

    def _release(self, store: StoreState, handle: int, is_any: bool) -> None:
        if store.alive or not self._needs_store:
            self._unroot[is_any](store.context, handle)

    # --- making and dropping handles

    def op_ext_new_owned(self, op: Op) -> Raw:
        _, at, value, result, _ = op
        store, out = self.slots[at], self._externs.at[result]
        if not self._new(store.context, value, out):
            return _OOM  # C does not say why; out of memory is the only reason there is (capi.md 5.1)
        self.slots[result] = store, out, False
        return DONE

    def op_i31_new_owned(self, op: Op) -> Raw:
        _, at, payload, result = op
        store, out = self.slots[at], self._anys.at[result]
        self._from_i31(store.context, payload, out)
        self.slots[result] = store, out, True
        return DONE

    def op_oclone(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle, is_any = held
        out = self._out(is_any, op[2])
        if store.alive or not self._needs_store:
            self._clone[is_any](store.context, handle, out)
        self.slots[op[2]] = store, out, is_any
        return DONE

    def op_odrop(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[1]] = None
        self._release(*held)
        return DONE

    def op_owned_drop_thread(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[1]] = None
        self._other_thread.run(lambda: self._release(*held))
        return DONE

    # --- conversions, through raw values

    def op_conv_any_owned(self, op: Op) -> Raw:
        return self._convert(op, 1)

    def op_conv_ext_owned(self, op: Op) -> Raw:
        return self._convert(op, 0)

    def _convert(self, op: Op, to: int) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle, is_any = held
        out = self._out(to, op[2])
        self._from_raw[to](store.context, self._to_raw[is_any](store.context, handle), out)
        self.slots[op[2]] = store, out, to == 1
        return DONE

    # --- raw values

    def op_to_raw(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle, is_any = held
        raw = self._to_raw[is_any](store.context, handle)
        self.slots[op[2]] = store, raw
        return NONNULL if raw else NULL_REF

    def op_from_raw_owned(self, op: Op) -> Raw:
        _, at, of, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        return self._root_raw(held[0], held[1], of, result)

    def op_from_imm_owned(self, op: Op) -> Raw:
        _, at, raw, of, result = op
        return self._root_raw(self.slots[at], raw, of, result)

    def _root_raw(self, store: StoreState, raw: int, of: int, result: int) -> Raw:
        out = self._out(of, result)
        self._from_raw[of](store.context, raw, out)
        return self._read(store, of, out, result)

    # --- the op that ends the process

    def op_wrong_store(self, op: Op) -> Raw:
        _, at, source, use = op
        held = self.slots[source]
        if held is None:
            return SKIPPED
        return outcome_of(lambda: self._use(self.slots[at].context, _USES[use], held[1], held[2]))

    def _use(self, context: int, use: str, handle: int, is_any: bool) -> Raw:
        """Uses a handle of another store; every release aborts (docs/spec-errata.md)."""
        if use == "data":
            self._data(context, handle)
        elif use == "to_raw":
            self._to_raw[is_any](context, handle)
        else:
            failed = self._api.global_new(context, TYPES[is_any], True, handle, self._items.at[0])
            return DONE if failed is None else failure_of(failed)
        return DONE

    @property
    def _left(self) -> list[tuple[StoreState, int, bool]]:
        """Handles that the program did not drop, those of fills included."""
        left: list[tuple[StoreState, int, bool]] = []
        for held in self.slots:
            left.extend(_handles(held))
        return left


def _handles(held: Any) -> list[tuple[StoreState, int, bool]]:
    """The handles in a slot: (store, address, whether an anyref), or (store, addresses) of a fill."""
    if type(held) is not tuple:
        return []
    if len(held) == 3 and (type(held[2]) is bool or held[2] == 2):  # globals and tables have 0 or 1 there
        return [held]
    if type(held[1]) is list:
        return [(held[0], address, False) for address in held[1] if address]
    return []
