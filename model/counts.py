"""Exact mode: reference counts, the OASR list, trims, growth; when 42.0.2 finalizes (semantics.md 1.5, 1.6, 2.3, 4.3).

`Exact` predicts, op by op: `finalized` (host values), `calls` (limiter questions), and whether an allocation runs out
of memory. The portable rules do not need it, and it knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from twinheap.model.entities import BYTES_NEEDED, FIRST_INDEX, Obj, Ref, Stored, growth
from twinheap.model.layout import block, needed
from twinheap.model.ops import UNLIMITED
from twinheap.model.roots import FIRST_MARK, OwnedRoot
from twinheap.model.space import Bump, FirstFit

if TYPE_CHECKING:
    from twinheap.model.state import Store


class Exact:
    """The exact bookkeeping of one store under DRC or NULL as 42.0.2 does it.

    `defects`: K1 (repeated exposure leaks one count), K2 (so does a caught exception), K7 (an empty heap grows too
    little), K8 (no trim without a heap) and K12 (a failed initialization leaks counts) as predictions, for targets that
    have them.
    """

    def __init__(self, store: Store, collector: str, defects: Collection[str]) -> None:
        self.store = store
        self.collector = collector
        self.counting = collector == "drc"
        self.k1, self.k2, self.k7, self.k8, self.k12 = (name in defects for name in ("K1", "K2", "K7", "K8", "K12"))
        self.space: FirstFit | Bump = FirstFit() if self.counting else Bump()
        self.owned: list[OwnedRoot] = []  # the liveness list, in creation order
        self.mark = FIRST_MARK
        self.listed: dict[Obj, None] = {}  # the OASR list, most recently inserted last
        self.frames: list[Callable[[], list[Stored]]] = []  # for each run under way: what its frames need
        self.finalized: list[int] = []
        self.calls: list[tuple[int, int]] = []

    # --- 1.6 counts

    def inc(self, ref: Ref) -> None:
        """One more holder. Null and i31 are never counted."""
        if type(ref) is Obj:
            ref.count += 1

    def dec(self, ref: Ref) -> None:
        """One holder less; at zero the object is freed, and what only it held, at that moment (DRC <= 47)."""
        if type(ref) is Obj:
            ref.count -= 1
            if not ref.count and self.counting:
                self._free(ref)

    def _free(self, obj: Obj) -> None:
        """Without recursion, since chains are long. Finalizers of one op are a set, so their order does not matter."""
        pending = [obj]
        while pending:
            dying = pending.pop()
            if dying.kind == "extern":
                self.finalized.append(dying.value)
            self.space.release(dying.address, block(self.collector, dying))
            for child in dying.children():
                child.count -= 1
                if not child.count:
                    pending.append(child)

    def expose(self, ref: Ref) -> None:
        """`ref` may now be on a Wasm stack: it enters the OASR list, which holds one count, or more under K1."""
        if self.k1 and type(ref) is Obj and self.counting and ref in self.listed:
            ref.count += 1
        self.read(ref)

    def read(self, ref: Stored) -> None:
        """The read barrier of compiled code: as `expose`, but it leaks nothing."""
        if type(ref) is Obj and self.counting and ref not in self.listed:
            ref.count += 1
            self.listed[ref] = None

    def born(self, obj: Obj, listed: bool = True) -> None:
        """An object was made: its first count is the list's, or a root's, and its cells hold what is in them."""
        if self.counting:
            obj.count = 1
            if listed:
                self.listed[obj] = None
            for child in obj.children():
                child.count += 1

    def sweep(self) -> None:
        """A full collection: the list gives back the counts of what no frame needs, most recently listed first."""
        needed = {ref for frames in self.frames for ref in frames() if type(ref) is Obj}
        members, self.listed = self.listed, {}
        if self.store.pending is None:  # else it counts once it is done: a cancelled one may not have come so far
            self.store.swept()
        for obj in members:
            if obj in needed:
                self.listed[obj] = None
        for obj in reversed(members):
            if obj not in needed:
                self.dec(obj)

    # --- 2.3 owned roots

    def own(self, root: OwnedRoot) -> None:
        """Creation of an owned root: count, lazy trim, list."""
        self.inc(root.ref())  # type: ignore[arg-type]  # an owned root is never stale
        self.trim(eager=False)
        self.owned.append(root)

    def trim(self, eager: bool) -> None:
        """Releases the owned roots whose last token is gone. Without a heap that is not done under K8."""
        if (self.k8 and not self.store.heap) or (not eager and len(self.owned) < self.mark):
            return
        entries, self.owned = self.owned, []
        for root in entries:
            if root.tokens:
                self.owned.append(root)
            else:
                root.trimmed = True
                self.dec(root.ref())  # type: ignore[arg-type]
        self.mark = max(FIRST_MARK, 2 * len(self.owned))

    # --- 1.5 allocation

    def create_heap(self) -> None:
        """Step B: the limiter is asked about 0 -> 0 bytes, which every limit allows, but not every limiter."""
        self.calls.append((0, 0))

    def alloc(self, obj: Obj, inline: bool = False) -> bool:
        """Steps C to E for one object; False is out of memory. Neither its count nor its fields' are included.

        `inline`: by compiled code. Under NULL that asks for what is missing, and counts what is reserved (1.5).
        """
        size, space = block(self.collector, obj), self.space
        obj.address = space.place(size)
        if not obj.address:
            if inline and isinstance(space, Bump):
                self._make_room(space.finger + size - space.size, reserved=0)
            else:
                self._make_room(needed(self.collector, obj))
            obj.address = space.place(size)
        return bool(obj.address)

    def _make_room(self, size: int, reserved: int | None = None) -> None:
        """Step D."""
        self.trim(eager=True)
        if not self.grow(size, reserved):
            self.collect()

    def give_back(self, obj: Obj, fields: Iterable[Ref]) -> None:
        """The initialization of a fresh object failed after `fields`, whose counts go with it, or stay (3.2, K12)."""
        if self.counting:
            self.space.release(obj.address, block(self.collector, obj))
            if self.k12:
                for ref in fields:
                    self.inc(ref)

    def grow(self, size: int, reserved: int | None = None) -> bool:
        """Step D2: whether the limiter let the heap grow for a request of `size` bytes.

        An empty heap grows by the reserved bytes too: without them a first request may not fit (K7). `reserved`: these
        bytes, if they are counted already.
        """
        current = self.space.size
        if not current and not self.k7:
            size += FIRST_INDEX[self.collector] if reserved is None else reserved
        desired = current + growth(current, size)
        self.calls.append((current, desired))
        if self.store.allowed != UNLIMITED and desired > self.store.allowed:
            return False
        self.space.extend(desired)
        return True

    def collect(self) -> None:
        """A full collection: eager trim, then the sweep. Without a heap nothing happens."""
        if self.store.heap:
            if self.frames:
                self.store.collected()  # those who watch runs; outside of them `World.collects` tells them
            self.trim(eager=True)
            self.sweep()

    def gc_for(self) -> None:
        """gc(Some(oom)): eager trim, then grow; collect only if growth fails (3.5). Without a heap: nothing (K13)."""
        if self.store.heap:
            self.trim(eager=True)
            if not self.grow(BYTES_NEEDED[self.collector]):
                self.collect()

    def take(self) -> tuple[list[int], list[tuple[int, int]]]:
        """What was predicted since the last call: finalized values, limiter calls."""
        taken = self.finalized, self.calls
        self.finalized, self.calls = [], []
        return taken

    def release_all(self, objects: Iterable[Obj]) -> None:
        """Store drop: every remaining value is dropped (3.6)."""
        self.finalized.extend(obj.value for obj in objects if obj.kind == "extern")
