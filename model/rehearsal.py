"""What a run that ended the process met before: the judge has no trace of it, and runs the body without one.

Judging ends with such a run, so that what it leaves of the model's state does not matter.
"""

from __future__ import annotations

from typing import Final

from twinheap.model.body import names
from twinheap.model.contents import EMPTY, Instance
from twinheap.model.entities import Obj, Ref
from twinheap.model.hazards import machine_for
from twinheap.model.known_bodies import RUNS, i31_in_reach, inside, unsafe_in
from twinheap.model.observation import NONNULL, OK, Observation, Value
from twinheap.model.ops import NULL, OPS, Op
from twinheap.model.program import slots_of
from twinheap.model.roots import Stale
from twinheap.model.run_heap import Heap, Thrown, Trap
from twinheap.model.run_limits import Stopped
from twinheap.model.run_moments import OutOfMemory
from twinheap.model.run_trace import Trace
from twinheap.model.state import Budget, Store
from twinheap.model.world import Broken, Lost, World

_THROWS: Final = frozenset({"throw", "raise_exn"})
"""Ops with which the host throws an exception (K9)."""

_LIMITS: Final = frozenset({"set_fuel", "set_epoch_deadline"})
_HALF_MADE: Final = ("array.new", "array.new_default", "array.new_fixed")
"""Forms that a limit may stop before all elements are there (K37)."""

_ENDS: Final = (Trap, Thrown, OutOfMemory, Stopped, Broken)


class _Anything(Trace):
    """A trace that agrees to everything."""

    def __init__(self, w: World) -> None:
        super().__init__(w, Observation(OK, (NONNULL,)))

    def expect(self, entry: Value, code: str, obj: Obj | None = None) -> None:
        """Whatever comes next is right."""


def rehearse(w: World, op: Op) -> None:
    """Brings the stores of an op that ended the process to where its harm is done, as far as that can be told."""
    for slot in {slot for _, slot in slots_of(op)}:
        held = w.slots[slot]
        store = held if isinstance(held, Store) else getattr(held, "store", None)
        if isinstance(store, Store):
            store.forget_exactness()  # a trace would have to agree to moments
            store.collected()
    if OPS[op[0]].name in RUNS:
        _run(w, op)


def _run(w: World, op: Op) -> None:
    """The body of a run or a call, up to a callback, after which nothing is known."""
    _, source, body, value, a, b, c, selector = op[:8]
    instance = w.slots[source]
    if not isinstance(instance, Instance) or any(slot != NULL and w.slots[slot] is EMPTY for slot in (a, b, c)):
        return
    store, text = instance.store, w.bodies[body]
    if not store.runs:
        store.fresh.clear()
    refs = [None if slot == NULL else w.handle(slot).ref() for slot in (a, b, c)]
    args: list[Ref] = [None if isinstance(ref, Stale) else ref for ref in refs]
    heap = Heap(w, instance, _Anything(w), value, args)
    heap.callback = _lost
    machine = machine_for(text, instance, heap)
    try:
        machine.run(body, (*args, selector))
    except _ENDS:
        return
    except Lost:
        for each in (text, *_called_from(w)):
            for name in unsafe_in(each):
                store.harm(name)
            if store.profile.collector == "drc" and _may_stop(w, store) and names(each, *_HALF_MADE):
                store.harm("K37")
        if i31_in_reach(w, op):
            store.harm("K24")
        if any(OPS[inner[0]].name in _THROWS for inner in inside(w)):
            store.harm("K9")


def _lost(_ref: Ref) -> Ref:
    """What a callback did is not observed: from here on all is thought of the bodies that it may have run."""
    raise Lost


def _may_stop(w: World, store: Store) -> bool:
    """Whether fuel or epochs may stop the runs of the callback of the current op."""
    return store.budget is not Budget.PLENTY or any(OPS[inner[0]].name in _LIMITS for inner in inside(w))


def _called_from(w: World) -> list[str]:
    """The bodies that the callback of the current op runs."""
    return [w.bodies[op[2]] for op in inside(w) if OPS[op[0]].name in RUNS]
