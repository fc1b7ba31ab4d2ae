"""Wasmtime's C API as a machine, third part: instances of the kit and runs of bodies (docs/spec/capi.md 5.2).

The host functions are the same for all stores; they act on the run that is going on. What a run shows: docs/bodies.md.
"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final

from twinheap.model.kit import HIERARCHY, KIT_GLOBALS, KIT_TABLES
from twinheap.model.observation import IS_NULL, OOM, Value
from twinheap.model.observation import NONNULL as IS_NONNULL
from twinheap.model.ops import NULL, RUN_VALUES, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.machine_slots import SlotOps, StoreState
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_EXTERNREF, KIND_I32, VAL_HANDLE
from twinheap.targets.capi.wasm import Body, Instance, Wasm
from twinheap.targets.machine import DONE, SKIPPED, Raw
from twinheap.targets.modules import module_of
from twinheap.targets.wire import MAX_OBSERVED, WireProgram

_KINDS: Final = (KIND_EXTERNREF, KIND_EXTERNREF, KIND_ANYREF, KIND_I32)  # of main's parameters
_GLOBALS: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_GLOBALS)
_TABLES: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_TABLES)
_TYPED_NULLS: Final = 30  # before, a null for a global of type eqref, structref or arrayref is a type mismatch
_CLEAR: Final = (
    f"(body (main {' '.join(f'(global.set {at} (null {of}))' for at, of in enumerate(KIT_GLOBALS))} (null extern)))"
)
"""A body that does what `clear` does."""

_FAILED: Final = "a host function failed"


class InstanceState:
    """An instance of the program, and those of its bodies, each made when it first runs."""

    __slots__ = ("bodies", "clear", "made", "store")

    def __init__(self, store: StoreState, made: Instance) -> None:
        self.store = store
        self.made = made
        self.bodies: dict[int, Body] = {}
        self.clear: Body | None = None


class Run:
    """The run of a body that is going on: its trace, and what it may still allocate."""

    __slots__ = ("context", "failed", "finalized", "instance", "oom", "trace", "values")

    def __init__(self, instance: InstanceState, value: int) -> None:
        self.instance = instance
        self.context = instance.store.context
        self.values = iter(range(value, value + RUN_VALUES))
        self.trace: list[Value] = []
        self.finalized: list[int] = []
        self.oom = False
        self.failed: Exception | None = None


class WasmOps(SlotOps):
    """The ops of the group wasm."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        host = {"see": self._see, "note": self._note, "gc": self._collect}
        host |= {"clear": self._clear, "new": self._fresh, "pass": self._pass}
        self._wasm = Wasm(api, {name: self._guarded(function) for name, function in host.items()})
        self._bodies: tuple[tuple[str, bytes], ...] = ()
        self._instances: list[InstanceState] = []
        self._run: Run | None = None
        self._arguments = ctypes.create_string_buffer(api.shape.val_size * len(_KINDS))
        start = ctypes.addressof(self._arguments)
        self._argument_at = tuple(start + api.shape.val_size * at for at in range(len(_KINDS)))

    @property
    def supported(self) -> frozenset[str]:
        offered = super().supported
        return offered if self._wasm.exceptions else offered - {"run_exn"}

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self._bodies = program.bodies
        return super().begin(program)

    def clean_up(self) -> None:
        for instance in self._instances:
            self._wasm.drop(instance.made)
        self._instances.clear()

    # --- instances

    def op_inst(self, op: Op) -> Raw:
        _, at, result = op
        store = self.slots[at]
        made = self._wasm.instance(store.context)
        if not isinstance(made, Instance):
            return made
        self.slots[result] = instance = InstanceState(store, made)
        if self._api.shape.major < _TYPED_NULLS:
            clear = self._wasm.body(store.context, made, module_of(_CLEAR))
            assert isinstance(clear, Body)
            instance.clear = clear
        self._instances.append(instance)
        return DONE

    def op_inst_global(self, op: Op) -> Raw:
        _, at, which, result = op
        instance = self.slots[at]
        if instance is None:
            return SKIPPED
        self.slots[result] = instance.store, instance.made.globals[which], _GLOBALS[which]
        return DONE

    def op_inst_table(self, op: Op) -> Raw:
        _, at, which, result = op
        instance = self.slots[at]
        if instance is None:
            return SKIPPED
        self.slots[result] = instance.store, instance.made.tables[which], _TABLES[which]
        return DONE

    # --- runs

    def op_run(self, op: Op) -> Raw:
        _, at, body, value, first, second, third, selector, _, result = op
        instance = self.slots[at]
        handles = (first, second, third)
        if instance is None or any(slot != NULL and self.slots[slot] is None for slot in handles):
            return SKIPPED
        for address, kind, slot in zip(self._argument_at, _KINDS, handles, strict=False):
            source = self._nulls[kind == KIND_ANYREF] if slot == NULL else self.slots[slot][1]
            ctypes.memmove(address, source - VAL_HANDLE, self._api.shape.val_size)
        self._set_selector(selector)
        self._run = run = Run(instance, value)
        try:
            ended = self._start(instance, body, self._out(0, result))
        finally:
            self._run = None
        if run.failed:
            raise run.failed
        if run.oom:
            ended = (OOM,)
        if ended:
            return ended[0], tuple(run.trace), run.finalized
        if is_null(self._out(0, result)):
            return "ok", (*run.trace, IS_NULL), run.finalized
        self.slots[result] = instance.store, self._out(0, result), False
        return "ok", (*run.trace, IS_NONNULL), run.finalized

    op_run_exn = op_run

    def _set_selector(self, selector: int) -> None:
        address = self._argument_at[-1]
        ctypes.c_uint8.from_address(address).value = KIND_I32
        ctypes.c_int32.from_address(address + VAL_HANDLE).value = selector

    def _start(self, instance: InstanceState, number: int, out: int) -> Raw | None:
        """Runs a body; how it ended if it did not return."""
        context = instance.store.context
        body = instance.bodies.get(number)
        if body is None:
            made = self._wasm.body(context, instance.made, self._bodies[number][1])
            if not isinstance(made, Body):
                return made
            body = instance.bodies[number] = made
        return self._wasm.call(context, body.main, self._argument_at[0], len(_KINDS), out - VAL_HANDLE)

    # --- the host functions: they get addresses of parameters and results, and give a trap or nothing

    def _guarded(self, function: Callable[[Run, int, int], int | None]) -> Callable[..., int | None]:
        """As Wasmtime calls it: nothing may be raised through its frames."""

        def called(
            _env: int | None, caller: int, given: int | None, _count: int, results: int | None, _results: int
        ) -> int | None:
            run = self._run
            assert run is not None
            run.context = self._wasm.caller_context(caller)
            try:
                return function(run, given or 0, results or 0)
            except Exception as error:
                run.failed = error
                return self._wasm.new_trap(_FAILED)

        return called

    def _show(self, run: Run, *shown: Value) -> None:
        """Adds to the trace what was finalized since the last time, and this; what does not fit is left out."""
        finalized = self._api.drain()
        run.finalized += finalized
        run.trace += [f"f:{value}" for value in finalized]
        run.trace += shown
        del run.trace[MAX_OBSERVED - 1 :]  # the result comes after it

    def _see(self, run: Run, given: int, _: int) -> None:
        handle, context = given + VAL_HANDLE, run.context
        shown: Value = self._api.externref_data(context, handle)
        if is_null(handle):
            shown = "null"
        elif shown is None:
            # Both kinds of handle are the same, and the function of anyrefs looks at the reference only. The raw value
            # would tell as well, but asking for it leaks the object up to 44 (capi.md 5.4, K1).
            payload = self._api.i31_get_u(context, handle)
            shown = "object" if payload is None else f"i31:{payload}"
        self._show(run, shown)

    def _note(self, run: Run, given: int, _: int) -> None:
        self._show(run, f"n:{ctypes.c_int32.from_address(given + VAL_HANDLE).value}")

    def _collect(self, run: Run, _: int, __: int) -> int | None:
        self._show(run)
        failed = self._api.gc(run.context)
        return None if failed is None else self._wasm.new_trap(failed)

    def _clear(self, run: Run, _: int, __: int) -> int | None:
        if run.instance.clear is not None:
            self._clear_in_wasm(run, run.instance.clear)
            return None
        for item, of in zip(run.instance.made.globals, _GLOBALS, strict=True):
            failed = self._api.global_set(run.context, item, self._nulls[of])
            if failed is not None:
                return self._wasm.new_trap(failed)
        return None

    def _clear_in_wasm(self, run: Run, clear: Body) -> None:
        size = self._api.shape.val_size
        memory = ctypes.create_string_buffer(size * (len(_KINDS) + 1))
        start = ctypes.addressof(memory)
        for at, kind in enumerate(_KINDS[:-1]):
            ctypes.memmove(start + size * at, self._nulls[kind == KIND_ANYREF] - VAL_HANDLE, size)
        assert self._wasm.call(run.context, clear.main, start, len(_KINDS), start + size * len(_KINDS)) is None

    def _fresh(self, run: Run, _: int, results: int) -> int | None:
        self._show(run)
        value = next(run.values, None)
        if value is None:
            ctypes.memmove(results, self._nulls[0] - VAL_HANDLE, self._api.shape.val_size)
            return None
        if not self._api.externref_new(run.context, value, results + VAL_HANDLE):
            run.oom = True
            return self._wasm.new_trap(OOM)
        ctypes.c_uint8.from_address(results).value = KIND_EXTERNREF
        return None

    def _pass(self, run: Run, given: int, results: int) -> None:
        # Parameters belong to the caller, and results go to it: this has to be another handle.
        self._api.externref_clone(run.context, given + VAL_HANDLE, results + VAL_HANDLE)
        ctypes.c_uint8.from_address(results).value = KIND_EXTERNREF
