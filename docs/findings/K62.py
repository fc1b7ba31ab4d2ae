"""A program of TwinHeap on Wasmtime's C API.

code: TH401
known: K62
targets: capi@46.0.1
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


class ObjectApi(WasmApi):
    """Each method does one op, and prints what came of it."""

    def null_object(self, store: Store, use: str) -> None:
        """A null handle where an object should be."""
        null, value = self._handle(store, EXN if use in ("exn_get", "throw") else ANY), self._handle(store, ANY)
        given = PTR(store.context), PTR(null.at)
        if use == "throw":
            trap = self.call("wasmtime_context_set_exception", PTR, *given)
            if trap:
                self.call("wasm_trap_delete", None, PTR(trap))
            self.say("err:other" if trap else "ok")
            return
        function, *more = {
            "struct_get": ("structref_field", ctypes.c_size_t(0), PTR(value.val)),
            "struct_set": ("structref_set_field", ctypes.c_size_t(0), PTR(value.val)),
            "array_get": ("arrayref_get", U32(0), PTR(value.val)),
            "array_set": ("arrayref_set", U32(0), PTR(value.val)),
            "array_len": ("arrayref_len", PTR(value.val)),
            "exn_get": ("exnref_field", ctypes.c_size_t(0), PTR(value.val)),
        }[use]
        self.say(self.failed(self.call(f"wasmtime_{function}", PTR, *given, *more)))

    def throw(self, handle: Handle) -> None:
        """The trap that it makes is for callbacks."""
        trap = self.call("wasmtime_context_set_exception", PTR, PTR(handle.store.context), PTR(handle.at))
        self.call("wasm_trap_delete", None, PTR(trap))
        self.say("exn")


def main() -> int:
    api = ObjectApi(*library_from_arguments())
    api.start()
    api.step('S0 = store_new', 'ok')
    S0 = api.store_new(-1)
    api.step('null_object S0 struct_get', 'err:other')
    api.null_object(S0, "struct_get")
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
