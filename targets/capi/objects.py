"""Structs, arrays and exceptions through the C API (docs/spec/capi.md 5.4, from 46 on).

The kit's types cannot be made in C, which has no supertypes: they are taken from the imports of a module that mentions
them. From 46 on an object says its type, so that nobody has to remember it. All references of the `any` hierarchy are
the same C struct, and what is known to be a struct or array is passed as one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from typing import Any, Final

from twinheap.model.kit import STRUCTS, TAGS, ObjectType, stored_number
from twinheap.model.wat import types_module
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import ByteVec, LibraryError
from twinheap.targets.capi.shapes import KIND_F32, KIND_F64, KIND_I32, KIND_I64, VAL_HANDLE
from twinheap.targets.capi.valtypes import RefType
from twinheap.targets.modules import binary

FIRST: Final = 46
"""The release in which objects say their types."""

_REFERENCES: Final = {"extern": RefType.EXTERNREF, "any": RefType.ANYREF}
_CTYPES: Final[dict[int, Any]] = {
    KIND_I32: ctypes.c_int32,
    KIND_I64: ctypes.c_int64,
    KIND_F32: ctypes.c_float,
    KIND_F64: ctypes.c_double,
}
_KINDS: Final = {"i64": KIND_I64, "f32": KIND_F32, "f64": KIND_F64}  # else i32, also for packed fields
# wasmtime_valtype_t: what kind of type, whether nullable, which heap type, and its pointer.
_VALTYPE_BYTES, _HEAP_KIND, _POINTER = 32, 16, 24
# wasmtime_field_type_t: whether it can be set, what kind of storage, and the wasm_valtype_t* of one that is not packed.
_FIELD_BYTES, _STORAGE_KIND, _STORAGE = 24, 8, 16
_PACKED: Final = ("i8", "i16")
_NUMERIC: Final = ("i32", "i64", "f32", "f64")
_VALTYPE_REF: Final = 5
_HEAP_KINDS: Final = ("extern",) * 2 + ("func",) * 3 + ("any",) * 8 + ("exn",) * 3
"""The hierarchy of each heap type, by its kind."""


def write_number(value: int, storage: str, number: int) -> None:
    """Fills the wasmtime_val_t at `value` for a field of that type; the runtime wraps packed ones."""
    kind = _KINDS.get(storage, KIND_I32)
    ctypes.c_uint8.from_address(value).value = kind
    _CTYPES[kind].from_address(value + VAL_HANDLE).value = stored_number(storage, number) if kind else number


def read_number(value: int) -> int:
    """The number in the wasmtime_val_t at `value`; those in floats are whole."""
    kind = ctypes.c_uint8.from_address(value).value
    return int(_CTYPES[kind].from_address(value + VAL_HANDLE).value)


class Objects:
    """The types and functions of one engine. Stores are told apart by an object of the caller's, not by address."""

    def __init__(self, api: CApi) -> None:
        bound = api.library.bound
        self._api = api
        self._pre_new = bound("wasmtime_struct_ref_pre_new"), bound("wasmtime_array_ref_pre_new")
        self._pre_delete = bound("wasmtime_struct_ref_pre_delete"), bound("wasmtime_array_ref_pre_delete")
        self._type = bound("wasmtime_structref_type"), bound("wasmtime_arrayref_type")
        self._type_delete = bound("wasmtime_struct_type_delete"), bound("wasmtime_array_type_delete")
        self._struct_new, self._array_new = bound("wasmtime_structref_new"), bound("wasmtime_arrayref_new")
        self._get = bound("wasmtime_structref_field"), bound("wasmtime_arrayref_get"), bound("wasmtime_exnref_field")
        self._set = bound("wasmtime_structref_set_field"), bound("wasmtime_arrayref_set")
        self._len, self._exn_new = bound("wasmtime_arrayref_len"), bound("wasmtime_exnref_new")
        self._throw, self._delete_trap = bound("wasmtime_context_set_exception"), bound("wasm_trap_delete")
        self._struct_field = bound("wasmtime_struct_type_field")
        self._array_element = bound("wasmtime_array_type_element")
        self._field_delete, self._valtype_delete = bound("wasmtime_field_type_delete"), bound("wasmtime_valtype_delete")
        self._open, self._tag_new = bound("wasmtime_valtype_new"), bound("wasmtime_tag_new")
        self.field_count: Callable[[int, int], int] = bound("wasmtime_exnref_field_count")
        """(context, exception) -> how many fields it has."""
        self.take: Callable[[int, int], bool] = bound("wasmtime_context_take_exception")
        """(context, out) -> whether an exception was pending."""
        self.pending: Callable[[int], bool] = bound("wasmtime_context_has_exception")
        """(context) -> whether one is."""
        self._tag_type_delete = bound("wasm_tagtype_delete")
        self._length = ctypes.c_uint32()
        self._valtype = ctypes.create_string_buffer(_VALTYPE_BYTES)
        self._valtype_at = ctypes.addressof(self._valtype)
        self._field = ctypes.create_string_buffer(_FIELD_BYTES)
        self._field_at = ctypes.addressof(self._field)
        self._types = _read_types(api)
        self._tag_types = [_tag_type(api, tag) for tag in TAGS]
        self._allocators: dict[tuple[Hashable, int, int], int] = {}
        self._tags: dict[tuple[Hashable, int], Any] = {}

    def forget(self) -> None:
        """Frees what belongs to stores."""
        for (_, is_array, _), allocator in self._allocators.items():
            self._pre_delete[is_array](allocator)
        self._allocators.clear()
        self._tags.clear()

    def close(self) -> None:
        """Frees everything; the object is useless afterwards."""
        self.forget()
        for delete, types in zip(self._type_delete, self._types, strict=True):
            for valtype, pointer in types:
                delete(pointer)
                self._valtype_delete(valtype)
        for of in self._tag_types:
            self._tag_type_delete(of)

    def _allocator(self, store: Hashable, context: int, is_array: int, number: int) -> int:
        key = (store, is_array, number)
        if key not in self._allocators:
            self._allocators[key] = self._pre_new[is_array](context, self._types[is_array][number][1])
        return self._allocators[key]

    def _failed(self, error: int | None) -> str | None:
        return self._api.failed(error) if error else None

    def struct_new(self, store: Hashable, context: int, number: int, values: int, out: int) -> str | None:
        """A struct of wasmtime_val_t's."""
        allocator = self._allocator(store, context, 0, number)
        return self._failed(self._struct_new(context, allocator, values, len(STRUCTS[number].fields), out))

    def array_new(self, store: Hashable, context: int, number: int, value: int, length: int, out: int) -> str | None:
        """An array of equal elements."""
        allocator = self._allocator(store, context, 1, number)
        return self._failed(self._array_new(context, allocator, value, length, out))

    def exn_new(self, store: Hashable, context: int, number: int, values: int, out: int) -> str | None:
        """An exception; the tags of a store are made when they are first needed."""
        key = (store, number)
        if key not in self._tags:
            self._tags[key] = tag = ctypes.create_string_buffer(self._api.shape.item_size)
            failed = self._failed(self._tag_new(context, self._tag_types[number], ctypes.addressof(tag)))
            if failed is not None:
                return failed
        tag_at = ctypes.addressof(self._tags[key])
        return self._failed(self._exn_new(context, tag_at, values, len(TAGS[number].fields), out))

    def throw(self, context: int, handle: int) -> bool:
        """Makes an exception the pending one. Whether a trap says so, which before 47 is not so of a null (K62)."""
        trap = self.thrown(context, handle)
        if trap:
            self._delete_trap(trap)
        return bool(trap)

    def thrown(self, context: int, handle: int) -> int:
        """Makes an exception the pending one: the trap by which a callback throws it."""
        trap: int = self._throw(context, handle)
        return trap

    def get(self, kind: int, context: int, handle: int, index: int, value: int) -> str | None:
        """Reads a field of a struct (0) or exception (2), or an element (1)."""
        return self._failed(self._get[kind](context, handle, index, value))

    def set(self, kind: int, context: int, handle: int, index: int, value: int) -> str | None:
        """Writes a field of a struct (0), or an element (1)."""
        return self._failed(self._set[kind](context, handle, index, value))

    def length(self, context: int, handle: int) -> int | str:
        """The length of an array, or why there is none."""
        failed = self._failed(self._len(context, handle, ctypes.addressof(self._length)))
        return self._length.value if failed is None else failed

    def storage_of(self, is_array: int, context: int, handle: int, index: int) -> str | None:
        """What a field of a struct holds, or the elements of an array: a numeric storage type, or a hierarchy.

        None if there is no such field.
        """
        pointer = self._type[is_array](context, handle)
        if is_array:
            self._array_element(pointer, self._field_at)
            there = True
        else:
            there = self._struct_field(pointer, index, self._field_at)
        self._type_delete[is_array](pointer)
        return self._read_field() if there else None

    def _read_field(self) -> str:
        """What the field type holds that was written last, which is freed."""
        kind = ctypes.c_uint8.from_address(self._field_at + _STORAGE_KIND).value
        if kind < len(_PACKED):
            return _PACKED[kind]
        self._open(ctypes.c_void_p.from_address(self._field_at + _STORAGE).value, self._valtype_at)
        number = ctypes.c_uint8.from_address(self._valtype_at).value
        heap_type = ctypes.c_uint8.from_address(self._valtype_at + _HEAP_KIND).value
        self._valtype_delete(self._valtype_at)
        self._field_delete(self._field_at)
        return _HEAP_KINDS[heap_type] if number == _VALTYPE_REF else _NUMERIC[number]


