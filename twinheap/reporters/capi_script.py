"""The part of stand-alone scripts that is the same in all of them, without ops; `script.py` copies what is used of it.

It needs Python and Wasmtime's shared library, nothing else: no TwinHeap, no `wasmtime` package if a path is given.
"""

# ruff: noqa: D102 -- read as a part of a script, it explains itself
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

    def pooling(self) -> None:
        name = "wasmtime_pooling_allocation"
        pool = self.call(f"{name}_config_new", PTR)
        for limit, count in (
            ("total_gc_heaps", 16),
            ("total_memories", 18),
            ("max_tables_per_module", 4),
            ("total_tables", 1000),
        ):
            self.call(f"{name}_config_{limit}_set", None, PTR(pool), U32(count))
        self.call(f"{name}_strategy_set", None, PTR(self.config), PTR(pool))

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

    def _copy(self, type_: int) -> Any:
        return PTR(self.call("wasm_valtype_copy", PTR, PTR(self.types[type_])))

    def _handle(self, store: Store, type_: int) -> Handle:
        return Handle(store, type_, self.val_size)

    def _kind(self, handle: Handle) -> str:
        return ("externref", "anyref", "exnref")[handle.type]

    def _rooted(self, handle: Handle) -> Handle | None:
        null = self._is_null(handle.at)
        self.say("ok(null)" if null else "ok(nonnull)")
        return None if null else handle

    def _is_null(self, reference: int) -> bool:
        return not U64.from_address(reference).value

    def _clone(self, handle: Handle) -> Handle:
        made = self._handle(handle.store, handle.type)
        context = (PTR(handle.store.context),) if self.major < 38 else ()
        self.call(f"wasmtime_{self._kind(handle)}_clone", None, *context, PTR(handle.at), PTR(made.at))
        return made

    def _unroot(self, handle: Handle) -> None:
        context = (PTR(handle.store.context),) if self.major < 38 else ()
        self.call(f"wasmtime_{self._kind(handle)}_unroot", None, *context, PTR(handle.at))


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
