"""Wasmtime's C API as a machine, first part: stores, collection, fills, globals and tables (docs/spec/capi.md 5.3)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from twinheap.model.engines import DEFAULT
from twinheap.model.observation import ABSENT, OTHER
from twinheap.model.ops import NULL, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.engines import Engines
from twinheap.targets.capi.limits import Limits, StoreState
from twinheap.targets.capi.memory import is_null
from twinheap.targets.capi.outcomes import failure_of
from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_EXNREF, KIND_EXTERNREF, VAL_HANDLE
from twinheap.targets.capi.valtypes import RefType
from twinheap.targets.machine import DONE, NONNULL, NULL_REF, SKIPPED, PythonMachine, Raw
from twinheap.targets.wire import WireProgram

TYPES: Final = (RefType.EXTERNREF, RefType.ANYREF)
"""The types of slots and raw values, as the op table numbers them."""

_ABSENT: Final[Raw] = ("ok", (ABSENT,))
_HIERARCHIES: Final = (False, True, 2)  # as the slots of handles say them, so that they differ from globals' types
MISSING: Final = 0
"""The address of an operand whose slot is empty."""


class Cells:
    """Memory for equal C structs, one per slot number, at addresses that stay put and are never wiped.

    A cell is read only after a function wrote it, since the slot is marked full then.
    """

    def __init__(self, size: int, head: bytes = b"", offset: int = 0) -> None:
        self._fresh = head.ljust(size, b"\0")
        self._offset = offset
        self._blocks: list[ctypes.Array[ctypes.c_char]] = []
        self.at: list[int] = []
        """The address by slot number, `offset` bytes into the cell."""

    def reserve(self, count: int) -> None:
        """Makes sure that there are so many cells."""
        missing = count - len(self.at)
        if missing <= 0:
            return
        missing = max(missing, len(self.at))  # doubling, so that many small blocks do not add up
        size = len(self._fresh)
        block = ctypes.create_string_buffer(self._fresh * missing, size * missing)
        self._blocks.append(block)
        start = ctypes.addressof(block) + self._offset
        self.at.extend(range(start, start + size * missing, size))


class SlotOps(PythonMachine):
    """The ops of the groups stores, gc, bulk, globals and tables."""

    def __init__(self, api: CApi) -> None:
        super().__init__()
        self._api = api
        self._engines = Engines(api)
        self._limits = Limits(self._engines)
        shape = api.shape
        self._externs = Cells(shape.val_size, bytes([KIND_EXTERNREF]), VAL_HANDLE)
        self._anys = Cells(shape.val_size, bytes([KIND_ANYREF]), VAL_HANDLE)
        exns = Cells(shape.val_size, bytes([KIND_EXNREF]), VAL_HANDLE)
        self._handles = (self._externs, self._anys, exns)  # by the third part of what a handle's slot holds
        self._items = Cells(shape.item_size)
        self._filled = Cells(shape.val_size, bytes([KIND_EXTERNREF]), VAL_HANDLE)
        self._filled_count = 0
        self._nulls = (api.memory.take_extern(), api.memory.take_any())
        self._stores: list[StoreState] = []
        self._payloads: dict[int, int] = {}  # the memory behind the data pointers, which C programs would mutate
        # Up to 36 a handle means nothing once its store is gone; clone and unroot would read freed memory.
        self._needs_store = shape.prompt_release
        self._engine = DEFAULT  # of the program: of its store 0, and of what store_new makes

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self.slots = [None] * program.slots
        for cells in (*self._handles, self._items):
            cells.reserve(program.slots)
        self._filled_count = 0
        self._payloads = {}
        self._engine = program.engine
        self._api.drain()
        self.slots[0] = self._new_store(program.limit, program.engine)
        # The facade's own list: a call of `drain` per op would be a tenth of all time.
        return self._api._finalized

    def complete(self, raw: Raw) -> Raw:
        earlier = raw[2] if len(raw) > 2 else []  # what host functions saw inside a run
        return (raw[0], raw[1] if len(raw) > 1 else (), [*earlier, *self._api.drain()])

    def failure(self, error: Exception) -> Raw:
        raise error  # nothing here raises by design: a defect of this machine

    def _new_store(self, limit: int, engine: int) -> StoreState:
        api = self._engines.api(engine)
        made = StoreState(*api.store_new(None if limit < 0 else limit), engine)
        self._limits.begin(made)
        self._stores.append(made)
        return made

    # --- stores and collection

    def op_store_new(self, op: Op) -> Raw:
        # The limiter mode is lost: C has no async limiter.
        self.slots[op[3]] = self._new_store(op[1], self._engine)
        return DONE

    def op_store_new_in(self, op: Op) -> Raw:
        _, engine, limit, _, result = op
        self.slots[result] = self._new_store(limit, engine)
        return DONE

    def op_set_fuel(self, op: Op) -> Raw:
        self._limits.set_fuel(self.slots[op[1]], op[2])
        return DONE

    def op_set_epoch_deadline(self, op: Op) -> Raw:
        self._limits.set_deadline(self.slots[op[1]], op[2])
        return DONE

    def op_store_drop(self, op: Op) -> Raw:
        store = self.slots[op[1]]
        self._api.store_delete(store.pointer)
        store.alive = False
        return DONE

    def op_set_limit(self, op: Op) -> Raw:
        _, at, limit = op
        self._api.set_limit(self.slots[at].pointer, None if limit < 0 else limit)
        return DONE

    def op_gc(self, op: Op) -> Raw:
        failed = self._api.gc(self.slots[op[1]].context)
        return DONE if failed is None else (OTHER,)

    def op_sync(self, op: Op) -> Raw:
        return DONE

    # --- bulk

    def op_fill(self, op: Op) -> Raw:
        _, at, count, first, result = op
        store = self.slots[at]
        start = self._filled_count
        self._filled.reserve(start + count)
        cells, new, context = self._filled.at, self._api.externref_new, store.context
        made: list[int] = []
        self.slots[result] = store, made
        for index in range(count):
            out = cells[start + index]
            if not new(context, first + index, out):
                break
            made.append(out)
        self._filled_count += len(made)
        return ("ok", (len(made),))

    def op_free(self, op: Op) -> Raw:
        _, at, pattern = op
        filled = self.slots[at]
        if filled is None:
            return SKIPPED
        store, made = filled
        last = max(0, len(made) - 1)
        chosen = (range(len(made)), range(1, len(made), 2), range(min(1, len(made))), range(last, len(made)))[pattern]
        unroot, context = self._api.externref_unroot, store.context
        if not store.alive and self._needs_store:
            return DONE  # there is no way to let go of them, and no harm
        for index in chosen:
            if made[index]:
                unroot(context, made[index])
                made[index] = 0
        return DONE

    # --- globals

    def _value(self, slot: int, of: int) -> int:
        """The address of the handle to store: a null of type `of` if none is given, MISSING for an empty slot."""
        if slot == NULL:
            return self._nulls[of]
        held = self.slots[slot]
        address: int = MISSING if held is None else held[1]
        return address

    def _read(self, store: StoreState, of: int, out: int, result: int) -> Raw:
        """Keeps the handle that a get or from_raw wrote to `out`."""
        if is_null(out):
            return NULL_REF
        self.slots[result] = store, out, _HIERARCHIES[of]
        return NONNULL

    def _out(self, of: int, result: int) -> int:
        """Where a handle of type `of` for slot `result` goes."""
        return self._handles[of].at[result]

    def op_global_new(self, op: Op) -> Raw:
        _, at, of, mutable, source, result = op
        value = self._value(source, of)
        if value == MISSING:
            return SKIPPED
        store, out = self.slots[at], self._items.at[result]
        failed = self._api.global_new(store.context, TYPES[of], bool(mutable), value, out)
        if failed is not None:
            return failure_of(failed)
        self.slots[result] = store, out, of
        return DONE

    def op_global_get_owned(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, item, of = held
        out = self._out(of, op[2])
        self._api.global_get(store.context, item, out)
        return self._read(store, of, out, op[2])

    def op_global_set(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, item, of = held
        value = self._value(op[2], of)
        if value == MISSING:
            return SKIPPED
        failed = self._api.global_set(store.context, item, value)
        return DONE if failed is None else failure_of(failed)

    # --- tables

    def op_table_new(self, op: Op) -> Raw:
        _, at, of, minimum, maximum, source, result = op
        value = self._value(source, of)
        if value == MISSING:
            return SKIPPED
        store, out = self.slots[at], self._items.at[result]
        most = None if maximum < 0 else maximum
        failed = self._api.table_new(store.context, TYPES[of], minimum, most, value, out)
        if failed is not None:
            return failure_of(failed)
        self.slots[result] = store, out, of
        return DONE

    def op_table_get_owned(self, op: Op) -> Raw:
        _, at, index, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, item, of = held
        out = self._out(of, result)
        if not self._api.table_get(store.context, item, index, out):
            return _ABSENT
        return self._read(store, of, out, result)

    def op_table_set(self, op: Op) -> Raw:
        _, at, index, source = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        value = self._value(source, held[2])
        if value == MISSING:
            return SKIPPED
        failed = self._api.table_set(held[0].context, held[1], index, value)
        return DONE if failed is None else failure_of(failed)

    def op_table_grow(self, op: Op) -> Raw:
        _, at, delta, source = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        value = self._value(source, held[2])
        if value == MISSING:
            return SKIPPED
        grown = self._api.table_grow(held[0].context, held[1], delta, value)
        return failure_of(grown) if isinstance(grown, str) else ("ok", (grown,))

    op_table_grow_huge = op_table_grow

    def op_table_size(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        return ("ok", (self._api.table_size(held[0].context, held[1]),))
