"""A program of TwinHeap on Wasmtime's C API.

code: TH201
known: K15
targets: capi@29.0.0 capi@31.0.0
"""

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


class Api(CApi):
    """Each method does one op, and prints what came of it."""

    def store_new(self, text: str, limit: int) -> Store:
        pointer = self.call("wasmtime_store_new", PTR, PTR(self.engine), None, None)
        store = Store(pointer, self.call("wasmtime_store_context", PTR, PTR(pointer)))
        self.set_limit(text, store, limit)
        return store

    def set_limit(self, text: str, store: Store, limit: int) -> None:
        rest = (I64(-1),) * 4
        self.call("wasmtime_store_limiter", None, PTR(store.pointer), I64(limit), *rest)
        self.say(text)

    def store_drop(self, text: str, store: Store) -> None:
        self.call("wasmtime_store_delete", None, PTR(store.pointer))
        self.say(text)

    def gc(self, text: str, store: Store) -> None:
        error = self.call("wasmtime_context_gc", PTR if self.major >= 42 else None, PTR(store.context))
        self.say(f"{text}: {self.failed(error)}")

    def sync(self, text: str, store: Store) -> None:
        self.say(text)

    def _new(self, store: Store, value: int) -> Handle | None:
        handle = self._handle(store, EXTERN)
        made = self.call(
            "wasmtime_externref_new", ctypes.c_bool, PTR(store.context), PTR(value + 1), self.finalizer, PTR(handle.at)
        )
        return handle if made else None

    def ext_new_owned(self, text: str, store: Store, value: int) -> Handle | None:
        handle = self._new(store, value)
        self.say(f"{text}: {'ok' if handle else 'out of memory'}")
        return handle

    def i31_new_owned(self, text: str, store: Store, payload: int) -> Handle:
        handle = self._handle(store, ANY)
        self.call("wasmtime_anyref_from_i31", None, PTR(store.context), U32(payload), PTR(handle.at))
        self.say(text)
        return handle

    def oclone(self, text: str, owned: Handle) -> Handle:
        handle = self._handle(owned.store, owned.type)
        context = (PTR(owned.store.context),) if self.major < 38 else ()
        self.call(f"wasmtime_{self._kind(owned)}_clone", None, *context, PTR(owned.at), PTR(handle.at))
        self.say(text)
        return handle

    def odrop(self, text: str, owned: Handle) -> None:
        self._unroot(owned)
        self.say(text)

    def to_raw(self, text: str, handle: Handle) -> tuple[Store, int]:
        raw = self._raw(handle)
        self.say(f"{text}: {raw:#x}")
        return handle.store, raw

    def from_raw_owned(self, text: str, raw: tuple[Store, int], type_: int) -> Handle | None:
        return self.from_imm_owned(text, raw[0], raw[1], type_)

    def from_imm_owned(self, text: str, store: Store, raw: int, type_: int) -> Handle | None:
        handle = self._handle(store, type_)
        self.call(f"wasmtime_{self._kind(handle)}_from_raw", None, PTR(store.context), U32(raw), PTR(handle.at))
        return self._rooted(text, handle)

    def _convert(self, text: str, owned: Handle, type_: int) -> Handle | None:
        return self.from_imm_owned(text, owned.store, self._raw(owned), type_)

    def conv_any_owned(self, text: str, owned: Handle) -> Handle | None:
        return self._convert(text, owned, ANY)

    def conv_ext_owned(self, text: str, owned: Handle) -> Handle | None:
        return self._convert(text, owned, EXTERN)

    def data(self, text: str, handle: Handle) -> int | None:
        value = self._data(handle)
        self.say(f"{text}: {'none' if value is None else f'v{value}'}")
        return value

    def data_set(self, text: str, handle: Handle, number: int) -> None:
        value = self.data(text, handle)
        if value is not None:
            self.payloads[value] = number

    def _data(self, handle: Handle) -> int | None:
        if handle.type == ANY:
            return None
        found = self.call("wasmtime_externref_data", PTR, PTR(handle.store.context), PTR(handle.at))
        return None if found is None else found - 1

    def _raw(self, handle: Handle) -> int:
        raw: int = self.call(f"wasmtime_{self._kind(handle)}_to_raw", U32, PTR(handle.store.context), PTR(handle.at))
        return raw

    def kind(self, text: str, handle: Handle) -> None:
        payload, context = U32(), PTR(handle.store.context)
        if handle.type == ANY:
            name = "wasmtime_anyref_i31_get_u"
            found = self.call(name, ctypes.c_bool, context, PTR(handle.at), ctypes.byref(payload))
            self.say(f"{text}: {f'i31 {payload.value}' if found else 'extern'}")
        elif self._data(handle) is not None:
            self.say(f"{text}: extern")
        else:
            raw = self._raw(handle)
            self.say(f"{text}: {f'i31 {raw >> 1}' if raw & 1 else 'extern' if raw else 'null'}")

    def eq(self, text: str, left: Handle, right: Handle) -> None:
        one, two = self._data(left), self._data(right)
        if one is None and two is None:
            one, two = self._raw(left), self._raw(right)
        self.say(f"{text}: {one == two}")

    def fill(self, text: str, store: Store, count: int, value: int) -> list[Handle]:
        made: list[Handle] = []
        while len(made) < count and (handle := self._new(store, value + len(made))) is not None:
            made.append(handle)
        self.say(f"{text}: {len(made)} made")
        return made

    def free(self, text: str, filled: list[Handle], pattern: int) -> None:
        last = slice(max(0, len(filled) - 1), None)
        chosen = filled[(slice(None), slice(1, None, 2), slice(0, 1), last)[pattern]]
        for handle in chosen:
            self._unroot(handle)
            filled.remove(handle)
        self.say(text)

    def global_new(self, text: str, store: Store, type_: int, mutable: int, value: Handle | None) -> Item | None:
        kind = self.call("wasm_globaltype_new", PTR, self._copy(type_), ctypes.c_uint8(mutable))
        item, value = Item(store, type_, self.item_size), value or self._handle(store, type_)
        error = self.call("wasmtime_global_new", PTR, PTR(store.context), PTR(kind), PTR(value.val), PTR(item.at))
        self.say(f"{text}: {self.failed(error)}")
        return None if error else item

    def global_get_owned(self, text: str, item: Item) -> Handle | None:
        handle = self._handle(item.store, item.type)
        self.call("wasmtime_global_get", None, PTR(item.store.context), PTR(item.at), PTR(handle.val))
        return self._rooted(text, handle)

    def global_set(self, text: str, item: Item, value: Handle | None) -> None:
        value = value or self._handle(item.store, item.type)
        error = self.call("wasmtime_global_set", PTR, PTR(item.store.context), PTR(item.at), PTR(value.val))
        self.say(f"{text}: {self.failed(error)}")

    def table_new(
        self, text: str, store: Store, type_: int, minimum: int, maximum: int, value: Handle | None
    ) -> Item | None:
        limits = (U32 * 2)(minimum, 0xFFFFFFFF if maximum < 0 else maximum)
        kind = self.call("wasm_tabletype_new", PTR, self._copy(type_), ctypes.byref(limits))
        item, value = Item(store, type_, self.item_size), value or self._handle(store, type_)
        error = self.call("wasmtime_table_new", PTR, PTR(store.context), PTR(kind), PTR(value.val), PTR(item.at))
        self.say(f"{text}: {self.failed(error)}")
        return None if error else item

    def table_get_owned(self, text: str, item: Item, index: int) -> Handle | None:
        handle = self._handle(item.store, item.type)
        context, place = PTR(item.store.context), PTR(item.at)
        if not self.call("wasmtime_table_get", ctypes.c_bool, context, place, U64(index), PTR(handle.val)):
            self.say(f"{text}: out of bounds")
            return None
        return self._rooted(text, handle)

    def table_set(self, text: str, item: Item, index: int, value: Handle | None) -> None:
        value = value or self._handle(item.store, item.type)
        context, place = PTR(item.store.context), PTR(item.at)
        error = self.call("wasmtime_table_set", PTR, context, place, U64(index), PTR(value.val))
        self.say(f"{text}: {self.failed(error)}")

    def table_grow(self, text: str, item: Item, delta: int, value: Handle | None) -> None:
        value, before = value or self._handle(item.store, item.type), U64()
        context, place = PTR(item.store.context), PTR(item.at)
        error = self.call("wasmtime_table_grow", PTR, context, place, U64(delta), PTR(value.val), ctypes.byref(before))
        self.say(f"{text}: {self.failed(error) if error else before.value}")

    def table_size(self, text: str, item: Item) -> None:
        self.say(f"{text}: {self.call('wasmtime_table_size', U64, PTR(item.store.context), PTR(item.at))}")

    def wrong_store(self, text: str, store: Store, handle: Handle, use: int) -> None:
        if use == 0:
            self.call("wasmtime_externref_data", PTR, PTR(store.context), PTR(handle.at))
        elif use == 1:
            self.call(f"wasmtime_{self._kind(handle)}_to_raw", U32, PTR(store.context), PTR(handle.at))
        else:
            self.global_new(text, store, handle.type, 1, handle)
        self.say(text)


def main() -> None:
    api = Api(*library_from_arguments())
    S0 = api.store_new("S0 = store_new", -1)
    O1 = api.ext_new_owned('O1 = ext_new_owned S0 v0', S0, 0)
    O2 = api.conv_any_owned('O2 = conv_any_owned O1', O1) if O1 is not None else None
    api.odrop('odrop O1', O1) if O1 is not None else None
    # at the end
    api.gc('gc S0', S0)
    api.sync('sync S0', S0)
    api.store_drop('store_drop S0', S0)


if __name__ == "__main__":
    main()
