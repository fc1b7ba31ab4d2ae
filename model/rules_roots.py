"""Rules for stores, scopes, LIFO and owned handles, conversions (semantics.md 2.2, 2.3, 3.1, 3.2, 3.6)."""

from __future__ import annotations

from collections.abc import Callable

from twinheap.model.contents import Callback
from twinheap.model.entities import Func, Obj, Ref
from twinheap.model.objects import is_a
from twinheap.model.observation import OK, Observation
from twinheap.model.ops import ANY, EQ, EXTERN, INT_KINDS, REF_TYPES
from twinheap.model.roots import STALE, CastHandle, OwnedRoot
from twinheap.model.rule import Gives, rule
from twinheap.model.state import Store
from twinheap.model.world import World


def store_at(w: World, slot: int) -> Store:
    """The store in a slot; the resolver saw to it that it is there."""
    store = w.slots[slot]
    assert isinstance(store, Store)
    w.acting = store
    return store


@rule("store_new", "ok/plain ok/async")
def store_new(w: World, obs: Observation, limit: int, limiter: int, slot: int) -> None:
    """A store without a heap."""
    w.case = "async" if limiter else "plain"
    w.require(obs, OK, "a store can be made")
    w.add_store(slot, limit, limiter, w.engine)


@rule("store_new_in", "ok/plain ok/async")
def store_new_in(w: World, obs: Observation, engine: int, limit: int, limiter: int, slot: int) -> None:
    """A store of an engine configuration of its own."""
    w.case = "async" if limiter else "plain"
    w.require(obs, OK, "a store can be made")
    w.add_store(slot, limit, limiter, engine)


@rule("store_drop", "ok/empty ok/values ok/errors")
def store_drop(w: World, obs: Observation, slot: int) -> None:
    """Every remaining host value is dropped exactly once, reachable or not; owned handles may outlive it (3.6)."""
    store = store_at(w, slot)
    values = [obj for obj in store.objects.values() if obj.kind == "extern"]
    w.case = "errors" if store.errors else "values" if values else "empty"
    w.require(obs, OK, "a store can be dropped")
    store.dropped = True
    w.rejected.extend(store.errors)
    w.due.extend(values)
    if store.counts:
        store.counts.release_all(values)


@rule("set_limit", "ok/heap ok/heapless")
def set_limit(w: World, obs: Observation, slot: int, limit: int) -> None:
    """The heap never shrinks; the next growth sees the new limit (1.5)."""
    store = store_at(w, slot)
    w.case = "heap" if store.heap else "heapless"
    w.require(obs, OK, "a limit can be set")
    store.set_limit(limit)


@rule("set_limiter", "ok/limit ok/no ok/error")
def set_limiter(w: World, obs: Observation, slot: int, answer: int) -> None:
    """How the limiter answers from now on (1.5)."""
    store = store_at(w, slot)
    w.case = INT_KINDS["answer"].names[answer]
    w.require(obs, OK, "a limiter may change its mind")
    store.set_answer(answer)


@rule("scope", "ok/outer ok/nested")
def scope(w: World, obs: Observation, slot: int) -> None:
    """Remembers the length of the LIFO vector (2.2)."""
    store = store_at(w, slot)
    w.case = "nested" if store.scopes else "outer"
    w.require(obs, OK, "a scope can be opened")
    store.enter()
    w.brackets.append(store)


@rule("end", "ok/none ok/one ok/many")
def end(w: World, obs: Observation) -> None:
    """Drops the roots of the innermost scope, which may be that of a callback (2.2)."""
    bracket = w.brackets.pop()
    if isinstance(bracket, Callback):
        w.callbacks.pop()
        bracket = bracket.store
    w.acting = bracket
    w.require(obs, OK, "a scope can be closed")
    count = w.acting.exit()
    w.case = ("none", "one", "many")[min(count, 2)]


# --- i31, owned handles


@rule("i31_new", "ok/heap ok/heapless")
def i31_new(w: World, obs: Observation, slot: int, payload: int, handle: int) -> None:
    """A wrapping i31; no heap needed (1.1, 1.2)."""
    store = store_at(w, slot)
    w.case = "heap" if store.heap else "heapless"
    w.require(obs, OK, "an i31 needs no heap")
    w.put(handle, store.root(payload & 0x7FFFFFFF), ANY)


def own_in_scope(store: Store, ref: Ref, counted: bool = False) -> OwnedRoot:
    """The owned form of an op: a LIFO root in an inner scope, then an owned root (2.2 c, e).

    The inner root is seen by nobody: only exact counts notice that it came and went.
    """
    if not store.counts:
        return store.own(ref)
    store.enter()
    store.root(ref, counted)
    root = store.own(ref)
    store.exit()
    return root


@rule("i31_new_owned", "ok/heap ok/heapless")
def i31_new_owned(w: World, obs: Observation, slot: int, payload: int, owned: int) -> None:
    """As `i31_new`, owned."""
    store = store_at(w, slot)
    w.case = "heap" if store.heap else "heapless"
    w.require(obs, OK, "an i31 needs no heap")
    w.put(owned, own_in_scope(store, payload & 0x7FFFFFFF), ANY)


