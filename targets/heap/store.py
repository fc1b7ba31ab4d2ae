"""The store: one heap, its host values, its roots, and the slots that live as long as it does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn

from twinheap.targets.heap import space
from twinheap.targets.heap.budget import Budget
from twinheap.targets.heap.errors import ASYNC_LIMITER, GcHeapOutOfMemory, LimiterError
from twinheap.targets.heap.future import HeapFuture, Steps, run_to_end
from twinheap.targets.heap.host_data import HostData, HostDataTable
from twinheap.targets.heap.limits import AsyncResourceLimiter, ResourceLimiter
from twinheap.targets.heap.roots import RootSet

if TYPE_CHECKING:
    from twinheap.targets.heap.collector import GcHeap, RootLists
    from twinheap.targets.heap.exnref import ExnRef, Tag
    from twinheap.targets.heap.handle import Handle
    from twinheap.targets.heap.rooted import Rooted
    from twinheap.targets.heap.wasm_frames import Target

COLLECTORS: Final = ("drc", "null", "copying")
DEFECTS: Final = frozenset({"k1", "k2", "k6", "k7", "k8", "k9", "k12"})  # known defects of 42.0.2, off by default


class StoreId:
    """Identity of a store: what handles carry to know where they belong. Never re-used."""

    __slots__ = ()


class Store:
    """A heap with everything that refers to it (`docs/spec/semantics.md` 1.1).

    `collector` is "drc" and "null" (as in 42.0.2, but with its known defects mended) or "copying"
    (as in 48). `limiter` is asked before growth; `on_limiter_call(current, desired)` sees each such
    question, in bytes. `on_finalize(value)` is called with each host value at the moment the heap
    drops it, and must not come back into the store. With `verify` the store checks all its invariants
    after every operation.

    `defects` switches known defects on: "k1" (a repeated exposure leaks a count), "k2" (a
    caught exception keeps the pending slot's count, and so does one that another replaces), "k6" (to_raw of an
    i31 externref in a store without heap panics), "k7" (growth of an empty heap forgets the bytes
    that are never handed out, so that a first request of just under k pages runs out of memory
    once), "k8" (owned roots are not trimmed in a store without heap), "k9" (a host throw keeps an
    uncounted reference pending), "k12" (an object whose initialization fails half-way keeps the
    counts of the fields already written). K7 and K8 are mended too although 1.5 and 2.3 tell them as
    part of the protocol, since the specification lists them among the defects and judges by fixed
    behaviour: what fits is not refused, and what is dropped makes nothing grow.

    >>> from twinheap.targets.heap import ExternRef, RootScope, Store
    >>> store = Store("drc", on_finalize=lambda value: print("dropped", value))
    >>> with RootScope(store):
    ...     hello = ExternRef.new(store, "hello")
    ...     print(hello.data(store))
    hello
    dropped hello
    """

    __slots__ = (
        "budget",
        "collector",
        "defects",
        "dropped",
        "frames",
        "functions",
        "globals",
        "heap",
        "host_data",
        "host_tags",
        "id",
        "limiter",
        "live_bytes",
        "on_limiter_call",
        "pending",
        "pooled",
        "roots",
        "segments",
        "tables",
        "tags",
        "verifying",
    )

    def __init__(
        self,
        collector: str = "drc",
        *,
        limiter: ResourceLimiter | AsyncResourceLimiter | None = None,
        on_finalize: Callable[[object], None] | None = None,
        on_limiter_call: Callable[[int, int], None] | None = None,
        defects: frozenset[str] | set[str] = frozenset(),
        verify: bool = False,
    ) -> None:
        if collector not in COLLECTORS:
            raise ValueError(f"unknown collector {collector!r}: choose one of {', '.join(COLLECTORS)}")
        if unknown := set(defects) - DEFECTS:
            raise ValueError(f"unknown defect {min(unknown)!r}: choose among {', '.join(sorted(DEFECTS))}")
        self.id = StoreId()
        self.collector = collector
        self.limiter = limiter
        self.on_limiter_call = on_limiter_call
        self.defects = frozenset(defects)
        self.verifying = verify
        self.heap: GcHeap | None = None
        self.pooled = False  # whether it has a heap of its engine's pool, as all have that allocate
        self.host_data = HostDataTable(on_finalize)
        self.roots = RootSet()
        self.globals: list[list[int]] = []
        self.tables: list[list[int]] = []
        self.functions: list[Target] = []  # what references to functions number, from 1: they keep no object alive
        self.segments: list[list[int]] = []  # passive element segments of instances (45 and later)
        self.pending: list[int] = [0]  # the pending exception, a slot as any other
        self.tags: list[Tag] = []  # by the number that exceptions carry
        self.host_tags: list[Tag] = []  # those that the host makes exceptions with
        self.budget = Budget()
        self.frames: list[list[int]] = []  # references in Wasm frames, innermost last
        self.live_bytes = 0  # in use after the last collection; no collection yet counts as 0
        self.dropped = False

    @property
    def heap_capacity(self) -> int:
        """Bytes of the heap; 0 if the store has none yet."""
        return 0 if self.heap is None else self.heap.size

    def require_heap(self) -> "GcHeap":
        """The heap. Panics if the store has none."""
        if self.heap is None:
            raise space.panic_without_heap()
        return self.heap

    def require_sync(self) -> None:
        """Section 1.5 step A. Raises `LimiterError` if the limiter may wait."""
        if isinstance(self.limiter, AsyncResourceLimiter):
            raise LimiterError(ASYNC_LIMITER)

    def root_lists(self) -> "RootLists":
        """Every place outside Wasm frames that holds references, in the order of tracing."""
        roots = self.roots
        return (
            *self.globals,  # mutant c02: *(),
            *self.tables,  # mutant c03: *(),
            *self.segments,  # mutant w16: *(),
            roots.lifo_refs,
            roots.owned_refs,  # mutant c04: *(),
            self.pending,  # mutant f09: *(),
        )

    def gc(self, oom: GcHeapOutOfMemory[None] | None = None) -> None:
        """Trim owned roots, then collect; with an `oom`, make that much room (section 3.5).

        Making room is growth where growth comes first (DRC, NULL), so nothing may be collected.
        A store without heap has nothing to do. Raises `LimiterError` if the limiter may wait.
        """
        self.require_sync()
        run_to_end(self._gc_steps(oom))

    def gc_async(self, oom: GcHeapOutOfMemory[None] | None = None) -> HeapFuture[None]:
        """`gc` as an awaitable; works with every limiter. Only one operation may be under way."""
        # mutant a04 below: return HeapFuture(self._gc_steps(oom) if self.heap is None else space.collect(self))
        return HeapFuture(self._gc_steps(oom))

    def _gc_steps(self, oom: GcHeapOutOfMemory[None] | None) -> Steps[None]:
        if not self.verifying:
            return space.collect_request(self, None if oom is None else oom.bytes_needed)
        return self._verified_gc_steps(oom)

    def _verified_gc_steps(self, oom: GcHeapOutOfMemory[None] | None) -> Steps[None]:
        from twinheap.targets.heap.verify import identities, verify_collected

        before = identities(self)
        try:
            yield from space.collect_request(self, None if oom is None else oom.bytes_needed)
            if oom is None:
                verify_collected(self, before)
        finally:
            self.verify()

    def throw(self, exception: "Handle[ExnRef]") -> NoReturn:
        """Make an exception the pending one, in place of the one before, and raise `ThrownException`.

        The pending slot holds it, counted like any slot; under DRC it is exposed as well (section 1.6).
        Raises `Unrooted` (42 panics); panics with another store's handle.
        """
        from twinheap.targets.heap.exnref import throw

        throw(self, exception)

    def take_pending_exception(self) -> "Rooted[ExnRef] | None":
        """The pending exception, as a LIFO root that takes over the slot's count; None if there is none."""
        from twinheap.targets.heap.exnref import take_pending

        return take_pending(self)

    def has_pending_exception(self) -> bool:
        """Is an exception pending?"""
        return self.pending[0] != 0

    def allocate(self, value: object) -> int:
        """Allocate an externref around `value`, without waiting; its count belongs to the caller."""
        heap = self.heap
        box = HostData(value)
        if isinstance(self.limiter, AsyncResourceLimiter):
            self.host_data.finalize(value)
            raise LimiterError(ASYNC_LIMITER)
        if heap is not None:
            # The common case without a generator; a failed attempt leaves nothing behind.
            ref = space.try_allocate(self, heap, box)
            if ref:
                return ref
        return run_to_end(space.allocate(self, box))

    def drop_ref(self, ref: int) -> None:
        """Give back one count of `ref`."""
        if not ref & 1:
            self.require_heap().drop_ref(ref)

    def clone_ref(self, ref: int) -> None:
        """Add one count of `ref`."""
        if not ref & 1:
            self.require_heap().clone_ref(ref)

    def write_slot(self, slots: list[int], index: int, ref: int) -> None:
        """Store a reference (0 is null) into a global or table slot, with the collector's barrier."""
        if self.heap is None:
            slots[index] = ref  # only null and i31s exist yet
        else:
            self.heap.write_ref(slots, index, ref)

    def trim(self) -> None:
        """Lazy trim, before the creation of an owned root (section 2.3)."""
        if self.heap is not None or "k8" not in self.defects:  # mutant t30: if self.heap is not None:
            self.roots.trim(self.heap, eager=False)

    def drop(self) -> None:
        """Drop the store: the heap's memory first, then every remaining host value by ascending id.

        Handles may outlive it: dropping them is harmless, using them panics. A second call does nothing.
        """
        if self.dropped:
            return
        self.dropped = True
        self.id = StoreId()
        self.heap = None
        self.pooled = False  # mutant w35: pass
        self.roots = RootSet()
        self.globals, self.tables, self.segments, self.frames = [], [], [], []
        self.pending, self.tags, self.host_tags = [0], [], []
        self.host_data.drop_all()
        if self.verifying:
            self.verify()

    def verify(self) -> None:
        """Check every invariant of `docs/spec/verification.md` 9. Raises `InvariantViolation`."""
        from twinheap.targets.heap.verify import verify_store

        verify_store(self)
