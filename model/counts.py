"""Exact mode: reference counts, the OASR list, trims, growth; when 42.0.2 finalizes (semantics.md 1.5, 1.6, 2.3, 4.3).

`Exact` predicts, op by op: `finalized` (host values), `calls` (limiter questions), and whether an allocation runs out
of memory. The portable rules do not need it, and it knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twinheap.model.entities import BYTES_NEEDED, EXTERNREF_BLOCK, Obj, Ref, growth
from twinheap.model.ops import UNLIMITED
from twinheap.model.roots import FIRST_MARK, OwnedRoot
from twinheap.model.space import Bump, FirstFit

if TYPE_CHECKING:
    from twinheap.model.state import Store


class Exact:
    """The exact bookkeeping of one store under DRC or NULL as 42.0.2 does it.

    `k1`: repeated exposure leaks one count (K1 as a prediction, for targets that have it).
    """

    def __init__(self, store: Store, collector: str, k1: bool) -> None:
        self.store = store
        self.counting = collector == "drc"
        self.k1 = k1
        self.block = EXTERNREF_BLOCK[collector]
        self.needed = BYTES_NEEDED[collector]
        self.space: FirstFit | Bump = FirstFit() if self.counting else Bump()
        self.owned: list[OwnedRoot] = []  # the liveness list, in creation order
        self.mark = FIRST_MARK
        self.listed: list[Obj] = []  # the OASR list
        self.finalized: list[int] = []
        self.calls: list[tuple[int, int]] = []

    # --- 1.6 counts

    def inc(self, ref: Ref) -> None:
        """One more holder. Null and i31 are never counted."""
        if type(ref) is Obj:
            ref.count += 1

    def dec(self, ref: Ref) -> None:
        """One holder less; at zero the host value is dropped and the block freed, at that moment (DRC <= 47)."""
        if type(ref) is Obj:
            ref.count -= 1
            if not ref.count and self.counting:
                self.finalized.append(ref.value)
                self.space.release(ref.address, self.block)

    def expose(self, ref: Ref) -> None:
        """`ref` may now be on a Wasm stack: it enters the OASR list, which holds one count."""
        if type(ref) is not Obj or not self.counting:
            return
        if ref not in self.listed:
            ref.count += 1
            self.listed.append(ref)
        elif self.k1:
            ref.count += 1

    def sweep(self) -> None:
        """A full collection without Wasm on the stack: the list gives back its counts, most recently listed first."""
        members, self.listed = self.listed, []
        if self.store.pending is None:  # else it counts once it is done: a cancelled one may not have come so far
            self.store.swept()
        for obj in reversed(members):
            self.dec(obj)

    # --- 2.3 owned roots

    def own(self, root: OwnedRoot) -> None:
        """Creation of an owned root: count, lazy trim, list."""
        self.inc(root.ref())  # type: ignore[arg-type]  # an owned root is never stale
        self.trim(eager=False)
        self.owned.append(root)

    def trim(self, eager: bool) -> None:
        """Releases the owned roots whose last token is gone. Without a heap nothing happens."""
        if not self.store.heap or (not eager and len(self.owned) < self.mark):
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
        """Step B: the limiter is asked about 0 -> 0 bytes, which every limit allows."""
        self.calls.append((0, 0))

    def alloc(self, obj: Obj) -> bool:
        """Steps C to E for one externref; False is out of memory. The new LIFO root's count is not included."""
        obj.address = self.space.place(self.block)
        if not obj.address:
            self.trim(eager=True)
            if not self.grow():
                self.collect()
            obj.address = self.space.place(self.block)
        return bool(obj.address)

    def grow(self) -> bool:
        """Step D2: whether the limiter let the heap grow for one externref."""
        current = self.space.size
        desired = current + growth(current, self.needed)
        self.calls.append((current, desired))
        if self.store.limit != UNLIMITED and desired > self.store.limit:
            return False
        self.space.extend(desired)
        return True

    def collect(self) -> None:
        """A full collection: eager trim, then the sweep."""
        self.trim(eager=True)
        if self.store.heap:
            self.sweep()

    def gc_for(self) -> None:
        """gc(Some(oom)): eager trim, then grow; collect only if growth fails (3.5). Without a heap: nothing (K13)."""
        if self.store.heap:
            self.trim(eager=True)
            if not self.grow():
                self.collect()

    def take(self) -> tuple[list[int], list[tuple[int, int]]]:
        """What was predicted since the last call: finalized values, limiter calls."""
        taken = self.finalized, self.calls
        self.finalized, self.calls = [], []
        return taken

    def release_all(self, objects: Iterable[Obj]) -> None:
        """Store drop: every remaining value is dropped (3.6)."""
        self.finalized.extend(obj.value for obj in objects)
