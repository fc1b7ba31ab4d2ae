"""Rules for allocation, collection and out-of-memory errors (semantics.md 1.5, 3.5, 4.2)."""

from __future__ import annotations

from collections.abc import Callable

from twinheap.model.bounds import Load
from twinheap.model.contents import Error
from twinheap.model.entities import Obj
from twinheap.model.known import known_leak
from twinheap.model.layout import needed
from twinheap.model.observation import OK, OOM, OTHER, Observation
from twinheap.model.ops import EXTERN, NULL
from twinheap.model.room import LIMIT
from twinheap.model.roots import OwnedRoot
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.state import Store
from twinheap.model.world import Broken, World


def begin_allocation(store: Store, shown: bool = False) -> bool:
    """Step B of the protocol: there is a heap, unless the limiter refuses to let it be made (1.5).

    `shown`: what was observed needs a heap, which settles whether there is one where that was unknown.
    """
    if not store.heap:
        store.heap = store.answer == LIMIT or (shown and store.maybe_heap)
        if store.counts:
            store.counts.create_heap()
    return store.heap


def has_heap(w: World, obs: Observation, store: Store) -> bool:
    """`begin_allocation`; without a heap, only the limiter's error is right."""
    if begin_allocation(store, obs.outcome != OTHER):
        return True
    w.case = "no-heap"
    w.require(obs, OTHER, "the limiter does not let the heap be made (1.5 B)")
    store.maybe_heap = False
    return False


def must_fit(store: Store, fits: bool | None, obj: Obj, live: Load | None = None) -> None:
    """An observed out of memory: exact mode knows; else `obj` must not fit after a collection (program-ir 8.3 rule 4).

    `live`: what cannot be collected, if not just what is alive now.
    """
    live = live or store.most_live
    if fits or (fits is None and store.must_fit(obj, live)):
        raise Broken("TH301", f"ok: {live.objects} objects are live, and one more fits", obj, live)
    store.refused(obj)


def may_fit(store: Store, fits: bool) -> None:
    """An observed success."""
    if not fits:
        raise Broken("TH303", f"err:oom: {store.live.objects} objects are live, and no more fit")


def place(store: Store, obj: Obj) -> bool | None:
    """Exact mode: whether the object fits; the state is brought up to date. Portable mode: None."""
    return store.counts.alloc(obj) if store.counts else None


def add_object(w: World, store: Store, obj: Obj) -> None:
    """A fresh object; its first LIFO root owns its count, and it holds what is in it (1.6)."""
    obj.count = 1
    if obj.kind == "extern":
        w.objects[obj.value] = obj
    elif store.counts:
        for child in obj.children():
            store.counts.inc(child)
    store.add(obj)


def add_owned(w: World, store: Store, obj: Obj) -> OwnedRoot:
    """`add_object`, and the owned root that an op of many gives its holder."""
    if store.counts:
        add_object(w, store, obj)
        return own_in_scope(store, obj, counted=True)
    if obj.kind == "extern":
        w.objects[obj.value] = obj
    return store.add_owned(obj)


def check_growth(store: Store) -> None:
    """Objects were made and are held: in portable mode, they must have fitted at once."""
    if store.counts is None:
        may_fit(store, store.may_hold())
    if not store.bounds.mixed:
        store.bounds.allocated(store.live.objects)


def check_needed(store: Store, obs: Observation, obj: Obj) -> None:
    """In exact mode, the bytes that an out-of-memory error names (1.5)."""
    wanted = needed(store.profile.collector, obj)
    if store.counts and obs.needed != wanted:
        raise Broken("TH305", f"{wanted} bytes needed, not {obs.needed}")


def refuse(w: World, store: Store, obs: Observation, obj: Obj, error: int) -> None:
    """Out of memory: the error owns the value; an error that is not kept drops it at once (1.5, 4.4)."""
    check_needed(store, obs, obj)
    if error == NULL:
        w.rejected.append(obj.value)
    else:
        w.slots[error] = Error(store, obj.value)
        store.errors.add(obj.value)


def allocating(w: World, obs: Observation, slot: int, value: int) -> Store | None:
    """The store in which a host value is to live, which may be collected; None if the value has had its one object."""
    if value in w.spent:
        w.skip(obs, "spent")
        return None
    store = store_at(w, slot)
    w.spent.add(value)
    w.collects(store)
    return store


