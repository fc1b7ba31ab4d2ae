"""Rules for instances of the kit and runs of bodies (semantics.md 1.1, 3.3; wasm-ops.md 6; docs/bodies.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model import interpreter_forms, interpreter_objects, interpreter_tables
from twinheap.model.contents import Cell, Instance, Table
from twinheap.model.entities import Obj, Ref
from twinheap.model.hazards import machine_for
from twinheap.model.interpreter import Machine
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, SHARES, TABLE_MAXIMUM, TABLE_MINIMUM
from twinheap.model.observation import EXN, NONNULL, OK, STOPPED, TRAP, UNROOTED, Observation
from twinheap.model.ops import EXTERN, NULL, REF_TYPES
from twinheap.model.roots import STALE, Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.run_heap import Heap, Thrown, Trap
from twinheap.model.run_limits import Stopped
from twinheap.model.run_moments import OutOfMemory
from twinheap.model.run_trace import Trace
from twinheap.model.state import Budget
from twinheap.model.world import Broken, World, unsure

FORMS_FROM: Final = (interpreter_forms, interpreter_objects, interpreter_tables)  # importing them registers the forms


@rule("inst", "ok/first ok/heap")
def inst(w: World, obs: Observation, slot: int, result: int) -> None:
    """An instance: it makes the heap (1.1)."""
    store = store_at(w, slot)
    w.collects(store)
    w.case = "heap" if store.heap else "first"
    w.require(obs, OK, "the kit can be instantiated")
    if store.counts and not store.heap:
        store.counts.create_heap()
    store.heap = True
    cells = [Cell(store, REF_TYPES.index(storage), True, None) for storage in KIT_GLOBALS]
    tables = [Table(store, REF_TYPES.index(name), TABLE_MAXIMUM, [None] * TABLE_MINIMUM) for name in KIT_TABLES]
    w.slots[result] = Instance(store, cells, tables)


@rule("link", "ok/all ok/globals ok/tables ok/tags skip/empty")
def link(w: World, obs: Observation, source: int, shares: int, result: int) -> None:
    """An instance that imports what it shares from another one of its store: both see the same (wasm-ops.md 6.3)."""
    if w.empty(obs, source):
        return
    exporter = instance_at(w, source)
    inst(w, obs, exporter.store.slot, result)
    w.case, kinds = list(SHARES.items())[shares]
    instance_at(w, result).link(exporter, kinds)


@rule("inst_global", "ok/export skip/empty")
def inst_global(w: World, obs: Observation, source: int, which: int, result: int) -> None:
    """The same global that bodies see: exported ones alias (wasm-ops.md 6.3)."""
    if not w.empty(obs, source):
        w.case = "export"
        w.require(obs, OK, "the kit exports it")
        w.slots[result] = instance_at(w, source).globals[which]


@rule("inst_table", "ok/export skip/empty")
def inst_table(w: World, obs: Observation, source: int, which: int, result: int) -> None:
    """The same table that bodies see."""
    if not w.empty(obs, source):
        w.case = "export"
        w.require(obs, OK, "the kit exports it")
        w.slots[result] = instance_at(w, source).tables[which]


@rule("inst_drop", "ok/unused ok/used ok/inside skip/empty")
def inst_drop(w: World, obs: Observation, source: int) -> None:
    """Only the handle goes: instances, and what they hold, live as long as their store (wasm-ops.md 6.3; 1.1)."""
    if not w.empty(obs, source):
        instance = instance_at(w, source)
        w.case = "inside" if instance.store.runs else "used" if instance.bodies else "unused"
        w.require(obs, OK, "the handle is there")


@rule("modules_drop", "ok/first ok/heap ok/inside")
def modules_drop(w: World, obs: Observation, slot: int) -> None:
    """Instances keep the code that they need, and objects their types, whatever the host lets go of (1.3)."""
    store = store_at(w, slot)
    w.case = "inside" if store.runs else "heap" if store.heap else "first"
    w.require(obs, OK, "what the host knows of modules and types is its own")
    w.free_types(store.engine)


def instance_at(w: World, slot: int) -> Instance:
    """The instance in a slot that is not empty."""
    instance = w.slots[slot]
    assert isinstance(instance, Instance)
    return instance


def _arguments(w: World, obs: Observation, slots: tuple[int, ...]) -> list[Ref]:
    """The references that the handles denote, up to the first that is stale (3.3)."""
    refs: list[Ref] = []
    for slot in slots:
        ref = None if slot == NULL else w.look(obs, w.handle(slot))
        if isinstance(ref, Stale):
            break
        refs.append(ref)
    return refs


def _is_stale(w: World, obs: Observation, slots: tuple[int, ...]) -> bool:
    """Whether one of the handles is refused; of one that may be stale, the observation says so."""
    handles = [w.handle(slot) for slot in slots if slot != NULL]
    return any(handle.ref() is STALE or (unsure(handle) and obs.outcome == UNROOTED) for handle in handles)


def _refused(w: World, obs: Observation, machine: Machine, body: int, handles: tuple[int, int, int]) -> Error:
    """A run with a stale handle: the body is instantiated first, which may end otherwise (docs/bodies.md)."""
    heap = machine.heap
    try:
        machine.instantiate(body)
        heap.show()
    except OutOfMemory:
        ended = _no_room(w, machine, body)
    except Trap as trap:
        ended = _failed(w, obs, machine, body, TRAP + trap.code)
    else:
        ended = _not_taken(w, obs, heap, handles)
    heap.close()
    return ended


def _not_taken(w: World, obs: Observation, heap: Heap, handles: tuple[int, int, int]) -> Error:
    """The call is refused at the first handle that is stale; the references before it are exposed by then."""
    for ref in _arguments(w, obs, handles):
        heap.store.expose(ref)
    return Error()


def _run(
    w: World,
    obs: Observation,
    source: int,
    body: int,
    value: int,
    a: int,
    b: int,
    c: int,
    selector: int,
    form: int,
    result: int,
) -> None:
    """The body runs in the model, beside the trace; then its result is rooted."""
    if w.empty(obs, source, a, b, c):
        return
    instance = instance_at(w, source)
    ended = performed(w, obs, instance, body, value, (a, b, c), selector, None)
    if ended is not None and not isinstance(ended, Error):
        store = instance.store
        w.put(result, own_in_scope(store, ended) if form else store.root(ended), EXTERN)


def performed(
    w: World,
    obs: Observation,
    instance: Instance,
    body: int,
    value: int,
    handles: tuple[int, int, int],
    selector: int,
    callback: Callable[[Ref], Ref] | None,
) -> Ref | Error:
    """A run, up to its result."""
    store = instance.store
    w.acting = store
    w.collects(store)
    args = None if _is_stale(w, obs, handles) else _arguments(w, obs, handles)
    if not store.runs:
        store.fresh.clear()
    trace = Trace(w, obs)
    heap = Heap(w, instance, trace, value, args or ())
    heap.callback = callback
    machine = machine_for(w.bodies[body], instance, heap)
    if args is None:
        return _refused(w, obs, machine, body, handles)
    ended = _ending(w, obs, machine, body, handles, (*args, selector))
    heap.close()
    if isinstance(ended, Error):
        return ended
    trace.check_over()
    if store.live.objects and not store.short and not store.may_hold():
        raise Broken("TH303", f"err:oom: {store.live.objects} objects are live, and no more fit")
    return ended


class _Unrooted(Exception):
    """The root of an argument was ended by a trim while the body was instantiated (2.3)."""


class Error:
    """The run ended otherwise than with a result, as it should."""


def _ending(
    w: World,
    obs: Observation,
    machine: Machine,
    body: int,
    handles: tuple[int, int, int],
    args: tuple[Ref, ...],
) -> Ref | Error:
    """Runs the body; checks the outcome, and of `ok` whether there is a result."""
    heap = machine.heap

    def ready() -> None:
        if _is_stale(w, obs, handles):
            heap.show()
            raise _Unrooted

    try:
        ref = machine.run(body, args, ready)
        heap.show()
    except OutOfMemory:
        return _no_room(w, machine, body)
    except _Unrooted:
        return _not_taken(w, obs, heap, handles)
    except Stopped as stopped:
        return _stopped(w, obs, machine, stopped.outcome)
    except (Trap, Thrown) as ended:
        try:
            heap.limits.over()
        except Stopped as stopped:
            return _stopped(w, obs, machine, stopped.outcome)
        return _failed(w, obs, machine, body, TRAP + ended.code if isinstance(ended, Trap) else EXN)
    w.case = "null" if ref is None else "i31" if not isinstance(ref, Obj) else "object"
    w.require(obs, OK, "the body runs to its end")
    if (heap.trace.result == NONNULL) != (ref is not None):
        raise Broken("TH105", f"{'null' if ref is None else NONNULL} as the result of the run")
    return ref


def _no_room(w: World, machine: Machine, body: int) -> Error:
    machine.out_of_memory(body)
    machine.own.drifts += 1
    machine.heap.store.short = True
    w.case = "oom"
    return Error()


def _failed(w: World, obs: Observation, machine: Machine, body: int, outcome: str) -> Error:
    """A trap, or an exception that nothing catches: it stays pending (capi.md 5.2)."""
    w.case = "code" if outcome.startswith(TRAP) else "uncaught"
    if outcome != obs.outcome:
        try:
            machine.heap.show()
        except OutOfMemory:
            return _no_room(w, machine, body)
        w.require(obs, outcome, "the body ends so")
    machine.heap.trace.check_over()
    return Error()


def _stopped(w: World, obs: Observation, machine: Machine, outcome: str) -> Error:
    """A limit stopped the run; the frames are gone, and nothing is left to use unless a run around this one goes on."""
    w.case = "limit"
    w.require(obs, outcome, "the store has nothing left to use")
    heap = machine.heap
    heap.trace.check_over()
    heap.store.budget = Budget.SOME if len(heap.store.runs) > 1 else Budget.NOTHING
    return Error()


TRAPS: Final = ("table_oob", "null_ref", "cast", "array_oob", "memory_oob", "too_large", "unreachable")
"""Traps that a body can meet: its indirect calls are right, and not deep."""

RUN_CASES = " ".join(
    [
        "ok/null ok/i31 ok/object err:oom/oom err:unrooted/stale err:unrooted/unsure skip/empty",
        *(f"trap:{code}/code" for code in TRAPS),
        "trap:too_large/oom",  # under NULL
        *(f"{outcome}/limit" for outcome in sorted(STOPPED)),
    ]
)
rule("run", RUN_CASES, Gives.TRACE)(_run)
rule("run_exn", f"{RUN_CASES} exn/uncaught", Gives.TRACE)(_run)
