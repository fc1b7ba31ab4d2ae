"""The in-tree heap as a machine, second part: globals and tables."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twinheap.model.observation import ABSENT, OTHER
from twinheap.model.ops import NULL, NULL_USES, Op
from twinheap.targets.heap import (
    Absent,
    AnyRef,
    ExternRef,
    Global,
    OwnedRooted,
    Rooted,
    RootScope,
    Store,
    Table,
)
from twinheap.targets.heap.machine_memory import MemoryOps
from twinheap.targets.machine import DONE, NONE, NONNULL, NULL_REF, SKIPPED, Raw

TYPES: Final[tuple[type[ExternRef] | type[AnyRef], ...]] = (ExternRef, AnyRef)
"""The types of slots and raw values, as the op table numbers them."""

_ABSENT: Final[Raw] = ("ok", (ABSENT,))
MISSING: Final = object()
"""An operand slot that is empty, where None is a null reference."""


class SlotOps(MemoryOps):
    """The ops of the groups globals and tables."""

    def _value(self, slot: int) -> Any:
        """The handle to store: None for a null reference, MISSING for an empty slot."""
        if slot == NULL:
            return None
        held = self.slots[slot]
        return MISSING if held is None else held[1]

    def _keep(self, store: Store, rooted: Rooted[Any] | OwnedRooted[Any] | None, result: int) -> Raw:
        if rooted is None:
            return NULL_REF
        self.slots[result] = store, rooted
        return NONNULL

    def _keep_owned(self, store: Store, make: Callable[[], Rooted[Any] | None], result: int) -> Raw:
        """Keeps an owned root for what `make` roots in a scope of its own, as the C API does it."""
        scope = RootScope(store)
        try:
            rooted = make()
            return self._keep(store, None if rooted is None else rooted.to_owned_rooted(store), result)
        finally:
            scope.close()

    # --- globals

    def op_global_new(self, op: Op) -> Raw:
        _, at, of, mutable, source, result = op
        value = self._value(source)
        if value is MISSING:
            return SKIPPED
        store = self.slots[at]
        self.slots[result] = store, Global(store, TYPES[of], value, mutable=bool(mutable))
        return DONE

    def op_global_get(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        return self._keep(held[0], held[1].get(held[0]), op[2])

    def op_global_get_owned(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, source = held
        return self._keep_owned(store, lambda: source.get(store), op[2])

    def op_global_set(self, op: Op) -> Raw:
        held, value = self.slots[op[1]], self._value(op[2])
        if held is None or value is MISSING:
            return SKIPPED
        held[1].set(held[0], value)
        return DONE

    # --- tables

    def op_null_use(self, op: Op) -> Raw:
        """There are no null handles here: of a null in a slot, what the functions of C show of theirs."""
        store, name = self.slots[op[1]], NULL_USES[op[2]]
        slot = Global(store, TYPES[not name.startswith("extern")], None)
        found = slot.get(store)
        if name.endswith(("clone", "to_raw")):
            return NULL_REF if found is None else NONNULL
        if name.startswith("i31"):
            return ("ok", (found is not None,))
        return NONE if name == "extern_data" and found is None else DONE

    def op_null_object(self, op: Op) -> Raw:
        """There are no such handles here either: what the functions of C say of theirs."""
        return (OTHER,)

    def op_table_new(self, op: Op) -> Raw:
        _, at, of, minimum, maximum, source, result = op
        value = self._value(source)
        if value is MISSING:
            return SKIPPED
        store = self.slots[at]
        most = None if maximum < 0 else maximum
        self.slots[result] = store, Table(store, TYPES[of], minimum, value, maximum=most)
        return DONE

    op_table_new64 = op_table_new  # indexes are Python's own

    def op_table_get(self, op: Op) -> Raw:
        _, at, index, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, table = held
        rooted = table.get(store, index)
        return _ABSENT if rooted is Absent.ABSENT else self._keep(store, rooted, result)

    def op_table_get_owned(self, op: Op) -> Raw:
        _, at, index, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, table = held
        scope = RootScope(store)
        try:
            rooted = table.get(store, index)
            if rooted is Absent.ABSENT:
                return _ABSENT
            return self._keep(store, rooted and rooted.to_owned_rooted(store), result)
        finally:
            scope.close()

    def op_table_set(self, op: Op) -> Raw:
        _, at, index, source = op
        held, value = self.slots[at], self._value(source)
        if held is None or value is MISSING:
            return SKIPPED
        held[1].set(held[0], index, value)
        return DONE

    def op_table_grow(self, op: Op) -> Raw:
        _, at, delta, source = op
        held, value = self.slots[at], self._value(source)
        if held is None or value is MISSING:
            return SKIPPED
        return ("ok", (held[1].grow(held[0], delta, value),))

    op_table_grow_huge = op_table_grow

    def op_table_fill(self, op: Op) -> Raw:
        _, at, index, source, count = op
        held, value = self.slots[at], self._value(source)
        if held is None or value is MISSING:
            return SKIPPED
        held[1].fill(held[0], index, value, count)
        return DONE

    def op_table_copy(self, op: Op) -> Raw:
        _, to, to_index, source, source_index, count = op
        target, origin = self.slots[to], self.slots[source]
        if target is None or origin is None:
            return SKIPPED
        Table.copy(target[0], target[1], to_index, origin[1], source_index, count)
        return DONE

    def op_table_size(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        return ("ok", (held[1].size(held[0]),))
