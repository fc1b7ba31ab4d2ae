"""The in-tree heap as a machine, third part: typed calls, comparisons of roots and references."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from typing import Any, Final

from twinheap.model.ops import INT_KINDS, NULL, REF_TYPES, WASM_TYPES, Op
from twinheap.targets.heap import (
    I31,
    AnyRef,
    ArrayType,
    EqRef,
    ExnRef,
    ExternRef,
    HeapType,
    HostFunc,
    I31Func,
    OwnedRooted,
    ParamKind,
    RefType,
    Rooted,
    Store,
    StructRef,
    StructType,
    TypedFunc,
)
from twinheap.targets.heap.arrayref import ArrayRef
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES
from twinheap.targets.heap.machine_slots import MISSING, SlotOps
from twinheap.targets.heap.values import matches
from twinheap.targets.machine import NULL_REF, SKIPPED, Raw

_CALL, _WRAP, _GIVE = range(len(INT_KINDS["way"].names))
_ABSTRACT: Final[tuple[type[Any], ...]] = (ExternRef, AnyRef, EqRef, StructRef, ArrayRef, ExnRef)
"""By number of `REF_TYPES`."""

_CONCRETE: Final[dict[str, StructType | ArrayType]] = {**STRUCT_TYPES, **ARRAY_TYPES}


class TypedOps(SlotOps):
    """The ops of the group typed, and those that compare roots and references."""

    def op_typed_call(self, op: Op) -> Raw:
        _, at, nullable, source, result = op
        return self._pass(at, _CALL, 0, ParamKind.OPTION_ROOTED if nullable else ParamKind.ROOTED, source, result)

    def op_typed_call_owned(self, op: Op) -> Raw:
        _, at, nullable, source, result = op
        return self._pass(at, _CALL, 0, ParamKind.OPTION_OWNED if nullable else ParamKind.OWNED, source, result)

    def op_typed_pass(self, op: Op) -> Raw:
        _, at, way, to, nullable, source, result = op
        return self._pass(at, way, to, ParamKind.OPTION_ROOTED if nullable else ParamKind.ROOTED, source, result)

    def op_typed_pass_owned(self, op: Op) -> Raw:
        _, at, way, to, nullable, source, result = op
        return self._pass(at, way, to, ParamKind.OPTION_OWNED if nullable else ParamKind.OWNED, source, result)

    def _pass(self, at: int, way: int, to: int, kind: ParamKind, source: int, result: int) -> Raw:
        value = self._value(source)
        if value is MISSING:
            return SKIPPED
        if isinstance(value, OwnedRooted):
            value = value.clone()  # it goes by value, and the slot keeps its own
        store: Store = self.slots[at]
        host_type = _host_type(to)
        through: HostFunc[Any] | None = None
        if way == _WRAP:
            through = HostFunc(store, kind, host_type, lambda given: given)
        elif way == _GIVE:
            through = HostFunc(store, kind, host_type, lambda _: value)
        concrete = _CONCRETE[WASM_TYPES[to]] if to >= len(REF_TYPES) else None
        function = TypedFunc(store, kind, host_type, concrete=concrete, through=through)
        given = function.call_without(store) if way == _GIVE else function.call(store, value)
        return self._keep(store, given, result)

    def op_typed_i31(self, op: Op) -> Raw:
        _, _, way, nullable, payload = op
        value = None if payload == NULL else I31.wrapping_u32(payload)
        function = I31Func(nullable=bool(nullable), through=None if way == _CALL else lambda given: given)
        given = function.call(value)
        return NULL_REF if given is None else ("ok", ("i31", given.get_u32()))

    def op_matches(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle = held
        handle.kind(store)  # whatever the type, a stale handle is an error
        name = WASM_TYPES[op[2]]
        concrete = _CONCRETE.get(name)
        wanted = RefType(HeapType(name)) if concrete is None else RefType(_host_type(op[2]).type, concrete=concrete)
        return ("ok", (matches(store, handle, wanted),))

    # --- comparisons

    def _both(self, op: Op) -> tuple[Any, Any] | None:
        left, right = self.slots[op[1]], self.slots[op[2]]
        return None if left is None or right is None else (left, right)

    def op_ref_eq(self, op: Op) -> Raw:
        both = self._both(op)
        if both is None:
            return SKIPPED
        (store, one), (_, two) = both
        return ("ok", (Rooted.ref_eq(store, one, two),))

    def op_ref_hash(self, op: Op) -> Raw:
        both = self._both(op)
        if both is None:
            return SKIPPED
        (store, one), (_, two) = both
        return ("ok", (one.ref_hash(store) == two.ref_hash(store),))

    def op_rooted_eq(self, op: Op) -> Raw:
        both = self._both(op)
        return SKIPPED if both is None else ("ok", (Rooted.rooted_eq(both[0][1], both[1][1]),))

    def op_rooted_hash(self, op: Op) -> Raw:
        both = self._both(op)
        return SKIPPED if both is None else ("ok", (both[0][1].rooted_hash() == both[1][1].rooted_hash(),))


def _host_type(to: int) -> type[Any]:
    """The static type of the host's handles for a type of Wasm: there is none for object types."""
    if to < len(REF_TYPES):
        return _ABSTRACT[to]
    return StructRef if WASM_TYPES[to] in STRUCT_TYPES else ArrayRef
