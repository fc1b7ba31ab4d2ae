"""The in-tree heap as a machine, first part: stores, scopes, allocation, collection, errors, futures, bulk."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from twinheap.model.observation import OOM, PENDING
from twinheap.model.ops import NULL, UNLIMITED, Op
from twinheap.targets.heap import (
    ExternRef,
    GcHeapOutOfMemory,
    HeapError,
    OwnedRooted,
    Rooted,
    RootScope,
    Store,
)
from twinheap.targets.heap.machine_values import AsyncLimits, HostValue, Pending, PlainLimits
from twinheap.targets.machine import DONE, NONE, SKIPPED, PythonMachine, Raw
from twinheap.targets.wire import WireProgram

_PENDING: Final[Raw] = ("ok", (PENDING,))


class MemoryOps(PythonMachine):
    """The ops of the groups stores, scopes, gc, oom, async and bulk, and the allocating ones."""

    def __init__(self, collector: str, *, defects: frozenset[str], verify: bool, exact: bool) -> None:
        super().__init__()
        self._collector = collector
        self._defects = defects
        self._verify = verify
        self._exact = exact
        self._effects: list[Any] = []  # host values finalized, and limiter calls, during the op
        self._needed = 0
        self._bodies: list[str] = []
        self._with_store: set[int] = set()  # value ids that are not with the host
        self._scopes: list[RootScope] = []
        self._errors: dict[int, tuple[Store, GcHeapOutOfMemory[HostValue], int]] = {}

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self.slots = [None] * program.slots
        self._with_store = set()
        self._effects.clear()
        self.slots[0] = self._new_store(program.limit, program.limiter)
        return self._effects

    def complete(self, raw: Raw) -> Raw:
        finalized = [seen.id for seen in self._effects if type(seen) is HostValue]
        calls = [seen for seen in self._effects if type(seen) is tuple]
        self._effects.clear()
        values = raw[1] if len(raw) > 1 else ()
        needed, self._needed = self._needed, 0
        if not self._exact:
            return (raw[0], values, finalized)
        return (raw[0], values, finalized, calls, needed)

    def clean_up(self) -> None:
        self._scopes.clear()
        self._errors.clear()
        self._effects.clear()
        self._needed = 0

    def _new_store(self, limit: int, limiter: int) -> Store:
        size = None if limit < 0 else limit
        return Store(
            self._collector,
            limiter=AsyncLimits(size) if limiter else PlainLimits(size),
            on_finalize=self._effects.append,
            on_limiter_call=self._note_limiter if self._exact else None,
            defects=self._defects,
            verify=self._verify,
        )

    def _note_limiter(self, current: int, desired: int) -> None:
        self._effects.append((current, desired))

    # --- stores and scopes

    def op_store_new(self, op: Op) -> Raw:
        _, limit, limiter, result = op
        self.slots[result] = self._new_store(limit, limiter)
        return DONE

    def op_store_new_in(self, op: Op) -> Raw:
        _, _, limit, limiter, result = op
        self.slots[result] = self._new_store(limit, limiter)
        return DONE

    def op_set_fuel(self, op: Op) -> Raw:
        _, store, fuel = op
        self.slots[store].budget.fuel = None if fuel == UNLIMITED else fuel
        return DONE

    def op_set_epoch_deadline(self, op: Op) -> Raw:
        _, store, ticks = op
        self.slots[store].budget.ticks = None if ticks == UNLIMITED else ticks
        return DONE

    def op_store_drop(self, op: Op) -> Raw:
        store = self.slots[op[1]]
        for slot in [slot for slot, kept in self._errors.items() if kept[0] is store]:
            self._errors.pop(slot)[1].drop()  # an error cannot outlive its store's finalizers
        store.drop()
        return DONE

    def op_set_limit(self, op: Op) -> Raw:
        _, store, limit = op
        self.slots[store].limiter.memory_size = None if limit < 0 else limit
        return DONE

    def op_set_limiter(self, op: Op) -> Raw:
        _, store, answer = op
        self.slots[store].limiter.answer = answer
        return DONE

    def op_scope(self, op: Op) -> Raw:
        self._scopes.append(RootScope(self.slots[op[1]]))
        return DONE

    def op_end(self, op: Op) -> Raw:
        self._scopes.pop().close()
        return DONE

    # --- allocation

    def op_ext_new(self, op: Op) -> Raw:
        return self._allocated(op, ExternRef.new)

    def op_ext_new_owned(self, op: Op) -> Raw:
        return self._allocated(op, _new_owned)

    def _allocated(self, op: Op, new: Callable[[Store, HostValue], Any]) -> Raw:
        _, at, value, handle, error = op
        if value in self._with_store:
            return SKIPPED
        store = self.slots[at]
        self._with_store.add(value)
        try:
            self.slots[handle] = store, new(store, HostValue(value))
        except GcHeapOutOfMemory as oom:
            return self._out_of_memory(store, oom, error, value)
        return DONE

    def _out_of_memory(self, store: Store, oom: GcHeapOutOfMemory[HostValue], error: int, value: int) -> Raw:
        if error == NULL:
            oom.drop()
        else:
            self._errors[error] = self.slots[error] = store, oom, value
        return self._no_room(oom)

    def _no_room(self, oom: GcHeapOutOfMemory[Any], values: tuple[Any, ...] = ()) -> Raw:
        if not self._exact:
            return (OOM, values)
        if not self._effects:  # else `complete` adds it
            return (OOM, values, (), (), oom.bytes_needed)
        self._needed = oom.bytes_needed
        return (OOM, values)

    # --- collection and errors

    def op_gc(self, op: Op) -> Raw:
        self.slots[op[1]].gc()
        return DONE

    def op_sync(self, op: Op) -> Raw:
        return DONE

    def op_gc_for(self, op: Op) -> Raw:
        kept = self.slots[op[2]]
        if kept is None:
            return SKIPPED
        self.slots[op[1]].gc(kept[1])
        return DONE

    def op_oom_take(self, op: Op) -> Raw:
        kept = self.slots[op[1]]
        if kept is None:
            return SKIPPED
        self._forget_error(op[1])
        self._with_store.discard(kept[2])
        taken = kept[1].into_inner()
        return NONE if taken is None else ("ok", (taken.id,))

    def op_oom_drop(self, op: Op) -> Raw:
        kept = self.slots[op[1]]
        if kept is None:
            return SKIPPED
        self._forget_error(op[1])
        kept[1].drop()
        return DONE

    def _forget_error(self, slot: int) -> None:
        self.slots[slot] = None
        del self._errors[slot]

    # --- futures

    def op_new_async(self, op: Op) -> Raw:
        _, at, value, pending, handle, error = op
        if value in self._with_store:
            return SKIPPED
        self._with_store.add(value)
        store = self.slots[at]
        future = ExternRef.new_async(store, HostValue(value))
        self.slots[pending] = Pending(store, future, handle, error, value)
        return self._poll(self.slots[pending], 1)

    def op_gc_async(self, op: Op) -> Raw:
        _, at, pending = op
        store = self.slots[at]
        self.slots[pending] = Pending(store, store.gc_async(), NULL, NULL, NULL)
        return self._poll(self.slots[pending], 1)

    def op_poll(self, op: Op) -> Raw:
        _, at, polls = op
        pending = self.slots[at]
        if pending is None or pending.future.done:
            return SKIPPED
        return self._poll(pending, polls)

    def _poll(self, pending: Pending, polls: int) -> Raw:
        """Polls so many times, or until it is done for 0."""
        future = pending.future
        try:
            while not future.poll():
                polls -= 1
                if polls == 0:
                    return _PENDING
        except GcHeapOutOfMemory as oom:
            return self._out_of_memory(pending.store, oom, pending.error, pending.value)
        if pending.handle != NULL:
            self.slots[pending.handle] = pending.store, future.result
        return DONE

    def op_cancel(self, op: Op) -> Raw:
        pending = self.slots[op[1]]
        if pending is None or pending.future.done:
            return SKIPPED
        pending.future.cancel()
        return DONE

    # --- bulk

    def op_fill(self, op: Op) -> Raw:
        _, at, count, first, result = op
        return self._fill(self.slots[at], count, first, result)

    def _fill(self, store: Store, count: int, first: int, result: int) -> Raw:
        made: list[OwnedRooted[ExternRef] | None] = []
        self.slots[result] = store, made
        try:
            for value in range(first, first + count):
                self._with_store.add(value)
                made.append(_new_owned(store, HostValue(value)))
        except GcHeapOutOfMemory as oom:
            oom.drop()
        except HeapError:  # an async limiter: the heap has dropped the value
            pass
        return ("ok", (len(made),))

    def op_fill_race(self, op: Op) -> Raw:
        _, at, count, first, raced, result = op
        if self.slots[raced] is None:
            return SKIPPED
        return self._race(raced, lambda: self._fill(self.slots[at], count, first, result))

    def op_store_drop_race(self, op: Op) -> Raw:
        if self.slots[op[2]] is None:
            return SKIPPED
        return self._race(op[2], lambda: self.op_store_drop(op))

    def _race(self, raced: int, do: Callable[[], Raw]) -> Raw:
        """Does something while another thread drops the handles of a fill."""
        made = self.slots[raced][1]
        handles = [handle for handle in made if handle is not None]
        made[:] = [None] * len(made)
        other = threading.Thread(target=_drop_all, args=(handles,))
        other.start()
        try:
            return do()
        finally:
            other.join()

    def op_free(self, op: Op) -> Raw:
        _, at, pattern = op
        filled = self.slots[at]
        if filled is None:
            return SKIPPED
        made = filled[1]
        for index in _pattern(pattern, len(made)):
            if made[index] is not None:
                made[index].drop()
                made[index] = None
        return DONE


def _drop_all(handles: list[OwnedRooted[ExternRef]]) -> None:
    for handle in handles:
        handle.drop()


def _pattern(pattern: int, length: int) -> range:
    """The indices that `free` gives back: all, odd, first or last, by original index."""
    return (range(length), range(1, length, 2), range(min(1, length)), range(max(0, length - 1), length))[pattern]


def _new_owned(store: Store, value: HostValue) -> OwnedRooted[ExternRef]:
    """An owned root for a fresh externref: a LIFO root in a scope of its own, as the C API does it."""
    scope = RootScope(store)
    try:
        rooted: Rooted[ExternRef] = ExternRef.new(store, value)
        return rooted.to_owned_rooted(store)
    finally:
        scope.close()
