"""Rules for typed calls, and for comparisons of roots and references (semantics.md 2.2, 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model.entities import I31_MASK, Ref
from twinheap.model.objects import is_a
from twinheap.model.observation import TRAP, TYPE, Observation
from twinheap.model.ops import EXTERN, INT_KINDS, NULL, WASM_TYPES
from twinheap.model.preconditions_typed import HOST_TYPE
from twinheap.model.roots import CastHandle, Handle, LifoHandle, OwnedRoot, Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_objects import rooted
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.state import Store
from twinheap.model.world import World

_CALL, _WRAP, _GIVE = range(len(INT_KINDS["way"].names))
_CAST: Final = f"{TRAP}cast"


def _passed(
    w: World, obs: Observation, slot: int, way: int, to: int, source: int, owned: bool
) -> tuple[Store, Ref] | None:
    """The store, and what comes out of Wasm; None if nothing does, and then that was checked."""
    if w.empty(obs, source):
        return None
    store = store_at(w, slot)
    store.expire_raws()
    if source == NULL:
        return store, None
    handle = w.handle(source)
    if handle.store is not store:
        w.case = "foreign"
        w.require(obs, TYPE, "a value of another store is a type error")
        return None
    ref = w.look(obs, handle)
    if isinstance(ref, Stale):
        w.case = "stale"
        return None
    fits = is_a(ref, WASM_TYPES[to])
    if not fits and way != _GIVE:
        w.case = "mismatch"
        w.require(obs, TYPE, f"the value is no {WASM_TYPES[to]} reference")
        return None
    _cross(store, ref, way, owned)
    if not fits:
        w.case = "cast"
        w.require(obs, _CAST, f"the host function gives no {WASM_TYPES[to]} reference")
        return None
    return store, ref


def _cross(store: Store, ref: Ref, way: int, owned: bool) -> None:
    """Into Wasm, and where a host function is called, through that: its parameter is rooted in a scope of its own."""
    store.expose(ref)
    if way != _WRAP:
        return
    store.enter()
    root = rooted(store, ref, int(owned))
    store.expose(ref)
    if isinstance(root, OwnedRoot):  # it goes by value
        store.drop_token(root)
    store.exit()


def _keep(w: World, obs: Observation, found: tuple[Store, Ref] | None, owned: bool, type_: int, result: int) -> None:
    if found and w.kind_of_null(obs, found[1]):
        store, ref = found
        w.put(result, own_in_scope(store, ref) if owned else store.root(ref), type_)


def _typed_call(owned: bool) -> Callable[..., None]:
    def typed_call(w: World, obs: Observation, slot: int, nullable: int, source: int, result: int) -> None:
        """The identity function on externrefs."""
        _keep(w, obs, _passed(w, obs, slot, _CALL, EXTERN, source, owned), owned, EXTERN, result)

    return typed_call


def _typed_pass(owned: bool) -> Callable[..., None]:
    def typed_pass(
        w: World, obs: Observation, slot: int, way: int, to: int, nullable: int, source: int, out: int
    ) -> None:
        """A function of Wasm on references of any type, which may ask a host function for what it gives."""
        _keep(w, obs, _passed(w, obs, slot, way, to, source, owned), owned, HOST_TYPE[to], out)

    return typed_pass


_CASES = "ok/object ok/i31 ok/null err:type/foreign skip/empty"
rule("typed_call", f"{_CASES} err:unrooted/stale", Gives.VALUES)(_typed_call(owned=False))
rule("typed_call_owned", _CASES, Gives.VALUES)(_typed_call(owned=True))
_PASSED = f"{_CASES} err:type/mismatch trap:cast/cast"
rule("typed_pass", f"{_PASSED} err:unrooted/stale", Gives.VALUES)(_typed_pass(owned=False))
rule("typed_pass_owned", _PASSED, Gives.VALUES)(_typed_pass(owned=True))


@rule("typed_i31", "ok/i31 ok/null", Gives.VALUES)
def typed_i31(w: World, obs: Observation, slot: int, way: int, nullable: int, i31: int) -> None:
    """An i31 is no reference to the host: it goes in and out by its payload, and nothing is rooted."""
    store_at(w, slot).expire_raws()
    w.case = "null" if i31 == NULL else "i31"
    w.require_values(obs, ("null",) if i31 == NULL else ("i31", i31 & I31_MASK), "TH104")


def _unsure(w: World) -> None:
    """A handle that may have been stale was."""
    w.case = "stale" if w.case == "unsure" else w.case


@rule("matches", "ok/yes ok/no err:unrooted/stale skip/empty", Gives.VALUES)
def matches(w: World, obs: Observation, source: int, type_: int) -> None:
    """Whether the reference is of a type, by tag, kind and type index (3.2)."""
    found = w.read(obs, source)
    if found is None:
        _unsure(w)
        return
    fits = is_a(found[1], WASM_TYPES[type_])
    w.case = "yes" if fits else "no"
    w.require_values(obs, (fits,), "TH104")


# --- comparisons


def _refs(w: World, obs: Observation, left: int, right: int) -> None:
    """Identity of the current references, whatever the handles' types; unrooted if either is stale (2.2)."""
    if w.empty(obs, left, right):
        return
    one = w.read(obs, left)
    two = w.read(obs, right) if one else None
    if one is None or two is None:
        _unsure(w)
        return
    same = one[1] == two[1] if type(one[1]) is type(two[1]) else False
    w.require_values(obs, (same,), "TH103")
    w.case = ("i31-" if type(one[1]) is int else "") + ("same" if same else "other")


_COMPARED = "ok/same ok/other ok/i31-same ok/i31-other err:unrooted/stale skip/empty"
rule("ref_eq", _COMPARED, Gives.VALUES)(_refs)
rule("ref_hash", _COMPARED, Gives.VALUES)(_refs)


def _entry(handle: Handle) -> tuple[object, ...]:
    """What a handle names, whether it is there or not."""
    if isinstance(handle, LifoHandle):
        return handle.store, handle.generation, handle.index
    return (handle.root,) if isinstance(handle, CastHandle) else (handle,)


def _roots(w: World, obs: Observation, left: int, right: int) -> None:
    """Comparisons of roots look at no reference: stale handles, and those of several stores, are as good as any (2.2).

    Two stale handles are the same if they named the same entry.
    """
    if w.empty(obs, left, right):
        return
    one, two = w.handle(left), w.handle(right)
    w.case = "stale" if isinstance(one.ref(), Stale) or isinstance(two.ref(), Stale) else "live"
    same = _entry(one) == _entry(two)
    w.require_values(obs, (same,), "TH103")
    w.case += "-same" if same else "-other"


_ROOTS = "ok/live-same ok/live-other ok/stale-same ok/stale-other skip/empty"
rule("rooted_eq", _ROOTS, Gives.VALUES)(_roots)
rule("rooted_hash", _ROOTS, Gives.VALUES)(_roots)
