"""Instances and runs of Wasm bodies in stand-alone scripts; copied as `capi_script_ops.py` is."""

# ruff: noqa: D102 -- each method is one op; docs/spec/program-ir.md 8.1 says what it does
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from twinheap.reporters.capi_script import ANY, EXTERN, PTR, ByteVec, Handle, Item, Store
from twinheap.reporters.capi_script_ops import Api, bytes_in_use

HOST = ctypes.CFUNCTYPE(PTR, PTR, PTR, PTR, ctypes.c_size_t, PTR, ctypes.c_size_t)  # wasmtime_func_callback_t
HOST_TRAP = b"a callback of the host ends in a trap"
ENDINGS = {
    "GC heap out of memory": "err:oom",
    "greater than the max supported size": "err:oom",
    "thrown Wasm exception": "exn",
    "out of bounds table access": "trap:table_oob",
    "uninitialized element": "trap:null_func",
    "indirect call type mismatch": "trap:bad_sig",
    "null reference": "trap:null_ref",
    "cast failure": "trap:cast",
    "out of bounds array access": "trap:array_oob",
    "out of bounds memory access": "trap:memory_oob",
    "allocation size too large": "trap:too_large",
    "`unreachable` instruction executed": "trap:unreachable",
    "call stack exhausted": "trap:stack",
    "all fuel consumed": "trap:fuel",
    "wasm trap: interrupt": "trap:interrupt",
    HOST_TRAP.decode(): "trap:host",
}


class Instance:
    """An instance of the kit: a linker that has it, its globals and tables by name, and the instances of bodies.

    `source`: the instance with which it was linked, where far helpers live. `users`: it, and those linked with it.
    """

    def __init__(self, store: Store, linker: int, source: Instance | None) -> None:
        self.store = store
        self.linker = linker
        self.source = source
        self.users = 1
        self.items: dict[str, Item] = {}
        self.bodies: dict[int, Any] = {}


class Run:
    """A call of a body that is going on: what it may still allocate, what it showed, and its callback."""

    def __init__(self, inst: Instance, value: int, callback: Callable[[], None] | None) -> None:
        self.inst = inst
        self.values = iter(range(value, value + 8))
        self.trace: list[str] = []
        self.callback = callback
        self.oom = False
        self.context = inst.store.context
        self.given = 0
        self.returns: Handle | None = None
        self.trap = False
        self.throw: Callable[[], int | None] | None = None


