"""What the judge knows while it replays one program: slots, values, and the rules common to every op.

A rule (see `rules_*.py`) compares one observation with what the specification allows, raises `Broken` for what it
does not, and brings the state up to date with the observed outcome. `World.settle` then checks the finalizers
(semantics.md 4.2 to 4.4, program-ir.md 8.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twinheap.model.bounds import Load
from twinheap.model.codes import Verdict
from twinheap.model.contents import EMPTY, Callback, Content
from twinheap.model.engines import ENGINES
from twinheap.model.entities import Obj, Ref
from twinheap.model.kit import HIERARCHY, hierarchy
from twinheap.model.known import known_leak
from twinheap.model.objects import is_a
from twinheap.model.observation import OK, SKIP, TYPE, UNROOTED, Observation, Value
from twinheap.model.ops import ANY, EXTERN, NULL, OPS, REF_TYPES
from twinheap.model.profiles import Profile
from twinheap.model.program import Program
from twinheap.model.roots import STALE, CastHandle, Handle, LifoHandle, OwnedRoot, Stale
from twinheap.model.state import Store

STORE_DROPS: Final = frozenset({"store_drop", "store_drop_race"})
"""The ops after which nothing of a store is left (3.6)."""

_HANDLE_CLASS: Final = {LifoHandle: "lifo", OwnedRoot: "owned", CastHandle: "cast"}


class Broken(Exception):
    """A rule is broken and judging cannot go on: `code`, what was allowed, the object that it is about.

    `live`: what was alive beside an object that should have fitted, if not just what is alive now.
    """

    def __init__(self, code: str, allowed: str, obj: Obj | None = None, live: Load | None = None) -> None:
        super().__init__(code, allowed)
        self.code = code
        self.allowed = allowed
        self.obj = obj
        self.live = live


class Lost(Exception):
    """The observation does not say what happened, and judging ends without a verdict (program-ir.md 8.3 rule 4)."""


class World:
    """The replayed state of one program.

    `case`: the state class of the current op, for behaviour coverage. `rejected`: values that must be finalized in the
    current op, because the store refused or dropped them. `due`: objects that must be gone by its end.
    """

    def __init__(self, program: Program, profile: Profile) -> None:
        self.profile = profile
        self.slots: list[Content | Store] = [EMPTY] * program.slots
        self.types = [EXTERN] * program.slots
        self.stores: list[Store] = []
        self.objects: dict[int, Obj] = {}
        self.unnamed = 0  # the last number given to an object without a host value; they count down from -1
        self.spent: set[int] = set()  # values that are not in the host's hands
        self.gone: set[int] = set()  # values finalized without an object: rejected ones
        self.rejected: list[int] = []
        self.due: list[Obj] = []
        self.engine = program.config.engine
        self.bodies = program.config.bodies
        self.early: set[int] = set()  # finalized in the current run, and judged already
        self.brackets: list[Store | Callback] = []  # the stores of the open scopes, and the callbacks that run
        self.callbacks: list[Callback] = []
        self.returned: tuple[Store, OwnedRoot | None] | None = None  # what the call gave that was closed last
        self.ops = program.all_ops
        self.observed: Sequence[Observation] = ()
        self.nested: Callable[[int, int], None] = lambda _start, _stop: None
        """Judges the ops of a callback, from one place to another. Raises what ends judging."""
        self.collecting = False  # the current op may run a collection
        self.case = ""
        self.at = 0
        self.next = 0  # where judging goes on after the current op
        self.verdicts: list[Verdict] = []
        self.freed: set[int] = set()  # engines of which the host freed types
        self.acting = self.add_store(0, program.config.limit, program.config.limiter, program.config.engine)

    def forget(self) -> None:
        """Judging is over: stores and runs refer to themselves no more, so that nearly all is freed at once.

        What waits for Python's collector is looked at again and again, which took a quarter of a worker's time.
        """
        self.nested = lambda _start, _stop: None
        for store in self.stores:
            store.forget()

    def add_store(self, slot: int, limit: int, limiter: int, engine: int) -> Store:
        """Defines a store."""
        store = Store(slot, self.profile, limit, limiter, engine)
        self.slots[slot] = store
        self.stores.append(store)
        if engine in self.freed:
            self._freed(store)
        return store

    def free_types(self, engine: int) -> None:
        """The host lets go of the types of an engine: those that come next take the free places (K52, K53)."""
        self.freed.add(engine)
        for store in self.stores:
            if store.engine == engine:
                self._freed(store)

    @staticmethod
    def _freed(store: Store) -> None:
        store.harm("K52")
        if ENGINES[store.engine].pooling:
            store.harm("K53")

    def put(self, slot: int, handle: Handle, type_: int) -> None:
        """Defines a handle slot."""
        self.slots[slot] = handle
        self.types[slot] = type_

    def put_raw(self, slot: int, handle: Handle, type_: int) -> None:
        """Defines a handle slot for a root of a raw value (K15)."""
        self.put(slot, handle, type_)
        ref = handle.ref()
        if type_ == ANY and type(ref) is Obj:
            ref.as_any = True

    # --- outcomes

    def skip(self, obs: Observation, case: str = "empty") -> None:
        """An operand slot is empty: only `skip` is right."""
        self.case = case
        if obs.outcome != SKIP:
            raise Broken("TH110", "skip: an operand's producer gave nothing")

    def require(self, obs: Observation, outcome: str, why: str) -> None:
        """Only `outcome` is right."""
        got = obs.outcome
        if got == outcome:
            return
        if got == SKIP:
            code = "TH110"
        elif outcome == UNROOTED and got == OK:
            code = "TH107"
        elif outcome == OK and got == UNROOTED:
            code = "TH108"
        elif got == "err:oom" and outcome != UNROOTED:  # else a stale handle was taken for a live one first
            code = "TH301"
        else:
            code = "TH106"
        raise Broken(code, f"{outcome}: {why}")

    def require_values(self, obs: Observation, values: tuple[Value, ...], code: str) -> None:
        """Only `ok` with exactly `values` is right."""
        if obs.outcome != OK:
            self.require(obs, OK, "the operands are good")
        if obs.values != values or any(type(a) is not type(b) for a, b in zip(obs.values, values, strict=True)):
            raise Broken(code, str(Observation(OK, values)))

    # --- operands

    def handle(self, slot: int) -> Handle:
        """The handle in a slot that is not empty."""
        return self.slots[slot]  # type: ignore[return-value]  # the resolver gave a handle slot

    def look(self, obs: Observation, handle: Handle) -> Ref | Stale:
        """What a handle denotes; if `STALE`, the outcome was checked to be the unrooted error (2.2)."""
        ref = handle.ref()
        if ref is STALE:
            self.case = "stale"
            self.require(obs, UNROOTED, "the handle's root is gone")
            return STALE
        self.case = _HANDLE_CLASS[type(handle)]
        if unsure(handle) and obs.outcome == UNROOTED:
            self.case = "unsure"
            return STALE
        return ref

    def read(self, obs: Observation, slot: int) -> tuple[Handle, Ref] | None:
        """The handle in a slot and what it denotes; None if it is empty or stale, and then that was checked."""
        handle = self.slots[slot]
        if handle is EMPTY:
            self.skip(obs)
            return None
        ref = self.look(obs, handle)  # type: ignore[arg-type]  # the resolver gave a handle slot
        return None if isinstance(ref, Stale) else (handle, ref)  # type: ignore[return-value]

    def fits(self, obs: Observation, slot: int, storage: str, nullable: bool = True) -> bool:
        """Whether a value operand is of a reference type: by hierarchy, and where there are several, by what it is.

        For a type that is not the top of its hierarchy the check reads the handle, so that a stale one does not fit
        (semantics 7). For a numeric type nothing does.
        """
        wanted = hierarchy(storage)
        if slot == NULL or HIERARCHY[REF_TYPES[self.types[slot]]] != wanted:
            return slot == NULL and wanted is not None and nullable
        if storage == wanted:
            return True
        handle = self.handle(slot)
        if unsure(handle) and obs.outcome == TYPE:
            return False
        ref = handle.ref()
        return not isinstance(ref, Stale) and is_a(ref, storage)

    def check_fits(self, obs: Observation, slot: int, storage: str, nullable: bool = True) -> bool:
        """`fits`; if it does not, only the type error is right."""
        if self.fits(obs, slot, storage, nullable):
            return True
        self.case = "mismatch"
        self.require(obs, TYPE, f"the value is no {storage} reference")
        return False

    def value(self, obs: Observation, slot: int, type_: int) -> Ref | Stale:
        """What a value operand denotes, for a slot of `type_`: types are checked first, then roots (semantics 7)."""
        if not self.check_fits(obs, slot, REF_TYPES[type_]):
            return STALE
        return self.checked_value(obs, slot)

    def checked_value(self, obs: Observation, slot: int) -> Ref | Stale:
        """What a value operand denotes whose type was checked."""
        if slot == NULL:
            self.case = "null"
            return None
        ref = self.look(obs, self.handle(slot))
        self.case = "stale" if ref is STALE else "i31" if type(ref) is int else "object"
        return ref

    def empty(self, obs: Observation, *slots: int) -> bool:
        """Whether one of the operand slots is empty; then `skip` was checked."""
        for slot in slots:
            if slot != NULL and self.slots[slot] is EMPTY:
                self.skip(obs)
                return True
        return False

    def kind_of_null(self, obs: Observation, ref: Ref) -> bool:
        """Checks `null` or `nonnull` for an op that reads a slot; whether there is a reference."""
        self.case = "null" if ref is None else "i31" if type(ref) is int else "object"
        self.require_values(obs, ("null",) if ref is None else ("nonnull",), "TH105")
        return ref is not None

    def collects(self, store: Store) -> None:
        """A collection may run in this op: raw values expire (3.4)."""
        self.collecting = True
        if store.raws:
            store.expire_raws()
        if store.uncounted or store.watchers or store.small:
            store.collected()

    # --- finalizers (4.4)

    def settle(self, obs: Observation, code: int) -> None:
        """Checks what was finalized during the op, then what is due, then in exact mode the moment."""
        for value in obs.finalized:
            if value in self.early:
                self.early.discard(value)
            else:
                self._finalized(value, code)
        for value in self.rejected:
            if value not in self.gone:
                raise Broken("TH207", f"finalized v{value}: its allocation failed or its error was dropped")
        if self.due:
            self._check_due(code)
        if self.profile.exact:
            self._check_exact(obs)
        if self.rejected:
            self.rejected = []

    def finalized_early(self, value: int) -> None:
        """A value that the trace of a run marks as finalized before the run went on."""
        self._finalized(value, 0)
        self.early.add(value)

    def _finalized(self, value: int, code: int) -> None:
        obj = self.objects.get(value)
        if obj is None or value in self.rejected:
            if value in self.gone:
                raise Broken("TH203", f"v{value} finalized once")
            if value not in self.rejected:
                raise Broken("TH206", f"v{value} is not in a store")
            self.gone.add(value)
            return
        if obj.finalized:
            raise Broken("TH203", f"v{value} finalized once")
        store = self.slots[obj.store]
        assert isinstance(store, Store)
        if not store.dropped:
            if self.profile.collector == "null" or (obj.held and value in store.reachable()):
                raise Broken("TH201", f"v{value} is live: {obj.holders} holders, and {obj.inside} in held objects", obj)
            if self.profile.collector == "copying" and not self.collecting:
                raise Broken("TH205", f"v{value} can only be finalized by a collection")
            store.freed_as_any = store.freed_as_any or obj.as_any
        obj.finalized = True
        store.remove(obj)

    def _check_due(self, code: int) -> None:
        due, self.due = self.due, []
        dropped = OPS[code].name in STORE_DROPS
        for obj in due:
            if obj.finalized or (obj.held and not dropped):
                continue
            known = known_leak(self, obj)
            if dropped or known is None:
                raise Broken("TH204" if dropped else "TH202", f"finalized v{obj.value}: nothing holds it")
            self.verdicts.append(
                Verdict("TH202", self.at, f"finalized v{obj.value}: no holders", "not finalized", known)
            )
            store = self.slots[obj.store]
            assert isinstance(store, Store)
            store.dead.pop(obj.value, None)
            store.leaked[obj.value] = obj

    def _check_exact(self, obs: Observation) -> None:
        predicted: set[int] = set()
        calls: list[tuple[int, int]] = []
        seen: list[int] = []
        asked: list[tuple[int, int]] = []
        judged = False
        for store in self.stores:
            if store.counts is None:
                continue
            if store.pending:  # the moments inside a pending operation are not predicted, only their sum
                store.seen.extend(v for v in obs.finalized if self._in(v, store))
                if store is self.acting:
                    store.asked.extend(obs.limiter)
                continue
            finalized, asks = store.counts.take()
            predicted.update(finalized)
            calls.extend(asks)
            seen.extend(store.seen)
            seen.extend(v for v in obs.finalized if self._in(v, store))
            asked.extend(store.asked)
            store.seen, store.asked = [], []
            judged = judged or store is self.acting
        if predicted != set(seen):
            raise Broken("TH205", f"finalized in this op: exactly {sorted(predicted)}")
        if judged and calls != [*asked, *obs.limiter]:
            raise Broken("TH304", f"limiter asked {calls}")

    def _in(self, value: int, store: Store) -> bool:
        obj = self.objects.get(value)
        return obj is not None and obj.store == store.slot


def unsure(handle: Handle) -> bool:
    """Whether a handle may or may not be stale."""
    return type(handle) is CastHandle and handle.unsure
