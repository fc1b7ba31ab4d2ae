"""The in-tree heap as a machine: structs and arrays of the host, and up-casts (docs/spec/semantics.md 3.2).

What a handle's object lacks is an observation of its own, `absent`: the field holds a number where a reference was
asked for, or a reference of the other hierarchy, or a reference instead of a number. Nothing is read or rooted then.
"""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twinheap.model.kit import ARRAYS, HIERARCHY, STRUCTS, Field
from twinheap.model.observation import ABSENT, OTHER
from twinheap.model.ops import EQ, REF_TYPES, Op
from twinheap.targets.heap import (
    ArrayRef,
    HeapError,
    HeapType,
    OutOfBounds,
    Rooted,
    RootScope,
    Store,
    StructRef,
    TypeMismatch,
    Val,
    Value,
)
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES, number_value, value_number
from twinheap.targets.heap.machine_slots import MISSING
from twinheap.targets.heap.machine_typed import TypedOps
from twinheap.targets.heap.types import FUNCTIONS, RefType, Storage
from twinheap.targets.heap.values import FunctionRef
from twinheap.targets.machine import DONE, SKIPPED, Raw

NOT_THERE: Final[Raw] = ("ok", (ABSENT,))
NO_FIELD: Final[Raw] = (OTHER,)

FIXED_LENGTH: Final = 3
"""Elements that `array_new_fixed` makes."""


