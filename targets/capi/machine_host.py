"""The C API as a machine: the host functions that bodies call, and what a run shows (docs/bodies.md).

The host functions are the same for all stores; they act on the run that is going on.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from twinheap.model.engines import DEFAULT
from twinheap.model.kit import HIERARCHY, KIT_GLOBALS
from twinheap.model.observation import OOM, Value
from twinheap.model.ops import RUN_VALUES
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_slots import SlotOps
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.outcomes import HOST_TRAP
from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_EXTERNREF, KIND_I32, VAL_HANDLE
from twinheap.targets.capi.wasm import Body, Instance, Wasm
from twinheap.targets.machine import TRAPS, Callback
from twinheap.targets.wire import MAX_OBSERVED

KINDS: Final = (KIND_EXTERNREF, KIND_EXTERNREF, KIND_ANYREF, KIND_I32)  # of main's parameters
GLOBALS: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_GLOBALS)  # 0 for externrefs, 1 for anyrefs
_FAILED: Final = "a host function failed"


class InstanceState:
    """An instance of the program, and those of its bodies, each made when it first runs."""

    __slots__ = ("bodies", "clear", "made", "source", "store")

    def __init__(self, store: StoreState, made: Instance, source: Instance | None = None) -> None:
        self.store = store
        self.made = made
        self.source = source or made  # where far helpers live
        self.bodies: dict[int, Body] = {}
        self.clear: Body | None = None


class Run:
    """The run of a body that is going on: its trace, and what it may still allocate."""

    __slots__ = ("callback", "context", "failed", "finalized", "instance", "oom", "passed", "trace", "values")

    def __init__(self, instance: InstanceState, value: int, callback: Callback | None = None) -> None:
        self.callback = callback
        self.instance = instance
        self.context = instance.store.context
        self.values = iter(range(value, value + RUN_VALUES))
        self.trace: list[Value] = []
        self.finalized: list[int] = []
        self.oom = False
        self.passed = 0  # check points, where there are limits
        self.failed: Exception | None = None


class HostFunctions(SlotOps):
    """What Wasm calls, for each engine, and the run that it is called by."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        host = {"see": self._see, "note": self._note, "gc": self._collect}
        host |= {"clear": self._clear, "new": self._fresh, "pass": self._pass, "cb": self._call_back_first}
        self._host = {name: self._guarded(function) for name, function in host.items()}
        self._by_engine = {DEFAULT: Wasm(api, self._host)}
        self._wasm = self._by_engine[DEFAULT]
        self._run: Run | None = None

    def _wasm_of(self, store: StoreState) -> Wasm:
        """Modules and host functions of a store's engine."""
        number = store.engine
        if number not in self._by_engine:
            self._by_engine[number] = Wasm(self._engines.api(number), self._host, number)
        return self._by_engine[number]

    # --- the host functions: they get addresses of parameters and results, and give a trap or nothing

    def _guarded(self, function: Callable[[Run, int, int], int | None]) -> Callable[..., int | None]:
        """As Wasmtime calls it: nothing may be raised through its frames."""

        def called(
            _env: int | None, caller: int, given: int | None, _count: int, results: int | None, _results: int
        ) -> int | None:
            run = self._run
            assert run is not None
            run.context = self._wasm.caller_context(caller)
            self._limits.tick(run.instance.store)
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
        for item, of in zip(run.instance.made.globals, GLOBALS, strict=True):
            failed = self._api.global_set(run.context, item, self._nulls[of])
            if failed is not None:
                return self._wasm.new_trap(failed)
        return None

    def _clear_in_wasm(self, run: Run, clear: Body) -> None:
        size = self._api.shape.val_size
        memory = ctypes.create_string_buffer(size * (len(KINDS) + 1))
        start = ctypes.addressof(memory)
        for at, kind in enumerate(KINDS[:-1]):
            ctypes.memmove(start + size * at, self._nulls[kind == KIND_ANYREF] - VAL_HANDLE, size)
        store = run.instance.store
        with self._limits.lifted(store):
            ended = self._wasm_of(store).call(run.context, clear.main, start, len(KINDS), start + size * len(KINDS))
        assert ended is None

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

    def _call_back_first(self, run: Run, given: int, results: int) -> int | None:
        """`cb`: the first time the callback, if the run has one; else it gives back what it gets."""
        self._show(run, "cb")
        call, run.callback = run.callback, None
        if call is None:
            self._pass(run, given, results)
            return None
        call.store, call.arg = run.instance.store, given + VAL_HANDLE
        self._call_back(call)
        trap = self._wasm.new_trap(HOST_TRAP) if call.ending == TRAPS or self._over else self._thrown(call)
        if trap is not None:
            self._release_return(call)
            return trap
        size = self._api.shape.val_size
        if call.returns is None:
            ctypes.memmove(results, self._nulls[0] - VAL_HANDLE, size)
            return None
        ctypes.memmove(results, call.returns - VAL_HANDLE, size)  # the handle goes to the runtime
        self._api.memory.give_extern(call.returns)
        return None

    def _release_return(self, call: Callback) -> None:
        if call.returns:
            self._api.externref_unroot(call.store.context, call.returns)
            self._api.memory.give_extern(call.returns)
            call.returns = None

    def _thrown(self, call: Callback) -> int | None:
        """The trap by which a callback throws; none if it does not."""
        return None
