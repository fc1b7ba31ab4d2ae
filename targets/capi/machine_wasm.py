"""Wasmtime's C API as a machine, third part: instances of the kit and runs of bodies (docs/spec/capi.md 5.2).

The host functions are the same for all stores; they act on the run that is going on. What a run shows: docs/bodies.md.
"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final

from twinheap.model.engines import DEFAULT, ENGINES
from twinheap.model.kit import CLEAR, HIERARCHY, KIT_GLOBALS, KIT_TABLES, SHARES
from twinheap.model.observation import IS_NULL, OOM, PASSED, STOPPED, Value
from twinheap.model.observation import NONNULL as IS_NONNULL
from twinheap.model.ops import CODE, NULL, RUN_VALUES, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.engines import TYPES_GO_FROM
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_slots import SlotOps
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.outcomes import HOST_TRAP
from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_EXTERNREF, KIND_I32, VAL_HANDLE
from twinheap.targets.capi.wasm import Body, Instance, Wasm
from twinheap.targets.machine import DONE, NONNULL, NULL_REF, SKIPPED, TRAPS, Callback, Raw
from twinheap.targets.modules import module_of
from twinheap.targets.wire import MAX_OBSERVED, WireBody, WireProgram

_KINDS: Final = (KIND_EXTERNREF, KIND_EXTERNREF, KIND_ANYREF, KIND_I32)  # of main's parameters
_GLOBALS: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_GLOBALS)
_TABLES: Final = tuple(int(HIERARCHY[of] == "any") for of in KIT_TABLES)
TYPED_NULLS: Final = 30  # before, a null for a global of type eqref, structref or arrayref is a type mismatch
_RESULT, _MODULES_DROP = CODE["result"], CODE["modules_drop"]
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


class WasmOps(SlotOps):
    """The ops of the group wasm."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        host = {"see": self._see, "note": self._note, "gc": self._collect}
        host |= {"clear": self._clear, "new": self._fresh, "pass": self._pass, "cb": self._call_back_first}
        self._host = {name: self._guarded(function) for name, function in host.items()}
        self._by_engine = {DEFAULT: Wasm(api, self._host)}
        self._wasm = self._by_engine[DEFAULT]
        self._spoilt: set[int] = set()  # engines in which types were freed (K52, K53)
        self._bodies: tuple[WireBody, ...] = ()
        self._instances: list[InstanceState] = []
        self._run: Run | None = None
        self._returned: tuple[StoreState, int] | None = None  # by the call closed last: a handle, or 0 for null
        self._arguments = ctypes.create_string_buffer(api.shape.val_size * len(_KINDS))
        start = ctypes.addressof(self._arguments)
        self._argument_at = tuple(start + api.shape.val_size * at for at in range(len(_KINDS)))

    @property
    def supported(self) -> frozenset[str]:
        offered = super().supported
        return offered if self._wasm.exceptions else offered - {"run_exn", "call_exn"}

    def _wasm_of(self, store: StoreState) -> Wasm:
        """Modules and host functions of a store's engine."""
        number = store.engine
        if number not in self._by_engine:
            self._by_engine[number] = Wasm(self._engines.api(number), self._host, number)
        return self._by_engine[number]

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
        self._drop_returned()
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
        self.slots[result] = instance.store, self._taken(instance.made.globals[which], result), _GLOBALS[which]
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
        for address, kind, slot in zip(self._argument_at, _KINDS, handles, strict=False):
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

    # --- calls

    def op_call(self, op: Op) -> Raw:
        _, at, body, value, first, second, third, selector = op
        call = self._called()
        self._drop_returned()
        out = self._api.memory.take_extern()
        instance = self.slots[at]  # whose handle may end in the callback
        seen = self._ran(at, body, value, (first, second, third), selector, out, call)
        self._drop_returned()  # of a call inside
        if seen[0] == "ok" and seen[1][-1] == IS_NONNULL:
            self._returned = instance.store, out
        else:
            self._api.memory.give_extern(out)
            self._returned = (instance.store, 0) if seen[0] == "ok" else None
        if call.end + 1 >= len(self._ops) or self._ops[call.end + 1][0] != _RESULT:
            self._drop_returned()
        return seen

    op_call_exn = op_call

    def op_end(self, op: Op) -> Raw:
        return DONE

    def op_arg(self, op: Op) -> Raw:
        _, _, result = op
        call = self._calls[-1]
        return self._again(call.store, call.arg, result)

    def _again(self, store: StoreState, handle: int, result: int) -> Raw:
        """Another handle for what there is one for."""
        if is_null(handle):
            return NULL_REF
        out = self._out(0, result)
        self._api.externref_clone(store.context, handle, out)
        self.slots[result] = store, out, False
        return NONNULL

    def op_ret(self, op: Op) -> Raw:
        held = self._nulls[0] if op[1] == NULL else self.slots[op[1]] and self.slots[op[1]][1]
        if held is None:
            return SKIPPED
        call = self._calls[-1]
        self._release_return(call)
        if op[1] != NULL:
            call.returns = self._api.memory.take_extern()
            self._api.externref_clone(call.store.context, held, call.returns)
        return DONE

    def op_raise(self, op: Op) -> Raw:
        return self._ends(TRAPS, None)

    def _ends(self, ending: str, exn: int | None) -> Raw:
        """The callback will end so. `exn`: a handle that is the machine's own."""
        call = self._calls[-1]
        self._release_exn(call)
        call.ending, call.exn = ending, exn
        return DONE

    def _release_exn(self, call: Callback) -> None:
        """Lets go of what a callback was to throw: releases without exceptions of the host's have none."""

    def _thrown(self, call: Callback) -> int | None:
        """The trap by which a callback throws; none if it does not."""
        return None

    def op_result(self, op: Op) -> Raw:
        _, _, result = op
        if self._returned is None:
            return SKIPPED
        store, handle = self._returned
        seen = self._again(store, handle or self._nulls[0], result)
        self._drop_returned()
        return seen

    def _drop_returned(self) -> None:
        """Lets go of what the call returned that was closed last."""
        taken, self._returned = self._returned, None
        if taken and taken[1]:
            self._api.externref_unroot(taken[0].context, taken[1])
            self._api.memory.give_extern(taken[1])

    def _release_return(self, call: Callback) -> None:
        if call.returns:
            self._api.externref_unroot(call.store.context, call.returns)
            self._api.memory.give_extern(call.returns)
            call.returns = None

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
        ended = wasm.call(context, body.main, self._argument_at[0], len(_KINDS), out - VAL_HANDLE)
        if limited:
            self._run.passed = wasm.points(context, body) - passed
        return ended

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
        store = run.instance.store
        with self._limits.lifted(store):
            ended = self._wasm_of(store).call(run.context, clear.main, start, len(_KINDS), start + size * len(_KINDS))
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
