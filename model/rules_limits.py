"""Rules for the ops that limit runs: fuel and epochs (docs/bodies.md, limits)."""

from __future__ import annotations

from twinheap.model.observation import OK, Observation
from twinheap.model.ops import UNLIMITED
from twinheap.model.rule import rule
from twinheap.model.rules_roots import store_at
from twinheap.model.state import Budget
from twinheap.model.world import World


def _limit(w: World, obs: Observation, slot: int, amount: int) -> None:
    """From now on a run may use so much; while runs are under way, what they know of it may be older."""
    store = store_at(w, slot)
    w.require(obs, OK, "the store's engine has such limits")
    if store.runs:
        store.budget, w.case = Budget.SOME, "inside"
    elif amount == UNLIMITED:
        store.budget, w.case = Budget.PLENTY, "plenty"
    else:
        store.budget, w.case = (Budget.SOME, "some") if amount else (Budget.NOTHING, "nothing")


_CASES = "ok/plenty ok/some ok/nothing ok/inside"
rule("set_fuel", _CASES)(_limit)
rule("set_epoch_deadline", _CASES)(_limit)
