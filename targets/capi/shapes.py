"""The shape of Wasmtime's C API in each release: sizes, arities and return types (docs/spec/capi.md 5.4).

The shapes were read from the declarations that come with the wheels of every release from 29 to 50.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twinheap.targets.capi.releases import MIN_RELEASE

# First release in which ...
# ... globals and tables are 24 bytes (an instance and an index) instead of 16.
_WIDE_ITEMS = 34
# ... a handle is 24 bytes (the last 8 point at the liveness token) instead of 16.
_WIDE_HANDLES = 37
# ... clone and unroot no longer take the store's context.
_FREE_RELEASE = 38
# ... wasmtime_context_gc returns an error pointer instead of nothing.
_GC_RETURNS = 42

# Bytes before the handle in a wasmtime_val_t: the kind, padded to the alignment of the union.
VAL_HANDLE = 8
# Bytes before the global, table or function in a wasmtime_extern_t, likewise.
EXTERN_ITEM = 8
# The kinds of a wasmtime_val_t, the same in every release.
KIND_I32 = 0
KIND_I64 = 1
KIND_F32 = 2
KIND_F64 = 3
KIND_FUNCREF = 5
KIND_EXTERNREF = 6
KIND_ANYREF = 7
KIND_EXNREF = 8

_PTR = ctypes.c_void_p
_BOOL = ctypes.c_bool
_U32 = ctypes.c_uint32
_U64 = ctypes.c_uint64
_I64 = ctypes.c_int64
_STR = ctypes.c_char_p
_SIZE = ctypes.c_size_t

Prototype = tuple[Any, tuple[Any, ...]]
"""Result type and argument types; every pointer is a c_void_p, so that an address is passed as a plain int."""


@dataclass(frozen=True)
class Shape:
    """How the functions of one major version are called. Sizes in bytes."""

    major: int
    handle_size: int
    """Of wasmtime_externref_t, wasmtime_anyref_t and the other references."""
    val_size: int
    """Of wasmtime_val_t."""
    item_size: int
    """Of wasmtime_global_t and wasmtime_table_t."""
    release_takes_context: bool
    """Whether clone, unroot and their wasmtime_val forms have the context as first argument."""
    gc_returns_error: bool

    @property
    def prompt_release(self) -> bool:
        """Whether unroot drops the root at once (to 36) instead of at the next trim."""
        return self.handle_size == 16


def shape_of(major: int) -> Shape:
    """The shape of a major version; one newer than we know has the newest shape (docs/spec/capi.md 5.4).

    >>> shape_of(36).handle_size, shape_of(37).handle_size, shape_of(37).release_takes_context
    (16, 24, True)
    """
    wide = major >= _WIDE_HANDLES
    return Shape(
        major=major,
        handle_size=24 if wide else 16,
        # The union is as large as its largest member: v128 or a 16-byte handle before, the 24-byte handle since.
        val_size=VAL_HANDLE + (24 if wide else 16),
        item_size=24 if major >= _WIDE_ITEMS else 16,
        release_takes_context=major < _FREE_RELEASE,
        gc_returns_error=major >= _GC_RETURNS,
    )


# What every release has, and the facade cannot do without.
_ALWAYS: dict[str, Prototype] = {
    "wasm_config_new": (_PTR, ()),
    "wasm_engine_new_with_config": (_PTR, (_PTR,)),
    "wasm_engine_delete": (None, (_PTR,)),
    "wasm_byte_vec_delete": (None, (_PTR,)),
    "wasmtime_config_wasm_gc_set": (None, (_PTR, _BOOL)),
    "wasmtime_config_wasm_reference_types_set": (None, (_PTR, _BOOL)),
    "wasmtime_config_wasm_function_references_set": (None, (_PTR, _BOOL)),
    "wasmtime_error_message": (None, (_PTR, _PTR)),
    "wasmtime_error_delete": (None, (_PTR,)),
    "wasmtime_store_new": (_PTR, (_PTR, _PTR, _PTR)),
    "wasmtime_store_delete": (None, (_PTR,)),
    "wasmtime_store_context": (_PTR, (_PTR,)),
    "wasmtime_store_limiter": (None, (_PTR, _I64, _I64, _I64, _I64, _I64)),
    "wasmtime_module_new": (_PTR, (_PTR, _STR, _SIZE, _PTR)),
    "wasmtime_module_delete": (None, (_PTR,)),
    "wasmtime_module_serialize": (_PTR, (_PTR, _PTR)),
    "wasmtime_module_deserialize": (_PTR, (_PTR, _STR, _SIZE, _PTR)),
    "wasmtime_module_imports": (None, (_PTR, _PTR)),
    "wasm_importtype_vec_delete": (None, (_PTR,)),
    "wasm_importtype_type": (_PTR, (_PTR,)),
    "wasm_externtype_as_globaltype_const": (_PTR, (_PTR,)),
    "wasm_globaltype_content": (_PTR, (_PTR,)),
    "wasm_globaltype_new": (_PTR, (_PTR, ctypes.c_uint8)),
    "wasm_globaltype_delete": (None, (_PTR,)),
    "wasm_tabletype_new": (_PTR, (_PTR, _PTR)),
    "wasm_tabletype_delete": (None, (_PTR,)),
    "wasm_valtype_copy": (_PTR, (_PTR,)),
    "wasm_valtype_delete": (None, (_PTR,)),
    "wasmtime_externref_new": (_BOOL, (_PTR, _PTR, _PTR, _PTR)),
    "wasmtime_externref_data": (_PTR, (_PTR, _PTR)),
    "wasmtime_externref_to_raw": (_U32, (_PTR, _PTR)),
    "wasmtime_externref_from_raw": (None, (_PTR, _U32, _PTR)),
    "wasmtime_anyref_to_raw": (_U32, (_PTR, _PTR)),
    "wasmtime_anyref_from_raw": (None, (_PTR, _U32, _PTR)),
    "wasmtime_anyref_from_i31": (None, (_PTR, _U32, _PTR)),
    "wasmtime_anyref_i31_get_u": (_BOOL, (_PTR, _PTR, _PTR)),
    "wasmtime_anyref_i31_get_s": (_BOOL, (_PTR, _PTR, _PTR)),
    "wasmtime_global_new": (_PTR, (_PTR, _PTR, _PTR, _PTR)),
    "wasmtime_global_get": (None, (_PTR, _PTR, _PTR)),
    "wasmtime_global_set": (_PTR, (_PTR, _PTR, _PTR)),
    "wasmtime_table_new": (_PTR, (_PTR, _PTR, _PTR, _PTR)),
    "wasmtime_table_get": (_BOOL, (_PTR, _PTR, _U64, _PTR)),
    "wasmtime_table_set": (_PTR, (_PTR, _PTR, _U64, _PTR)),
    "wasmtime_table_size": (_U64, (_PTR, _PTR)),
    "wasmtime_table_grow": (_PTR, (_PTR, _PTR, _U64, _PTR, _PTR)),
    "wasm_valtype_new": (_PTR, (ctypes.c_uint8,)),
    "wasm_valtype_vec_new": (None, (_PTR, _SIZE, _PTR)),
    "wasm_functype_new": (_PTR, (_PTR, _PTR)),
    "wasm_functype_delete": (None, (_PTR,)),
    "wasm_trap_message": (None, (_PTR, _PTR)),
    "wasm_trap_delete": (None, (_PTR,)),
    "wasmtime_trap_new": (_PTR, (_STR, _SIZE)),
    "wasmtime_caller_context": (_PTR, (_PTR,)),
    "wasmtime_config_wasm_tail_call_set": (None, (_PTR, _BOOL)),
    "wasmtime_config_wasm_memory64_set": (None, (_PTR, _BOOL)),
    "wasmtime_linker_new": (_PTR, (_PTR,)),
    "wasmtime_linker_clone": (_PTR, (_PTR,)),
    "wasmtime_linker_delete": (None, (_PTR,)),
    "wasmtime_linker_define_func": (_PTR, (_PTR, _STR, _SIZE, _STR, _SIZE, _PTR, _PTR, _PTR, _PTR)),
    "wasmtime_linker_define_instance": (_PTR, (_PTR, _PTR, _STR, _SIZE, _PTR)),
    "wasmtime_linker_instantiate": (_PTR, (_PTR, _PTR, _PTR, _PTR, _PTR)),
    "wasmtime_instance_export_get": (_BOOL, (_PTR, _PTR, _STR, _SIZE, _PTR)),
    "wasmtime_context_set_fuel": (_PTR, (_PTR, _U64)),
    "wasmtime_context_get_fuel": (_PTR, (_PTR, _PTR)),
    "wasmtime_context_set_epoch_deadline": (None, (_PTR, _U64)),
    "wasmtime_engine_increment_epoch": (None, (_PTR,)),
    "wasmtime_func_call_async": (_PTR, (_PTR, _PTR, _PTR, _SIZE, _PTR, _SIZE, _PTR, _PTR)),
    "wasmtime_linker_instantiate_async": (_PTR, (_PTR, _PTR, _PTR, _PTR, _PTR, _PTR)),
    "wasmtime_call_future_poll": (_BOOL, (_PTR,)),
    "wasmtime_call_future_delete": (None, (_PTR,)),
    "wasmtime_func_call": (_PTR, (_PTR, _PTR, _PTR, _SIZE, _PTR, _SIZE, _PTR)),
}

# What came later: name -> (first release, prototype). A library of that release without it does not fit.
_LATER: dict[str, tuple[int, Prototype]] = {
    "wasmtime_config_wasm_exceptions_set": (39, (None, (_PTR, _BOOL))),
    "wasmtime_config_gc_support_set": (43, (None, (_PTR, _BOOL))),
    "wasmtime_anyref_is_i31": (44, (_BOOL, (_PTR, _PTR))),
    "wasmtime_anyref_is_eqref": (44, (_BOOL, (_PTR, _PTR))),
    "wasmtime_anyref_is_struct": (44, (_BOOL, (_PTR, _PTR))),
    "wasmtime_anyref_is_array": (44, (_BOOL, (_PTR, _PTR))),
    "wasmtime_anyref_as_eqref": (44, (_BOOL, (_PTR, _PTR, _PTR))),
    "wasmtime_anyref_as_struct": (44, (_BOOL, (_PTR, _PTR, _PTR))),
    "wasmtime_anyref_as_array": (44, (_BOOL, (_PTR, _PTR, _PTR))),
    "wasmtime_eqref_clone": (44, (None, (_PTR, _PTR))),
    "wasmtime_eqref_unroot": (44, (None, (_PTR,))),
    "wasmtime_eqref_to_anyref": (44, (None, (_PTR, _PTR))),
    "wasmtime_eqref_from_i31": (44, (None, (_PTR, _U32, _PTR))),
    "wasmtime_eqref_is_i31": (44, (_BOOL, (_PTR, _PTR))),
    "wasmtime_eqref_i31_get_u": (44, (_BOOL, (_PTR, _PTR, _PTR))),
    "wasmtime_eqref_i31_get_s": (44, (_BOOL, (_PTR, _PTR, _PTR))),
    "wasmtime_context_has_exception": (44, (_BOOL, (_PTR,))),
    "wasmtime_exnref_to_raw": (45, (_U32, (_PTR, _PTR))),
    "wasmtime_exnref_clone": (45, (None, (_PTR, _PTR))),
    "wasmtime_exnref_unroot": (45, (None, (_PTR,))),
    "wasmtime_exnref_new": (45, (_PTR, (_PTR, _PTR, _PTR, _SIZE, _PTR))),
    "wasmtime_exnref_field": (45, (_PTR, (_PTR, _PTR, _SIZE, _PTR))),
    "wasmtime_exnref_field_count": (45, (_SIZE, (_PTR, _PTR))),
    "wasmtime_context_set_exception": (45, (_PTR, (_PTR, _PTR))),
    "wasmtime_context_take_exception": (45, (_BOOL, (_PTR, _PTR))),
    "wasm_tagtype_new": (45, (_PTR, (_PTR,))),
    "wasm_tagtype_delete": (45, (None, (_PTR,))),
    "wasmtime_tag_new": (45, (_PTR, (_PTR, _PTR, _PTR))),
    "wasmtime_valtype_new": (45, (None, (_PTR, _PTR))),
    "wasmtime_valtype_delete": (45, (None, (_PTR,))),
    "wasmtime_field_type_delete": (45, (None, (_PTR,))),
    "wasmtime_struct_ref_pre_new": (45, (_PTR, (_PTR, _PTR))),
    "wasmtime_struct_ref_pre_delete": (45, (None, (_PTR,))),
    "wasmtime_struct_type_delete": (45, (None, (_PTR,))),
    "wasmtime_struct_type_field": (45, (_BOOL, (_PTR, _SIZE, _PTR))),
    "wasmtime_structref_new": (45, (_PTR, (_PTR, _PTR, _PTR, _SIZE, _PTR))),
    "wasmtime_structref_field": (45, (_PTR, (_PTR, _PTR, _SIZE, _PTR))),
    "wasmtime_structref_set_field": (45, (_PTR, (_PTR, _PTR, _SIZE, _PTR))),
    "wasmtime_structref_type": (46, (_PTR, (_PTR, _PTR))),
    "wasmtime_array_ref_pre_new": (45, (_PTR, (_PTR, _PTR))),
    "wasmtime_array_ref_pre_delete": (45, (None, (_PTR,))),
    "wasmtime_array_type_delete": (45, (None, (_PTR,))),
    "wasmtime_array_type_element": (45, (None, (_PTR, _PTR))),
    "wasmtime_arrayref_new": (45, (_PTR, (_PTR, _PTR, _PTR, _U32, _PTR))),
    "wasmtime_arrayref_get": (45, (_PTR, (_PTR, _PTR, _U32, _PTR))),
    "wasmtime_arrayref_set": (45, (_PTR, (_PTR, _PTR, _U32, _PTR))),
    "wasmtime_arrayref_len": (45, (_PTR, (_PTR, _PTR, _PTR))),
    "wasmtime_arrayref_type": (46, (_PTR, (_PTR, _PTR))),
}


def prototypes(shape: Shape) -> dict[str, Prototype]:
    """Every function that a release of this shape has and the facade uses (docs/spec/capi.md 5.4)."""
    context = (_PTR,) if shape.release_takes_context else ()
    releasing: dict[str, Prototype] = {}
    for kind in ("externref", "anyref", "val"):
        releasing[f"wasmtime_{kind}_clone"] = (None, (*context, _PTR, _PTR))
        releasing[f"wasmtime_{kind}_unroot"] = (None, (*context, _PTR))
    collecting: dict[str, Prototype] = {"wasmtime_context_gc": (_PTR if shape.gc_returns_error else None, (_PTR,))}
    later = {name: prototype for name, (first, prototype) in _LATER.items() if shape.major >= first}
    return {**_ALWAYS, **releasing, **collecting, **later}


# A symbol and the release that brought it. Arities and sizes leave no trace in symbols, but these do.
_INTRODUCED = {
    "wasmtime_trap_new_code": 34,
    "wasmtime_config_wasm_stack_switching_set": 35,
    "wasmtime_config_wasm_exceptions_set": 39,
    "wasmtime_config_shared_memory_set": 40,
    "wasmtime_config_gc_support_set": 43,
    "wasmtime_anyref_is_i31": 44,
    "wasmtime_exnref_to_raw": 45,
    "wasmtime_anyref_type": 46,
    "wasmtime_config_wasm_compact_imports_set": 50,
}
# Gone since 42, and the only sign of it: below 43 nothing else tells whether a collection returns an error.
_GONE_IN_42 = "wasmtime_config_async_support_set"


def major_from_symbols(has: Callable[[str], bool]) -> int:
    """The likeliest major version of a library that does not say its release, from the symbols it has.

    Good enough from 39 on. It cannot tell 35 to 38 apart, whose handles differ, so name the release of such a build.

    >>> major_from_symbols({"wasmtime_config_gc_support_set", "wasmtime_anyref_is_i31"}.__contains__)
    44
    """
    major = max((first for name, first in _INTRODUCED.items() if has(name)), default=MIN_RELEASE)
    if major < _GC_RETURNS and not has(_GONE_IN_42):
        return _GC_RETURNS
    return major
