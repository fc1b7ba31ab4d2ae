"""Wasm through the C API: compiled modules, host functions, instances and calls (docs/spec/capi.md 5.2).

Bodies are linked, not instantiated with a list of imports: a linker takes the kit's exports as they are, while the
C API of 39 to 43 has no tags of its own and aborts when it is given one. As in the facade, every argument is an int;
failures are outcomes, since traps, exceptions and errors are told apart by their text only.
"""

from __future__ import annotations

import ctypes
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from twinheap.model.engines import DEFAULT, ENGINES
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES
from twinheap.model.observation import OTHER, canonical_panic
from twinheap.model.wat import POINTS, decoy_module, kit_module
from twinheap.model.wat_code import HOST
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import ByteVec, LibraryError
from twinheap.targets.capi.outcomes import ending_of, failure_of
from twinheap.targets.capi.shapes import EXTERN_ITEM, KIND_I32, VAL_HANDLE
from twinheap.targets.machine import Raw
from twinheap.targets.modules import binary

CACHED: Final = 256  # compiled modules kept, some 20 KB each: those of a batch, and of the program being shrunk

CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_void_p,  # a trap, or NULL
    ctypes.c_void_p,  # the environment
    ctypes.c_void_p,  # the caller
    ctypes.c_void_p,
    ctypes.c_size_t,  # parameters: wasmtime_val_t[]
    ctypes.c_void_p,
    ctypes.c_size_t,  # results
)
"""wasmtime_func_callback_t."""

# A module with nothing but a tag: whether an engine takes it shows whether it knows exceptions.
TAG_MODULE: Final = b"\0asm\1\0\0\0" + bytes([1, 4, 1, 0x60, 0, 0]) + bytes([13, 3, 1, 0, 0])
EXCEPTIONS_FROM: Final = 39
_INSTANCE_BYTES: Final = 16  # of wasmtime_instance_t


class Instance:
    """An instance of the kit: its globals and tables, and the linker that links bodies with it.

    Owns C memory that the addresses point into: keep it as long as they are in use. `exporter`: the instance whose
    linker it needs, too, for far helpers.
    """

    def __init__(self, linker: int, extern_size: int, exporter: Instance | None) -> None:
        self.linker = linker
        self.exporter = exporter
        self.users = 1
        """The handle, and the instances that are linked with it."""
        self._extern_size = extern_size
        self._memory = ctypes.create_string_buffer(extern_size * (len(KIT_GLOBALS) + len(KIT_TABLES) + 1))
        start = ctypes.addressof(self._memory)
        externs = [start + extern_size * at for at in range(len(KIT_GLOBALS) + len(KIT_TABLES))]
        self.globals = [at + EXTERN_ITEM for at in externs[: len(KIT_GLOBALS)]]
        """The addresses of the wasmtime_global_t's, by number."""
        self.tables = [at + EXTERN_ITEM for at in externs[len(KIT_GLOBALS) :]]
        """The addresses of the wasmtime_table_t's, by number."""


class Body:
    """An instance of a body: its main."""

    def __init__(self, extern_size: int) -> None:
        self._memory = ctypes.create_string_buffer(2 * extern_size)
        self.extern = ctypes.addressof(self._memory)
        """Where main's wasmtime_extern_t is."""
        self.main = self.extern + EXTERN_ITEM
        """The address of its wasmtime_func_t."""
        self.counter = self.extern + extern_size
        """Where the wasmtime_extern_t of the counter of check points is, if the module has one."""
        self.points = self.counter + EXTERN_ITEM
        """The address of its wasmtime_global_t."""


