"""Why the resolver drops an op, in words: for people who write or edit programs by hand.

The preconditions themselves answer yes or no, since generators offer millions of ops a minute; this looks again at
what they look at, and has a general answer for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twinheap.model.builder import Builder
from twinheap.model.ops import CODE, MAX_OPS, NULL, OpSpec


def why_dropped(builder: Builder, spec: OpSpec, operands: Sequence[int], names: Mapping[str, int]) -> str:
    """Why `builder` has just dropped an op, and what to do about it.

    `operands`: slots of `builder` that exist, values and integers. `names`: what the reader calls the slots.
    """
    if builder.closed:
        return "nothing may follow wrong_store, since it ends the process; remove this line"
    if len(builder.ops) >= MAX_OPS:
        return f"a program has at most {MAX_OPS} ops; remove some"
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
