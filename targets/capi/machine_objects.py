"""Wasmtime's C API as a machine: structs, arrays and exceptions of the host (docs/spec/capi.md 5.4, from 46 on).

What a handle's object lacks is an observation of its own, `absent`: nothing is read or rooted then. There is no
function for arrays of different elements, so `array_new_fixed` is not offered.
"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from twinheap.model.kit import ARRAYS, HIERARCHY, NUMBERS, STRUCTS, TAGS, Field, hierarchy
from twinheap.model.observation import ABSENT, EXN
from twinheap.model.ops import NULL, NULL_OBJECT_USES, OPS, REF_TYPES, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_calls import CallOps
from twinheap.targets.capi.machine_slots import MISSING
from twinheap.targets.capi.objects import FIRST, Objects, read_number, write_number
from twinheap.targets.capi.outcomes import failure_of
from twinheap.targets.capi.shapes import KIND_FUNCREF, VAL_HANDLE
from twinheap.targets.machine import DONE, NULL_REF, SKIPPED, THROWS, Callback, Raw

_GROUPS: Final = frozenset({"structs", "arrays", "exceptions"})
_NOT_THERE: Final[Raw] = ("ok", (ABSENT,))
_STRUCT, _ARRAY, _EXN = range(3)  # as `Objects` numbers what has fields
_NODE: Final = next(at for at, made in enumerate(STRUCTS) if made.name == "node")
_LONGS: Final = next(at for at, made in enumerate(ARRAYS) if made.name == "longs")
_TAG_OF_COUNT: Final = {len(tag.fields): tag for tag in TAGS}
_MOST: Final = max(len(made.fields) for made in (*STRUCTS, *TAGS))


class ObjectOps(CallOps):
    """The ops of the groups structs, arrays and exceptions, and `chain`."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        self._objects_by_engine: dict[int, Objects] = {}
        size = api.shape.val_size
        self._scratch = ctypes.create_string_buffer(size * _MOST)
        self._scratch_at = tuple(ctypes.addressof(self._scratch) + size * at for at in range(_MOST))
        self._links = (api.memory.take_any(), api.memory.take_any())

    @property
    def supported(self) -> frozenset[str]:
        if self._api.shape.major >= FIRST:
            return super().supported
        return super().supported - {spec.name for spec in OPS if spec.group in _GROUPS} - {"chain"}

    def _objects(self, store: StoreState) -> Objects:
        """The types of a store's engine, made when the first program needs them: it takes a module to compile."""
        number = store.engine
        if number not in self._objects_by_engine:
            self._objects_by_engine[number] = Objects(self._engines.api(number))
        return self._objects_by_engine[number]

    def op_modules_drop(self, op: Op) -> Raw:
        objects = self._objects_by_engine.pop(self.slots[op[1]].engine, None)
        if objects is not None:
            objects.close()
        return super().op_modules_drop(op)

    def clean_up(self) -> None:
        for objects in self._objects_by_engine.values():
            objects.forget()
        super().clean_up()

    # --- new objects

    def _fields(self, fields: Sequence[Field], number: int, slots: tuple[int, ...]) -> int | None:
        """The address of the values of a new object's fields; None if an operand's slot is empty."""
        rest = iter(slots)
        for field, at in zip(fields, self._scratch_at, strict=False):
            if not field.is_reference:
                write_number(at, field.storage, number)
                continue
            source = self._value(next(rest), int(HIERARCHY[field.storage] == "any"))
            if source == MISSING:
                return None
            ctypes.memmove(at, source - VAL_HANDLE, self._api.shape.val_size)
        return self._scratch_at[0]

    def _made(self, failed: str | None, store: StoreState, kind: int, result: int) -> Raw:
        if failed is not None:
            return failure_of(failed)
        self.slots[result] = store, self._out(2 if kind == _EXN else 1, result), 2 if kind == _EXN else True
        return DONE

    def op_struct_new(self, op: Op) -> Raw:
        _, at, struct, number, a, b, c, d, _, result = op
        values = self._fields(STRUCTS[struct].fields, number, (a, b, c, d))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        failed = self._objects(store).struct_new(store, store.context, struct, values, self._out(1, result))
        return self._made(failed, store, _STRUCT, result)

    def op_array_new(self, op: Op) -> Raw:
        _, at, array, length, number, value, _, result = op
        values = self._fields(ARRAYS[array].fields, number, (value,))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        failed = self._objects(store).array_new(store, store.context, array, values, length, self._out(1, result))
        return self._made(failed, store, _ARRAY, result)

    def op_array_new_huge(self, op: Op) -> Raw:
        _, at, length = op
        store, out = self.slots[at], self._api.memory.take_any()
        values = self._fields(ARRAYS[_LONGS].fields, 1, ())
        assert values is not None
        failed = self._objects(store).array_new(store, store.context, _LONGS, values, length, out)
        if failed is None:
            self._api.anyref_unroot(store.context, out)
        self._api.memory.give_any(out)
        return DONE if failed is None else failure_of(failed)

    def op_exn_new(self, op: Op) -> Raw:
        _, at, tag, a, b, _, result = op
        values = self._fields(TAGS[tag].fields, 0, (a, b))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        failed = self._objects(store).exn_new(store, store.context, tag, values, self._out(2, result))
        return self._made(failed, store, _EXN, result)

    def op_chain(self, op: Op) -> Raw:
        _, at, count, result = op
        store = self.slots[at]
        made, before = 0, self._nulls[1]
        size, unroot = self._api.shape.val_size, self._api.anyref_unroot
        for made in range(count + 1):
            link = self._links[made % 2]
            ctypes.memmove(self._scratch_at[0], before - VAL_HANDLE, size)
            ctypes.memmove(self._scratch_at[1], self._nulls[0] - VAL_HANDLE, size)
            if made == count or self._objects(store).struct_new(store, store.context, _NODE, self._scratch_at[0], link):
                break
            if made:
                unroot(store.context, before)
            before = link
        if made:
            out = self._out(1, result)
            ctypes.memmove(out - VAL_HANDLE, before - VAL_HANDLE, size)
            self.slots[result] = store, out, True
        return ("ok", (made,))

    # --- fields and elements

    def _storage(self, kind: int, held: Any, index: int) -> str | None:
        """What a field holds, or the elements wherever they end: numbers by type, references by hierarchy.

        None if there is no such field.
        """
        context, handle = held[0].context, held[1]
        objects = self._objects(held[0])
        if kind != _EXN:
            return objects.storage_of(kind, context, handle, index)
        fields = _TAG_OF_COUNT[objects.field_count(context, handle)].fields
        return hierarchy(fields[index].storage) if index < len(fields) else None

    def _has(self, kind: int, held: Any, index: int, wanted: str | None) -> bool:
        """Whether a field holds references of a hierarchy, or numbers; also if it does not exist at all."""
        storage = self._storage(kind, held, index)
        length = self._objects(held[0]).length(held[0].context, held[1]) if kind == _ARRAY else None
        if storage is None or (isinstance(length, int) and index >= length):
            return True
        return storage in NUMBERS if wanted is None else storage == wanted

    def _get(self, kind: int, at: int, index: int, of: int | None, result: int) -> Raw:
        """Reads a reference of hierarchy `of` into a slot, or a number if that is None."""
        held = self.slots[at]
        if held is None:
            return SKIPPED
        if not self._has(kind, held, index, None if of is None else REF_TYPES[of]):
            return _NOT_THERE
        out = self._scratch_at[0] + VAL_HANDLE if of is None else self._out(of, result)
        failed = self._objects(held[0]).get(kind, held[0].context, held[1], index, out - VAL_HANDLE)
        if failed is not None:
            return failure_of(failed)
        if of is None:
            return ("ok", (read_number(out - VAL_HANDLE),))
        return self._read(held[0], of, out, result)

    def op_struct_get(self, op: Op) -> Raw:
        return self._get(_STRUCT, op[1], op[2], op[3], op[5])

    def op_array_get(self, op: Op) -> Raw:
        return self._get(_ARRAY, op[1], op[2], op[3], op[5])

    def op_exn_get(self, op: Op) -> Raw:
        return self._get(_EXN, op[1], op[2], op[3], op[5])

    def op_struct_get_number(self, op: Op) -> Raw:
        return self._get(_STRUCT, op[1], op[2], None, 0)

    def op_array_get_number(self, op: Op) -> Raw:
        return self._get(_ARRAY, op[1], op[2], None, 0)

    def _set(self, kind: int, op: Op) -> Raw:
        _, at, index, source = op
        held = self.slots[at]
        # Nobody looks at a null's hierarchy but the field's type: it is the field's own.
        storage = None if held is None else self._storage(kind, held, index)
        value = self._value(source, int(storage == "any"))
        if held is None or value == MISSING:
            return SKIPPED
        if storage == "func" and source == NULL:
            value = self._scratch_at[0] + VAL_HANDLE
            ctypes.memset(value - VAL_HANDLE, 0, self._api.shape.val_size)
            ctypes.c_uint8.from_address(value - VAL_HANDLE).value = KIND_FUNCREF
        failed = self._objects(held[0]).set(kind, held[0].context, held[1], index, value - VAL_HANDLE)
        return DONE if failed is None else failure_of(failed)

    def op_struct_set(self, op: Op) -> Raw:
        return self._set(_STRUCT, op)

    def op_array_set(self, op: Op) -> Raw:
        return self._set(_ARRAY, op)

    def _set_number(self, kind: int, op: Op) -> Raw:
        _, at, index, number = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        value = self._scratch_at[0]
        write_number(value, self._storage(kind, held, index) or "i32", number)
        failed = self._objects(held[0]).set(kind, held[0].context, held[1], index, value)
        return DONE if failed is None else failure_of(failed)

    def op_struct_set_number(self, op: Op) -> Raw:
        return self._set_number(_STRUCT, op)

    def op_array_set_number(self, op: Op) -> Raw:
        return self._set_number(_ARRAY, op)

    def op_array_len(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        length = self._objects(held[0]).length(held[0].context, held[1])
        return failure_of(length) if isinstance(length, str) else ("ok", (length,))

    def op_null_object(self, op: Op) -> Raw:
        _, at, use = op
        context, objects = self.slots[at].context, self._objects(self.slots[at])
        null, exn, out = self._nulls[1], self._api.memory.take_exn(), self._scratch_at[0]
        seen: int | str | None
        match NULL_OBJECT_USES[use]:
            case "struct_get":
                seen = objects.get(_STRUCT, context, null, 0, out)
            case "array_get":
                seen = objects.get(_ARRAY, context, null, 0, out)
            case "exn_get":
                seen = objects.get(_EXN, context, exn, 0, out)
            case "struct_set":
                seen = objects.set(_STRUCT, context, null, 0, null - VAL_HANDLE)
            case "array_set":
                seen = objects.set(_ARRAY, context, null, 0, null - VAL_HANDLE)
            case "array_len":
                seen = objects.length(context, null)
            case _:
                seen = "a trap" if objects.throw(context, exn) else None
        self._api.memory.give_exn(exn)
        return failure_of(seen) if isinstance(seen, str) else DONE

    # --- exceptions

    def op_throw(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self._objects(held[0]).throw(held[0].context, held[1])
        return (EXN,)

    def op_raise_exn(self, op: Op) -> Raw:
        if op[1] == NULL:
            return self._ends(THROWS, None)
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        out = self._api.memory.take_exn()
        self._api.library.bound("wasmtime_exnref_clone")(held[1], out)
        return self._ends(THROWS, out)

    def _release_exn(self, call: Callback) -> None:
        if call.exn is not None:
            self._api.library.bound("wasmtime_exnref_unroot")(call.exn)
            self._api.memory.give_exn(call.exn)
            call.exn = None

    def _thrown(self, call: Callback) -> int | None:
        """What is pending is taken and thrown once more: C makes no other trap of it."""
        if call.ending != THROWS:
            return None
        context = call.store.context
        if call.exn is None:
            call.exn = self._api.memory.take_exn()
            if not self._objects(call.store).take(context, call.exn):
                self._api.memory.give_exn(call.exn)
                call.exn = None
                return None
        trap = self._objects(call.store).thrown(context, call.exn)
        self._release_exn(call)
        return trap

    def op_exn_take(self, op: Op) -> Raw:
        _, at, _, result = op
        store = self.slots[at]
        out = self._out(2, result)
        if not self._objects(store).take(store.context, out):
            return NULL_REF
        return self._read(store, 2, out, result)

    def op_exn_pending(self, op: Op) -> Raw:
        store = self.slots[op[1]]
        return ("ok", (self._objects(store).pending(store.context),))