class Wasm:
    """Modules, host functions and calls of one engine. The callbacks stay alive with this object."""

    def __init__(self, api: CApi, host: Mapping[str, Callable[..., int | None]], engine: int = DEFAULT) -> None:
        """`host`: the functions that HOST names, with the arguments of CALLBACK. `engine`: the one that `api` has."""
        bound = api.library.bound
        self._api = api
        self._compile, self._delete_module = bound("wasmtime_module_new"), bound("wasmtime_module_delete")
        self._link, self._clone_linker = bound("wasmtime_linker_instantiate"), bound("wasmtime_linker_clone")
        self._define, self._delete_linker = (
            bound("wasmtime_linker_define_instance"),
            bound("wasmtime_linker_delete"),
        )
        self._export, self._call_function = bound("wasmtime_instance_export_get"), bound("wasmtime_func_call")
        self._message, self._delete_trap = bound("wasm_trap_message"), bound("wasm_trap_delete")
        self._new_trap, self._vec_delete = bound("wasmtime_trap_new"), bound("wasm_byte_vec_delete")
        self.caller_context: Callable[[int], int] = bound("wasmtime_caller_context")
        """(caller) -> context."""
        self._modules: OrderedDict[bytes, int] = OrderedDict()
        self._kits: dict[tuple[str, ...], int] = {}  # by what they import
        self._decoy, self._decoy_variant = 0, 0
        self._extern_size = EXTERN_ITEM + max(api.shape.item_size, _INSTANCE_BYTES)
        self._instance = ctypes.create_string_buffer(_INSTANCE_BYTES)
        self._instance_at = ctypes.addressof(self._instance)
        self._trap = ctypes.c_void_p()
        self._trap_at = ctypes.addressof(self._trap)
        self._call_async = bound("wasmtime_func_call_async")
        self._link_async = bound("wasmtime_linker_instantiate_async")
        self._poll, self._delete_future = bound("wasmtime_call_future_poll"), bound("wasmtime_call_future_delete")
        self._engine = ENGINES[engine]
        self._get_global, self._value = bound("wasmtime_global_get"), ctypes.create_string_buffer(api.shape.val_size)
        self._callbacks = {name: CALLBACK(function) for name, function in host.items()}
        self._host = self._host_linker()
        self.exceptions = api.shape.major >= EXCEPTIONS_FROM and self.compile_once(TAG_MODULE)
        """Whether bodies may use exceptions."""

    def _host_linker(self) -> int:
        """A linker with the host functions, which every instance has a copy of."""
        bound = self._api.library.bound
        linker: int = bound("wasmtime_linker_new")(self._api.engine)
        define, delete_type = bound("wasmtime_linker_define_func"), bound("wasm_functype_delete")
        for name, callback in self._callbacks.items():
            made = self._function_type(HOST[name])
            address = ctypes.cast(callback, ctypes.c_void_p)
            error = define(linker, b"host", 4, name.encode(), len(name), made, address, None, None)
            delete_type(made)
            if error:
                raise LibraryError(f"the host function {name} is refused: {self._api.failed(error)}")
        return linker

    def _function_type(self, text: str) -> int:
        new_type = self._api.library.bound("wasm_valtype_new")
        vectors = []
        for part in ("(param ", "(result "):
            kinds = [_KINDS[of.split(")")[0]] for of in text.split(part)[1:]]
            pointers = (ctypes.c_void_p * len(kinds))(*map(new_type, kinds))
            vector = ByteVec()
            self._api.library.bound("wasm_valtype_vec_new")(
                ctypes.addressof(vector), len(kinds), ctypes.addressof(pointers)
            )
            vectors.append(vector)
        made: int = self._api.library.bound("wasm_functype_new")(*map(ctypes.addressof, vectors))
        return made

    # --- modules

    def compile_once(self, code: bytes) -> bool:
        """Compiles a module and drops it; whether the release accepts it."""
        made = self._compiled(code)
        if isinstance(made, str):
            return False
        self._delete_module(made)
        return True

    def _compiled(self, code: bytes) -> int | str:
        """The module, or why there is none."""
        out = ctypes.c_void_p()
        error = self._compile(self._api.engine, code, len(code), ctypes.addressof(out))
        return self._api.failed(error) if error else out.value or 0

    def _module(self, code: bytes) -> int | None:
        """The compiled module of a body, from the cache or made now; None if the release refuses it."""
        made = self._modules.get(code)
        if made is not None:
            self._modules.move_to_end(code)
            return made
        compiled = self._compiled(code)
        if isinstance(compiled, str):
            return None
        self._modules[code] = compiled
        if len(self._modules) > CACHED:  # its instances keep what they need of it
            self._delete_module(self._modules.popitem(last=False)[1])
        return compiled

    def _kit_module(self, shares: tuple[str, ...]) -> int:
        if shares not in self._kits:
            made = self._compiled(binary(kit_module(self.exceptions, shares)))
            if isinstance(made, str):
                raise LibraryError(f"{self._api.library.path} refuses the kit: {made}")
            self._kits[shares] = made
        return self._kits[shares]

    @property
    def crowded(self) -> bool:
        """Whether modules will soon be freed to make room for others."""
        return len(self._modules) > CACHED // 2

    def forget(self) -> None:
        """Frees every module; then others take what places are free in the engine (`decoy_module`)."""
        self.free()
        self._decoy_variant = 1 - self._decoy_variant
        made, before = self._compiled(binary(decoy_module(self._decoy_variant))), self._decoy
        if isinstance(made, str):
            raise LibraryError(f"{self._api.library.path} refuses a module of struct types: {made}")
        self._decoy = made
        if before:
            self._delete_module(before)

    def free(self) -> None:
        """Frees every module that may be used again."""
        for module in (*self._modules.values(), *self._kits.values()):
            self._delete_module(module)
        self._modules.clear()
        self._kits.clear()

    # --- instances

    def instance(self, context: int, exporter: Instance | None = None, shares: tuple[str, ...] = ()) -> Instance | Raw:
        """A new instance of the kit, which `shares` what another one of its store exports; or the outcome."""
        linker: int = self._clone_linker(self._host)
        failed = self._instantiate(exporter.linker if exporter else linker, context, self._kit_module(shares))
        error = None if failed else self._define(linker, context, b"kit", 3, self._instance_at)
        if error:
            failed = failure_of(self._api.failed(error))
        if failed:
            self._delete_linker(linker)
            return failed
        made = Instance(linker, self._extern_size, exporter)
        if exporter:
            exporter.users += 1
        for prefix, items in (("g", made.globals), ("t", made.tables)):
            for at, item in enumerate(items):
                self._take_export(context, f"{prefix}{at}", item - EXTERN_ITEM)
        return made

    def drop(self, instance: Instance) -> None:
        """Frees what is not the store's, once nothing is linked with it either."""
        instance.users -= 1
        if not instance.users:
            self._delete_linker(instance.linker)
            if instance.exporter:
                self.drop(instance.exporter)

    def body(
        self, context: int, instance: Instance, code: bytes, far: tuple[Instance, bytes] | None = None
    ) -> Body | Raw:
        """An instance of a body, or the outcome. `far`: where its far helpers live, and their module."""
        linker = instance.linker
        if far is not None:
            linker = self._clone_linker(linker)
        failed = far and self._with_far(linker, context, *far)
        failed = failed or self._linked(linker, context, code)
        if far is not None:
            self._delete_linker(linker)
        if failed:
            return failed
        made = Body(self._extern_size)
        self._take_export(context, "main", made.extern)
        if self._engine.limits_runs:
            self._take_export(context, POINTS, made.counter)
        return made

    def _linked(self, linker: int, context: int, code: bytes) -> Raw | None:
        module = self._module(code)
        return (OTHER,) if module is None else self._instantiate(linker, context, module)

    def _with_far(self, linker: int, context: int, exporter: Instance, code: bytes) -> Raw | None:
        """Adds far helpers to a linker."""
        failed = self._linked(exporter.linker, context, code)
        error = None if failed else self._define(linker, context, b"far", 3, self._instance_at)
        return failure_of(self._api.failed(error)) if error else failed

    def _take_export(self, context: int, name: str, out: int) -> None:
        if not self._export(context, self._instance_at, name.encode(), len(name), out):
            raise LibraryError(f"an instance has no {name}")

    def _instantiate(self, linker: int, context: int, module: int) -> Raw | None:
        """Makes an instance at `_instance`; the outcome if that failed."""
        self._trap.value = None
        if self._engine.fibers:
            begin = functools.partial(self._link_async, linker, context, module, self._instance_at)
            return self._ending(self._polled(begin))
        error = self._link(linker, context, module, self._instance_at, self._trap_at)
        return self._ending(error)

    # --- calls

    def call(self, context: int, function: int, arguments: int, count: int, result: int) -> Raw | None:
        """Calls a function of one result with wasmtime_val_t's; how it ended if it did not return."""
        self._trap.value = None
        if self._engine.fibers:
            begin = functools.partial(self._call_async, context, function, arguments, count, result, 1)
            return self._ending(self._polled(begin))
        error = self._call_function(context, function, arguments, count, result, 1, self._trap_at)
        return self._ending(error)

    def _polled(self, begin: Callable[[int, int], int]) -> int | None:
        """What begins with places for a trap and an error, on a stack of its own, polled to its end: the error."""
        trap, error = ctypes.c_void_p(), ctypes.c_void_p()
        future = begin(ctypes.addressof(trap), ctypes.addressof(error))
        while not self._poll(future):
            pass
        self._delete_future(future)
        self._trap.value = trap.value
        return error.value

    def points(self, context: int, body: Body) -> int:
        """How many check points an instance of a body has passed (docs/bodies.md)."""
        at = ctypes.addressof(self._value)
        self._get_global(context, body.points, at)
        return ctypes.c_int32.from_address(at + VAL_HANDLE).value

    def _ending(self, error: int | None) -> Raw | None:
        if error:
            text = self._api.failed(error)
            return ending_of(text) or failure_of(text)
        if not self._trap.value:
            return None
        text = self._trap_text(self._trap.value)
        self._trap.value = None  # a call around this one reports its own, or none
        return ending_of(text) or (canonical_panic(text),)  # a panic is caught, and then a trap (capi.md 5)

    def _trap_text(self, trap: int) -> str:
        text = ByteVec()
        self._message(trap, ctypes.addressof(text))
        self._delete_trap(trap)
        message = ctypes.string_at(text.data or 0, text.size).rstrip(b"\0").decode("utf-8", "replace")
        self._vec_delete(ctypes.addressof(text))
        return message

    def new_trap(self, text: str) -> int:
        """A trap for a callback to return."""
        made: int = self._new_trap(text.encode(), len(text.encode()))
        return made


_KINDS: Final = {"i32": KIND_I32, "externref": 128}  # wasm_valkind_t