class WasmApi(Api):
    """Each method does one op, and prints what came of it."""

    runs: list[Run]
    linker = 0
    returned: Handle | None = None

    def module(self, text: str) -> int:
        """A module of WAT text; `compiled` has its wasmtime_module_t*."""
        self.texts.append(text)
        return len(self.texts)

    def compiled(self, module: int) -> int:
        """Compiled now, if it was not or its module was dropped."""
        if module not in self.modules:
            self.modules[module] = self.compile(self.texts[module - 1])
        return self.modules[module]

    def compile(self, text: str) -> int:
        code, made = ByteVec(), PTR()
        size = ctypes.c_size_t(len(text.encode()))
        error = self.call("wasmtime_wat2wasm", PTR, text.encode(), size, ctypes.byref(code))
        if not error:
            size = ctypes.c_size_t(code.size)
            error = self.call("wasmtime_module_new", PTR, PTR(self.engine), PTR(code.data), size, ctypes.byref(made))
        if error:
            self.failed(error)
            raise SystemExit(f"the module is refused: {self.message}")
        return made.value or 0

    def link(self, kit: str) -> None:
        """Begins a linker for host functions; `kit` is what every instance has."""
        self.runs = []
        self.fars: dict[int, int] = {}  # by the module of a body, that of its far helpers
        self.hosts: list[Any] = []
        self.kit = self.module(kit)
        self.linker = self.call("wasmtime_linker_new", PTR, PTR(self.engine))

    def host(self, name: str, function: Callable[[Run, int, int], int | None], params: str, results: str) -> None:
        """Defines a host function; a type is `i` for i32 or `e` for externref."""

        def called(_: Any, caller: int, given: int | None, __: int, out: int | None, ___: int) -> int | None:
            run = self.runs[-1]
            run.context = self.call("wasmtime_caller_context", PTR, PTR(caller))
            return function(run, given or 0, out or 0)

        self.hosts.append(HOST(called))
        vectors = []
        for types in (params, results):
            made = [self.call("wasm_valtype_new", PTR, ctypes.c_uint8(0 if of == "i" else 128)) for of in types]
            vectors.append(ByteVec())
            size = ctypes.c_size_t(len(made))
            self.call("wasm_valtype_vec_new", None, ctypes.byref(vectors[-1]), size, (PTR * len(made))(*made))
        of = PTR(self.call("wasm_functype_new", PTR, ctypes.byref(vectors[0]), ctypes.byref(vectors[1])))
        where = (b"host", ctypes.c_size_t(4), name.encode(), ctypes.c_size_t(len(name)))
        self.call("wasmtime_linker_define_func", PTR, PTR(self.linker), *where, of, self.hosts[-1], None, None)

    # --- instances

    def _instance(self, linker: int, context: int, module: int) -> tuple[str, Any]:
        """How it ended, and a wasmtime_instance_t."""
        made, trap = ctypes.create_string_buffer(16), PTR()
        where = (PTR(linker), PTR(context), PTR(self.compiled(module)), made)
        error = self.call("wasmtime_linker_instantiate", PTR, *where, ctypes.byref(trap))
        return self._ending(error, trap.value), made

    def _export(self, context: int, instance: Any, name: str) -> Any:
        """A wasmtime_extern_t."""
        made, size = ctypes.create_string_buffer(32), ctypes.c_size_t(len(name))
        self.call("wasmtime_instance_export_get", ctypes.c_bool, PTR(context), instance, name.encode(), size, made)
        return made

    def inst(self, store: Store) -> Instance | None:
        return self._kit_instance(store, None, self.kit)

    def linked(self, inst: Instance, kit: int) -> Instance | None:
        """An instance of a module that has a part of the kit, and imports the rest from another instance."""
        return self._kit_instance(inst.store, inst, kit)

    def inst_drop(self, inst: Instance) -> None:
        """Only the handle: what it is of lives as long as its store."""
        self._leave(inst)
        self.say("ok")

    def _leave(self, inst: Instance) -> None:
        inst.users -= 1
        if not inst.users:
            self.call("wasmtime_linker_delete", None, PTR(inst.linker))
            if inst.source:
                self._leave(inst.source)

    def modules_drop(self, _: Store) -> None:
        """All are compiled anew when they are needed; types that are nobody else's get what places are free."""
        for module in self.modules.values():
            self.call("wasmtime_module_delete", None, PTR(module))
        self.modules.clear()
        self.variant = 1 - getattr(self, "variant", 1)
        last, before = ("i32", "f64")[self.variant], getattr(self, "decoy", 0)
        types = "".join(f"(type (struct{' (field i64)' * length} (field {last})))" for length in range(1, 33))
        self.decoy = self.compile(f"(module {types})")
        if before:
            self.call("wasmtime_module_delete", None, PTR(before))
        self.say("ok")

    def _kit_instance(self, store: Store, source: Instance | None, kit: int) -> Instance | None:
        linker = self.call("wasmtime_linker_clone", PTR, PTR(self.linker))
        ended, instance = self._instance(source.linker if source else linker, store.context, kit)
        self.say(ended)
        if ended != "ok":
            return None
        context, size = PTR(store.context), ctypes.c_size_t(3)
        self.call("wasmtime_linker_define_instance", PTR, PTR(linker), context, b"kit", size, instance)
        made = Instance(store, linker, source)
        if source:
            source.users += 1
        for name in ("g0", "g1", "g2", "g3", "g4", "g5", "g6", "t0", "t1"):
            type_ = EXTERN if name in ("g0", "g1", "t0") else ANY
            made.items[name] = item = Item(store, type_, self.item_size)
            export = self._export(store.context, instance, name)
            ctypes.memmove(item.at, ctypes.addressof(export) + 8, self.item_size)
        return made

    def inst_global(self, inst: Instance, number: int) -> Item:
        self.say("ok")
        return inst.items[f"g{number}"]

    def inst_table(self, inst: Instance, number: int) -> Item:
        self.say("ok")
        return inst.items[f"t{number}"]

    # --- runs

    def run(
        self,
        inst: Instance,
        body: int,
        value: int,
        given: tuple[Handle | None, Handle | None, Handle | None],
        selector: int,
        callback: Callable[[], None] | None = None,
    ) -> Handle | None:
        """Calls main of a body; fresh externrefs get the values from `value` on."""
        step, size, store = self.now, self.val_size, inst.store
        values = ctypes.create_string_buffer(size * 4)
        for at, (type_, handle) in enumerate(zip((EXTERN, EXTERN, ANY), given, strict=True)):
            source = handle or self._handle(store, type_)
            ctypes.memmove(ctypes.addressof(values) + size * at, source.val, size)
        ctypes.c_uint8.from_buffer(values, size * 3).value = 0
        ctypes.c_int32.from_buffer(values, size * 3 + 8).value = selector
        run, out = Run(inst, value, callback), self._handle(store, EXTERN)
        self.runs.append(run)
        ended = self._start(inst, body, values, out)
        self.runs.pop()
        self.now = step
        ended = "err:oom" if run.oom else ended
        null = self._is_null(out.at)
        shown = [*run.trace, *(["null" if null else "nonnull"] if ended == "ok" else [])]
        self.say(ended + (f"({', '.join(shown)})" if shown else ""))
        return None if ended != "ok" or null else out

    def _start(self, inst: Instance, body: int, values: Any, out: Handle) -> str:
        context, trap = inst.store.context, PTR()
        if body not in inst.bodies:
            ended, linker = self._linker_for(inst, body)
            if ended == "ok":
                ended, instance = self._instance(linker, context, body)
            if ended != "ok":
                return ended
            inst.bodies[body] = self._export(context, instance, "main")
        main, four, one = ctypes.addressof(inst.bodies[body]) + 8, ctypes.c_size_t(4), ctypes.c_size_t(1)
        arguments = (PTR(context), PTR(main), values, four, PTR(out.val), one, ctypes.byref(trap))
        return self._ending(self.call("wasmtime_func_call", PTR, *arguments), trap.value)

    def _linker_for(self, inst: Instance, body: int) -> tuple[str, int]:
        """With an instance of the far helpers of a body, if it has any."""
        if body not in self.fars:
            return "ok", inst.linker
        context, size = inst.store.context, ctypes.c_size_t(3)
        linker = self.call("wasmtime_linker_clone", PTR, PTR(inst.linker))
        ended, far = self._instance((inst.source or inst).linker, context, self.fars[body])
        if ended == "ok":
            self.call("wasmtime_linker_define_instance", PTR, PTR(linker), PTR(context), b"far", size, far)
        return ended, linker

    def churn_calls(self, store: Store, _: str, count: int, most: int) -> None:
        """Calls Wasm `count` times; the second half may add `most` bytes to what malloc has handed out."""
        main = "(param externref externref anyref i32) (result externref)"
        text = f'(module (global $g (mut externref) (ref.null extern)) (func (export "main") {main}'
        module = self.module(text + " (global.set $g (local.get 0)) (ref.null extern)))")
        _ended, made = self._instance(self.call("wasmtime_linker_new", PTR, PTR(self.engine)), store.context, module)
        export = self._export(store.context, made, "main")
        given, size, grown = self._handle(store, EXTERN), self.val_size, 0
        self.call("wasmtime_externref_new", ctypes.c_bool, PTR(store.context), None, None, PTR(given.at))
        values = ctypes.create_string_buffer(size * 5)
        for place, handle in enumerate((given, self._handle(store, EXTERN), self._handle(store, ANY))):
            ctypes.memmove(ctypes.addressof(values) + size * place, handle.val, size)
        result = PTR(ctypes.addressof(values) + size * 4)
        for half in (count - count // 2, count // 2):
            before = bytes_in_use()
            for number in range(half):
                trap, (four, one) = PTR(), map(ctypes.c_size_t, (4, 1))
                arguments = (
                    PTR(store.context),
                    PTR(ctypes.addressof(export) + 8),
                    values,
                    four,
                    result,
                    one,
                    ctypes.byref(trap),
                )
                self.call("wasmtime_func_call", PTR, *arguments)
                if number % 256 == 255:
                    self._collect(store.context)
            grown = bytes_in_use() - before
        self._unroot(given)
        self.say("ok" if grown <= most else f"{grown} bytes")

    def _ending(self, error: int | None, trap: int | None) -> str:
        if not error and not trap:
            return "ok"
        text = ByteVec()
        if trap:
            self.call("wasm_trap_message", None, PTR(trap), ctypes.byref(text))
            self.call("wasm_trap_delete", None, PTR(trap))
        else:
            self.call("wasmtime_error_message", None, PTR(error), ctypes.byref(text))
        whole = ctypes.string_at(text.data, text.size).rstrip(b"\0").decode("utf-8", "replace")
        self.message = " ".join(whole.split())
        return next((name for part, name in ENDINGS.items() if part in whole), "another ending")

    def _trap(self, text: bytes) -> int:
        trap: int = self.call("wasmtime_trap_new", PTR, text, ctypes.c_size_t(len(text)))
        return trap

    # --- calls: runs whose callback does ops

    def call_back(self, *arguments: Any) -> None:
        """Keeps the result for the op `result`."""
        self.returned = self.run(*arguments)

    def drop_returned(self) -> None:
        """Of a call whose result is not asked for."""
        if self.returned:
            self._unroot(self.returned)
        self.returned = None

    def result(self) -> Handle | None:
        self.say("ok(nonnull)" if self.returned else "ok(null)")
        return self.returned

    def arg(self) -> Handle | None:
        run = self.runs[-1]
        if self._is_null(run.given):
            self.say("ok(null)")
            return None
        handle = self._handle(run.inst.store, EXTERN)
        ctypes.memmove(handle.at, run.given, self.val_size - 8)
        made = self._clone(handle)
        self.say("ok(nonnull)")
        return made

    def ret(self, value: Handle | None) -> None:
        run = self.runs[-1]
        if run.returns:
            self._unroot(run.returns)
        run.returns = self._clone(value) if value else None
        self.say("ok")

    def raise_(self, _: int) -> None:
        self.runs[-1].trap, self.runs[-1].throw = True, None
        self.say("ok")

    # --- host functions: they get addresses of parameters and results, and give a trap or nothing

    def host_see(self, run: Run, given: int, _: int) -> None:
        value, payload = self._data(run.context, given + 8), self._i31(run.context, given + 8)
        if self._is_null(given + 8):
            run.trace.append("null")
        elif value is not None:
            run.trace.append(str(value))
        else:
            run.trace.append("object" if payload is None else f"i31:{payload}")

    def host_note(self, run: Run, given: int, _: int) -> None:
        run.trace.append(f"n:{ctypes.c_int32.from_address(given + 8).value}")

    def host_gc(self, run: Run, _: int, __: int) -> int | None:
        ended = self.failed(self._collect(run.context))
        return None if ended == "ok" else self._trap(self.message.encode())

    def host_clear(self, run: Run, _: int, __: int) -> int | None:
        for name, item in run.inst.items.items():
            if name.startswith("g"):
                null, place = self._handle(item.store, item.type), PTR(item.at)
                ended = self.failed(self.call("wasmtime_global_set", PTR, PTR(run.context), place, PTR(null.val)))
                if ended != "ok":
                    return self._trap(self.message.encode())
        return None

    def host_new(self, run: Run, _: int, results: int) -> int | None:
        value, store = next(run.values, None), run.inst.store
        made = self._handle(store, EXTERN) if value is None else self._new(store, value)
        if made is None:
            run.oom = True
            return self._trap(b"out of memory")
        ctypes.memmove(results, made.val, self.val_size)
        return None

    def host_pass(self, run: Run, given: int, results: int) -> int | None:
        """Gives back a handle of its own: parameters belong to the caller, and results go to it."""
        handle = self._handle(run.inst.store, EXTERN)
        ctypes.memmove(handle.at, given + 8, self.val_size - 8)
        made = handle if self._is_null(handle.at) else self._clone(handle)
        ctypes.memmove(results, made.val, self.val_size)
        return None

    def host_cb(self, run: Run, given: int, results: int) -> int | None:
        """The first time the callback, if the run has one; else it gives back what it gets."""
        run.trace.append("cb")
        callback, run.callback = run.callback, None
        if callback is None:
            return self.host_pass(run, given, results)
        run.given = given + 8
        callback()
        trap = self._trap(HOST_TRAP) if run.trap else run.throw() if run.throw else None
        if trap:
            if run.returns:
                self._unroot(run.returns)
            return trap
        made = run.returns or self._handle(run.inst.store, EXTERN)
        ctypes.memmove(results, made.val, self.val_size)
        return None