def _read_types(api: CApi) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """For each struct and each array type its wasm_valtype_t* and its own pointer, both the caller's."""
    bound = api.library.bound
    code = binary(types_module())
    module, imports = ctypes.c_void_p(), ByteVec()
    error = bound("wasmtime_module_new")(api.engine, code, len(code), ctypes.addressof(module))
    if error:
        raise LibraryError(f"{api.library.path} does not accept the types of the kit: {api.failed(error)}")
    bound("wasmtime_module_imports")(module, ctypes.addressof(imports))
    found = []
    for pointer in (ctypes.c_void_p * imports.size).from_address(imports.data or 0):
        as_global = bound("wasm_externtype_as_globaltype_const")(bound("wasm_importtype_type")(pointer))
        valtype = bound("wasm_valtype_copy")(bound("wasm_globaltype_content")(as_global))
        opened = ctypes.create_string_buffer(_VALTYPE_BYTES)
        bound("wasmtime_valtype_new")(valtype, ctypes.addressof(opened))
        found.append((valtype, ctypes.c_void_p.from_buffer(opened, _POINTER).value or 0))
    bound("wasm_importtype_vec_delete")(ctypes.addressof(imports))
    bound("wasmtime_module_delete")(module)
    return found[: len(STRUCTS)], found[len(STRUCTS) :]


def _tag_type(api: CApi, tag: ObjectType) -> int:
    types = [api.types.copy(_REFERENCES[field.storage]) for field in tag.fields]
    params, results = ByteVec(), ByteVec()
    array = (ctypes.c_void_p * len(types))(*types)
    api.library.bound("wasm_valtype_vec_new")(ctypes.addressof(params), len(types), ctypes.addressof(array))
    made = api.library.bound("wasm_functype_new")(ctypes.addressof(params), ctypes.addressof(results))
    tag_type: int = api.library.bound("wasm_tagtype_new")(made)
    return tag_type
