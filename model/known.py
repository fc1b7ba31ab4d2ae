"""Predicates of known defects: which failed verdicts a known defect explains (program-ir.md 8.3 rule 5).

Each is as narrow as what is understood of the defect, since what it takes is counted and passed over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from twinheap.model.bounds import Load
from twinheap.model.contents import Cell
from twinheap.model.entities import PAGE, Obj
from twinheap.model.holders import closure
from twinheap.model.known_bodies import RUNS, known_in_bodies
from twinheap.model.layout import GRANULE
from twinheap.model.observation import OK
from twinheap.model.ops import ANY, EXTERN, NULL, NULL_OBJECT_USES, OPS, Op
from twinheap.model.profiles import CAST_CODES, UNCOUNTED_CODES
from twinheap.model.program import slots_of
from twinheap.model.roots import CastHandle
from twinheap.model.state import Store

if TYPE_CHECKING:
    from twinheap.model.world import Broken, World

HALF_SIZED: Final = 45
"""The release in which COPYING counts a request in one half only: a first one over half a page may fail (1.5, K30)."""

_LEAKS: Final = (
    ("tainted", "K1"),
    ("copied", "K18"),
    ("halfway", "K12"),
    ("misfit", "K29"),
    ("taken", "K19"),
    ("caught", "K2"),
    ("hosted", "K22"),
    ("tabled", "K14"),
    ("orphaned", "K20"),
)
"""The marks of objects and the defects that keep an object with that mark."""


@lru_cache
def _leaks_of(defects: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Those of `_LEAKS` that a release has: asked for each object that a collection must free."""
    return tuple((mark, name) for mark, name in _LEAKS if name in defects)


def known_leak(w: World, obj: Obj) -> str | None:
    """The known defect that keeps a dead object: `tainted` (semantics 4.2, K1), or else the mark of another one.

    After K9 counts are wrong in both directions: the block of an exception that died too early may hold another.
    """
    marked = next((name for mark, name in _leaks_of(w.profile.defects) if getattr(obj, mark)), obj.spared)
    if marked is not None or "K9" not in w.profile.defects:
        return marked
    store = w.slots[obj.store]
    return "K9" if isinstance(store, Store) and "K9" in store.unsafe else None


def known_break(w: World, broken: Broken, op: Op) -> str | None:
    """The known defect that explains a broken rule."""
    as_any = broken.code == "TH201" and broken.obj is not None and broken.obj.as_any
    if as_any and "K15" in w.profile.defects:
        return "K15"
    if broken.code == "TH106" and "K27" in w.profile.defects and _sets_typed_null(w, op):
        return "K27"
    if broken.code == "TH106" and "K62" in w.profile.defects and _asks_null_exception(w, op):
        return "K62"
    if found := known_in_bodies(w, broken.code, op):
        return found
    if "K11" in w.profile.defects and broken.code in CAST_CODES and _uses_dropped_cast(w, op):
        return "K11"
    if broken.code == "TH201" and broken.obj is not None and "K15" in w.profile.defects:
        store = w.slots[broken.obj.store]
        assert isinstance(store, Store)
        return "K15" if store.freed_as_any else None
    if broken.code == "TH501" and "K8" in w.profile.defects:
        return "K8" if not w.acting.heap else None
    if broken.code in UNCOUNTED_CODES and "K9" in _store_of(w, broken).unsafe:
        return "K9"
    if broken.code == "TH303":
        return _freed_too_early(_store_of(w, broken))
    if broken.code == "TH301" and broken.obj is not None:
        return _refused_by_zeal(w, op, broken.obj) or _no_room(w, broken.obj, broken.live)
    return None


def _refused_by_zeal(w: World, op: Op, obj: Obj) -> str | None:
    """K60, K61: an allocation of compiled code in a build with zeal; for K61 the smallest heap is not enough."""
    if not w.profile.zeal or w.profile.collector == "null" or OPS[op[0]].name not in RUNS:
        return None
    if "K60" in w.profile.defects:
        return "K60"
    room = PAGE // 2 if w.profile.collector == "copying" else PAGE
    # Frames may hold what nothing else does.
    there = sum(w.acting.block(other) for other in w.acting.objects.values() if other is not obj)
    grows = there + w.acting.block(obj) > room - GRANULE[w.profile.collector]
    return "K61" if grows and "K61" in w.profile.defects else None


