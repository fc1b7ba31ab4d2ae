"""Opaque references to host data, the values of Wasm's `externref` (`docs/spec/semantics.md` 3.1)."""

from typing import TYPE_CHECKING, Any, ClassVar

from twinheap.targets.heap import space
from twinheap.targets.heap.errors import NO_HEAP, HeapPanic
from twinheap.targets.heap.future import HeapFuture, Steps
from twinheap.targets.heap.handle import GcRef, Handle, T
from twinheap.targets.heap.host_data import HostData
from twinheap.targets.heap.layout import ANY, EXN, EXTERN, HeapType
from twinheap.targets.heap.rooted import Rooted, make_rooted

if TYPE_CHECKING:
    from twinheap.targets.heap.anyref import AnyRef
    from twinheap.targets.heap.store import Store


class ExternRef(GcRef):
    """The type of references to host data that Wasm can hold and pass on, but not look into.

    Never instantiated: its functions make handles, `Rooted[ExternRef]`, and what a handle can do
    stands with `Access`.
    """

    type: ClassVar[HeapType] = HeapType.EXTERN

    @staticmethod
    def new(store: "Store", value: object) -> "Rooted[ExternRef]":
        """Allocate a fresh externref around a host value, rooted in the current scope.

        If the heap is full it grows, or else collects, in which case finalizers may run.

        Raises `GcHeapOutOfMemory`, which owns the value and gives it back, when neither made room;
        `LimiterError` if the store's limiter may wait, or refuses the heap itself (the value is
        then finalized). Section 1.5.

        >>> from twinheap.targets.heap import ExternRef, GcHeapOutOfMemory, RootScope, Store, StoreLimits
        >>> store = Store("drc", limiter=StoreLimits(memory_size=64 * 1024))
        >>> with RootScope(store):
        ...     for number in range(2047):
        ...         _ = ExternRef.new(store, number)
        ...     try:
        ...         ExternRef.new(store, "hello!")
        ...     except GcHeapOutOfMemory as oom:
        ...         hello = oom.into_inner()
        >>> ExternRef.new(store, hello).data(store)
        'hello!'
        """
        try:
            return make_rooted(store, store.allocate(value), ExternRef)
        finally:
            if store.verifying:
                store.verify()

    @staticmethod
    def new_async(store: "Store", value: object) -> "HeapFuture[Rooted[ExternRef]]":
        """As `new`, as an awaitable: it may be suspended while collecting, and works with every limiter.

        Cancelling it finalizes the value.
        """
        box = HostData(value)
        return HeapFuture(_new_steps(store, box), lambda: store.host_data.finalize(box.value))

    @staticmethod
    def convert_any(store: "Store", anyref: "Handle[AnyRef]") -> "Rooted[ExternRef]":
        """The same reference as an externref, as a new LIFO root: `extern.convert_any`.

        It has no host data, unless it came from an externref. Raises `Unrooted`.
        """
        return reroot(store, anyref, ExternRef)

    @staticmethod
    def from_raw(store: "Store", raw: int) -> "Rooted[ExternRef] | None":
        """A new LIFO root for a raw value; None for 0.

        Only a value just obtained from `to_raw` may be used, before anything could collect
        (section 3.4); any other number panics or denotes some other object.
        """
        return root_from_raw(store, raw, ExternRef)


def _new_steps(store: "Store", box: HostData) -> "Steps[Rooted[ExternRef]]":
    try:
        # mutant a05: box = HostData(None)
        ref = yield from space.allocate(store, box)
        return make_rooted(store, ref, ExternRef)
    finally:
        if store.verifying:
            store.verify()


def reroot(store: "Store", handle: Handle[Any], heap_type: type[T]) -> Rooted[T]:
    """A new LIFO root, typed `heap_type`, for what `handle` denotes."""
    ref = handle._ref(store)
    store.clone_ref(ref)  # mutant t10: pass
    rooted = make_rooted(store, ref, heap_type)
    if store.verifying:
        store.verify()
    return rooted


def root_from_raw(store: "Store", raw: int, heap_type: type[T]) -> "Rooted[T] | None":
    """A new LIFO root, typed `heap_type`, for a raw value; None for 0. Panics on what is no reference of its kind."""
    if not raw:
        return None  # mutant t16: raw = 1
    if not raw & 1:
        _check_raw(store, raw, heap_type)
        store.clone_ref(raw)  # mutant t09: pass
    rooted = make_rooted(store, raw, heap_type)
    if store.verifying:
        store.verify()
    return rooted


def _check_raw(store: "Store", raw: int, heap_type: type[GcRef]) -> None:
    """What the original asserts of a raw object reference: better a panic than a wild access."""
    if store.heap is None:
        raise HeapPanic(NO_HEAP)
    if raw % 8 or raw + 8 > store.heap.size:
        raise HeapPanic(f"range end index {raw + 8} out of range for slice of length {store.heap.size}")
    if heap_type.type is HeapType.EXN:
        if not store.heap.is_any(raw, EXN):
            raise HeapPanic(f"GC reference {raw:#x} should be an exnref")
    elif not (store.heap.is_any(raw, EXTERN) or store.heap.is_any(raw, ANY)):
        raise HeapPanic(f"GC reference {raw:#x} should be an externref or anyref")
