"""The model's state: stores, with their roots, slots, exposure and collections (semantics.md 1.6, 2, 3.4)."""

from __future__ import annotations

import enum
from collections.abc import Callable

from twinheap.model.bounds import Load
from twinheap.model.contents import Future
from twinheap.model.counts import Exact
from twinheap.model.engines import DEFAULT
from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.profiles import Profile
from twinheap.model.room import Room
from twinheap.model.roots import LifoHandle, OwnedRoot, Stale


class Budget(enum.Enum):
    """What the runs of a store may still use: more than they can, nobody knows, nothing."""

    PLENTY = enum.auto()
    SOME = enum.auto()
    NOTHING = enum.auto()


class Store(Room):
    """One store: what it holds (`Holders`), its room (`Room`), its roots; in exact mode its exact counts."""

    def __init__(self, slot: int, profile: Profile, limit: int, limiter: int, engine: int = DEFAULT) -> None:
        super().__init__(profile, limit, limiter)
        self.slot = slot
        self.engine = engine  # the number of its configuration
        self.budget = Budget.PLENTY  # what its runs may use
        self.heap = False  # a GC heap exists (1.1)
        self.maybe_heap = False  # or perhaps: what would have made it was cancelled half-way
        self.dropped = False
        self.lifo: list[tuple[int, Ref]] = []
        self.generation = 0
        self.scopes: list[int] = []  # lengths to truncate to
        self.listed: list[Obj] = []  # exposed since the last full collection
        self.marked: list[Obj] = []  # marked while off the list (K28 and its like)
        self.raws: list[Ref] = []  # unexpired raw values
        self.owned_made = 0
        self.cast_roots: list[OwnedRoot] = []  # owned roots that cast handles share
        self.errors: set[int] = set()  # values in kept out-of-memory errors
        self.freed_as_any = False  # an object that was rooted as any is gone: its block may be in use twice (K15)
        self.exception: Ref = None  # the pending exception
        self.watchers: list[Callable[[], None]] = []  # of each run under watch: told of collections (hazards.py)
        self.reused_segments = False  # a segment whose items allocate was used again (K5)
        self.short = False  # a run ended out of memory: what it made before is not known for certain
        self.wasm_made = Load(0, 0)  # all objects that Wasm made, whether or not they are gone (K36)
        self.pending: Future | None = None
        self.seen: list[int] = []  # exact mode: finalized inside the pending operation so far
        self.asked: list[tuple[int, int]] = []  # exact mode: limiter calls inside it
        if profile.exact:
            self.counts = Exact(self, profile.collector, profile.defects)

    # --- 2.2 LIFO roots

    def root(self, ref: Ref, counted: bool = False) -> LifoHandle:
        """A new LIFO root. `counted`: the object's count already includes it (a fresh object, 1.6)."""
        self.lifo.append((self.generation, ref))
        self.hold(ref)
        if self.counts and not counted:
            self.counts.inc(ref)
        return LifoHandle(self, self.generation, len(self.lifo) - 1)

    def enter(self) -> None:
        """Opens a scope."""
        self.scopes.append(len(self.lifo))

    def exit(self) -> int:
        """Closes the innermost scope: one new generation, then its roots in order. Returns how many there were."""
        mark = self.scopes.pop()
        entries = self.lifo[mark:]
        if entries:
            self.generation += 1
            del self.lifo[mark:]
            for _, ref in entries:
                self.let_go(ref)
                if self.counts:
                    self.counts.dec(ref)
        return len(entries)

    # --- 2.3 owned roots

    def own(self, ref: Ref) -> OwnedRoot:
        """A new owned root for a rooted reference."""
        root = OwnedRoot(self, ref)
        self.owned_made += 1
        self.hold(ref)
        if self.counts:
            self.counts.own(root)
        return root

    def add_owned(self, obj: Obj) -> OwnedRoot:
        """As `add` and `own`, in one step, since some ops make thousands; not in exact mode."""
        size = self.block(obj)
        self.objects[obj.value] = obj
        self.bytes += size
        self.ever += size
        self.made, self.empty = True, False
        self.owned_made += 1
        obj.holders = 1
        for child in obj.children():
            self._enter(child)
        return OwnedRoot(self, obj)

    def drop_token(self, root: OwnedRoot) -> None:
        """One handle of an owned root is gone; the store is not touched, release is deferred to a trim."""
        root.tokens -= 1
        if not root.tokens:
            ref = root.ref()
            assert not isinstance(ref, Stale)
            self.let_go(ref)
            if self.pending:  # whether the pending operation still sees it is not predicted
                self.forget_exactness()

    # --- 1.6 exposure, 3.4 raw values

    def expose(self, ref: Ref) -> None:
        """`ref` is handed out as a raw value, or to Wasm."""
        if type(ref) is Obj:
            ref.off = None
            if ref.lost:
                self._hurt(ref)
            if ref.listed:
                ref.tainted = True
            else:
                ref.listed = True
                self.listed.append(ref)
        if self.counts:
            self.counts.expose(ref)

    def read_barrier(self, ref: Stored, counted: bool = True) -> None:
        """Wasm reads `ref` out of a slot, or made it: listed, without harm if it is listed already.

        `counted`: exact counts know of it, too.
        """
        if type(ref) is Obj:
            ref.off = None
            if ref.lost:
                self._hurt(ref)
            if not ref.listed:
                ref.listed = True
                self.listed.append(ref)
        if counted and self.counts:
            self.counts.read(ref)

    def hold_raw(self, ref: Ref) -> None:
        """A raw value is valid until the next point where a collection may run: until then it holds."""
        self.hold(ref)
        self.raws.append(ref)

    def expire_raws(self) -> None:
        """A collection may run now."""
        raws, self.raws = self.raws, []
        for ref in raws:
            self.let_go(ref)

    # --- slots of globals and tables (1.6: new value first, then the old one)

    def write(self, old: Ref, new: Ref) -> None:
        """A slot that held `old` holds `new`."""
        self.hold(new)
        self.let_go(old)
        if self.counts:
            self.counts.inc(new)
            self.counts.dec(old)

    # --- the pending exception (1.6)

    def pend(self, new: Ref) -> None:
        """Wasm throws or catches: the pending slot's count of what was there is lost on <= 45 (K2)."""
        old, self.exception = self.exception, new
        if self.counts and self.counts.k2:
            self.counts.inc(new)
            self.hold(new)
            self.let_go(old)
        else:
            self.write(old, new)

    def throw(self, ref: Ref) -> None:
        """The host throws: exposed, and a holder like any slot. Where it is not counted, moments are lost (K9)."""
        old, self.exception = self.exception, ref
        if "K9" in self.profile.defects:
            self.uncount(ref, "K9")
            self.forget_exactness()
            if type(old) is Obj and old.missing:
                old.missing -= 1  # nor is it let go
            elif type(old) is Obj:
                old.caught = True  # Wasm threw it, and that count is lost (K2)
        self.expose(ref)
        self.write(old, ref)

    # --- collections

    def collected(self) -> None:
        """A collection may run, inside a run or outside. What it frees too early does harm once it is touched."""
        if self.profile.collector == "null":
            return
        for obj, _ in self.uncounted.values():
            obj.lost = obj.lost or obj.holders + obj.inside <= obj.missing
        if self.small:
            self.harm("K25")
        if self.runs:
            self._spare()
        for watcher in self.watchers:
            watcher()

    def swept(self) -> None:
        """A full collection is over: nothing is listed any more, but for what frames may need."""
        if self.runs:
            return
        self._spare()
        for obj in self.listed:
            obj.listed = False
        self.listed = []

    def _spare(self) -> None:
        """A sweep leaves in the list what has a mark from when it was not there, and takes the mark away."""
        for obj in self.marked:
            obj.spared = None
            if obj.marked and not obj.off:
                obj.spared, obj.marked = obj.marked, None
        self.marked = [obj for obj in self.marked if obj.marked or obj.spared]

    def dropped_casts(self) -> list[OwnedRoot]:
        """The owned roots that cast handles share and that have no token any more."""
        return [root for root in self.cast_roots if not root.tokens]

    def trimmed(self) -> None:
        """An eager trim is over: owned roots without a token are gone for certain, if there is a heap (2.3)."""
        if self.heap and self.cast_roots:
            for root in self.dropped_casts():
                root.trimmed = True
            self.cast_roots = [root for root in self.cast_roots if not root.trimmed]

    def forget(self) -> None:
        """What refers to this store, or to what does, is let go: see `World.forget`."""
        self.counts = self.pending = None
        for held in (self.runs, self.watchers, self.cast_roots):
            held.clear()
