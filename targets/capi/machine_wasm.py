"""Wasmtime's C API as a machine, third part: instances of the kit and runs of bodies (docs/spec/capi.md 5.2)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from twinheap.model.engines import ENGINES
from twinheap.model.kit import CLEAR, HIERARCHY, KIT_TABLES, SHARES
from twinheap.model.observation import IS_NULL, OOM, PASSED, STOPPED
from twinheap.model.observation import NONNULL as IS_NONNULL
from twinheap.model.ops import CODE, NULL, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.engines import TYPES_GO_FROM
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_host import GLOBALS, KINDS, HostFunctions, InstanceState, Run
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_I32, VAL_HANDLE
from twinheap.targets.capi.wasm import Body, Instance
from twinheap.targets.machine import DONE, SKIPPED, Callback, Raw
from twinheap.targets.modules import module_of
from twinheap.targets.wire import WireBody, WireProgram

_TABLES: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_TABLES)
TYPED_NULLS: Final = 30  # before, a null for a global of type eqref, structref or arrayref is a type mismatch
_MODULES_DROP: Final = CODE["modules_drop"]


class WasmOps(HostFunctions):
    """Instances, and runs of bodies without a callback."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        self._spoilt: set[int] = set()  # engines in which types were freed (K52, K53)
        self._bodies: tuple[WireBody, ...] = ()
        self._instances: list[InstanceState] = []
        self._arguments = ctypes.create_string_buffer(api.shape.val_size * len(KINDS))
        start = ctypes.addressof(self._arguments)
        self._argument_at = tuple(start + api.shape.val_size * at for at in range(len(KINDS)))

    @property
    def supported(self) -> frozenset[str]:
        offered = super().supported
        return offered if self._wasm.exceptions else offered - {"run_exn", "call_exn"}

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self._bodies = program.bodies
        if self._api.shape.major < TYPES_GO_FROM:
            if any(op[0] == _MODULES_DROP for op in program.ops):  # a pooled heap knows types of earlier programs, too
                self._spoilt |= {number for number in self._by_engine if ENGINES[number].pooling}
            crowded = {number for number, wasm in self._by_engine.items() if wasm.crowded}
            for number in self._spoilt | crowded:
                self._renew(number)
            self._spoilt.clear()
        return super().begin(program)

    def _renew(self, number: int) -> None:
        """What was freed in an engine must not change what later programs meet."""
        self._engines.renew(number)
        self._by_engine.pop(number).free()

    def clean_up(self) -> None:
        for instance in self._instances:
            self._wasm_of(instance.store).drop(instance.made)
        self._instances.clear()

    # --- instances

    def op_inst(self, op: Op) -> Raw:
        return self._instance(self.slots[op[1]], None, (), op[2])

    def op_link(self, op: Op) -> Raw:
        _, at, shares, result = op
        exporter = self.slots[at]
        if exporter is None:
            return SKIPPED
        return self._instance(exporter.store, exporter.made, tuple(SHARES.values())[shares], result)

    def _instance(self, store: StoreState, source: Instance | None, shares: tuple[str, ...], result: int) -> Raw:
        with self._limits.lifted(store):
            made = self._wasm_of(store).instance(store.context, source, shares)
        if not isinstance(made, Instance):
            return made
        self.slots[result] = instance = InstanceState(store, made, source)
        if self._api.shape.major < TYPED_NULLS:
            code = module_of(CLEAR, ENGINES[store.engine].limits_runs)
            clear = self._wasm_of(store).body(store.context, made, code)
            assert isinstance(clear, Body)
            instance.clear = clear
        self._instances.append(instance)
        return DONE

    def op_inst_drop(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[1]] = None
        self._instances.remove(held)
        held.bodies.clear()
        self._wasm_of(held.store).drop(held.made)
        return DONE

    def op_modules_drop(self, op: Op) -> Raw:
        store = self.slots[op[1]]
        self._wasm_of(store).forget()
        self._spoilt.add(store.engine)
        return DONE

    def op_inst_global(self, op: Op) -> Raw:
        _, at, which, result = op
        instance = self.slots[at]
        if instance is None:
            return SKIPPED
        self.slots[result] = instance.store, self._taken(instance.made.globals[which], result), GLOBALS[which]
        return DONE

    def _taken(self, item: int, result: int) -> int:
        """A copy of a global or table of an instance, whose own memory goes with its handle."""
        ctypes.memmove(self._items.at[result], item, self._api.shape.item_size)
        return self._items.at[result]

    def op_inst_table(self, op: Op) -> Raw:
        _, at, which, result = op
        instance = self.slots[at]
        if instance is None:
            return SKIPPED
        self.slots[result] = instance.store, self._taken(instance.made.tables[which], result), _TABLES[which]
        return DONE

    # --- runs

    def op_run(self, op: Op) -> Raw:
        _, at, body, value, first, second, third, selector, _, result = op
        out = self._out(0, result)
        seen = self._ran(at, body, value, (first, second, third), selector, out, None)
        if seen[0] == "ok" and seen[1][-1] == IS_NONNULL:
            self.slots[result] = self.slots[at].store, out, False
        return seen

    op_run_exn = op_run

    def _ran(
        self,
        at: int,
        body: int,
        value: int,
        handles: tuple[int, int, int],
        selector: int,
        out: int,
        callback: Callback | None,
    ) -> Raw:
        """Runs a body; its result is a handle at `out` then."""
        instance = self.slots[at]
        if instance is None or any(slot != NULL and self.slots[slot] is None for slot in handles):
            return SKIPPED
        for address, kind, slot in zip(self._argument_at, KINDS, handles, strict=False):
            source = self._nulls[kind == KIND_ANYREF] if slot == NULL else self.slots[slot][1]
            ctypes.memmove(address, source - VAL_HANDLE, self._api.shape.val_size)
        self._set_selector(selector)
        before, self._run = self._run, Run(instance, value, callback)
        run = self._run
        try:
            ended = self._start(instance, body, out)
        finally:
            self._run = before
        if run.failed:
            raise run.failed
        if run.oom:
            ended = (OOM,)
        if ended and ended[0] in STOPPED:
            return ended[0], (*run.trace, f"{PASSED}{run.passed}"), run.finalized
        if ended:
            return ended[0], tuple(run.trace), run.finalized
        return "ok", (*run.trace, IS_NULL if is_null(out) else IS_NONNULL), run.finalized

    def _set_selector(self, selector: int) -> None:
        address = self._argument_at[-1]
        ctypes.c_uint8.from_address(address).value = KIND_I32
        ctypes.c_int32.from_address(address + VAL_HANDLE).value = selector

    def _start(self, instance: InstanceState, number: int, out: int) -> Raw | None:
        """Runs a body; how it ended if it did not return."""
        store = instance.store
        context, wasm = store.context, self._wasm_of(store)
        assert self._run is not None
        body = instance.bodies.get(number)
        if body is None:
            sent = self._bodies[number]
            far = (instance.source, sent.far) if sent.far else None
            with self._limits.lifted(store):
                made = wasm.body(context, instance.made, sent.module, far)
            if not isinstance(made, Body):
                return made
            body = instance.bodies[number] = made
        limited = ENGINES[store.engine].limits_runs
        passed = wasm.points(context, body) if limited else 0
        ended = wasm.call(context, body.main, self._argument_at[0], len(KINDS), out - VAL_HANDLE)
        if limited:
            self._run.passed = wasm.points(context, body) - passed
        return ended
