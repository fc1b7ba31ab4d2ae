"""Errors of the heap: what Wasmtime returns as an error, and what it panics with.

`HeapError` and its subclasses are ordinary outcomes that a program can meet and go on
(`docs/spec/semantics.md` sections 1.5, 2.1 and 3). `HeapPanic` is a broken contract: the
texts are the ones that Wasmtime panics with, so that both sides of a comparison match.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

WRONG_STORE: Final = "object used with wrong store"
SAME_STORE: Final = "assertion failed: self.comes_from_same_store(store)"
NO_HEAP: Final = "attempted to access the store's GC heap before it has been allocated"
UNROOTED: Final = "attempted to use a garbage-collected object that has been unrooted"
ASYNC_LIMITER: Final = "when using an async resource limiter `*_async` functions must be used instead"
TABLE_BOUNDS: Final = "undefined element: out of bounds table access"
ARRAY_BOUNDS: Final = "out of bounds array access"
TOO_LARGE: Final = "allocation size too large"


class HeapError(Exception):
    """Base of every error that an operation returns without breaking the store."""


class Unrooted(HeapError):
    """The handle outlived its root (section 2.2): its scope was left, or its owned root trimmed."""

    def __init__(self) -> None:
        super().__init__(UNROOTED)


class TypeMismatch(HeapError):
    """A value does not fit the type of the global, table or parameter it was meant for."""


class OutOfBounds(HeapError):
    """An access outside the table, the array or the struct; nothing was changed."""

    def __init__(self, text: str = TABLE_BOUNDS) -> None:
        super().__init__(text)


class ImmutableGlobal(HeapError):
    """A host write to a constant global."""

    def __init__(self) -> None:
        super().__init__("immutable global cannot be set")


class ImmutableField(HeapError):
    """A host write to a constant field or to the elements of a constant array (section 3.2)."""


class ThrownException(HeapError):
    """What `Store.throw` raises: the exception itself is pending in the store."""

    def __init__(self) -> None:
        super().__init__("thrown Wasm exception")


class GrowFailed(HeapError):
    """A table could not grow by the wanted number of slots; nothing was changed."""


class LimiterError(HeapError):
    """The store's limiter forbids the way of calling (section 1.5 step A), the heap itself (step B), or a new table."""


class AllocationTooLarge(HeapError):
    """The request can never be satisfied: it does not fit 32-bit references (section 1.5)."""

    def __init__(self) -> None:
        super().__init__(TOO_LARGE)


class GcHeapOutOfMemory(HeapError, Generic[T]):
    """The heap has no room, and neither growth nor a collection made any (section 1.5 step E).

    The error owns the host value that was to be wrapped, and gives it back by `into_inner` or
    `take_inner`. A value that is not taken back dies with the error: call `drop`, or use the
    error as a context manager, because Python does not say when an object dies.

    >>> from twinheap.targets.heap import ExternRef, Store, StoreLimits
    >>> store = Store("drc", limiter=StoreLimits(memory_size=0))
    >>> try:
    ...     ExternRef.new(store, "precious")
    ... except GcHeapOutOfMemory as oom:
    ...     print(oom, "/", oom.into_inner())
    GC heap out of memory: no capacity for allocation of 32 bytes / precious
    """

    def __init__(self, value: T, bytes_needed: int, finalize: Callable[[T], None] | None = None) -> None:
        super().__init__(f"GC heap out of memory: no capacity for allocation of {bytes_needed} bytes")
        self._value: T | None = value
        self._finalize = finalize
        self._bytes_needed = bytes_needed

    @property
    def bytes_needed(self) -> int:
        """Bytes of the request, as the collector counts them (section 1.5)."""
        return self._bytes_needed

    def into_inner(self) -> T:
        """Give the host value back; it is not finalized. The error is used up."""
        value, self._value, self._finalize = self._value, None, None
        return value  # type: ignore[return-value]  # a second call is a misuse that Rust cannot express

    def take_inner(self) -> "tuple[T, GcHeapOutOfMemory[None]]":
        """Split into the host value and an error without value, as `Store.gc` wants it."""
        return self.into_inner(), GcHeapOutOfMemory(None, self._bytes_needed)

    def drop(self) -> None:
        """Drop the error, and with it the host value: its finalizer runs now (section 4.4 rule 3)."""
        finalize, self._finalize = self._finalize, None
        value, self._value = self._value, None
        if finalize is not None:
            finalize(value)  # type: ignore[arg-type]  # mutant m33: pass

    def __enter__(self) -> "GcHeapOutOfMemory[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class HeapPanic(Exception):
    """A broken contract: the real runtime would panic here, or abort through its C API."""


class InvariantViolation(AssertionError):
    """The heap found itself broken; `number` is the invariant's (`docs/spec/verification.md` section 9)."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number}: {text}")
        self.number = number
