"""What forms say beside their operands: immediates in range, and rules beyond types (docs/bodies.md).

Used by `body_types.py`; nothing here looks into operands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model.body import Tree
from twinheap.model.body_env import Scope, wrong
from twinheap.model.body_forms import (
    TAG_TYPES,
    Shape,
    value_type,
)
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, NUMBERS, Field

_INT_RANGE: Final = range(-(2**31), 2**31)
_NUMBERED: Final = {
    "V": "variable",
    "V2": "variable",
    "K": "global",
    "T": "table",
    "T2": "table",
    "S": "segment",
    "F": "helper",
}


def _named(immediate: str, scope: Scope) -> tuple[str, ...] | None:
    """The names that an immediate may be; None if it is a number."""
    match immediate:
        case "REF":
            return scope.types.references
        case "STRUCT":
            return scope.types.structs
        case "ARRAY" | "ARRAY2":
            return scope.types.arrays
        case "TAG":
            return tuple(TAG_TYPES)
        case "FUNC":
            return tuple(scope.types.functions)
        case _:
            return None


def bound_of(shape: Shape, form: Tree) -> dict[str, str | int]:
    """The immediates of a form by their names in its shape."""
    names = (name.rstrip("!") for name in shape.immediates)
    return {name: part for name, part in zip(names, form[1:], strict=False) if not isinstance(part, tuple)}


def types_for(wanted: str, bound: dict[str, str | int], scope: Scope, spare: int) -> list[str]:
    """The types that a `=X` of a shape stands for, or `wanted` itself. `spare`: how many parts there are to fill."""
    match wanted:
        case "=V":
            return [scope.variables[int(bound["V"])]]
        case "=V2":
            return [scope.variables[int(bound["V2"])]]
        case "=K":
            number = int(bound["K"]) - len(KIT_GLOBALS)
            return [KIT_GLOBALS[number] if number < 0 else scope.globals[number].type]
        case "=T":
            return [scope.table(int(bound["T"])).type]
        case "=STRUCT" | "=ARRAY" | "=ARRAY2" | "=REF":
            return [str(bound[wanted[1:]])]
        case "=FIELD":
            return [value_type(scope.types.objects[str(bound["STRUCT"])].fields[int(bound["FIELD"])].storage)]
        case "=ELEMENT" | "=ELEMENTS":
            element = value_type(scope.types.objects[str(bound["ARRAY"])].fields[0].storage)
            return [element] * (spare if wanted == "=ELEMENTS" else 1)
        case "=FIELDS":
            made = scope.types.objects[str(bound["STRUCT"])] if "STRUCT" in bound else TAG_TYPES[str(bound["TAG"])]
            return [value_type(field.storage) for field in made.fields]
        case "=PARAMS":
            return list(scope.functions[int(bound["F"])].params)
        case "=F":
            result = scope.functions[int(bound["F"])].result
            return [result] if result else []
        case "=FUNC" | "=INVOKED" | "=GIVEN":
            return _of_functions(wanted, bound, scope)
        case _:
            return [wanted]


def _of_functions(wanted: str, bound: dict[str, str | int], scope: Scope) -> list[str]:
    """The type of a reference to F; the operands of a call of FUNC, and what that gives."""
    if wanted == "=FUNC":
        return [scope.functions[int(bound["F"])].type or "func"]
    of = scope.types.functions[str(bound["FUNC"])]
    if wanted == "=INVOKED":
        return [*of.params, of.made.name]
    return [of.result] if of.result else []


def _limits(scope: Scope, labels: int) -> dict[str, int]:
    """How many there are of what an immediate numbers."""
    return {
        "V": len(scope.variables),
        "V2": len(scope.variables),
        "K": len(KIT_GLOBALS) + len(scope.globals),
        "T": len(KIT_TABLES) + len(scope.tables),
        "T2": len(KIT_TABLES) + len(scope.tables),
        "S": len(scope.segments),
        "F": len(scope.functions),
        "L": labels,
    }


def immediates_of(shape: Shape, form: Tree, scope: Scope, labels: int) -> dict[str, str | int]:
    """The immediates of a form by their names, each checked to be there and in range."""
    bound = bound_of(shape, form)
    if len(bound) != len(shape.immediates) or len(form) - 1 < len(bound):
        wrong(form, f"it begins with {' '.join(shape.immediates)}")
    limits = _limits(scope, labels)
    for name, value in bound.items():
        names = _named(name, scope)
        if names is not None:
            if value not in names:
                wrong(form, f"{value}: use one of {' '.join(names)}")
        elif name == "FIELD":
            if value not in range(len(scope.types.objects[str(bound["STRUCT"])].fields)):
                wrong(form, f"{bound['STRUCT']} has no field {value}")
        elif name == "N":
            if value not in _INT_RANGE:
                wrong(form, "numbers are -2^31 to 2^31-1")
        elif value not in range(limits[name]):
            what = _NUMBERED.get(name, "enclosing block")
            wrong(form, f"there is no {what} {value} here, but {limits[name]} of them, numbered from 0")
    if any(name.endswith("!") for name in shape.immediates):
        _check_mutable(form, bound, scope)
    if scope.far and "F" in bound and not scope.functions[int(bound["F"])].far:
        wrong(form, "a far helper calls far ones only")
    return bound


def _check_mutable(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    if "K" in bound:
        number = int(bound["K"]) - len(KIT_GLOBALS)
        if number >= 0 and not scope.globals[number].mutable:
            wrong(form, "a const cannot be set")
        return
    made = scope.types.objects[str(bound.get("STRUCT") or bound["ARRAY"])]
    if not made.fields[int(bound.get("FIELD", 0))].mutable:
        wrong(form, f"{made.name} cannot be changed there")


# --- rules beyond the types of operands


def _fits(form: Tree, storage: str, got: str, scope: Scope) -> None:
    """References of type `got` go where `storage` is."""
    if storage in NUMBERS or got in NUMBERS or not scope.types.subtype(got, storage):
        wrong(form, f"elements of type {got} do not fit into {storage}")


def _element(bound: dict[str, str | int], scope: Scope, name: str = "ARRAY") -> Field:
    return scope.types.objects[str(bound[name])].fields[0]


def _copied(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    into, from_ = _element(bound, scope), _element(bound, scope, "ARRAY2")
    if from_.nullable and not into.nullable:
        wrong(form, "the elements of one array may be null, and the other one has none")
    if into.storage != from_.storage:
        _fits(form, into.storage, from_.storage, scope)


def _from_segment(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    table = scope.table(int(bound["T"])) if "T" in bound else None
    if table.strict if table else not _element(bound, scope).nullable:
        wrong(form, f"the items of a segment may be null, and this {'table' if table else 'array'} has none")
    _fits(form, table.type if table else _element(bound, scope).storage, scope.segments[int(bound["S"])], scope)


def _from_data(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    if _element(bound, scope).is_reference:
        wrong(form, "data segments give numbers, and this array holds references")


def _between_tables(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    into, from_ = (scope.table(int(bound[name])) for name in ("T", "T2"))
    if into.strict and not from_.strict:
        wrong(form, "the elements of one table may be null, and the other one has none")
    _fits(form, into.type, from_.type, scope)


def _tail(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    result = scope.functions[int(bound["F"])].result
    wanted = scope.result
    if (result is None) != (wanted is None) or (result and wanted and not scope.types.subtype(result, wanted)):
        wrong(form, f"the helper gives {result or 'nothing'}, and this function {scope.result or 'nothing'}")
    if scope.strict_result and not scope.functions[int(bound["F"])].strict_result:
        wrong(form, "the helper may give null, and this function may not")


def _invoked(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    if scope.far:
        wrong(form, "a far helper calls far ones only, by number")


def _tail_invoked(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    _invoked(form, bound, scope)
    result, wanted = scope.types.functions[str(bound["FUNC"])].result, scope.result
    if (result is None) != (wanted is None) or (result and wanted and not scope.types.subtype(result, wanted)):
        wrong(form, f"the function gives {result or 'nothing'}, and this one {wanted or 'nothing'}")
    if scope.strict_result:
        wrong(form, "the function may give null, and this one may not")


def _testable(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    if scope.types.top_of(str(bound["REF"])) == "exn":
        wrong(form, "exceptions are not tested or cast")


def _default(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    made = scope.types.objects[str(bound.get("STRUCT") or bound["ARRAY"])]
    if not all(field.has_default for field in made.fields):
        wrong(form, f"{made.name} has fields or elements that are never null")


def _packed(form: Tree, bound: dict[str, str | int], scope: Scope) -> None:
    made = scope.types.objects[str(bound.get("STRUCT") or bound["ARRAY"])]
    if made.fields[int(bound.get("FIELD", 0))].storage not in ("i8", "i16"):
        wrong(form, "only packed fields and elements are signed or not")


EXTRA: Final[dict[str, Callable[[Tree, dict[str, str | int], Scope], None]]] = {
    "invoke": _invoked,
    "tail_invoke": _tail_invoked,
    "struct.new_default": _default,
    "array.new_default": _default,
    "table.copy": _between_tables,
    "table.init": _from_segment,
    "array.copy": _copied,
    "array.new_elem": _from_segment,
    "array.init_elem": _from_segment,
    "array.new_data": _from_data,
    "array.init_data": _from_data,
    "tail": _tail,
    "tail_ref": _tail,
    "tail_indirect": _tail,
    "test": _testable,
    "cast": _testable,
    "on_cast": _testable,
    "on_cast_fail": _testable,
    "test_null": _testable,
    "cast_non_null": _testable,
    "on_cast_null": _testable,
    "on_cast_fail_null": _testable,
    "struct.get_s": _packed,
    "array.get_s": _packed,
}
