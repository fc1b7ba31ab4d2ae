"""The in-tree heap as a machine: exceptions of the host (docs/spec/semantics.md 1.6, 3.2)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from twinheap.model.kit import TAGS
from twinheap.model.ops import Op
from twinheap.targets.heap import ExnRef, Store
from twinheap.targets.heap.kit_types import kit_tag
from twinheap.targets.heap.machine_objects import ObjectOps, storages
from twinheap.targets.machine import SKIPPED, Raw


class ExceptionOps(ObjectOps):
    """The ops of the group exceptions."""

    def op_exn_new(self, op: Op) -> Raw:
        _, at, tag, a, b, form, result = op
        values = self._fields(TAGS[tag].fields, 0, (a, b))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        return self._made(store, lambda: ExnRef.new(store, kit_tag(store, tag), values), form, result)

    def op_exn_get(self, op: Op) -> Raw:
        _, at, index, wanted, form, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        return self._get_field(held, storages(held), index, wanted, form, result)

    def op_throw(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store: Store = held[0]
        return store.throw(held[1])

    def op_exn_take(self, op: Op) -> Raw:
        _, at, form, result = op
        store = self.slots[at]
        return self._make(store, store.take_pending_exception, form, result)

    def op_exn_pending(self, op: Op) -> Raw:
        return ("ok", (self.slots[op[1]].has_pending_exception(),))
