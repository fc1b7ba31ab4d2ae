"""A program of TwinHeap on Wasmtime's C API.

code: TH106
known: K3
targets: capi@31.0.0 capi@37.0.0 capi@43.0.0
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

PTR, U32, U64, I64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64
EXTERN, ANY, EXN = 0, 1, 2
KINDS = (6, 7, 8)  # of a wasmtime_val_t: WASMTIME_EXTERNREF, WASMTIME_ANYREF, WASMTIME_EXNREF
ERRORS = {
    "GC heap out of memory": "err:oom",
    "immutable": "err:immutable",
    "not mutable": "err:immutable",
    "out of bounds": "err:oob",
    "failed to grow": "err:grow",
    "type mismatch": "err:type",
    "not a reference": "err:type",
}


class ByteVec(ctypes.Structure):
    """wasm_byte_vec_t, and every other vector."""

    _fields_ = (("size", ctypes.c_size_t), ("data", PTR))


class Handle:
    """A wasmtime_val_t that holds a reference; `at` is the address of the reference in it."""

    def __init__(self, store: Store, type_: int, size: int) -> None:
        self.store = store
        self.type = type_
        self.cell = ctypes.create_string_buffer(bytes([KINDS[type_]]).ljust(size, b"\0"), size)
        self.val = ctypes.addressof(self.cell)
        self.at = self.val + 8


class Store:
    """A store with its context."""

    def __init__(self, pointer: int, context: int) -> None:
        self.pointer = pointer
        self.context = context


class Item:
    """A global or table."""

    def __init__(self, store: Store, type_: int, size: int) -> None:
        self.store = store
        self.type = type_
        self.cell = ctypes.create_string_buffer(size)
        self.at = ctypes.addressof(self.cell)


class CApi:
    """The C API of one release."""

    def __init__(self, library: str, major: int) -> None:
        try:
            self.dll = ctypes.CDLL(library)
        except OSError as error:
            misused(str(error))
        self.major = major
        self.val_size = 32 if major >= 37 else 24
        self.item_size = 24 if major >= 34 else 16
        self.finalized: list[int] = []
        self.payloads: dict[int, int] = {}
        self.texts: list[str] = []
        self.modules: dict[int, int] = {}
        self.finalizer = ctypes.CFUNCTYPE(None, PTR)(lambda data: self.finalized.append(data - 1))
        self.wrong = 0
        self.gone: set[int] = set()
        self.step("", "")
        self.config = self.call("wasm_config_new", PTR)
        for name in ("reference_types", "function_references", "gc", "exceptions", "tail_call"):
            self.configure(f"wasm_{name}", ctypes.c_bool(True))
        self.configure("gc_support", ctypes.c_bool(True))

    def configure(self, name: str, value: Any) -> None:
        if hasattr(self.dll, f"wasmtime_config_{name}_set"):
            self.call(f"wasmtime_config_{name}_set", None, PTR(self.config), value)

    def start(self) -> None:
        self.engine = self.call("wasm_engine_new_with_config", PTR, PTR(self.config))
        self.types = self._types()

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        if not hasattr(self.dll, name):
            print(f"this release has no {name}", flush=True)
            sys.exit(2)
        function = self.dll[name]
        function.restype = result
        return function(*arguments)

    def step(self, text: str, allowed: str, live: Iterable[int] = (), gone: Iterable[int] = ()) -> None:
        """What comes next: `live` must not be finalized by its end, `gone` must. No outcome: any is right."""
        self.now = text, allowed, live, gone
        self.message = ""

    def say(self, observed: str) -> None:
        text, allowed, live, gone = self.now
        notes = ["finalized " + " ".join(f"v{value}" for value in sorted(self.finalized))] if self.finalized else []
        self.gone.update(self.finalized)
        self.finalized.clear()
        wrong = []
        if allowed and observed not in allowed.split(" or "):
            wrong.append(f"<-- allowed: {allowed}" + (f"; it said: {self.message}" if self.message else ""))
        if dead := self.gone.intersection(live):
            wrong.append(f"<-- finalized although held: {' '.join(f'v{value}' for value in sorted(dead))}")
        if left := set(gone) - self.gone:
            wrong.append(f"<-- not finalized: {' '.join(f'v{value}' for value in sorted(left))}")
        self.wrong += bool(wrong)
        print(f"{text:50} {observed:14} {' '.join(notes + wrong)}".rstrip(), flush=True)

    def end(self) -> int:
        """The exit code."""
        print(f"{self.wrong} lines are wrong" if self.wrong else "as specified", flush=True)
        return int(self.wrong > 0)

    def failed(self, error: int | None) -> str:
        if not error:
            return "ok"
        text = ByteVec()
        self.call("wasmtime_error_message", None, PTR(error), ctypes.byref(text))
        whole = ctypes.string_at(text.data, text.size).decode()
        self.message = whole.splitlines()[0]
        return next((name for part, name in ERRORS.items() if part in whole), "err:other")

    def _types(self) -> list[int]:
        """The value types externref and anyref, from a module that imports a global of each."""
        code = b"\0asm\x01\0\0\0" + bytes([2, 11, 2, 0, 0, 3, 0x6F, 0, 0, 0, 3, 0x6E, 0])
        module, imports = PTR(), ByteVec()
        self.call("wasmtime_module_new", PTR, PTR(self.engine), code, ctypes.c_size_t(len(code)), ctypes.byref(module))
        self.call("wasmtime_module_imports", None, module, ctypes.byref(imports))
        types = []
        for pointer in (PTR * imports.size).from_address(imports.data):
            kind = self.call("wasm_importtype_type", PTR, PTR(pointer))
            as_global = self.call("wasm_externtype_as_globaltype_const", PTR, PTR(kind))
            content = self.call("wasm_globaltype_content", PTR, PTR(as_global))
            types.append(self.call("wasm_valtype_copy", PTR, PTR(content)))
        return types

    def _handle(self, store: Store, type_: int) -> Handle:
        return Handle(store, type_, self.val_size)

    def _is_null(self, reference: int) -> bool:
        return not U64.from_address(reference).value


def misused(why: str) -> NoReturn:
    """Ends the script, which can say nothing about the defect."""
    print(f"{why}\nusage: this script PATH/TO/_libwasmtime.so MAJOR, or pip install wasmtime", file=sys.stderr)
    sys.exit(2)


def installed() -> tuple[str, int]:
    """The library of the installed `wasmtime` package, and its major version."""
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or spec.origin is None:
        misused("the package wasmtime is not installed")
    library = Path(spec.origin).parent / "linux-x86_64" / "_libwasmtime.so"
    return str(library), int(importlib.metadata.version("wasmtime").split(".")[0])


def library_from_arguments() -> tuple[str, int]:
    """The library that the command line names, as PATH MAJOR, or the installed one."""
    if len(sys.argv) != 1 and (len(sys.argv) != 3 or not sys.argv[2].isdecimal()):
        misused(f"not PATH MAJOR: {' '.join(sys.argv[1:])}")
    library, major = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else installed()
    if not Path(library).is_file():
        misused(f"{library}: no such file")
    print(f"Wasmtime {major}: {library}", flush=True)
    return library, major


def guarded(main: Callable[[], int], dies: bool) -> int:
    """Runs `main` in a process of its own, which a defect may kill; `dies`: as it must. The exit code."""
    pid = os.fork()
    if not pid:
        try:
            sys.exit(main())
        except Exception:
            traceback.print_exc()
            sys.exit(2)  # the script's own trouble, and not the defect's
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 2:
        return code
    if code < 0:
        print(f"the process died by {signal.Signals(-code).name}, {'as specified' if dies else 'and must not'}")
        return 0 if dies else 1
    return 1 if dies else code


class Api(CApi):
    """Each method does one op, and prints what came of it."""

    def store_new(self, limit: int) -> Store:
        pointer = self.call("wasmtime_store_new", PTR, PTR(self.engine), None, None)
        store = Store(pointer, self.call("wasmtime_store_context", PTR, PTR(pointer)))
        self.set_limit(store, limit)
        return store

    def set_limit(self, store: Store, limit: int) -> None:
        rest = (I64(-1),) * 4
        self.call("wasmtime_store_limiter", None, PTR(store.pointer), I64(limit), *rest)
        self.say("ok")

    def store_drop(self, store: Store) -> None:
        self.call("wasmtime_store_delete", None, PTR(store.pointer))
        self.say("ok")

    def gc(self, store: Store) -> None:
        self.say(self.failed(self._collect(store.context)))

    def _collect(self, context: int) -> int | None:
        error: int | None = self.call("wasmtime_context_gc", PTR if self.major >= 42 else None, PTR(context))
        return error

    def sync(self, store: Store) -> None:
        self.say("ok")

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

    def host_gc(self, run: Run, _: int, __: int) -> int | None:
        ended = self.failed(self._collect(run.context))
        return None if ended == "ok" else self._trap(self.message.encode())


KIT = r'''
(module
(type $box (sub (struct (field (mut (ref null extern))))))
(type $sub (sub final $box (struct (field (mut (ref null extern))) (field (mut i32)))))
(type $pair (struct (field (mut (ref null extern))) (field (mut (ref null any)))))
(type $mixed (struct (field (mut i8)) (field (mut (ref null extern))) (field (mut i64)) (field (ref null extern))))
(type $nums (struct (field (mut i8)) (field (mut i16)) (field (mut i32)) (field i64) (field (mut f32)) (field (mut f64))))
(type $empty (struct))
(type $node (struct (field (mut (ref null $node))) (field (mut (ref null extern)))))
(type $eqs (struct (field (mut (ref null eq))) (field (mut (ref null i31))) (field (mut (ref null struct))) (field (mut (ref null array)))))
(type $externs (array (mut (ref null extern))))
(type $anys (array (mut (ref null any))))
(type $consts (array (ref null extern)))
(type $bytes (array (mut i8)))
(type $longs (array (mut i64)))
(type $nodes (array (mut (ref null $node))))
(global (export "g0") (mut (ref null extern)) (ref.null extern))
(global (export "g1") (mut (ref null extern)) (ref.null extern))
(global (export "g2") (mut (ref null any)) (ref.null any))
(global (export "g3") (mut (ref null any)) (ref.null any))
(global (export "g4") (mut (ref null eq)) (ref.null eq))
(global (export "g5") (mut (ref null struct)) (ref.null struct))
(global (export "g6") (mut (ref null array)) (ref.null array))
(table (export "t0") 4 16 (ref null extern))
(table (export "t1") 4 16 (ref null any))
)
'''
BODY0 = r'''
(module
(type $box (sub (struct (field (mut (ref null extern))))))
(type $sub (sub final $box (struct (field (mut (ref null extern))) (field (mut i32)))))
(type $pair (struct (field (mut (ref null extern))) (field (mut (ref null any)))))
(type $mixed (struct (field (mut i8)) (field (mut (ref null extern))) (field (mut i64)) (field (ref null extern))))
(type $nums (struct (field (mut i8)) (field (mut i16)) (field (mut i32)) (field i64) (field (mut f32)) (field (mut f64))))
(type $empty (struct))
(type $node (struct (field (mut (ref null $node))) (field (mut (ref null extern)))))
(type $eqs (struct (field (mut (ref null eq))) (field (mut (ref null i31))) (field (mut (ref null struct))) (field (mut (ref null array)))))
(type $externs (array (mut (ref null extern))))
(type $anys (array (mut (ref null any))))
(type $consts (array (ref null extern)))
(type $bytes (array (mut i8)))
(type $longs (array (mut i64)))
(type $nodes (array (mut (ref null $node))))
(import "host" "gc" (func $gc))
(func $main (export "main") (param (ref null extern)) (param (ref null extern)) (param (ref null any)) (param i32) (result (ref null extern)) (local (ref null $nodes))
  (array.copy $nodes $nodes (local.tee 4 (array.new_fixed $nodes 3 (ref.null $node) (select (result (ref null $node)) (ref.null $node) (struct.new_default $node) (i32.const 0)) (block (result (ref null $node)) (call $gc) (ref.null $node)))) (i32.const 0) (local.get 4) (i32.const 1) (i32.const 1))
  (ref.null extern))
)
'''


def main() -> int:
    api = WasmApi(*library_from_arguments())
    api.start()
    api.link(KIT)
    api.host("gc", api.host_gc, "", "")
    B0 = api.module(BODY0)
    api.step('S0 = store_new', 'ok')
    S0 = api.store_new(-1)
    api.step('I1 = inst S0', 'ok')
    I1 = api.inst(S0)
    O2 = None
    if I1 is not None:
        api.step('O2 = run I1 0 v0 null null null 0 owned', 'ok(null)')
        O2 = api.run(I1, B0, 0, (None, None, None), 0)
    # at the end
    api.step('gc S0', 'ok')
    api.gc(S0)
    api.step('sync S0', 'ok')
    api.sync(S0)
    api.step('store_drop S0', 'ok')
    api.store_drop(S0)
    return api.end()


if __name__ == "__main__":
    sys.exit(guarded(main, False))
