"""The host functions that bodies call (docs/bodies.md), with a scope around each (`docs/spec/semantics.md` 2.2)."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twinheap.targets.heap.externref import ExternRef
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.rooted import Rooted, RootScope, make_rooted

if TYPE_CHECKING:
    from twinheap.targets.heap.wasm_instance import Instance

Entry = int | str
"""An entry of a trace."""


class HostFunctions:
    """What one run may call, and its trace.

    `finalized` gives the ids of the values that were finalized since it was asked last. `values` are the host values
    that `new` wraps, in order; `name_of` gives the id of one.
    """

    def __init__(
        self,
        instance: "Instance",
        values: Iterable[object],
        name_of: Callable[[Any], int],
        finalized: Callable[[], list[int]],
    ) -> None:
        self.instance = instance
        self.store = instance.store
        self.trace: list[Entry] = []
        self.callback: Callable[[Rooted[ExternRef] | None], Rooted[ExternRef] | None] | None = None
        self.earlier: list[Any] = []  # the machine's business: what happened before a callback began,
        self.known = 0  # and how much of what happened since is known
        self.passed = 0
        """How many check points the run passed, once it is over."""
        self._values = iter(values)
        self._name_of = name_of
        self._finalized = finalized

    def _flush(self) -> None:
        self.store.budget.tick()
        self.trace += [f"f:{value}" for value in sorted(self._finalized())]

    def _argument(self, ref: int) -> Rooted[ExternRef] | None:
        """Wasm to host: a LIFO root in the function's scope."""
        if not ref:
            return None
        self.store.clone_ref(ref)  # mutant w01: pass
        return make_rooted(self.store, ref, ExternRef)

    def _result(self, rooted: Rooted[ExternRef] | None) -> int:
        """Host to Wasm: exposed while the scope still holds it."""
        if rooted is None:
            return 0
        # mutant w02 below: return rooted._ref(self.store)
        return rooted.to_raw(self.store)

    def see(self, ref: int) -> None:
        """What the reference is goes into the trace."""
        with RootScope(self.store):
            rooted = self._argument(ref)
            self._flush()
            self.trace.append("null" if rooted is None else self._seen(rooted))

    def _seen(self, rooted: Rooted[ExternRef]) -> Entry:
        number = rooted.i31(self.store)
        if number is not None:
            return f"i31:{number.get_u32()}"
        if rooted.kind(self.store) is not HeapType.EXTERN:
            return "object"
        return self._name_of(rooted.data(self.store))

    def note(self, number: int) -> None:
        """The number goes into the trace."""
        self._flush()
        self.trace.append(f"n:{number}")

    def gc(self) -> None:
        """A full collection, with the callers' frames on the stack."""
        self._flush()
        with RootScope(self.store):
            self.store.gc()

    def clear(self) -> None:
        """Set every global of the instance to null, through the host API."""
        self.store.budget.tick()
        with RootScope(self.store):
            for each in self.instance.globals:
                each.set(self.store, None)

    def new(self) -> int:
        """A fresh externref of the next value; null if none is left. Raises `GcHeapOutOfMemory`."""
        self._flush()
        with RootScope(self.store):
            value = next(self._values, None)
            return self._result(None if value is None else ExternRef.new(self.store, value))

    def call_back(self, ref: int) -> int:
        """The first time the callback, if the run has one; else what it gets."""
        self._flush()
        self.trace.append("cb")
        with RootScope(self.store):
            rooted = self._argument(ref)
            callback, self.callback = self.callback, None
            return self._result(callback(rooted) if callback else rooted)

    def give_back(self, ref: int) -> int:
        """What it gets."""
        self.store.budget.tick()
        with RootScope(self.store):
            return self._result(self._argument(ref))