def _allocation(owned: bool) -> Callable[..., None]:
    def ext_new(w: World, obs: Observation, slot: int, value: int, handle: int, error: int) -> None:
        store = allocating(w, obs, slot, value)
        if store is None:
            return
        if store.limiter:
            w.case = "async-limiter"
            w.require(obs, OTHER, "an async limiter needs the async form (1.5 A)")
            w.rejected.append(value)
            return
        w.case = "heap" if store.heap else "first"
        if not has_heap(w, obs, store):
            w.rejected.append(value)
            return
        obj = Obj(value, slot)
        fits = place(store, obj)
        if obs.outcome == OOM:
            w.case = "dropped" if error == NULL else "kept"
            must_fit(store, fits, obj)
            refuse(w, store, obs, obj, error)
            return
        w.require(obs, OK, "there is room")
        if fits is not None:
            may_fit(store, fits)
        add_object(w, store, obj)
        make = own_in_scope if owned else Store.root
        w.put(handle, make(store, obj, counted=True), EXTERN)
        check_growth(store)

    return ext_new


_CASES = "ok/first ok/heap err:oom/dropped err:oom/kept err:other/async-limiter err:other/no-heap skip/spent"
rule("ext_new", _CASES)(_allocation(owned=False))
rule("ext_new_owned", _CASES)(_allocation(owned=True))


# --- collections


def make_due(w: World, store: Store, dead: list[Obj]) -> None:
    """A full collection is over: what was dead when it began is due, except under NULL (4.2).

    Objects without a host value are gone without a sign; those that a known defect keeps still take room.
    """
    store.swept()
    if w.profile.collector == "null" or not store.heap or store.runs:
        return
    for obj in dead:
        if obj.kind == "extern":
            w.due.append(obj)
        elif known_leak(w, obj):
            store.dead.pop(obj.value, None)
            store.leaked[obj.value] = obj
        else:
            store.remove(obj)


@rule("gc", "ok/heapless ok/clean ok/garbage err:other/async-limiter")
def gc(w: World, obs: Observation, slot: int) -> None:
    """Eager trim, then a full collection; without a heap nothing happens (3.5)."""
    store = store_at(w, slot)
    if store.limiter:
        w.case = "async-limiter"
        w.require(obs, OTHER, "an async limiter needs the async form (1.5 A)")
        w.collects(store)
        return
    w.collects(store)
    w.case = "garbage" if store.dead else "clean" if store.heap else "heapless"
    w.require(obs, OK, "a collection cannot fail")
    dead = store.garbage()
    if store.counts:
        store.counts.collect()
    store.trimmed()
    make_due(w, store, dead)


@rule("sync", "ok/sync")
def sync(w: World, obs: Observation, slot: int) -> None:
    """A sync point: dues were checked at the end of each collection, so only the general rules remain."""
    store_at(w, slot)
    w.case = "sync"
    w.require(obs, OK, "nothing happens")


@rule("gc_for", "ok/own ok/foreign ok/heapless err:other/async-limiter skip/empty")
def gc_for(w: World, obs: Observation, slot: int, error: int) -> None:
    """gc(Some(oom)): eager trim, grow, collect only if growth fails; without a heap nothing happens (3.5, K13)."""
    if w.empty(obs, error):
        return
    store = store_at(w, slot)
    kept = w.slots[error]
    assert isinstance(kept, Error)
    w.collects(store)
    if store.limiter:
        w.case = "async-limiter"
        w.require(obs, OTHER, "an async limiter needs the async form (1.5 A)")
        return
    w.case = "heapless" if not store.heap else "own" if kept.store is store else "foreign"
    w.require(obs, OK, "a collection cannot fail")
    dead = store.garbage()
    if store.counts:
        store.counts.gc_for()
    store.empty = store.empty and not (store.heap and store.bounds.grows_from_empty(1))
    if w.profile.collector == "copying":  # there it collects first, as from 45 on (1.5)
        make_due(w, store, dead)
    store.trimmed()


@rule("oom_take", "ok/value skip/empty", Gives.VALUES)
def oom_take(w: World, obs: Observation, error: int) -> None:
    """into_inner gives the host value back; it is not finalized (3.5)."""
    if w.empty(obs, error):
        return
    kept = w.slots[error]
    assert isinstance(kept, Error)
    w.case = "value"
    w.require_values(obs, (kept.value,), "TH302")
    kept.store.errors.discard(kept.value)
    w.spent.discard(kept.value)


@rule("oom_drop", "ok/value skip/empty")
def oom_drop(w: World, obs: Observation, error: int) -> None:
    """Dropping the error drops the value (3.5)."""
    if w.empty(obs, error):
        return
    kept = w.slots[error]
    assert isinstance(kept, Error)
    w.case = "value"
    w.require(obs, OK, "an error can be dropped")
    kept.store.errors.discard(kept.value)
    w.rejected.append(kept.value)
