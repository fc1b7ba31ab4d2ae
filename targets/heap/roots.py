"""The root set of a store: LIFO roots, owned roots, scopes and trimming.

Implements `docs/spec/semantics.md` 2.2 and 2.3. References are raw 32-bit numbers in flat lists,
so that a moving collector rewrites them in place.
"""

import weakref
from typing import Final

from twinheap.targets.heap.collector import GcHeap
from twinheap.targets.heap.errors import HeapPanic, Unrooted

OWNED_BIT: Final = 1 << 31  # bit 31 of a handle's packed index: owned root, not LIFO
MAX_INDEX: Final = OWNED_BIT - 1
DEFAULT_HIGH_WATER: Final = 8  # lists shorter than this are never trimmed lazily
GROWTH_FACTOR: Final = 2  # next trim at twice the survivors, so that a creation costs O(1) on average


class Liveness:
    """The token that all clones of one owned root share: the root lives as long as somebody holds it.

    Holding and letting go touch nothing but the token, so they work after the store is gone and
    on other threads.
    """

    __slots__ = ("__weakref__",)  # mutant m11: __slots__ = ("__weakref__", "released")
    # mutant m16: __slots__ = ("__weakref__", "released")


class RootSet:
    """All roots of one store that handles refer to.

    LIFO: `lifo_refs` and `lifo_generations` are one vector of pairs; `generation` counts the
    scope exits that dropped something. Owned: `owned_refs` is a slab (0 marks a vacant place)
    and `liveness` names its occupied places in creation order. `owned_serials` tells the roots
    that used the same place apart, for handles that hold no token (casts, section 3.2).
    """

    __slots__ = (
        "generation",
        "high_water",
        "lifo_generations",
        "lifo_refs",
        "liveness",
        "next_serial",
        "owned_refs",
        "owned_serials",
        "scopes",
        "vacant",
    )

    def __init__(self) -> None:
        self.lifo_refs: list[int] = []
        self.lifo_generations: list[int] = []
        self.generation = 0
        self.scopes: list[int] = []  # the mark of every open scope, outermost first
        self.owned_refs: list[int] = []
        self.owned_serials: list[int] = []
        self.vacant: list[int] = []
        self.next_serial = 1
        self.liveness: list[tuple[weakref.ref[Liveness], int]] = []
        self.high_water = DEFAULT_HIGH_WATER

    def push(self, ref: int) -> int:
        """Add a LIFO root that takes over one count of `ref`; returns its index. Its generation is the current one."""
        index = len(self.lifo_refs)
        if index > MAX_INDEX:
            raise HeapPanic("too many roots: the index does not fit 31 bits")
        self.lifo_refs.append(ref)
        self.lifo_generations.append(self.generation)
        return index

    def lookup(self, index: int, generation: int) -> int:
        """The reference a handle denotes.

        Raises `Unrooted` if its entry is gone, or belongs to another root by now.
        """
        # mutant m06 below: if index < len(self.lifo_refs) and generation == self.generation:
        # mutant m07 below: if index < len(self.lifo_refs):
        # mutant m08 below: if index <= len(self.lifo_refs) and self.lifo_generations[index] == generation:
        if index < len(self.lifo_refs) and self.lifo_generations[index] == generation:
            return self.lifo_refs[index]
        # mutant t11 below: if index & OWNED_BIT and self.owned_refs[index & MAX_INDEX]:
        if index & OWNED_BIT and self.owned_serials[index & MAX_INDEX] == generation:
            return self.owned_refs[index & MAX_INDEX]
        raise Unrooted

    def exit_scope(self, mark: int, heap: GcHeap | None) -> None:
        """Drop the LIFO roots from `mark` on, oldest first; one generation per exit that drops anything."""
        refs = self.lifo_refs
        if len(refs) <= mark:
            return
        self.generation += 1  # mutant m04: pass
        # mutant m02: mark = max(mark - 1, 0)
        dropped = refs[mark:]
        del refs[mark:], self.lifo_generations[mark:]
        # mutant m03: dropped.pop()
        # mutant m05: self.lifo_generations = [self.generation] * mark
        if heap is not None:  # without a heap there can only be i31s, which nobody counts
            for ref in dropped:
                heap.drop_ref(ref)  # mutant m01: pass

    def add_owned(self, ref: int) -> tuple[int, int, Liveness]:
        """Add an owned root that takes over one count of `ref`: its packed index, serial and token."""
        token = Liveness()
        serial = self.next_serial
        self.next_serial = serial + 1
        if self.vacant:
            slab_id = self.vacant.pop()
            self.owned_refs[slab_id] = ref
            self.owned_serials[slab_id] = serial
        else:
            slab_id = len(self.owned_refs)
            self.owned_refs.append(ref)
            self.owned_serials.append(serial)
        self.liveness.append((weakref.ref(token), slab_id))
        return slab_id | OWNED_BIT, serial, token

    def trim(self, heap: GcHeap | None, *, eager: bool) -> None:
        """Release the owned roots whose last clone is gone, in creation order.

        A lazy trim waits until the list has reached the high-water mark. Without a heap there are
        only i31s, and only lazy trims; with defect K8 not even these, so that the list grows on.
        """
        # mutant m14 below: if not eager and len(self.liveness) > self.high_water:
        if not eager and len(self.liveness) < self.high_water:
            return
        survivors = []
        for entry in self.liveness:
            token, slab_id = entry
            # mutant m11 below: if token() is None or hasattr(token(), "released"):
            # mutant m16 below: if token() is None or (not eager and hasattr(token(), "released")):
            if token() is None:
                # mutant m17: survivors.append(entry)
                ref = self.owned_refs[slab_id]
                self.owned_refs[slab_id] = self.owned_serials[slab_id] = 0
                self.vacant.append(slab_id)
                if heap is not None:
                    heap.drop_ref(ref)
            else:
                survivors.append(entry)
        self.liveness = survivors
        self.high_water = max(DEFAULT_HIGH_WATER, GROWTH_FACTOR * len(survivors))  # mutant m15: pass
