"""The in-tree heap as a machine, its op on resources: does the store's bookkeeping grow while roots come and go?"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twinheap.model.ops import CHURNED_OBJECTS, INT_KINDS, Op
from twinheap.targets.heap import (
    I31,
    AnyRef,
    ArrayRef,
    ExnRef,
    ExternRef,
    GcHeapOutOfMemory,
    Global,
    RootScope,
    Store,
    StructRef,
)
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES, kit_tag
from twinheap.targets.heap.machine_exceptions import ExceptionOps
from twinheap.targets.machine import Raw

ENTRY_BYTES: Final = 32
"""What an entry counts for: about what a list entry with its slab slot takes in Wasmtime (semantics 2.3, K8)."""

_CHURNS: Final = INT_KINDS["churn"].names
_ALLOCATED: Final = frozenset({"extern", *CHURNED_OBJECTS})
_LENGTH: Final = 3  # elements of an array
_COLLECT_EVERY: Final = 256  # as on the C API


class ResourceOps(ExceptionOps):
    """The op `churn`."""

    def op_churn(self, op: Op) -> Raw:
        _, at, what, count = op
        store: Store = self.slots[at]
        plain = object()  # what the externrefs wrap: no value of the program's, so that finalizing it is not reported
        step = self._step(store, _CHURNS[what], plain)
        grown = 0
        for half in (count - count // 2, count // 2):  # the first warms up
            start = _entries(store)
            for number in range(half):
                step(number)
            if _CHURNS[what] in _ALLOCATED:
                store.gc()
            grown = _entries(store) - start
        return ("ok", (max(grown, 0) * ENTRY_BYTES,))

    def _step(self, store: Store, what: str, plain: object) -> Callable[[int], Any]:
        """One owned root made and dropped."""
        if what == "i31":
            return lambda number: _owned(store, lambda: AnyRef.from_i31(store, I31.wrapping_u32(number))).drop()
        if what == "extern":

            def extern(number: int) -> None:
                try:
                    _owned(store, lambda: ExternRef.new(store, plain)).drop()
                except GcHeapOutOfMemory as oom:
                    oom.drop()
                if number % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                    store.gc()

            return extern
        if what in CHURNED_OBJECTS:
            return lambda number: _made(store, what, number)
        with RootScope(store):
            root = AnyRef.from_i31(store, I31.wrapping_u32(1))
            if what == "global":
                item = Global(store, AnyRef, root, mutable=True)
                return lambda _: _owned(store, lambda: item.get(store)).drop()
            owned = root.to_owned_rooted(store)
        return lambda _: _clone(store, owned)


def _made(store: Store, what: str, number: int) -> None:
    """An object with null in it, made and dropped."""
    makers = {
        "struct": lambda: StructRef.new(store, STRUCT_TYPES["node"], [None, None]),
        "array": lambda: ArrayRef.new(store, ARRAY_TYPES["externs"], None, _LENGTH),
        "exn": lambda: ExnRef.new(store, kit_tag(store, 0), [None]),
    }
    with suppress(GcHeapOutOfMemory):
        _owned(store, makers[what]).drop()
    if number % _COLLECT_EVERY == _COLLECT_EVERY - 1:
        store.gc()


def _owned(store: Store, make: Callable[[], Any]) -> Any:
    """An owned root of what `make` gives, whose LIFO root goes at once, as the C API does it."""
    with RootScope(store):
        return make().to_owned_rooted(store)


def _clone(store: Store, owned: Any) -> None:
    """As the C API clones: a root of its own."""
    with RootScope(store):
        owned.to_rooted(store).to_owned_rooted(store).drop()


def _entries(store: Store) -> int:
    """Entries of everything that the store keeps beside its heap and that could grow."""
    roots = store.roots
    lists = (roots.lifo_refs, roots.owned_refs, roots.liveness, store.host_data.entries, store.globals, store.tags)
    return sum(len(entries) for entries in lists)
