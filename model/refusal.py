"""Why the resolver drops an op, in words: for people who write or edit programs by hand.

The preconditions themselves answer yes or no, since generators offer millions of ops a minute; this looks again at
what they look at, and has a general answer for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from twinheap.model.body import calls_back
from twinheap.model.builder import Builder
from twinheap.model.engines import ENGINES
from twinheap.model.ops import CALLS, CODE, MAX_CALLS, MAX_OPS, NULL, OpSpec


def why_dropped(builder: Builder, spec: OpSpec, operands: Sequence[int], names: Mapping[str, int]) -> str:
    """Why `builder` has just dropped an op, and what to do about it.

    `operands`: slots of `builder` that exist, values and integers. `names`: what the reader calls the slots.
    """
    if builder.closed:
        return "nothing may follow wrong_store, since it ends the process; remove this line"
    if len(builder.ops) >= MAX_OPS:
        return f"a program has at most {MAX_OPS} ops; remove some"
    if (why := _about_limits(builder, spec, operands)) is not None:
        return why
    if (why := _about_callbacks(builder, spec, operands)) is not None:
        return why
    name_of = {slot: name for name, slot in names.items()}
    for param, operand in zip(spec.params, operands, strict=True):
        if param.is_slot and operand != NULL:
            slot = builder.slots[operand]
            name, store = name_of.get(operand, "its slot"), name_of.get(slot.store, "its store")
            if not slot.alive:
                return f"{name} was dropped or consumed above; remove one of the two lines"
            if not builder.slots[slot.store].alive:
                return f"{name} belongs to {store}, which was dropped above; move this line up"
            if builder.stores[slot.store].pending != NULL and spec.code != CODE["cancel"]:
                return f"a future is pending on {store}; poll it with 0 or cancel it first"
            if param.kind == "W" and slot.epoch != builder.stores[slot.store].epoch:
                return f"{name} expired: use a raw value before any allocation, gc or call on its store"
        if param.kind == "V" and operand != builder.next_value:
            return f"host value v{operand} is used above; take a fresh one, or get it back with oom_take"
    return "its precondition does not hold (docs/spec/program-ir.md 8.1); check kinds, types and stores, or remove it"


def _about_limits(builder: Builder, spec: OpSpec, operands: Sequence[int]) -> str | None:
    """What the engine of a store has to do with it, if anything."""
    wanted = {"set_fuel": "fuel", "set_epoch_deadline": "epochs"}.get(spec.name)
    store = builder.stores.get(operands[0]) if wanted else None
    if store is None or getattr(ENGINES[store.engine], str(wanted)):
        return None
    return f"the store's engine has no {wanted}; give it one by engine={wanted}, or remove this line"


_INSIDE: Final = frozenset({"arg", "ret", "raise", "raise_exn"})
_OUTSIDE: Final = frozenset(
    {
        *("store_new", "store_new_in", "store_drop", "store_drop_race", "set_limiter", "wrong_store"),
        *("new_async", "gc_async", "poll", "cancel"),
    }
)


def _about_callbacks(builder: Builder, spec: OpSpec, operands: Sequence[int]) -> str | None:
    """What callbacks have to do with it, if anything."""
    if spec.name in _INSIDE and not builder.callbacks:
        return "it is only for callbacks; indent it below a call, or remove it"
    if spec.name in _OUTSIDE and builder.callbacks:
        return "not in a callback, since the callback may not run; move it out of the call"
    if spec.name == "result" and builder.returned[0] != len(builder.ops):
        return "it must follow a call and its callback at once; move it there, or remove it"
    if spec.code in CALLS and len(builder.callbacks) >= MAX_CALLS:
        return f"calls nest {MAX_CALLS} deep at most; remove one"
    bodies = builder.config.bodies
    if spec.group == "wasm" and spec.params[1:2] and spec.params[1].kind == "body" and operands[1] >= len(bodies):
        return (
            f"there is no B{operands[1]}: the program has {len(bodies)} bodies; add a line B{len(bodies)}: (body ...)"
        )
    if spec.name in ("run", "run_exn") and operands[1] < len(bodies) and calls_back(bodies[operands[1]]):
        return f"B{operands[1]} calls back (cb); run it with call or call_exn"
    return None
