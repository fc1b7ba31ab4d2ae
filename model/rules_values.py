"""Rules for reading through handles: data, identity, raw values (semantics.md 3.1, 3.4)."""

from __future__ import annotations

from collections.abc import Callable

from twinheap.model.contents import Raw
from twinheap.model.entities import Obj, i31_of_raw
from twinheap.model.observation import OK, PANIC, WRONG_STORE, Observation
from twinheap.model.ops import EXTERN, INT_KINDS
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.world import Broken, World


@rule("data", "ok/lifo ok/owned ok/i31 ok/object err:unrooted/stale skip/empty", Gives.VALUES)
def data(w: World, obs: Observation, source: int) -> None:
    """The host value and its payload; none for what has no host value (3.1)."""
    found = w.read(obs, source)
    if found is None:
        return
    _handle, ref = found
    if not isinstance(ref, Obj) or ref.kind != "extern":
        w.case = "object" if isinstance(ref, Obj) else "i31"
        w.require_values(obs, (None,), "TH101")
    elif obs.values != (ref.value, ref.payload) or obs.outcome != OK:
        same = obs.outcome == OK and obs.values[:1] == (ref.value,)
        w.require_values(obs, (ref.value, ref.payload), "TH102" if same else "TH101")


@rule("data_set", "ok/lifo ok/owned ok/i31 ok/object err:unrooted/stale skip/empty", Gives.VALUES)
def data_set(w: World, obs: Observation, source: int, number: int) -> None:
    """The mutation is visible through every alias (3.1)."""
    found = w.read(obs, source)
    if found is None:
        return
    _handle, ref = found
    if isinstance(ref, Obj) and ref.kind == "extern":
        w.require_values(obs, (), "TH106")
        ref.payload = number
    else:
        w.case = "object" if isinstance(ref, Obj) else "i31"
        w.require_values(obs, (None,), "TH101")


@rule("eq", "ok/same ok/other ok/i31-same ok/i31-other err:unrooted/stale err:unrooted/unsure skip/empty", Gives.VALUES)
def eq(w: World, obs: Observation, left: int, right: int) -> None:
    """Identity of the current references; i31 compare by payload; unrooted if either is stale (2.2)."""
    if w.empty(obs, left, right):
        return
    found_one = w.read(obs, left)
    found_two = w.read(obs, right) if found_one else None
    if found_one is None or found_two is None:
        return
    (one, ref_one), (_, ref_two) = found_one, found_two
    same = ref_one == ref_two if type(ref_one) is type(ref_two) else False
    if not w.profile.exact and w.types[left] != EXTERN:  # the C API compares them as raw values, or in Wasm
        one.store.expose(ref_one)
        one.store.expose(ref_two)
    w.require_values(obs, (same,), "TH103")
    w.case = ("i31-" if type(ref_one) is int else "") + ("same" if same else "other")


@rule("to_raw", "ok/lifo ok/owned ok/i31 err:unrooted/stale skip/empty", Gives.VALUES)
def to_raw(w: World, obs: Observation, source: int, raw: int) -> None:
    """Exposes; the raw value holds until a collection may run (1.6, 3.4)."""
    found = w.read(obs, source)
    if found is None:
        return
    handle, ref = found
    if type(ref) is int:
        w.case = "i31"
    w.require_values(obs, ("nonnull",), "TH105")
    handle.store.expose(ref)
    handle.store.hold_raw(ref)
    w.slots[raw] = Raw(handle.store, ref)


def _from_raw(owned: bool) -> Callable[..., None]:
    def from_raw(w: World, obs: Observation, source: int, type_: int, result: int) -> None:
        if w.empty(obs, source):
            return
        raw = w.slots[source]
        assert isinstance(raw, Raw)
        w.kind_of_null(obs, raw.ref)
        w.put_raw(result, own_in_scope(raw.store, raw.ref) if owned else raw.store.root(raw.ref), type_)

    return from_raw


rule("from_raw", "ok/object ok/i31 skip/empty", Gives.VALUES)(_from_raw(owned=False))
rule("from_raw_owned", "ok/object ok/i31 skip/empty", Gives.VALUES)(_from_raw(owned=True))


def _from_imm(owned: bool) -> Callable[..., None]:
    def from_imm(w: World, obs: Observation, slot: int, raw: int, type_: int, result: int) -> None:
        store = store_at(w, slot)
        ref = i31_of_raw(raw)
        if w.kind_of_null(obs, ref):
            w.put(result, own_in_scope(store, ref) if owned else store.root(ref), type_)

    return from_imm


rule("from_imm", "ok/null ok/i31", Gives.VALUES)(_from_imm(owned=False))
rule("from_imm_owned", "ok/null ok/i31", Gives.VALUES)(_from_imm(owned=True))


@rule("wrong_store", "panic:/foreign err:type/foreign-value skip/empty")
def wrong_store(w: World, obs: Observation, slot: int, source: int, use: int) -> None:
    """A handle of another store: a panic for direct operations, a type error where it is passed as a value (2.1)."""
    if w.empty(obs, source):
        return
    w.case = "foreign"
    panicked = obs.outcome.startswith(PANIC) and "wrong store" in obs.outcome
    as_value = INT_KINDS["use"].names[use] == "global"
    if as_value and obs.outcome == "err:type":
        w.case = "foreign-value"
        return
    if as_value and panicked and w.profile.runtime == "wasmtime":
        return  # the C API panics while it converts the argument (capi 5.3)
    if panicked and not as_value:
        return
    raise Broken("TH406", "err:type" if as_value else PANIC + WRONG_STORE)