def _no_room(w: World, obj: Obj, live: Load | None) -> str | None:
    """The known defect by which there is no room for an object that should fit."""
    if "K7" in w.profile.defects and _just_under_pages(w, w.acting, obj):
        return "K7"
    if "K30" in w.profile.defects and _half_counted(w, w.acting, obj):
        return "K30"
    return _full_of_leaks(w, w.acting, obj, live) or _full_of_garbage(w, w.acting, obj)


def _asks_null_exception(w: World, op: Op) -> bool:
    """K62: a null is asked for a field, or thrown, where only an exception can be, and nothing comes of it."""
    if OPS[op[0]].name != "null_object" or w.observed[w.at].outcome != OK:
        return False
    return NULL_OBJECT_USES[op[2]] in ("exn_get", "throw")


def _sets_typed_null(w: World, op: Op) -> bool:
    """K27: null is written to a global of a type below any."""
    holder = w.slots[op[1]] if OPS[op[0]].name == "global_set" else None
    return isinstance(holder, Cell) and op[2] == NULL and holder.type not in (EXTERN, ANY)


def _store_of(w: World, broken: Broken) -> Store:
    """The store that a broken rule is about."""
    store = w.acting if broken.obj is None else w.slots[broken.obj.store]
    assert isinstance(store, Store)
    return store


def _just_under_pages(w: World, store: Store, obj: Obj) -> bool:
    """K7: the first request of an empty heap, of whole pages but for the bytes that are never handed out (1.5)."""
    if w.profile.collector != "copying":
        return store.empty and not store.block(obj) % PAGE
    if w.profile.release[0] == HALF_SIZED:
        return not store.made and store.block(obj) > PAGE // 2 - GRANULE["copying"]
    return store.empty and not store.block(obj) % (PAGE // 2)


def _half_counted(w: World, store: Store, obj: Obj) -> bool:
    """K30: a request of more than half the heap, which has to grow by the request in both halves (1.5).

    Half the heap is at least half a page, and holds what is alive.
    """
    if w.profile.collector != "copying":
        return False
    return store.block(obj) > max(PAGE // 2, store.live.bytes + GRANULE["copying"])


def _uses_dropped_cast(w: World, op: Op) -> bool:
    """K11: a handle made by a cast through an owned root whose last handle is gone."""
    holders = [w.slots[slot] for _, slot in slots_of(op)]
    return any(isinstance(holder, CastHandle) and not holder.root.tokens for holder in holders)


def _full_of_leaks(w: World, store: Store, obj: Obj, live: Load | None) -> str | None:
    """Leaked objects make a heap full too early: if with them, and not without, `obj` does not fit."""
    kept = [(known_leak(w, leak), store.block(leak)) for leak in (*store.dead.values(), *store.leaked.values())]
    leaks = [(name, size) for name, size in kept if name is not None]
    live = live or store.most_live
    load = Load(live.objects + len(leaks), live.bytes + sum(size for _, size in leaks))
    return min(leaks, key=lambda leak: int(leak[0][1:]))[0] if leaks and not store.must_fit(obj, load) else None


def _freed_too_early(store: Store) -> str | None:
    """Objects without a counted holder are freed: if without them, and what only they hold, all fits (K9, K15, K33)."""
    uncounted = [(obj, names) for obj, names in store.uncounted.values() if obj.held and obj.value in store.objects]
    lost = {obj.value: obj for obj, _ in uncounted if obj.lost or obj.holders + obj.inside <= obj.missing}
    pending = [obj for obj in store.objects.values() if obj.holders and obj.value not in lost]
    kept = {obj.value for obj in pending}
    while pending:
        for child in pending.pop().children():
            if child.value not in kept and child.value not in lost:
                kept.add(child.value)
                pending.append(child)
    freed = [obj for obj in closure(lost.values()) if obj.value not in kept]
    live = store.live
    rest = Load(live.objects - len(freed), live.bytes - sum(map(store.block, freed)))
    names = {name for obj, found in uncounted if obj.value in lost for name in found}
    return min(names, key=lambda name: int(name[1:])) if names and store.bounds.may_fit(rest) else None


def _full_of_garbage(w: World, store: Store, obj: Obj) -> str | None:
    """K36: if everything that Wasm ever made in the store takes room, and only then, `obj` does not fit."""
    live, made = store.most_live, store.wasm_made
    full = Load(live.objects + made.objects, live.bytes + made.bytes)
    return "K36" if "K36" in w.profile.defects and made.objects and not store.must_fit(obj, full) else None