def _derived(make: Callable[[Store, Ref], object]) -> Callable[..., None]:
    """The rule of an op that makes a handle of the same type from a handle."""

    def derived(w: World, obs: Observation, source: int, result: int) -> None:
        found = w.read(obs, source)
        if found is None:
            return
        handle, ref = found
        w.require(obs, OK, "the handle is rooted")
        w.put(result, make(handle.store, ref), w.types[source])  # type: ignore[arg-type]

    return derived


rule("own", "ok/lifo ok/cast err:unrooted/stale err:unrooted/unsure skip/empty")(_derived(Store.own))
rule("lend", "ok/owned skip/empty")(_derived(Store.root))


@rule("oclone", "ok/alive ok/orphan skip/empty")
def oclone(w: World, obs: Observation, owned: int, clone: int) -> None:
    """A clone shares the token; the store is not touched (2.3)."""
    if w.empty(obs, owned):
        return
    root = w.slots[owned]
    assert isinstance(root, OwnedRoot)
    w.case = "orphan" if root.store.dropped else "alive"
    w.require(obs, OK, "a clone cannot fail")
    root.tokens += 1
    w.put(clone, root, w.types[owned])


def _odrop(w: World, obs: Observation, owned: int) -> None:
    """Only the token is dropped; release is deferred to a trim (2.3). Harmless after the store (3.6)."""
    if w.empty(obs, owned):
        return
    root = w.slots[owned]
    assert isinstance(root, OwnedRoot)
    w.case = "orphan" if root.store.dropped else "last" if root.tokens == 1 else "shared"
    w.require(obs, OK, "a drop cannot fail")
    root.store.drop_token(root)


rule("odrop", "ok/orphan ok/last ok/shared skip/empty")(_odrop)
rule("owned_drop_thread", "ok/orphan ok/last ok/shared skip/empty")(_odrop)


# --- conversions


def _convert(target: int, owned: bool) -> Callable[..., None]:
    def convert(w: World, obs: Observation, source: int, result: int) -> None:
        found = w.read(obs, source)
        if found is None:
            return
        handle, ref = found
        w.case = "i31" if type(ref) is int else "object"
        w.require(obs, OK, "the handle is rooted")
        if owned and not w.profile.exact:
            handle.store.expose(ref)  # the C API converts through raw values
        store = handle.store
        w.put_raw(result, own_in_scope(store, ref) if owned else store.root(ref), target)

    return convert


rule("conv_any", "ok/object ok/i31 err:unrooted/stale skip/empty")(_convert(ANY, owned=False))
rule("conv_ext", "ok/object ok/i31 err:unrooted/stale skip/empty")(_convert(EXTERN, owned=False))
rule("conv_any_owned", "ok/object ok/i31 skip/empty")(_convert(ANY, owned=True))
rule("conv_ext_owned", "ok/object ok/i31 skip/empty")(_convert(EXTERN, owned=True))


@rule("cast", "ok/yes-lifo ok/yes-owned ok/no err:unrooted/stale err:unrooted/unsure skip/empty", Gives.VALUES)
def cast(w: World, obs: Observation, source: int, type_: int, result: int) -> None:
    """The `as_*` forms, decided by tag and kind; the result shares the root entry, or has its own (3.2)."""
    found = w.read(obs, source)
    if found is None:
        return
    handle, ref = found
    fits = is_a(ref, REF_TYPES[type_])  # an externref seen as any is neither eq nor below
    w.require_values(obs, ("nonnull",) if fits else ("null",), "TH104")
    w.case = "no" if not fits else "yes-owned" if isinstance(handle, OwnedRoot | CastHandle) else "yes-lifo"
    if fits and type_ == EQ and w.profile.fresh_casts:
        w.put(result, handle.store.root(ref), type_)
    elif fits and isinstance(handle, OwnedRoot):
        handle.store.cast_roots.append(handle)
        w.put(result, CastHandle(handle), type_)
    elif fits:
        w.put(result, handle, type_)


@rule("upcast", "ok/lifo ok/cast ok/stale skip/empty")
def upcast(w: World, obs: Observation, source: int, type_: int, result: int) -> None:
    """The same root under a wider type; nobody looks whether it is still there (3.2)."""
    if w.empty(obs, source):
        return
    handle = w.handle(source)
    w.case = "stale" if handle.ref() is STALE else "cast" if isinstance(handle, CastHandle) else "lifo"
    w.require(obs, OK, "an up-cast cannot fail")
    w.put(result, handle, type_)


@rule(
    "kind", "ok/extern ok/i31 ok/struct ok/array ok/exn err:unrooted/stale err:unrooted/unsure skip/empty", Gives.VALUES
)
def kind(w: World, obs: Observation, source: int) -> None:
    """What a reference is (1.2, 3.2)."""
    found = w.read(obs, source)
    if found is None:
        return
    _handle, ref = found
    if isinstance(ref, Obj):
        w.case = ref.kind
        w.require_values(obs, (ref.kind,), "TH104")
    else:
        assert not isinstance(ref, Func)  # no handle denotes one
        w.case = "i31"
        w.require_values(obs, ("i31", ref), "TH104")