class ObjectOps(TypedOps):
    """The ops of the groups structs, arrays and bulk, and `upcast`."""

    def op_upcast(self, op: Op) -> Raw:
        _, at, to, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, handle = held
        self.slots[result] = store, handle.to_eqref() if to == EQ else handle.to_anyref()
        return DONE

    def _make(self, store: Store, make: Callable[[], Rooted[Any] | None], form: int, result: int) -> Raw:
        """Keeps what `make` roots, as the op's `form` says."""
        return self._keep_owned(store, make, result) if form else self._keep(store, make(), result)

    def _made(self, store: Store, make: Callable[[], Rooted[Any]], form: int, result: int) -> Raw:
        """The same for a new object, of which `nonnull` would say nothing."""
        self._make(store, make, form, result)
        return DONE

    def _fields(self, fields: Sequence[Field], number: int, slots: tuple[int, ...]) -> list[Value] | None:
        """The values of a new object's fields; None if an operand's slot is empty."""
        handles = [self._value(slot) for slot in slots]
        if any(handle is MISSING for handle in handles):
            return None
        rest = iter(handles)
        return [next(rest) if field.is_reference else number_value(field.storage, number) for field in fields]

    # --- structs

    def op_struct_new(self, op: Op) -> Raw:
        _, at, struct, number, a, b, c, d, form, result = op
        ty = STRUCTS[struct]
        values = self._fields(ty.fields, number, (a, b, c, d))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        return self._made(store, lambda: StructRef.new(store, STRUCT_TYPES[ty.name], values), form, result)

    def op_struct_get(self, op: Op) -> Raw:
        _, at, index, wanted, form, result = op
        held = self.slots[at]
        return SKIPPED if held is None else self._get_field(held, storages(held), index, wanted, form, result)

    def _get_field(self, held: Any, fields: list[str], index: int, wanted: int, form: int, result: int) -> Raw:
        store, handle = held
        if index >= len(fields):
            return NO_FIELD
        if fields[index] != REF_TYPES[wanted]:
            return NOT_THERE
        return self._make(store, lambda: handle.field(store, index), form, result)

    def op_struct_get_number(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        fields = storages(held)
        if op[2] >= len(fields):
            return NO_FIELD
        return NOT_THERE if fields[op[2]] in HIERARCHY else _number(held[1].field(held[0], op[2]))

    def op_struct_set(self, op: Op) -> Raw:
        held, value = self.slots[op[1]], self._value(op[3])
        if held is None or value is MISSING:
            return SKIPPED
        return self._set_field(held, op[2], value)

    def op_struct_set_number(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        fields = storages(held)
        storage = fields[op[2]] if op[2] < len(fields) else "i32"
        return self._set_field(held, op[2], _to_store(storage, op[3]))

    def _set_field(self, held: Any, index: int, value: Value) -> Raw:
        try:
            held[1].set_field(held[0], index, value)
        except OutOfBounds:
            return NO_FIELD
        return DONE

    # --- arrays

    def op_array_new(self, op: Op) -> Raw:
        _, at, array, length, number, value, form, result = op
        ty = ARRAYS[array]
        values = self._fields(ty.fields, number, (value,))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        return self._made(store, lambda: ArrayRef.new(store, ARRAY_TYPES[ty.name], values[0], length), form, result)

    def op_array_new_huge(self, op: Op) -> Raw:
        _, at, length = op
        ArrayRef.new(self.slots[at], ARRAY_TYPES["longs"], number_value("i64", 1), length)
        return DONE

    def op_array_new_fixed(self, op: Op) -> Raw:
        _, at, array, number, a, b, c, form, result = op
        ty = ARRAYS[array]
        values = self._fields(ty.fields * FIXED_LENGTH, number, (a, b, c))
        if values is None:
            return SKIPPED
        store = self.slots[at]
        return self._made(store, lambda: ArrayRef.new_fixed(store, ARRAY_TYPES[ty.name], values), form, result)

    def op_array_get(self, op: Op) -> Raw:
        _, at, index, wanted, form, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, handle = held
        storage = storages(held)[0]
        _check_index(held, index)
        if storage != REF_TYPES[wanted]:
            return NOT_THERE
        return self._make(store, lambda: handle.get(store, index), form, result)

    def op_array_get_number(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle = held
        _check_index(held, op[2])
        if storages(held)[0] in HIERARCHY:
            return NOT_THERE
        return _number(handle.get(store, op[2]))

    def op_array_set(self, op: Op) -> Raw:
        held, value = self.slots[op[1]], self._value(op[3])
        if held is None or value is MISSING:
            return SKIPPED
        held[1].set(held[0], op[2], value)
        return DONE

    def op_array_set_number(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        storage = storages(held)[0]
        held[1].set(held[0], op[2], _to_store(storage, op[3]))
        return DONE

    def op_array_len(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        return SKIPPED if held is None else ("ok", (held[1].len(held[0]),))

    def op_fields(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle = held
        values = handle.elems(store) if handle.heap_type is ArrayRef else handle.fields(store)
        return ("ok", (len(values), sum(isinstance(value, Rooted | FunctionRef) for value in values)))

    # --- bulk

    def op_chain(self, op: Op) -> Raw:
        """A list of structs, made from its end: each is the `node` whose first field is the one before."""
        _, at, count, result = op
        store = self.slots[at]
        made, head = 0, None
        try:
            for _ in range(count):
                scope = RootScope(store)
                try:
                    link = StructRef.new(store, STRUCT_TYPES["node"], [head, None]).to_owned_rooted(store)
                finally:
                    scope.close()
                if head is not None:
                    head.drop()
                made, head = made + 1, link
        except HeapError:
            pass
        if head is not None:
            self.slots[result] = store, head
        return ("ok", (made,))


def storages(held: Any) -> list[str]:
    """What the fields of an object hold, or the elements of an array: numbers by type, references by hierarchy."""
    return [_storage(field.element_type) for field in held[1].object_type(held[0]).fields]


def _storage(of: Storage | RefType) -> str:
    if isinstance(of, Storage):
        return of.value
    kind = of.heap_type
    if kind in FUNCTIONS:
        return "func"
    return kind.value if kind is HeapType.EXN else "extern" if kind in _EXTERN else "any"


_EXTERN: Final = frozenset({HeapType.EXTERN, HeapType.NOEXTERN})


def _check_index(held: Any, index: int) -> None:
    if index >= held[1].len(held[0]):
        raise OutOfBounds


def _number(value: Value) -> Raw:
    if not isinstance(value, Val):
        raise TypeMismatch("a number was read as a reference")
    return ("ok", (value_number(value),))


def _to_store(storage: str, number: int) -> Val:
    """The number for a field of that type; into a reference field, any number is wrong."""
    return number_value("i32" if storage in HIERARCHY else storage, number)
