"""Rules for fills: many externrefs at once, and what another thread does meanwhile (semantics.md 2.3, 3.6)."""

from __future__ import annotations

from twinheap.model.bounds import Load
from twinheap.model.contents import EMPTY, Fill
from twinheap.model.entities import EXTERNREF_BLOCK, Obj
from twinheap.model.observation import OK, Observation
from twinheap.model.roots import OwnedRoot
from twinheap.model.rule import RULES, Gives, rule
from twinheap.model.rules_memory import add_owned, begin_allocation, check_growth, may_fit, must_fit, place
from twinheap.model.rules_roots import store_at
from twinheap.model.state import Store
from twinheap.model.world import Broken, World


def _filled(
    w: World, obs: Observation, store: Store, slot: int, count: int, first: int, exact: bool
) -> list[OwnedRoot]:
    """The owned roots of up to `count` new externrefs, as many as were seen. `exact`: nothing happened meanwhile."""
    w.collects(store)
    number = obs.values[0] if len(obs.values) == 1 else None
    if obs.outcome != OK or type(number) is not int or not 0 <= number <= count:
        raise Broken("TH109", f"ok: a number up to {count}")
    roots: list[OwnedRoot] = []
    w.case = "all" if number == count else "some" if number else "none"
    if store.limiter or not begin_allocation(store, number > 0):
        w.case = "async-limiter" if store.limiter else "no-heap"
        if number:
            raise Broken("TH106", "none: the limiter does not let it happen (1.5 A, B)")
        w.rejected.append(first)
        return roots
    for value in range(first, first + number):
        obj = Obj(value, slot)
        if store.counts:
            may_fit(store, store.counts.alloc(obj))
        roots.append(add_owned(w, store, obj))
    if number:
        check_growth(store)
    if number < count:
        refused = Obj(first + number, slot)
        if exact:
            must_fit(store, place(store, refused), refused)
        w.rejected.append(first + number)
    return roots


_FILLED = "ok/all ok/some ok/none ok/async-limiter ok/no-heap"


@rule("fill", _FILLED, Gives.VALUES)
def fill(w: World, obs: Observation, slot: int, count: int, first: int, result: int) -> None:
    """`count` owned externrefs at once, up to the first out of memory."""
    store = store_at(w, slot)
    w.slots[result] = Fill(store, [*_filled(w, obs, store, slot, count, first, exact=True)])


@rule("fill_race", f"{_FILLED} skip/empty", Gives.VALUES)
def fill_race(w: World, obs: Observation, slot: int, count: int, first: int, raced: int, result: int) -> None:
    """As `fill`, while another thread drops the handles of a fill: which of them a trim still meets is open (2.3).

    What it drops may take room until the end, and may be gone at once.
    """
    store = store_at(w, slot)
    bulk = w.slots[raced]
    if bulk is EMPTY:
        w.skip(obs)
        return
    assert isinstance(bulk, Fill)
    same = bulk.store is store  # else this store sees nothing of it
    if same:
        store.forget_exactness()
    before = store.most_live
    _drop_all(bulk)
    roots = _filled(w, obs, store, slot, count, first, exact=not same)
    w.slots[result] = Fill(store, [*roots])
    if same and w.case in ("some", "none"):
        size = EXTERNREF_BLOCK[w.profile.collector]
        most = Load(before.objects + len(roots), before.bytes + len(roots) * size)
        must_fit(store, None, Obj(first + len(roots), slot), most)


@rule("store_drop_race", "ok/own ok/other skip/empty")
def store_drop_race(w: World, obs: Observation, slot: int, raced: int) -> None:
    """As `store_drop`, while another thread drops the handles of a fill, of this store or another (3.6)."""
    bulk = w.slots[raced]
    if bulk is EMPTY:
        store_at(w, slot)
        w.skip(obs)
        return
    assert isinstance(bulk, Fill)
    _drop_all(bulk)
    RULES["store_drop"](w, obs, slot)
    w.case = "own" if bulk.store is w.acting else "other"


def _drop_all(bulk: Fill) -> None:
    for at, root in enumerate(bulk.roots):
        if root is not None:
            bulk.store.drop_token(root)
            bulk.roots[at] = None


@rule("free", "ok/all ok/odd ok/first ok/last ok/nothing skip/empty")
def free(w: World, obs: Observation, source: int, pattern: int) -> None:
    """Drops owned handles of a fill: all, those at odd places, the first, the last."""
    bulk = w.slots[source]
    if bulk is EMPTY:  # the fill was in a callback that did not run
        w.skip(obs)
        return
    assert isinstance(bulk, Fill)
    roots = bulk.roots
    places = (range(len(roots)), range(1, len(roots), 2), range(min(1, len(roots))), range(len(roots))[-1:])[pattern]
    w.case = ("all", "odd", "first", "last")[pattern] if len(places) else "nothing"
    w.require(obs, OK, "a drop cannot fail")
    for at in places:
        root = roots[at]
        if root is not None:
            bulk.store.drop_token(root)
            roots[at] = None
