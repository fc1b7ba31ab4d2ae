"""Rules for runs that call back, and for what callbacks do (program-ir.md 8.1; docs/bodies.md).

The ops of a callback are judged where the body calls it, before the run goes on; those of one that was not called must
all be skipped.
"""

from __future__ import annotations

from typing import Final

from twinheap.model.contents import Callback
from twinheap.model.entities import Obj, Ref
from twinheap.model.observation import OK, SKIP, TRAP, Observation
from twinheap.model.ops import EXTERN, NULL, OPS
from twinheap.model.program import closing
from twinheap.model.roots import Handle, OwnedRoot, Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_wasm import Error, instance_at, performed
from twinheap.model.run_heap import Thrown, Trap
from twinheap.model.state import Store
from twinheap.model.world import Broken, World

HOST: Final = "host"
"""The code of a trap that the host makes."""

TRAPS: Final = "trap"
THROWS: Final = "exn"


class _Call:
    """A call: its place, where it is closed, and whether it called back."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.at = w.at
        self.end = closing(w.ops, w.at)
        self.reached = False

    def called_back(self, arg: Ref) -> Ref:
        """The callback: its ops, then what it returns. Raises Trap."""
        w, store = self.w, self.w.acting
        self.reached = True
        store.enter()
        callback = Callback(store, arg)
        w.brackets.append(callback)
        w.callbacks.append(callback)
        w.nested(self.at + 1, self.end + 1)
        w.at, w.next, w.acting = self.at, self.end + 1, store
        w.collects(store)
        given: Ref = None
        if callback.returns:
            found = callback.returns.ref()
            assert not isinstance(found, Stale)
            given = found
            store.root(given)  # in the host function's scope
            store.drop_token(callback.returns)
        if callback.ending == TRAPS:
            raise Trap(HOST)
        if callback.ending == THROWS:
            self._throw(callback)
        return given

    def _throw(self, callback: Callback) -> None:
        """What the callback throws, or what is pending. Raises Thrown, unless there is nothing at all."""
        store = callback.store
        if callback.exn:
            found = callback.exn.ref()
            assert not isinstance(found, Stale)
            store.root(found)
            store.throw(found)
            store.drop_token(callback.exn)
        if isinstance(store.exception, Obj):
            raise Thrown(store.exception)

    def close(self) -> None:
        """Ops of a callback that did not run do nothing."""
        w = self.w
        w.next = self.end + 1
        if self.reached:
            return
        for at in range(self.at + 1, min(self.end + 1, len(w.observed))):
            if w.observed[at].outcome != SKIP or w.observed[at].finalized:
                w.at = at
                raise Broken("TH110", "skip: the callback is not called")


def _call(
    w: World, obs: Observation, source: int, body: int, value: int, a: int, b: int, c: int, selector: int
) -> None:
    """As `run`; what it gives waits for `result`, the op after the callback."""
    call = _Call(w)
    w.returned = None
    if not w.empty(obs, source, a, b, c):
        store = instance_at(w, source).store
        store.enter()
        for slot in (a, b, c):  # a handle of theirs may be dropped in the callback
            handle = w.slots[slot] if slot != NULL else None
            if isinstance(handle, OwnedRoot):
                store.root(handle.ref())  # type: ignore[arg-type]  # an owned root is never stale
        ended = performed(w, obs, instance_at(w, source), body, value, (a, b, c), selector, call.called_back)
        w.returned = None if isinstance(ended, Error) else (store, _kept(store, ended))
        store.exit()
    case = w.case
    call.close()
    w.case = case
    if call.end + 1 >= len(w.ops) or OPS[w.ops[call.end + 1][0]].name != "result":
        _take_returned(w)


def _kept(store: Store, ref: Ref) -> OwnedRoot | None:
    """What a call gives is rooted in its scope, and then owned until the next op."""
    if ref is None:
        return None
    store.root(ref)
    return store.own(ref)


def _take_returned(w: World) -> None:
    """No op takes what the call gave."""
    given, w.returned = w.returned, None
    if given and given[1]:
        given[0].drop_token(given[1])


# Which trap ended a call is the business of `run`: but for the host's own, they count as one behaviour (`lumped`).
_CASES = "ok/null ok/i31 ok/object err:unrooted/stale err:oom/oom skip/empty trap:host/code trap:any/code exn/uncaught"
for _name in ("call", "call_exn"):  # a callback may throw also where the body has nothing to do with exceptions
    rule(_name, _CASES, Gives.TRACE)(_call)


@rule("arg", "ok/object ok/i31 ok/null", Gives.VALUES)
def arg(w: World, obs: Observation, form: int, result: int) -> None:
    """A further root of the argument, which the callback's own scope holds."""
    callback = w.callbacks[-1]
    store = w.acting = callback.store
    if w.kind_of_null(obs, callback.arg):
        w.put(result, _again(store.own(callback.arg), form), EXTERN)


