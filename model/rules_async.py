"""Rules for futures: allocation and collection in increments (semantics.md 3.1 `new_async`, 3.5 `gc_async`).

How many increments there are is not predicted (7); in exact mode the sum of what happens inside them is.
"""

from __future__ import annotations

from twinheap.model.bounds import Load
from twinheap.model.contents import EMPTY, Future
from twinheap.model.entities import Obj
from twinheap.model.observation import OK, OOM, OTHER, PENDING, Observation
from twinheap.model.ops import EXTERN, NULL
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_memory import (
    add_object,
    allocating,
    begin_allocation,
    check_growth,
    make_due,
    may_fit,
    must_fit,
    place,
    refuse,
)
from twinheap.model.rules_roots import store_at
from twinheap.model.world import Broken, World


@rule("new_async", "ok/pending ok/done err:oom/dropped err:oom/kept err:other/no-heap skip/spent", Gives.VALUES)
def new_async(w: World, obs: Observation, slot: int, value: int, pending: int, handle: int, error: int) -> None:
    """As `ext_new`, in increments; allowed with an async limiter."""
    store = allocating(w, obs, slot, value)
    if store is None:
        return
    future = Future(store, [], Obj(value, slot), handle, error)
    future.first = not store.heap
    future.refused = not begin_allocation(store)
    w.slots[pending] = store.pending = future
    future.fits = place(store, future.obj) if future.obj and not future.refused else None
    _progress(w, obs, pending, future)


@rule("gc_async", "ok/pending ok/done", Gives.VALUES)
def gc_async(w: World, obs: Observation, slot: int, pending: int) -> None:
    """A full collection in increments; cannot fail (3.5)."""
    store = store_at(w, slot)
    w.collects(store)
    future = Future(store, store.garbage())
    w.slots[pending] = store.pending = future
    if store.counts:
        store.counts.collect()
    _progress(w, obs, pending, future)


@rule("poll", "ok/pending ok/done err:oom/dropped err:oom/kept err:other/no-heap skip/empty", Gives.VALUES)
def poll(w: World, obs: Observation, pending: int, polls: int) -> None:
    """Runs some increments, or all that remain; how many there are is not predicted (7)."""
    future = w.slots[pending]
    if future is EMPTY:
        w.skip(obs)
        return
    assert isinstance(future, Future)
    w.acting = future.store
    w.collects(future.store)
    if not polls and obs.values == (PENDING,):
        raise Broken("TH106", "done: polled until the end")
    _progress(w, obs, pending, future)


def _progress(w: World, obs: Observation, pending: int, future: Future) -> None:
    """One observation of a future: pending, or done with the outcome of its op."""
    w.case = "pending"
    if obs.outcome == OK and obs.values == (PENDING,):
        return
    store = future.store
    store.pending = None
    w.slots[pending] = EMPTY
    w.case = "done"
    if future.obj is None:
        w.require_values(obs, (), "TH106")
        for root in future.trims:
            root.trimmed = True
        make_due(w, store, [obj for obj in future.due if not obj.held])
        return
    if future.refused and not (store.maybe_heap and begin_allocation(store, obs.outcome != OTHER)):
        w.case = "no-heap"
        w.require(obs, OTHER, "the limiter does not let the heap be made (1.5 B)")
        store.maybe_heap = False
        w.rejected.append(future.obj.value)
        return
    fits = future.fits if store.counts else None
    if obs.outcome == OOM:
        w.case = "dropped" if future.error == NULL else "kept"
        now, then = store.live, future.live
        must_fit(store, fits, future.obj, Load(max(now.objects, then.objects), max(now.bytes, then.bytes)))
        refuse(w, store, obs, future.obj, future.error)
        return
    w.require_values(obs, (), "TH106")
    if fits is not None:
        may_fit(store, fits)
    add_object(w, store, future.obj)
    w.put(future.handle, store.root(future.obj, counted=True), EXTERN)
    check_growth(store)


@rule("cancel", "ok/collection ok/allocation skip/empty")
def cancel(w: World, obs: Observation, pending: int) -> None:
    """Dropped half-way: what was dead stays MAYBE; the value of an allocation is finalized by the cancel."""
    future = w.slots[pending]
    if future is EMPTY:
        w.skip(obs)
        return
    assert isinstance(future, Future)
    store = w.acting = future.store
    w.collects(store)
    w.require(obs, OK, "a future can be dropped")
    w.case = "collection" if future.obj is None else "allocation"
    if future.obj is not None:
        w.rejected.append(future.obj.value)
        if future.first and not future.refused:  # whether it came so far is not known, and there is nothing in it
            store.heap, store.maybe_heap = False, True
    store.pending = None
    w.slots[pending] = EMPTY
    store.forget_exactness()
