"""The rule on resources: what is made and dropped over and over must not make the process grow (semantics 2.3, K8)."""

from __future__ import annotations

from typing import Final

from twinheap.model.engines import ENGINES, POOL_HEAPS, POOL_TRIED
from twinheap.model.entities import Obj
from twinheap.model.objects import NUMBER_OF, build
from twinheap.model.observation import OK, Observation
from twinheap.model.ops import INT_KINDS
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_memory import begin_allocation
from twinheap.model.rules_roots import store_at
from twinheap.model.state import Store
from twinheap.model.world import Broken, World

SLACK: Final = 48 * 1024
"""Bytes by which the process may grow whatever it does: tables that double at a power of two, other threads."""

SHARE: Final = 8
"""Bytes a round trip that are allowed beside: a root takes more in every list that keeps it."""

ENTRY: Final = 64
"""Bytes for each owned root made before: a list that was long is not trimmed until it is twice as long (2.3)."""


_OBJECTS: Final = {"struct": ("node", (None, None)), "array": ("externs", (None,) * 3), "exn": ("one", (None,))}
"""What is churned of each kind: the object's type, and what is in it."""


_SUBJECTS: Final = {"cast": ("pair", (None, None)), "field": ("pair", (None, None))}
"""What stays while roots come from it: a struct, which goes in the end. For calls it is an externref."""


def _made(w: World, store: Store, name: str) -> tuple[Obj | None, bool]:
    """An object of those that are made, and whether there are `count` of them, one after the other."""
    if name in ("extern", "call"):
        return Obj(0, store.slot), name == "extern"
    if name not in _OBJECTS | _SUBJECTS:
        return None, False
    type_, cells = (_OBJECTS | _SUBJECTS)[name]
    kind = name if name in _OBJECTS else "struct"
    return build(w, store, kind, NUMBER_OF[kind][type_], cells), name in _OBJECTS


@rule(
    "churn",
    "ok/i31 ok/extern ok/clone ok/global ok/struct ok/array ok/exn ok/call ok/cast ok/field ok/table",
    Gives.VALUES,
)
def churn(w: World, obs: Observation, slot: int, what: int, count: int) -> None:
    """Makes and drops `count` roots; the bytes by which the process grew in the second half are bounded (TH501)."""
    store = store_at(w, slot)
    w.collects(store)
    name = w.case = INT_KINDS["churn"].names[what]
    grown = obs.values[0] if len(obs.values) == 1 else None
    if obs.outcome != OK or type(grown) is not int:
        raise Broken("TH109", "ok: a number of bytes")
    if name == "call":  # of an instance
        store.heap = True
    made, many = _made(w, store, name)
    if made:
        begin_allocation(store)
        store.empty = False
    store.forget_exactness()  # the moments of trims and collections inside are not predicted
    if made and w.profile.collector == "null":  # nothing is ever reclaimed
        store.may_be_left(made, count if many else 1)
        if many:
            return
    if made and not many and "K1" in w.profile.defects:
        store.abandon([made])  # it was exposed more than once between collections, and then stays
    allowed = SLACK + SHARE * count + ENTRY * store.owned_made
    if grown > allowed:
        raise Broken("TH501", f"at most {allowed} bytes more after {count} handles were made and dropped")


@rule("pool_fill", "ok/all ok/refused", Gives.VALUES)
def pool_fill(w: World, obs: Observation, slot: int) -> None:
    """A pool gives as many heaps as it has, then an error, and the one of a store that ended to the next that asks.

    How many are left depends on the other stores of the engine. Each has at most one heap, and one for certain if it
    has objects. A heap that is lost, in whatever program, makes it fewer (TH502).
    """
    store = store_at(w, slot)
    others = [other for other in w.stores if other.engine == store.engine and not other.dropped]
    least, most = POOL_TRIED, POOL_TRIED
    if ENGINES[store.engine].pooling:
        least, most = POOL_HEAPS - len(others), POOL_HEAPS - sum(1 for other in others if other.objects)
    w.case = "refused" if most < POOL_TRIED else "all"
    given, again = obs.values if obs.outcome == OK and len(obs.values) == 2 else (None, None)
    if type(given) is not int or type(again) is not bool:
        raise Broken("TH109", "ok: how many stores got a heap, and whether one that got none has one in the end")
    if not least <= given <= most or not again:
        raise Broken("TH502", f"{least} to {most} heaps, and one again once a store ended")
