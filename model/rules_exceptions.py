"""Rules for exceptions that the host makes, throws and takes back (semantics.md 1.6, 3.2)."""

from __future__ import annotations

from twinheap.model import observation
from twinheap.model.entities import Obj
from twinheap.model.observation import Observation
from twinheap.model.ops import EXN
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_fields import opened
from twinheap.model.rules_objects import MADE, new_with_fields, rooted, with_fields
from twinheap.model.rules_roots import store_at
from twinheap.model.world import World


@rule("exn_new", MADE)
def exn_new(w: World, obs: Observation, slot: int, tag: int, v0: int, v1: int, form: int, result: int) -> None:
    """As a struct, with the tag's parameters as fields."""
    new_with_fields(w, obs, slot, with_fields("exn", tag, (v0, v1)), 0, form, result)


@rule("throw", "exn/first exn/replaces err:unrooted/stale skip/empty")
def throw(w: World, obs: Observation, source: int) -> None:
    """The exception is pending, in place of any other, and lives until it is taken or replaced (1.6, 4.1)."""
    found = opened(w, obs, source)
    if found is None:
        return
    handle, exception = found
    store = w.acting = handle.store
    w.case = "first" if store.exception is None else "replaces"
    w.require(obs, observation.EXN, "the exception is thrown")
    store.throw(exception)


@rule("exn_take", "ok/object ok/null", Gives.VALUES)
def exn_take(w: World, obs: Observation, slot: int, form: int, result: int) -> None:
    """The pending exception, if there is one; its count moves to the new root (1.6)."""
    store = store_at(w, slot)
    taken = store.exception
    if isinstance(taken, Obj) and form and not w.profile.exact:
        taken.taken = True  # in C
    if w.kind_of_null(obs, taken):
        w.put(result, rooted(store, taken, form, counted=True), EXN)
        store.exception = None
        store.let_go(taken)


@rule("exn_pending", "ok/yes ok/no", Gives.VALUES)
def exn_pending(w: World, obs: Observation, slot: int) -> None:
    """Whether an exception is pending."""
    pending = store_at(w, slot).exception is not None
    w.case = "yes" if pending else "no"
    w.require_values(obs, (pending,), "TH105")
