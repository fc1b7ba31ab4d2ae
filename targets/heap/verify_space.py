"""Invariants of the heap's bytes: space, counts, list, halves (`docs/spec/verification.md` 9).

Everything is recomputed from the bytes and compared with what the collector believes.
"""

from collections import Counter
from typing import TYPE_CHECKING, Final

from twinheap.targets.heap.copying import ALIGN, COPIED_BIT, CopyingHeap
from twinheap.targets.heap.drc import IN_LIST_BIT, MARK_BIT, DrcHeap
from twinheap.targets.heap.errors import InvariantViolation
from twinheap.targets.heap.free_list import GRANULE
from twinheap.targets.heap.layout import EXTERN, NO_TYPE, OBJECT_KINDS, PAGE_BYTES, children, round_up
from twinheap.targets.heap.null import NullHeap
from twinheap.targets.heap.object_layout import ArrayLayout

if TYPE_CHECKING:
    from twinheap.targets.heap.collector import GcHeap
    from twinheap.targets.heap.store import Store

LEAKS: Final = frozenset({"k1", "k12"})  # known defects that leave counts too high
MAX_SANE_COUNT: Final = 1 << 40  # far above any number of holders that fits into memory; an underflow is far higher


def require(condition: bool, number: int, text: str) -> None:
    """Raise `InvariantViolation` with that number unless the condition holds."""
    if not condition:
        raise InvariantViolation(number, text)


def verify_space(heap: "GcHeap") -> dict[int, int]:
    """Check how blocks and objects lie in the heap; returns the live objects with their sizes."""
    require(heap.size % PAGE_BYTES == 0, 7, f"the heap has {heap.size} bytes, not whole pages")
    objects = dict(heap.objects())
    if isinstance(heap, DrcHeap):
        _verify_tiling(heap, objects)
    elif isinstance(heap, CopyingHeap):
        _verify_halves(heap, objects)
    elif isinstance(heap, NullHeap):
        end = max((start + size for start, size in objects.items()), default=1)
        require(end == heap.next <= max(heap.size, 1), 1, f"objects end at {end}, the bump pointer is {heap.next}")
    for ref in objects:
        word = ref >> 2
        kind = heap.kind(ref)
        require(kind in OBJECT_KINDS, 19, f"object {ref:#x} has kind {kind:#x}")
        require((heap.words[word + 1] == NO_TYPE) == (kind == EXTERN), 19, f"object {ref:#x} has a wrong type")
        if kind != EXTERN:
            _verify_object(heap, ref, objects[ref])
        for child in children(heap.words, ref, heap.infos):
            require(not child or bool(child & 1) or child in objects, 26, f"object {ref:#x} holds {child:#x}")
    return objects


def _verify_object(heap: "GcHeap", ref: int, size: int) -> None:
    """Check that a struct, array or exception is what its type says: an uninitialized one is not."""
    index = heap.words[(ref >> 2) + 1]
    require(index < len(heap.layouts), 19, f"object {ref:#x} has type {index}, which does not exist")
    layout = heap.layouts[index]
    require(layout.kind == heap.kind(ref), 19, f"object {ref:#x} is not of its type's kind")
    if isinstance(layout, ArrayLayout):
        expected = layout.size_for_len(heap.words[(ref + layout.length_offset) >> 2])
    else:
        expected = layout.size
    granule = 1 if isinstance(heap, NullHeap) else GRANULE
    require(round_up(expected, granule) == size, 27, f"object {ref:#x} of {size} bytes needs {expected}")


def _verify_tiling(heap: DrcHeap, objects: dict[int, int]) -> None:
    blocks = heap.free_list
    require(blocks.capacity == heap.size, 7, f"the free list manages {blocks.capacity} of {heap.size} bytes")
    free = list(zip(blocks.starts, blocks.lengths, strict=True))
    at = GRANULE
    previous_free = False
    for start, size in sorted([*free, *objects.items()]):
        is_free = start not in objects
        require(start == at, 1, f"a block starts at {start:#x}, the one before ends at {at:#x}")
        require(start % GRANULE == 0 and size % GRANULE == 0, 2, f"block {start:#x} of {size} bytes")
        require(is_free or size >= 2 * GRANULE, 2, f"object {start:#x} has only {size} bytes")
        require(not (is_free and previous_free), 3, f"free block {start:#x} was not merged")
        at, previous_free = start + size, is_free
    require(at == max(heap.size, GRANULE), 1, f"blocks end at {at:#x}, the heap at {heap.size:#x}")
    require(blocks.starts == sorted(set(blocks.starts)), 6, "the free list is out of order")
    require(sum(objects.values()) == heap.allocated, 5, f"{heap.allocated} bytes counted as allocated")


def _verify_halves(heap: CopyingHeap, objects: dict[int, int]) -> None:
    active = heap.active_end - heap.active_start
    require(active == heap.idle_end - heap.idle_start, 29, "the halves differ in size")
    require(
        {heap.active_start, heap.idle_start} in ({0}, {0, active}) and 2 * active <= heap.size,
        29,
        "the halves overlap or leave the heap",
    )
    lowest = heap.active_start + (ALIGN if active else 0)
    end = max((start + size for start, size in objects.items()), default=lowest)
    require(end == heap.next <= heap.active_end, 29, f"objects end at {end:#x}, the bump pointer is {heap.next:#x}")
    externrefs = {ref for ref in objects if heap.kind(ref) == EXTERN}
    linked = set()
    for ref in heap.externrefs():
        require(ref in externrefs and ref not in linked, 29, f"the externref chain leads to {ref:#x}")
        linked.add(ref)
    require(linked == externrefs, 29, f"{len(externrefs - linked)} externrefs are not in the chain")
    for ref in objects:
        require(not heap.words[ref >> 2] & COPIED_BIT, 29, f"object {ref:#x} is still marked as copied")


def verify_counts(store: "Store", heap: DrcHeap, objects: dict[int, int]) -> None:
    """Check the OASR list, and every count against the exact holders."""
    holders: Counter[int] = Counter()
    for slots in store.root_lists():
        holders.update(slots)
    for ref in objects:
        holders.update(children(heap.words, ref, heap.infos))
    listed = set()
    for ref in heap.listed():
        require(ref in objects and ref not in listed, 12, f"the OASR list leads to {ref:#x}")
        listed.add(ref)
    holders.update(listed)
    for ref in objects:
        flags, count = heap.words[ref >> 2], heap.count(ref)
        require(bool(flags & IN_LIST_BIT) == (ref in listed), 12, f"object {ref:#x}: flag and OASR list disagree")
        require(not flags & MARK_BIT or ref in listed, 14, f"object {ref:#x} is marked")
        require(count >= 1, 8, f"live object {ref:#x} has count 0")
        require(count < MAX_SANE_COUNT, 10, f"object {ref:#x} has count {count:#x}")
        leaked = count - holders[ref]
        require(
            leaked == 0 or (leaked > 0 and not store.defects.isdisjoint(LEAKS)),
            9,
            f"object {ref:#x} has count {count} and {holders[ref]} holders",
        )
    for frame in store.frames:
        for ref in frame:
            require(not ref or bool(ref & 1) or ref in listed, 13, f"frame reference {ref:#x} is not listed")
