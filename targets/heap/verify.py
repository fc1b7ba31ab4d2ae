"""Self-verification of a store: every invariant of `docs/spec/verification.md` section 9 that applies.

Written for clarity, not speed: it walks the whole heap. Nothing here changes the store.
"""

from typing import TYPE_CHECKING

from twinheap.targets.heap.drc import DrcHeap
from twinheap.targets.heap.host_data import VACANT, HostData
from twinheap.targets.heap.layout import EXN, EXTERN
from twinheap.targets.heap.roots import DEFAULT_HIGH_WATER, GROWTH_FACTOR
from twinheap.targets.heap.verify_space import require, verify_counts, verify_space

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store


def verify_store(store: "Store") -> None:
    """Check all invariants. Raises `InvariantViolation` naming the first one that is broken."""
    if store.dropped:
        require(not store.host_data.entries, 18, "a dropped store still holds host values")
        return
    require(not store.host_data.finalizing, 28, "an operation started while a finalizer was running")
    objects: dict[int, int] = {}
    heap = store.heap
    if heap is not None:
        objects = verify_space(heap)
    _verify_host_data(store, objects)
    _verify_roots(store, objects)
    _verify_pending(store, objects)
    if isinstance(heap, DrcHeap):
        verify_counts(store, heap, objects)


def _verify_host_data(store: "Store", objects: dict[int, int]) -> None:
    table = store.host_data
    heap = store.heap
    used = [] if heap is None else [heap.host_data_id(ref) for ref in objects if heap.kind(ref) == EXTERN]
    for data_id in used:
        require(data_id < len(table.entries), 16, f"an externref carries the host-data id {data_id}")
        require(table.entries[data_id] is not VACANT, 16, f"an externref's host-data id {data_id} is vacant")
    occupied = {data_id for data_id, box in enumerate(table.entries) if box is not VACANT}
    require(len(used) == len(set(used)), 16, "two externrefs share a host-data id")
    require(occupied == set(used), 16, f"host values {sorted(occupied ^ set(used))} belong to no externref")
    require(len(table.vacant) == len(set(table.vacant)), 17, "a host-data id is twice in the free chain")
    vacant = {data_id for data_id, box in enumerate(table.entries) if box is VACANT}
    require(vacant == set(table.vacant), 17, "the free chain is not what is vacant")


def _verify_roots(store: "Store", objects: dict[int, int]) -> None:
    roots = store.roots
    generations = roots.lifo_generations
    require(len(generations) == len(roots.lifo_refs), 20, "references and generations differ in number")
    require(generations == sorted(generations), 20, "generations decrease")
    require(not generations or generations[-1] <= roots.generation, 20, "a generation is above the counter")
    require(roots.scopes == sorted(roots.scopes), 21, "scope marks decrease")
    require(not roots.scopes or roots.scopes[-1] <= len(roots.lifo_refs), 21, "a scope mark is above the roots")
    for slots in store.root_lists():
        for ref in slots:
            require(not ref or ref & 1 == 1 or ref in objects, 25, f"a root denotes {ref:#x}, which is not alive")
    require(all(roots.lifo_refs), 25, "a LIFO root is null")

    named = [slab_id for _, slab_id in roots.liveness]
    occupied = {slab_id for slab_id, ref in enumerate(roots.owned_refs) if ref}
    require(len(named) == len(set(named)) and set(named) == occupied, 22, "liveness list and slab disagree")
    serials = [roots.owned_serials[slab_id] for slab_id in named]
    require(serials == sorted(serials), 22, "the liveness list is not in creation order")
    vacant = set(range(len(roots.owned_refs))) - occupied
    require(sorted(roots.vacant) == sorted(vacant), 17, "the owned slab's free chain is not what is vacant")
    # With defect K8 owned i31s made without a heap are never trimmed, so only they may exceed the mark.
    untrimmed = "k8" in store.defects and all(roots.owned_refs[slab_id] & 1 for slab_id in named)
    require(
        len(named) <= roots.high_water or untrimmed,
        24,
        f"{len(named)} owned roots above the mark {roots.high_water}",
    )


def _verify_pending(store: "Store", objects: dict[int, int]) -> None:
    (pending,) = store.pending
    heap = store.heap
    is_exn = heap is not None and pending in objects and heap.kind(pending) == EXN
    require(not pending or is_exn, 25, f"the pending exception is {pending:#x}, which is none")
    for ref in objects if heap is not None else ():
        if heap is not None and heap.kind(ref) == EXN:
            tag = heap.words[(ref + heap.header.header_bytes) >> 2]
            require(tag < len(store.tags), 27, f"exception {ref:#x} has tag {tag}, which does not exist")


def verify_collected(store: "Store", before: list[object]) -> None:
    """What must hold right after `Store.gc`: `before` are the `identities` from right before it."""
    heap = store.heap
    if isinstance(heap, DrcHeap) and not any(store.frames):
        require(heap.list_head == 0, 15, "the OASR list is not empty after a collection")
    mark = max(DEFAULT_HIGH_WATER, GROWTH_FACTOR * len(store.roots.liveness))
    require(heap is None or store.roots.high_water == mark, 23, f"the mark is {store.roots.high_water}, not {mark}")
    require(identities(store) == before, 30, "a collection changed what a root denotes")


def identities(store: "Store") -> list[object]:
    """What each LIFO root and slot denotes: the box of its host value, an i31's raw value, null, or kind and type."""
    heap = store.heap
    places = [ref for slots in (*store.globals, *store.tables, store.roots.lifo_refs) for ref in slots]
    result: list[object] = []
    for ref in places:
        data_id = -1 if heap is None or not ref or ref & 1 else heap.host_data_id(ref)
        box: HostData | None = store.host_data.entries[data_id] if data_id >= 0 else None
        if heap is not None and box is None and ref and not ref & 1:
            result.append((heap.kind(ref), heap.words[(ref >> 2) + 1]))
        else:
            result.append(ref if box is None else box)
    return result
