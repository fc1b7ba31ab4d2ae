"""The reference functions of Wasmtime's C API under the names of the programs' ops (docs/spec/capi.md 5.1 to 5.3).

Thin on purpose: every argument is an int, namely a context, the address of a handle, global or table
(:mod:`twinheap.targets.capi.memory`), or a number. Nothing is checked here. A handle given to a function must be alive,
``out`` must not root anything, and a handle of another store aborts the process, as in C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from twinheap.targets.capi.library import ByteVec, Library, LibraryError
from twinheap.targets.capi.memory import Memory
from twinheap.targets.capi.shapes import VAL_HANDLE
from twinheap.targets.capi.valtypes import RefType, ValTypes

# Host data is an opaque pointer to Wasmtime and nothing is behind it: value id + 1, so that no id looks like NULL.
_DATA_BASE = 1
# Old builds append where in Wasmtime an error was made; it says nothing about the program.
_BACKTRACE = "\n\nStack backtrace:"
# In wasmtime_store_limiter a negative number means no limit.
_UNLIMITED = -1

# Modules are small, and other workers have the other cores: to hand functions from thread to thread only costs time.
_PARALLEL = "wasmtime_config_parallel_compilation_set"


class Store(NamedTuple):
    """A wasmtime_store_t* and its wasmtime_context_t*, which dies with it."""

    pointer: int
    context: int


class CApi:
    """One library with one engine. Not thread safe: ``finalized`` belongs to all stores together.

    Functions that can fail give None on success and the text of Wasmtime's error otherwise. Raises LibraryError at
    construction if the library refuses the configuration.
    """

    def __init__(self, library: Library, configure: Callable[[int], None] | None = None) -> None:
        """`configure`: applies more settings to the engine's wasm_config_t*."""
        self.library = library
        self.shape = library.shape
        self.memory = Memory(library.shape)
        self._message = library.bound("wasmtime_error_message")
        self._error_delete = library.bound("wasmtime_error_delete")
        self._vec_delete = library.bound("wasm_byte_vec_delete")
        self._text = ByteVec()
        # The list's own append is the callback: no Python frame is entered while Wasmtime finalizes.
        self._finalized: list[int] = []
        self._finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._finalized.append)
        self.engine = _new_engine(library, configure)
        self.types = ValTypes(library, self.engine, self.failed)
        self._bind_stores(library)
        self._bind_references(library)
        self._bind_slots(library)

    def _bind_stores(self, library: Library) -> None:
        self._store_new = library.bound("wasmtime_store_new")
        self._store_context = library.bound("wasmtime_store_context")
        self._store_limiter = library.bound("wasmtime_store_limiter")
        self._store_delete = library.bound("wasmtime_store_delete")
        self._gc = library.bound("wasmtime_context_gc")

    def _bind_references(self, library: Library) -> None:
        """Bind what is called most. Attributes, not methods: a call costs no Python frame where none is needed."""
        extern_new = library.bound("wasmtime_externref_new")
        extern_data = library.bound("wasmtime_externref_data")
        finalizer = ctypes.cast(self._finalizer, ctypes.c_void_p).value

        def externref_new(context: int, value: int, out: int) -> bool:
            made: bool = extern_new(context, value + _DATA_BASE, finalizer, out)
            return made

        def externref_plain(context: int, out: int) -> bool:
            made: bool = extern_new(context, None, None, out)
            return made

        def externref_data(context: int, handle: int) -> int | None:
            data: int | None = extern_data(context, handle)
            return None if data is None else data - _DATA_BASE

        self.externref_new = externref_new
        """(context, value id, out) -> False on any error, with the value already finalized (5.1)."""
        self.externref_plain = externref_plain
        """(context, out) -> False on any error; a reference without host data or finalizer (semantics.md 4.4)."""
        self.externref_data = externref_data
        """(context, handle) -> value id; None for null, i31, any-objects and errors (5.1)."""
        bound: Callable[[str], Callable[..., Any]] = library.bound
        self.externref_to_raw: Callable[[int, int], int] = bound("wasmtime_externref_to_raw")
        """(context, handle) -> the 32-bit value, 0 for null; exposes the object (5.1)."""
        self.externref_from_raw: Callable[[int, int, int], None] = bound("wasmtime_externref_from_raw")
        """(context, raw, out)."""
        self.anyref_to_raw: Callable[[int, int], int] = bound("wasmtime_anyref_to_raw")
        self.anyref_from_raw: Callable[[int, int, int], None] = bound("wasmtime_anyref_from_raw")
        self.anyref_from_i31: Callable[[int, int, int], None] = bound("wasmtime_anyref_from_i31")
        """(context, u32 that wraps to 31 bits, out)."""
        self.externref_clone = self._contextual("wasmtime_externref_clone", 2)
        """(context, handle, out); the context is ignored from 38 on, and may be 0 then."""
        self.externref_unroot = self._contextual("wasmtime_externref_unroot", 1)
        """(context, handle); the handle's memory is not cleared."""
        self.anyref_clone = self._contextual("wasmtime_anyref_clone", 2)
        self.anyref_unroot = self._contextual("wasmtime_anyref_unroot", 1)
        self.val_clone = self._contextual("wasmtime_val_clone", 2)
        """As above, of wasmtime_val_t's."""
        self.val_unroot = self._contextual("wasmtime_val_unroot", 1)
        self._i31_u, self._i31_s = bound("wasmtime_anyref_i31_get_u"), bound("wasmtime_anyref_i31_get_s")
        self._unsigned, self._signed = ctypes.c_uint32(), ctypes.c_int32()
        self._unsigned_at = ctypes.addressof(self._unsigned)
        self._signed_at = ctypes.addressof(self._signed)

    def _contextual(self, name: str, handles: int) -> Callable[..., None]:
        """A function of context and handles, in releases that want the context and in those that do not."""
        found = self.library.bound(name)
        if self.shape.release_takes_context:
            return found
        if handles == 1:
            return lambda context, handle: found(handle)
        return lambda context, handle, out: found(handle, out)

    def _bind_slots(self, library: Library) -> None:
        self._global_new = library.bound("wasmtime_global_new")
        self._global_get = library.bound("wasmtime_global_get")
        self._global_set = library.bound("wasmtime_global_set")
        self._tabletype_delete = library.bound("wasm_tabletype_delete")
        self._table_new = library.bound("wasmtime_table_new")
        self._table_get = library.bound("wasmtime_table_get")
        self._table_set = library.bound("wasmtime_table_set")
        self._table_grow = library.bound("wasmtime_table_grow")
        self.table_size: Callable[[int, int], int] = library.bound("wasmtime_table_size")
        """(context, table) -> elements."""
        self._previous = ctypes.c_uint64()
        self._previous_at = ctypes.addressof(self._previous)

    def close(self) -> None:
        """Free the engine; all stores must have been deleted."""
        self.types.close()
        self.library.bound("wasm_engine_delete")(self.engine)

    def drain(self) -> list[int]:
        """The value ids finalized since the last call, in the order in which their finalizers ran."""
        if not self._finalized:
            return []
        values = [data - _DATA_BASE for data in self._finalized]
        self._finalized.clear()
        return values

    def failed(self, error: int) -> str:
        """The message of a wasmtime_error_t* without backtrace; the error is freed."""
        text = self._text
        at = ctypes.addressof(text)
        self._message(error, at)
        self._error_delete(error)
        message = ctypes.string_at(text.data or 0, text.size).decode("utf-8", "replace")
        self._vec_delete(at)
        return message.split(_BACKTRACE)[0].rstrip()

    def optional(self, name: str) -> Callable[..., Any] | None:
        """A function that only later releases have, such as wasmtime_anyref_is_struct (44), or None (5.4)."""
        return self.library.bound(name) if self.library.knows(name) else None

    def store_new(self, limit: int | None = None) -> Store:
        """A new store; ``limit`` in bytes bounds its GC heap, as every linear memory of it."""
        pointer = self._store_new(self.engine, None, None)
        if limit is not None:
            self.set_limit(pointer, limit)
        return Store(pointer, self._store_context(pointer))

    def set_limit(self, pointer: int, limit: int | None) -> None:
        """Replace the limit of a store, in bytes; None lifts it. A heap larger than that stays as it is."""
        memory = _UNLIMITED if limit is None else limit
        self._store_limiter(pointer, memory, _UNLIMITED, _UNLIMITED, _UNLIMITED, _UNLIMITED)

    def store_delete(self, pointer: int) -> None:
        """Delete a store: everything left in it is finalized. Its handles may still be unrooted from 37 on."""
        self._store_delete(pointer)

    def gc(self, context: int) -> str | None:
        """Collect. Gives an error only from 42 on."""
        error = self._gc(context)
        return self.failed(error) if error else None

    def i31_get_u(self, context: int, handle: int) -> int | None:
        """The payload of an i31 in an anyref, zero-extended; None for anything else."""
        return self._unsigned.value if self._i31_u(context, handle, self._unsigned_at) else None

    def i31_get_s(self, context: int, handle: int) -> int | None:
        """The payload of an i31 in an anyref, sign-extended; None for anything else."""
        return self._signed.value if self._i31_s(context, handle, self._signed_at) else None

    def global_new(self, context: int, of: RefType, mutable: bool, handle: int, out: int) -> str | None:
        """Make a global with an initial value (5.3)."""
        kind = self.types.global_type(of, mutable)
        error = self._global_new(context, kind, handle - VAL_HANDLE, out)
        return self.failed(error) if error else None

    def global_get(self, context: int, global_: int, out: int) -> None:
        """Read a global into a handle of the kind that its type says; cannot fail (5.3)."""
        self._global_get(context, global_, out - VAL_HANDLE)

    def global_set(self, context: int, global_: int, handle: int) -> str | None:
        """Write a global; fails if it is immutable or of another type (5.3)."""
        error = self._global_set(context, global_, handle - VAL_HANDLE)
        return self.failed(error) if error else None

    def table_new(
        self, context: int, of: RefType, minimum: int, maximum: int | None, handle: int, out: int
    ) -> str | None:
        """Make a table filled with a value; sizes in elements (5.3)."""
        kind = self.types.new_table_type(of, minimum, maximum)
        error = self._table_new(context, kind, handle - VAL_HANDLE, out)
        self._tabletype_delete(kind)
        return self.failed(error) if error else None

    def table_get(self, context: int, table: int, index: int, out: int) -> bool:
        """Read an element into a handle; False, and ``out`` untouched, out of bounds (5.3)."""
        found: bool = self._table_get(context, table, index, out - VAL_HANDLE)
        return found

    def table_set(self, context: int, table: int, index: int, handle: int) -> str | None:
        """Write an element; fails out of bounds or with another type (5.3)."""
        error = self._table_set(context, table, index, handle - VAL_HANDLE)
        return self.failed(error) if error else None

    def table_grow(self, context: int, table: int, delta: int, handle: int) -> int | str:
        """Append elements; the previous size, or the error's text if it is refused (5.3)."""
        error = self._table_grow(context, table, delta, handle - VAL_HANDLE, self._previous_at)
        return self.failed(error) if error else self._previous.value


def _new_engine(library: Library, configure: Callable[[int], None] | None) -> int:
    """An engine with every proposal that references need, and the collector the release chooses by itself."""
    config = library.bound("wasm_config_new")()
    wanted = ["wasm_reference_types", "wasm_function_references", "wasm_gc", "wasm_exceptions", "wasm_tail_call"]
    for name in (*wanted, "wasm_memory64", "gc_support"):
        setter = f"wasmtime_config_{name}_set"
        if library.knows(setter):
            library.bound(setter)(config, True)
    if library.has(_PARALLEL):
        library.function(_PARALLEL, None, ctypes.c_void_p, ctypes.c_bool)(config, False)
    if configure is not None:
        configure(config)
    engine: int | None = library.bound("wasm_engine_new_with_config")(config)
    if engine is None:
        raise LibraryError(f"{library.path} refuses an engine with garbage collection: use another build")
    return engine
