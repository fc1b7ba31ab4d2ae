"""Making room: growth, collection, and the allocation protocol (`docs/spec/semantics.md` 1.5, 3.5).

Generators all, see `future`: they yield where an asynchronous operation may be suspended.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from twinheap.targets.heap.copying import CopyingHeap
from twinheap.targets.heap.drc import DrcHeap
from twinheap.targets.heap.errors import NO_HEAP, GcHeapOutOfMemory, HeapPanic, LimiterError
from twinheap.targets.heap.future import Steps
from twinheap.targets.heap.host_data import HostData
from twinheap.targets.heap.layout import MAX_HEAP_BYTES, PAGE_BYTES
from twinheap.targets.heap.limits import AsyncResourceLimiter
from twinheap.targets.heap.null import NullHeap

if TYPE_CHECKING:
    from twinheap.targets.heap.collector import GcHeap
    from twinheap.targets.heap.store import Store

CREATION_REFUSED: Final = "memory minimum size of 0 pages exceeds memory limits"


def ask_limiter(store: "Store", current: int, desired: int) -> Steps[bool]:
    """What the store's limiter says about a heap of `desired` bytes. Its exceptions come through."""
    limiter = store.limiter
    if limiter is None:
        return True
    if store.on_limiter_call is not None:
        store.on_limiter_call(current, desired)
    if isinstance(limiter, AsyncResourceLimiter):
        allowed: bool = yield from limiter.memory_growing(current, desired, MAX_HEAP_BYTES).__await__()
        return allowed
    return limiter.memory_growing(current, desired, MAX_HEAP_BYTES)  # mutant t13: return True


def create_heap(store: "Store") -> "Steps[GcHeap]":
    """Give the store its heap, of 0 bytes.

    Raises `LimiterError`, or whatever the limiter raises, if it refuses even that.
    """
    if store.dropped:
        raise HeapPanic("the store has been dropped")
    allowed = yield from ask_limiter(store, 0, 0)  # mutant t34: allowed = True
    if not allowed:
        raise LimiterError(CREATION_REFUSED)
    host_data = store.host_data
    if store.collector == "null":
        store.heap = NullHeap(host_data)
    elif store.collector == "copying":
        store.heap = CopyingHeap(host_data)
    else:
        store.heap = DrcHeap(host_data, leaks_exposures="k1" in store.defects)
    store.pooled = True
    return store.heap


def grow(store: "Store", bytes_needed: int, reserved: int | None = None) -> Steps[bool]:
    """One step of growth: double, or jump far enough for the request; False if it was refused.

    The limiter sees the whole step: it is refused even where a smaller one would fit. An empty heap
    grows by what the request needs beside the bytes that are never handed out; with defect K7 these
    are forgotten, so that a first request just under a number of pages does not fit. `reserved`: these
    bytes, if the request counts them already.
    """
    heap = store.require_heap()
    if heap.needs_gc_before_growth():
        yield from collect(store)
    current = heap.size
    doubling = min(current, MAX_HEAP_BYTES - current)
    if not current and "k7" not in store.defects:
        # mutant f18 below: pass
        bytes_needed += heap.reserved_bytes if reserved is None else reserved
    pages_needed = -(-bytes_needed // PAGE_BYTES)
    pages = max(doubling // PAGE_BYTES, pages_needed)  # mutant m38: pages = pages_needed
    desired = current + pages * PAGE_BYTES
    try:
        allowed = yield from ask_limiter(store, current, desired)
    except Exception:  # whatever a limiter raises is a refusal (section 1.5)
        return False
    return allowed and desired <= MAX_HEAP_BYTES and heap.grow(pages)


def collect(store: "Store") -> Steps[None]:
    """A full collection of a store that has a heap."""
    heap = store.require_heap()
    # Tracing the stack, the instances and the handles are increments of their own in the original.
    yield
    yield
    steps = heap.collect(store.root_lists(), store.frames)
    try:
        for _ in steps:
            yield
    finally:
        steps.close()
    store.live_bytes = heap.allocated_bytes()
    # mutant t08: store.roots.generation += 1
    # mutant t08: store.roots.lifo_generations[:] = [store.roots.generation] * len(store.roots.lifo_refs)


def collect_request(store: "Store", bytes_needed: int | None) -> Steps[None]:
    """`Store.gc`: trim, then collect; with a size, make that much room by growing (42: instead of collecting)."""
    heap = store.heap
    if heap is None:
        # mutant t24: store.require_heap()
        return
    # mutant t19: bytes_needed = None
    store.roots.trim(heap, eager=True)  # mutant m12: pass
    if heap.collects_first:
        yield from collect(store)  # mutant c13: yield from collect(store) if bytes_needed is None else ()
        if bytes_needed is not None and bytes_needed > heap.size - store.live_bytes:
            yield from grow(store, bytes_needed)
    elif bytes_needed is None or not (yield from grow(store, bytes_needed)):
        yield from collect(store)


def allocate(store: "Store", box: HostData) -> Steps[int]:
    """Allocate an externref for `box`, making room if there is none.

    Raises `GcHeapOutOfMemory` with the value, or the limiter's error after finalizing the value.
    """
    heap = store.heap
    if heap is None:
        try:
            heap = yield from create_heap(store)
        except Exception:
            store.host_data.finalize(box.value)
            raise
    ref = try_allocate(store, heap, box)
    if ref:
        return ref
    needed = heap.externref_bytes
    # mutant m34 below: attempt = partial(try_allocate, store, heap, HostData(None))
    attempt = partial(try_allocate, store, heap, box)
    ref = yield from retry_after_gc(store, heap, needed, attempt)
    if not ref:
        # mutant t26: store.host_data.finalize(box.value)
        # mutant t14: needed -= 4
        raise GcHeapOutOfMemory(box.value, needed, store.host_data.finalize)
    return ref


def try_allocate(store: "Store", heap: "GcHeap", box: HostData) -> int:
    """One attempt; 0 if it does not fit. A failed attempt gives its host-data id back."""
    data_id = store.host_data.alloc(box)
    ref = heap.alloc_externref(data_id)
    if not ref:
        store.host_data.take(data_id)  # mutant t27: pass
    return ref


def retry_after_gc(store: "Store", heap: "GcHeap", needed: int, attempt: Callable[[], int]) -> Steps[int]:
    """Steps D and E: make room for a request that did not fit, and try again; 0 if it still does not."""
    if heap.collects_first:
        return (yield from _retry_collect_first(store, heap, needed, attempt))
    yield from make_space(store, heap, needed)
    return attempt()


def make_space(store: "Store", heap: "GcHeap", needed: int, reserved: int | None = None) -> Steps[None]:
    """GC for space of 42: growth comes before collection. `reserved` as in `grow`."""
    store.roots.trim(heap, eager=True)  # mutant m13: pass
    if not (yield from grow(store, needed, reserved)):
        yield from collect(store)  # mutant t28: pass


def _retry_collect_first(store: "Store", heap: "GcHeap", needed: int, attempt: Callable[[], int]) -> Steps[int]:
    """GC for space of 48: collect first if that promises half a heap, else grow, and collect if that fails."""
    if heap.size and store.live_bytes + needed < heap.size // 2:
        yield from collect_request(store, None)
        ref = attempt()
        if ref:
            return ref
        yield from grow(store, needed)
    elif not (yield from grow(store, needed)):
        yield from collect_request(store, None)  # mutant c09: pass
    return attempt()


def panic_without_heap() -> HeapPanic:
    """The panic of an operation that needs the heap of a store that has none."""
    return HeapPanic(NO_HEAP)
