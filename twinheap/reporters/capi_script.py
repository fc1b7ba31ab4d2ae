"""The part of stand-alone scripts that is the same in all of them, without ops; `script.py` copies its source.

It needs Python and Wasmtime's shared library, nothing else: no TwinHeap, no `wasmtime` package if a path is given.
"""

# ruff: noqa: D102 -- read as a part of a script, it explains itself
from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

PTR, U32, U64, I64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int64
EXTERN, ANY = 0, 1


class ByteVec(ctypes.Structure):
    """wasm_byte_vec_t, and every other vector."""

    _fields_ = (("size", ctypes.c_size_t), ("data", PTR))


class Handle:
    """A wasmtime_val_t that holds a reference; `at` is the address of the reference in it."""

    def __init__(self, store: Store, type_: int, size: int) -> None:
        self.store = store
        self.type = type_
        self.cell = ctypes.create_string_buffer(bytes([7 if type_ == ANY else 6]).ljust(size, b"\0"), size)
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
        self.dll = ctypes.CDLL(library)
        self.major = major
        self.val_size = 32 if major >= 37 else 24
        self.item_size = 24 if major >= 34 else 16
        self.finalized: list[int] = []
        self.payloads: dict[int, int] = {}
        self.finalizer = ctypes.CFUNCTYPE(None, PTR)(lambda data: self.finalized.append(data - 1))
        config = self.call("wasm_config_new", PTR)
        for name in ("wasm_reference_types", "wasm_function_references", "wasm_gc", "wasm_exceptions", "gc_support"):
            if hasattr(self.dll, f"wasmtime_config_{name}_set"):
                self.call(f"wasmtime_config_{name}_set", None, PTR(config), ctypes.c_bool(True))
        self.engine = self.call("wasm_engine_new_with_config", PTR, PTR(config))
        self.types = self._types()

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        function = self.dll[name]
        function.restype = result
        return function(*arguments)

    def say(self, text: str) -> None:
        gone = " ".join(f"v{value}" for value in sorted(self.finalized))
        self.finalized.clear()
        print(f"{text:60} {'finalized ' + gone if gone else ''}".rstrip(), flush=True)

    def failed(self, error: int | None) -> str:
        if not error:
            return "ok"
        text = ByteVec()
        self.call("wasmtime_error_message", None, PTR(error), ctypes.byref(text))
        return "error: " + ctypes.string_at(text.data, text.size).decode().splitlines()[0]

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
        return "anyref" if handle.type == ANY else "externref"

    def _rooted(self, text: str, handle: Handle) -> Handle | None:
        null = U64.from_address(handle.at).value == 0
        self.say(f"{text}: {'null' if null else 'nonnull'}")
        return None if null else handle

    def _unroot(self, handle: Handle) -> None:
        context = (PTR(handle.store.context),) if self.major < 38 else ()
        self.call(f"wasmtime_{self._kind(handle)}_unroot", None, *context, PTR(handle.at))


def installed() -> tuple[str, int]:
    """The library of the installed `wasmtime` package, and its major version."""
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or spec.origin is None:
        sys.exit("usage: this script PATH/TO/_libwasmtime.so MAJOR, or pip install wasmtime")
    library = Path(spec.origin).parent / "linux-x86_64" / "_libwasmtime.so"
    return str(library), int(importlib.metadata.version("wasmtime").split(".")[0])


def library_from_arguments() -> tuple[str, int]:
    """The library that the command line names, as PATH MAJOR, or the installed one."""
    library, major = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else installed()
    print(f"Wasmtime {major}: {library}")
    return library, major