def _again(owned: OwnedRoot, form: int) -> Handle:
    """A fresh owned root in the wanted form: of a LIFO one it is only the source, and waits for a trim (2.3)."""
    if form:
        return owned
    rooted = owned.store.root(owned.ref())  # type: ignore[arg-type]  # an owned root is never stale
    owned.store.drop_token(owned)
    return rooted


def _another(w: World, slot: int, store: Store, ref: Ref) -> OwnedRoot | None:
    """An owned root for an operand: another handle of its own, if it is one."""
    handle = w.slots[slot] if slot != NULL else None
    if isinstance(handle, OwnedRoot):
        handle.tokens += 1
        return handle
    return store.own(ref) if handle else None


@rule("ret", "ok/object ok/i31 ok/null err:unrooted/stale skip/empty")
def ret(w: World, obs: Observation, value: int) -> None:
    """What the callback will return is rooted until then."""
    if w.empty(obs, value):
        return
    callback = w.callbacks[-1]
    store = w.acting = callback.store
    ref = w.checked_value(obs, value)
    if isinstance(ref, Stale):
        return
    w.require(obs, OK, "the handle is rooted")
    w.case = "null" if ref is None else "i31" if not isinstance(ref, Obj) else "object"
    before, callback.returns = callback.returns, _another(w, value, store, ref)
    if before:
        store.drop_token(before)


@rule("raise", "ok/trap")
def raise_(w: World, obs: Observation, _how: int) -> None:
    """The callback will end in a trap."""
    w.case = "trap"
    w.require(obs, OK, "a callback may trap")
    _ends(w, TRAPS)


def _ends(w: World, ending: str, exn: OwnedRoot | None = None) -> None:
    """How the callback will end, whatever was said before. An exception is rooted until then."""
    callback = w.callbacks[-1]
    before, callback.exn = callback.exn, exn
    callback.ending = ending
    if before:
        callback.store.drop_token(before)


@rule("raise_exn", "ok/object ok/pending err:unrooted/stale skip/empty")
def raise_exn(w: World, obs: Observation, source: int) -> None:
    """The callback will throw: an exception, or what is pending at its end."""
    if w.empty(obs, source):
        return
    w.acting = w.callbacks[-1].store
    ref = w.checked_value(obs, source)
    if isinstance(ref, Stale):
        return
    w.require(obs, OK, "the handle is rooted")
    w.case = "pending" if source == NULL else "object"
    _ends(w, THROWS, _another(w, source, w.acting, ref))


@rule("result", "ok/object ok/i31 ok/null skip/empty", Gives.VALUES)
def result(w: World, obs: Observation, form: int, slot: int) -> None:
    """A root for what the call gave that was just closed."""
    given, w.returned = w.returned, None
    if given is None:
        w.skip(obs)
        return
    w.acting, owned = given
    if w.kind_of_null(obs, owned and owned.ref()) and owned:  # type: ignore[arg-type]  # an owned root is never stale
        w.put(slot, _again(owned, form), EXTERN)


def lumped(name: str, outcome: str, case: str) -> tuple[str, str, str]:
    """The behaviour of an op, with less detail for calls than for runs."""
    if name in ("call", "call_exn"):
        case = "stale" if case == "unsure" else case
        if outcome.startswith(TRAP) and outcome != f"{TRAP}host":
            outcome, case = f"{TRAP}any", "code"
    return name, outcome, case
