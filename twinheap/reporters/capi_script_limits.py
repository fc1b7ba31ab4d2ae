"""How runs in stand-alone scripts are limited, by fuel and epochs (docs/bodies.md), and where they have their stack.

Copied as `capi_script_ops.py` is.
"""

# ruff: noqa: D102 -- each method is one op; docs/bodies.md says what it does
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from twinheap.reporters.capi_script import PTR, U64, Store
from twinheap.reporters.capi_script_objects import ObjectApi
from twinheap.reporters.capi_script_wasm import Run


class LimitedApi(ObjectApi):
    """Runs of bodies end when the fuel is used up, or at a tick of a clock; what else is run has plenty."""

    fuel = False
    epochs = False
    clock = 0  # it ticks at each call of a host function
    plenty = 1 << 50
    deadlines: dict[int, int]

    def limit_by_fuel(self) -> None:
        self.fuel, self.deadlines = True, {}
        self.configure("consume_fuel", ctypes.c_bool(True))

    def limit_by_epochs(self) -> None:
        self.epochs, self.deadlines = True, {}
        self.configure("epoch_interruption", ctypes.c_bool(True))

    def store_new(self, limit: int) -> Store:
        store = super().store_new(limit)
        self._set_fuel(store.context, self.plenty)
        self._set_deadline(store.context, self.clock + self.plenty)
        return store

    def set_fuel(self, store: Store, fuel: int) -> None:
        self._set_fuel(store.context, fuel if fuel >= 0 else self.plenty)
        self.say("ok")

    def set_epoch_deadline(self, store: Store, ticks: int) -> None:
        self._set_deadline(store.context, self.clock + (ticks if ticks >= 0 else self.plenty))
        self.say("ok")

    def _set_fuel(self, context: int, fuel: int) -> None:
        if self.fuel:
            self.call("wasmtime_context_set_fuel", PTR, PTR(context), U64(fuel))

    def _set_deadline(self, context: int, deadline: int) -> None:
        if self.epochs:
            self.deadlines[context] = deadline
            ticks = U64(max(0, deadline - self.clock))
            self.call("wasmtime_context_set_epoch_deadline", None, PTR(context), ticks)

    def host(self, name: str, function: Callable[[Run, int, int], int | None], params: str, results: str) -> None:
        def ticking(run: Run, given: int, out: int) -> int | None:
            if self.epochs:
                self.clock += 1
                self.call("wasmtime_engine_increment_epoch", None, PTR(self.engine))
            return function(run, given, out)

        super().host(name, ticking, params, results)

    def _instance(self, linker: int, context: int, module: int) -> tuple[str, Any]:
        left, deadline = U64(), self.deadlines.get(context, 0)
        if self.fuel:
            self.call("wasmtime_context_get_fuel", PTR, PTR(context), ctypes.byref(left))
        self._set_fuel(context, self.plenty)
        self._set_deadline(context, self.clock + self.plenty)
        made = super()._instance(linker, context, module)
        self._set_fuel(context, left.value)
        self._set_deadline(context, deadline)
        return made


class FiberApi(ObjectApi):
    """What is run has a stack of its own, and is polled to its end."""

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        if name not in ("wasmtime_func_call", "wasmtime_linker_instantiate"):
            return super().call(name, result, *arguments)
        error = PTR()
        future = super().call(f"{name}_async", PTR, *arguments, ctypes.byref(error))
        while not super().call("wasmtime_call_future_poll", ctypes.c_bool, PTR(future)):
            pass
        super().call("wasmtime_call_future_delete", None, PTR(future))
        return error.value
