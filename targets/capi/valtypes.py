"""Types of globals and tables, made in a way that works in every release (docs/spec/capi.md 5.3).

wasm_valtype_new knows only externref and funcref, and the functions for the other reference types came in 45. But a
module may import a global of any type, and the C API gives the types of imports back whole.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable

from twinheap.targets.capi.library import ByteVec, Library, LibraryError

_UNBOUNDED = 0xFFFFFFFF
"""What wasm_limits_t has for a table without a maximum."""


class RefType(enum.IntEnum):
    """The nullable abstract reference types, by their code in the binary format."""

    ARRAYREF = 0x6A
    STRUCTREF = 0x6B
    I31REF = 0x6C
    EQREF = 0x6D
    ANYREF = 0x6E
    EXTERNREF = 0x6F


class _Limits(ctypes.Structure):
    """wasm_limits_t."""

    _fields_ = (("min", ctypes.c_uint32), ("max", ctypes.c_uint32))


class ValTypes:
    """The value types of one engine, and the global and table types made of them."""

    def __init__(self, library: Library, engine: int, failed: Callable[[int], str]) -> None:
        self._copy = library.bound("wasm_valtype_copy")
        self._delete = library.bound("wasm_valtype_delete")
        self._globaltype_new = library.bound("wasm_globaltype_new")
        self._globaltype_delete = library.bound("wasm_globaltype_delete")
        self._tabletype_new = library.bound("wasm_tabletype_new")
        self._types = _read_types(library, engine, failed)
        self._globals: dict[tuple[RefType, bool], int] = {}

    def copy(self, of: RefType) -> int:
        """A wasm_valtype_t* that the caller must delete."""
        made: int = self._copy(self._types[of])
        return made

    def global_type(self, of: RefType, mutable: bool) -> int:
        """The wasm_globaltype_t*; it belongs to this object, which keeps the few there can be."""
        key = (of, mutable)
        if key not in self._globals:
            # The constructor swallows the value type.
            self._globals[key] = self._globaltype_new(self._copy(self._types[of]), int(mutable))
        return self._globals[key]

    def new_table_type(self, of: RefType, minimum: int, maximum: int | None) -> int:
        """Make a wasm_tabletype_t* that the caller must delete; sizes in elements, below 2**32."""
        limits = _Limits(minimum, _UNBOUNDED if maximum is None else maximum)
        made: int = self._tabletype_new(self._copy(self._types[of]), ctypes.addressof(limits))
        return made

    def close(self) -> None:
        """Free everything; the object is useless afterwards."""
        for made in self._globals.values():
            self._globaltype_delete(made)
        for kept in self._types.values():
            self._delete(kept)
        self._globals.clear()
        self._types.clear()


def importing_module(types: list[RefType]) -> bytes:
    """A module that imports one immutable global of each type, in the binary format.

    >>> importing_module([RefType.ANYREF]).hex(" ")
    '00 61 73 6d 01 00 00 00 02 06 01 00 00 03 6e 00'
    """
    # Per import: two empty names, 3 for a global, its type, 0 for immutable.
    imports = b"".join(bytes([0, 0, 3, of, 0]) for of in types)
    # Section 2; all lengths stay below 128, so each is a single byte.
    return b"\0asm\x01\0\0\0" + bytes([2, len(imports) + 1, len(types)]) + imports


def _read_types(library: Library, engine: int, failed: Callable[[int], str]) -> dict[RefType, int]:
    """Compile the importing module and copy the types out of its imports."""
    import_type = library.bound("wasm_importtype_type")
    as_global = library.bound("wasm_externtype_as_globaltype_const")
    content = library.bound("wasm_globaltype_content")
    copy = library.bound("wasm_valtype_copy")
    wanted = list(RefType)
    code = importing_module(wanted)
    module, imports = ctypes.c_void_p(), ByteVec()
    error = library.bound("wasmtime_module_new")(engine, code, len(code), ctypes.addressof(module))
    if error:
        raise LibraryError(f"{library.path} does not accept reference types: {failed(error)}")
    library.bound("wasmtime_module_imports")(module, ctypes.addressof(imports))
    pointers = (ctypes.c_void_p * imports.size).from_address(imports.data or 0)
    types = {of: copy(content(as_global(import_type(pointer)))) for of, pointer in zip(wanted, pointers, strict=True)}
    library.bound("wasm_importtype_vec_delete")(ctypes.addressof(imports))
    library.bound("wasmtime_module_delete")(module)
    return types
