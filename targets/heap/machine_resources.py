"""The in-tree heap as a machine, its op on resources: does the store's bookkeeping grow while roots come and go?"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from twinheap.model.engines import ENGINES, POOL_HEAPS, POOL_TRIED
from twinheap.model.kit import CLEAR
from twinheap.model.ops import CHURNED_OBJECTS, INT_KINDS, MAX_STORES, Op
from twinheap.targets.heap import (
    I31,
    AnyRef,
    ArrayRef,
    ExnRef,
    ExternRef,
    GcHeapOutOfMemory,
    Global,
    OwnedRooted,
    RootScope,
    Store,
    StructRef,
    Table,
)
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES, kit_tag
from twinheap.targets.heap.machine_exceptions import ExceptionOps
from twinheap.targets.heap.wasm_host import HostFunctions
from twinheap.targets.heap.wasm_instance import Instance
from twinheap.targets.heap.wasm_run import interpreter
from twinheap.targets.machine import Raw

ENTRY_BYTES: Final = 32
"""What an entry counts for: about what a list entry with its slab slot takes in Wasmtime (semantics 2.3, K8)."""

HALF_SECONDS: Final = 0.5
"""CPU time for half of a churn, which mostly takes a tenth of it. In a heap that is nearly full each step collects
thousands of objects in Python: it must not be taken for a hang on a busy machine."""

_CHURNS: Final = INT_KINDS["churn"].names
_ALLOCATED: Final = frozenset({"extern", *CHURNED_OBJECTS})
_LENGTH: Final = 3  # elements of an array
_COLLECT_EVERY: Final = 256  # as on the C API


class ResourceOps(ExceptionOps):
    """The ops `churn` and `pool_fill`."""

    def op_churn(self, op: Op) -> Raw:
        _, at, what, count = op
        store: Store = self.slots[at]
        plain = object()  # what the externrefs wrap: no value of the program's, so that finalizing it is not reported
        subject = _subject(store, _CHURNS[what], plain)
        step = self._step(store, _CHURNS[what], plain, subject)
        grown = 0
        steps = count - count // 2
        for until in (time.process_time() + HALF_SECONDS, math.inf):  # the first half warms up
            start = _entries(store)
            steps = _repeated(step, steps, until)
            if _CHURNS[what] in _ALLOCATED:
                store.gc()
            grown = _entries(store) - start
        if subject is not None:
            subject.drop()
            store.gc()
        return ("ok", (max(grown, 0) * ENTRY_BYTES,))

    def op_pool_fill(self, op: Op) -> Raw:
        """A pool here is a number: of the heaps that stores of one engine may have at a time."""
        engine = next(number for number, made in self._of_engine if made is self.slots[op[1]])
        pool = POOL_HEAPS if ENGINES[engine].pooling else POOL_TRIED + MAX_STORES
        before = [made for number, made in self._of_engine if number == engine]
        stores: list[Store] = []
        while len(stores) < POOL_TRIED and _taken((*before, *stores)) < pool:
            made = Store(self._collector, defects=self._defects, verify=self._verify)
            ExternRef.new(made, object())
            stores.append(made)
        given = len(stores)
        for made in stores:
            made.drop()
        return ("ok", (given, _taken((*before, *stores)) < pool))

    def _step(self, store: Store, what: str, plain: object, subject: Any) -> Callable[[int], Any]:
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
        if what == "call":
            return _calling(store, subject)
        if what in ("cast", "field"):
            return _reading(store, what, subject)
        with RootScope(store):
            root = AnyRef.from_i31(store, I31.wrapping_u32(1))
            if what == "global":
                item = Global(store, AnyRef, root, mutable=True)
                return lambda _: _owned(store, lambda: item.get(store)).drop()
            if what == "table":
                table = Table(store, AnyRef, 1, root)
                return lambda _: _owned(store, lambda: table.get(store, 0)).drop()
            owned = root.to_owned_rooted(store)
        return lambda _: _clone(store, owned)


def _taken(stores: Sequence[Store]) -> int:
    """How many heaps of the pool they have."""
    return sum(made.pooled for made in stores)


def _repeated(step: Callable[[int], Any], most: int, until: float) -> int:
    """Steps until there were so many, or the process has had so much CPU time, in seconds; how many there were."""
    for number in range(most):
        step(number)
        if time.process_time() > until:
            return number + 1
    return most


def _subject(store: Store, what: str, plain: object) -> Any:
    """An owned root of what the roots come from that are made and dropped, or None: there is no room, or no need."""
    one = I31.wrapping_u32(1)
    try:
        if what == "call":
            return _owned(store, lambda: ExternRef.new(store, plain))
        if what in ("cast", "field"):
            return _owned(
                store, lambda: StructRef.new(store, STRUCT_TYPES["pair"], [None, AnyRef.from_i31(store, one)])
            )
    except GcHeapOutOfMemory as oom:
        oom.drop()
    return None


def _reading(store: Store, what: str, subject: OwnedRooted[StructRef] | None) -> Callable[[int], Any]:
    """A struct is cast to a type above its own, or a field of it is read."""
    if subject is None:
        return lambda _: None

    def seen() -> Any:
        rooted = subject.to_rooted(store)
        return rooted.to_eqref() if what == "cast" else rooted.field(store, 1)

    return lambda _: _owned(store, seen).drop()


def _calling(store: Store, subject: OwnedRooted[ExternRef] | None) -> Callable[[int], Any]:
    """A call of Wasm gets a reference."""
    instance = Instance(store)
    host = HostFunctions(instance, (), lambda _: 0, list)

    def call(number: int) -> None:
        with RootScope(store), store.budget.lifted():
            interpreter(instance, CLEAR, 0, host).run([subject, None, None], 0)
        if number % _COLLECT_EVERY == _COLLECT_EVERY - 1:
            store.gc()

    return call


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
