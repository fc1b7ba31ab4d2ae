"""An optimized heap for Wasm's GC references: Wasmtime's `externref` design, in Python.

One flat byte heap per store, 32-bit references with i31 tagging; externrefs, structs, arrays and
exceptions as bytes; a first-fit free list, a slab of host data; deferred reference counting, null
and copying collectors; generation-tagged LIFO roots and owned roots with liveness tokens. DRC and
null behave as 42.0.2 with its known defects mended, copying as 48; `docs/spec/semantics.md`
sections 1 to 4 say how.

    >>> from twinheap.targets.heap import ExternRef, RootScope, Store
    >>> store = Store("drc", on_finalize=lambda value: print("finalized", value))
    >>> with RootScope(store):
    ...     greeting = ExternRef.new(store, "hello")
    ...     owned = greeting.to_owned_rooted(store)
    >>> owned.data(store)
    'hello'
    >>> owned.drop(); store.gc()
    finalized hello

Nothing is imported before it is asked for, so that `mutants.install` can come first.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twinheap.targets.heap.anyref import AnyRef, EqRef
    from twinheap.targets.heap.arrayref import ArrayRef, ArrayRefPre
    from twinheap.targets.heap.errors import (
        AllocationTooLarge,
        GcHeapOutOfMemory,
        GrowFailed,
        HeapError,
        HeapPanic,
        ImmutableField,
        ImmutableGlobal,
        InvariantViolation,
        LimiterError,
        OutOfBounds,
        ThrownException,
        TypeMismatch,
        Unrooted,
    )
    from twinheap.targets.heap.exnref import ExnRef, Tag
    from twinheap.targets.heap.externref import ExternRef
    from twinheap.targets.heap.future import HeapFuture
    from twinheap.targets.heap.handle import GcRef
    from twinheap.targets.heap.host_data import HostData
    from twinheap.targets.heap.i31 import I31
    from twinheap.targets.heap.layout import HeapType
    from twinheap.targets.heap.limits import AsyncResourceLimiter, ResourceLimiter, StoreLimits
    from twinheap.targets.heap.rooted import OwnedRooted, Rooted, RootScope
    from twinheap.targets.heap.slots import Global
    from twinheap.targets.heap.store import Store
    from twinheap.targets.heap.structref import StructRef, StructRefPre
    from twinheap.targets.heap.table import Absent, Table
    from twinheap.targets.heap.typed import HostFunc, I31Func, ParamKind, TypedFunc
    from twinheap.targets.heap.types import (
        ANYREF,
        ARRAYREF,
        EQREF,
        EXNREF,
        EXTERNREF,
        I31REF,
        STRUCTREF,
        ArrayType,
        FieldType,
        RefType,
        Storage,
        StructType,
        TagType,
        This,
    )
    from twinheap.targets.heap.values import Val, Value

_HOMES = {
    "access": (),
    "anyref": ("AnyRef", "EqRef"),
    "arrayref": ("ArrayRef", "ArrayRefPre"),
    "errors": (
        "AllocationTooLarge",
        "GcHeapOutOfMemory",
        "GrowFailed",
        "HeapError",
        "HeapPanic",
        "ImmutableField",
        "ImmutableGlobal",
        "InvariantViolation",
        "LimiterError",
        "OutOfBounds",
        "ThrownException",
        "TypeMismatch",
        "Unrooted",
    ),
    "exnref": ("ExnRef", "Tag"),
    "externref": ("ExternRef",),
    "future": ("HeapFuture",),
    "handle": ("GcRef",),
    "host_data": ("HostData",),
    "i31": ("I31",),
    "layout": ("HeapType",),
    "limits": ("AsyncResourceLimiter", "ResourceLimiter", "StoreLimits"),
    "rooted": ("OwnedRooted", "RootScope", "Rooted"),
    "slots": ("Global",),
    "store": ("Store",),
    "structref": ("StructRef", "StructRefPre"),
    "table": ("Absent", "Table"),
    "typed": ("HostFunc", "I31Func", "ParamKind", "TypedFunc"),
    "types": (
        "ANYREF",
        "ARRAYREF",
        "EQREF",
        "EXNREF",
        "EXTERNREF",
        "I31REF",
        "STRUCTREF",
        "ArrayType",
        "FieldType",
        "RefType",
        "Storage",
        "StructType",
        "TagType",
        "This",
    ),
    "values": ("Val", "Value"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ANYREF",
    "ARRAYREF",
    "EQREF",
    "EXNREF",
    "EXTERNREF",
    "I31",
    "I31REF",
    "STRUCTREF",
    "Absent",
    "AllocationTooLarge",
    "AnyRef",
    "ArrayRef",
    "ArrayRefPre",
    "ArrayType",
    "AsyncResourceLimiter",
    "EqRef",
    "ExnRef",
    "ExternRef",
    "FieldType",
    "GcHeapOutOfMemory",
    "GcRef",
    "Global",
    "GrowFailed",
    "HeapError",
    "HeapFuture",
    "HeapPanic",
    "HeapType",
    "HostData",
    "HostFunc",
    "I31Func",
    "ImmutableField",
    "ImmutableGlobal",
    "InvariantViolation",
    "LimiterError",
    "OutOfBounds",
    "OwnedRooted",
    "ParamKind",
    "RefType",
    "ResourceLimiter",
    "RootScope",
    "Rooted",
    "Storage",
    "Store",
    "StoreLimits",
    "StructRef",
    "StructRefPre",
    "StructType",
    "Table",
    "Tag",
    "TagType",
    "This",
    "ThrownException",
    "TypeMismatch",
    "TypedFunc",
    "Unrooted",
    "Val",
    "Value",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
