"""An optimized heap for Wasm's GC references: Wasmtime's `externref` design, in Python.

One flat byte heap per store, 32-bit references with i31 tagging, a first-fit free list, a slab of
host data; deferred reference counting, null and copying collectors; generation-tagged LIFO roots
and owned roots with liveness tokens. DRC and null behave as 42.0.2 with its known defects mended,
copying as 48; `docs/spec/semantics.md` sections 1 to 4 say how.

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
    from twinheap.targets.heap.anyref import AnyRef, ArrayRef, EqRef, StructRef
    from twinheap.targets.heap.errors import (
        AllocationTooLarge,
        GcHeapOutOfMemory,
        GrowFailed,
        HeapError,
        HeapPanic,
        ImmutableGlobal,
        InvariantViolation,
        LimiterError,
        OutOfBounds,
        TypeMismatch,
        Unrooted,
    )
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
    from twinheap.targets.heap.table import Absent, Table
    from twinheap.targets.heap.typed import ParamKind, TypedFunc

_HOMES = {
    "access": (),
    "anyref": ("AnyRef", "ArrayRef", "EqRef", "StructRef"),
    "errors": (
        "AllocationTooLarge",
        "GcHeapOutOfMemory",
        "GrowFailed",
        "HeapError",
        "HeapPanic",
        "ImmutableGlobal",
        "InvariantViolation",
        "LimiterError",
        "OutOfBounds",
        "TypeMismatch",
        "Unrooted",
    ),
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
    "table": ("Absent", "Table"),
    "typed": ("ParamKind", "TypedFunc"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "I31",
    "Absent",
    "AllocationTooLarge",
    "AnyRef",
    "ArrayRef",
    "AsyncResourceLimiter",
    "EqRef",
    "ExternRef",
    "GcHeapOutOfMemory",
    "GcRef",
    "Global",
    "GrowFailed",
    "HeapError",
    "HeapFuture",
    "HeapPanic",
    "HeapType",
    "HostData",
    "ImmutableGlobal",
    "InvariantViolation",
    "LimiterError",
    "OutOfBounds",
    "OwnedRooted",
    "ParamKind",
    "ResourceLimiter",
    "RootScope",
    "Rooted",
    "Store",
    "StoreLimits",
    "StructRef",
    "Table",
    "TypeMismatch",
    "TypedFunc",
    "Unrooted",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
