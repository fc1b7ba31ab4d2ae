"""The static rules of bodies: every form has the parts that it needs, of the right types (docs/bodies.md).

A body that passes `check` becomes a valid module; neither the interpreter nor `wat.py` looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from twinheap.model.body import CACHED, Tree, forms
from twinheap.model.body_env import Env, Function, Global, Scope, Segment, env_of, wrong
from twinheap.model.body_forms import (
    CATCHES,
    CONSTANT,
    EXPRESSIONS,
    NUMBER_TYPES,
    STATEMENTS,
    TAG_TYPES,
    Shape,
)
from twinheap.model.body_rules import EXTRA, bound_of, immediates_of, types_for
from twinheap.model.declared import Types
from twinheap.model.kit import KIT_GLOBALS

__all__ = [
    "EXPRESSIONS",
    "MAX_CONSTANT_LENGTH",
    "MAX_REPEAT",
    "STATEMENTS",
    "Env",
    "Function",
    "Scope",
    "Segment",
    "check",
    "env_of",
    "type_of",
]

MAX_REPEAT: Final = 50
MAX_CONSTANT_LENGTH: Final = 100
"""Elements of an array in a constant expression: it is made at instantiation."""


def type_of(form: Tree, scope: Scope) -> str:
    """The type of an expression that passed `check`.

    >>> type_of(("struct.get", "pair", 1, ("null", "pair")), env_of("(body (main (null extern)))").scope())
    'any'
    """
    shape = EXPRESSIONS[str(form[0])]
    if shape is None:  # then
        return type_of(_tree(form[-1]), scope)
    assert shape.result is not None
    if shape.result != "=1":
        return types_for(shape.result, bound_of(shape, form), scope, 0)[0]
    at = next(at for at, wanted in enumerate(shape.operands) if wanted in ("*", "ref"))
    return type_of(_tree(form[1 + len(shape.immediates) + at]), scope)


@lru_cache(maxsize=CACHED)
def check(text: str) -> None:
    """Raises BodyError, which names the form and the reason, for a text that breaks a static rule."""
    env = env_of(text)
    for table in env.tables:
        _constant_of(table.value, table.type, (), env.types)
        if table.strict and not _never_null(table.value):
            wrong(table.value, "it must make an object or an i31, since the table has no nulls")
    for number, each in enumerate(env.globals):
        _constant_of(each.value, each.type, env.globals[:number], env.types)
    declared = [(one.type, one.items) for one in env.segments] + [(one.type, one.items) for one in env.active]
    for type_, items in declared:
        for item in items:
            _constant_of(item, type_, env.globals, env.types)
    for number, function in enumerate(env.functions):
        _body(function, env.scope(number))
    _body(env.main, env.scope())


_OPEN: Final = frozenset({"*", "ref", "number"})


def _body(function: Function, scope: Scope) -> None:
    unset = function.strict - frozenset(range(len(function.params)))
    for part in function.parts:
        for inner in forms(part) if unset else ():
            if inner[0] == "get" and inner[1:2] and inner[1] in unset:
                wrong(inner, "a variable that is never null must be set before, by a statement of the function itself")
        if part[0] == "set" and len(part) > 1:
            unset -= {int(str(part[1]))}
    for part in function.statements:
        _statement(part, scope, 0)
    if function.result:
        last = function.parts[-1]
        _operand(last, function.result, last, scope)


def _never_null(form: Tree) -> bool:
    """Whether a constant expression makes something that is not null, as Wasm sees it."""
    name = str(form[0])
    return (
        name == "i31"
        or name.startswith(("struct.", "array."))
        or (name in ("to_any", "to_extern") and (len(form) > 1 and isinstance(form[1], tuple) and _never_null(form[1])))
    )


def _constant_of(form: Tree, type_: str, globals_: tuple[Global, ...], types: Types) -> None:
    """The constant expression of an item or of a global, behind `globals_`."""
    _constant(form, globals_)
    _operand(form, type_, form, Scope((), (), (), None, globals_, types=types))
    for inner in forms(form):
        for at in _filled(inner, types):
            if at < len(inner) and not _never_null(_tree(inner[at])):
                wrong(inner, "what goes where null may not must make an object or an i31 here")


def _filled(form: Tree, types: Types) -> list[int]:
    """The places of a constant expression's operands that become fields or elements without null."""
    made = types.objects.get(str(form[1])) if len(form) > 1 else None
    match form[0]:
        case "struct.new" if made:
            return [at for at, field in enumerate(made.fields, 2) if not field.nullable]
        case "array.new" if made:
            return [] if made.fields[0].nullable else [2]
        case "array.new_fixed" if made:
            return [] if made.fields[0].nullable else [*range(2, len(form))]
        case _:
            return []


def _constant(form: Tree, globals_: tuple[Global, ...]) -> None:
    if form[0] not in CONSTANT:
        wrong(form, f"globals and the items of segments are made of {' '.join(sorted(CONSTANT))}")
    if form[0] == "global.get" and not any(
        form[1:] == (number,) for number, each in enumerate(globals_, len(KIT_GLOBALS)) if not each.mutable
    ):
        wrong(form, "only consts before it can be read here")
    for part in form[1:]:
        if isinstance(part, tuple):
            _constant(part, globals_)
    if form[0] in ("array.new", "array.new_default"):
        length = form[-1]
        number = length[1] if isinstance(length, tuple) and length[0] == "i32" and len(length) > 1 else -1
        if number not in range(MAX_CONSTANT_LENGTH + 1):
            wrong(form, f"the length of an array in a segment is 0 to {MAX_CONSTANT_LENGTH}")


# --- forms that a shape describes


def _tree(part: object) -> Tree:
    assert isinstance(part, tuple)
    return part


def _shaped(shape: Shape, form: Tree, scope: Scope, labels: int) -> str:
    """Checks a form against its shape; its type, or "" for a statement."""
    bound = immediates_of(shape, form, scope, labels)
    parts = form[1 + len(shape.immediates) :]
    wanted = [name for word in shape.operands for name in types_for(word, bound, scope, len(parts))]
    if len(parts) != len(wanted):
        wrong(form, f"it takes {len(wanted)} operands{': ' if wanted else ''}{' '.join(wanted)}, not {len(parts)}")
    before = first = ""
    for part, name in zip(parts, wanted, strict=True):
        like = {"same": before, "like": scope.types.top_of(str(bound["REF"])) if "REF" in bound else ""}.get(name, name)
        before = _operand(part, like, form, scope, labels, exactly=name == "same")
        first = first or (before if name in ("*", "ref") else "")
    if shape.name in EXTRA:
        EXTRA[shape.name](form, bound, scope)
    if shape.result == "=1":
        return first
    result = types_for(shape.result, bound, scope, 0) if shape.result else [""]
    if not result:
        wrong(form, "this helper has no result: it is called as a statement")
    return result[0]


def _operand(part: object, wanted: str, form: Tree, scope: Scope, labels: int = 0, exactly: bool = False) -> str:
    """Checks one operand of `form`; its type."""
    if not isinstance(part, tuple):
        wrong(form, f"{part} is no expression; write (i32 {part}) or (get {part})")
    name = str(part[0])
    if name not in EXPRESSIONS:
        wrong(part, "this is no expression" if name in STATEMENTS else "there is no such form")
    shape = EXPRESSIONS[name]
    got = _then(part, scope, labels) if shape is None else _shaped(shape, part, scope, labels)
    if wanted in _OPEN:
        right = wanted == "*" or (got not in NUMBER_TYPES) == (wanted == "ref")
    else:
        right = got == wanted if exactly else scope.types.subtype(got, wanted)
    if not right:
        wrong(part, f"it is of type {got}, and {wanted} is wanted in {form[0]}")
    return got


# --- control


def _statement(part: object, scope: Scope, labels: int) -> None:
    if not isinstance(part, tuple):
        wrong(part, "a statement is a form")
    name = str(part[0])
    if name not in STATEMENTS:
        wrong(part, "this is no statement; drop its result" if name in EXPRESSIONS else "there is no such form")
    shape = STATEMENTS[name]
    if shape is None:
        _CONTROL[name](part, scope, labels)
        return
    _shaped(shape, part, scope, labels)
    if "F" in shape.immediates and name.startswith("call") and scope.functions[int(str(part[1]))].result:
        wrong(part, "this helper has a result: drop it, or use it")
    if name == "invoke" and scope.types.functions[str(part[1])].result:
        wrong(part, "this function has a result: drop it, or use it")


def _statements(parts: tuple[object, ...], scope: Scope, labels: int) -> None:
    for part in parts:
        _statement(part, scope, labels)


def _then(form: Tree, scope: Scope, labels: int) -> str:
    if len(form) < 2:
        wrong(form, "its last part is an expression")
    _statements(form[1:-1], scope, labels)
    return _operand(form[-1], "*", form, scope, labels)


def _do(form: Tree, scope: Scope, labels: int) -> None:
    _statements(form[1:], scope, labels)


def _block(form: Tree, scope: Scope, labels: int) -> None:
    _statements(form[1:], scope, labels + 1)


def _br_table(form: Tree, scope: Scope, labels: int) -> None:
    if len(form) < 3:
        wrong(form, "it takes an i32 and at least one label")
    _operand(form[1], "i32", form, scope, labels)
    for label in form[2:]:
        if label not in range(labels):
            wrong(form, f"there is no enclosing block {label} here, but {labels} of them, numbered from 0")


def _if(form: Tree, scope: Scope, labels: int) -> None:
    arms = form[2:]
    if len(arms) not in (1, 2) or any(not isinstance(arm, tuple) or arm[0] != "do" for arm in arms):
        wrong(form, "it takes an i32 and one or two arms, (do ...)")
    _operand(form[1], "i32", form, scope, labels)
    _statements(arms, scope, labels)


def _repeat(form: Tree, scope: Scope, labels: int) -> None:
    if len(form) < 2 or form[1] not in range(1, MAX_REPEAT + 1):
        wrong(form, f"it begins with how often, 1 to {MAX_REPEAT}")
    _statements(form[2:], scope, labels)


def _return(form: Tree, scope: Scope, labels: int) -> None:
    if len(form) - 1 != (1 if scope.result else 0):
        wrong(form, f"this function gives {scope.result or 'nothing'}")
    if scope.result:
        _operand(form[1], scope.result, form, scope, labels)


def _try(form: Tree, scope: Scope, labels: int) -> None:
    clause = form[1] if len(form) > 1 else None
    if not isinstance(clause, tuple) or clause[0] not in CATCHES:
        wrong(form, f"it begins with one of ({' '.join(CATCHES)} ...)")
    tagged, taken = CATCHES[str(clause[0])]
    variables, given = list(clause[1:]), ["exn"] if taken else []
    if tagged:
        tag = TAG_TYPES.get(str(variables.pop(0))) if variables else None
        if tag is None:
            wrong(clause, f"it names a tag: {' '.join(TAG_TYPES)}")
        given = [field.storage for field in tag.fields] + given
    if len(variables) != len(given):
        wrong(clause, f"it takes variables for {' '.join(given) or 'nothing'}")
    for variable, name in zip(variables, given, strict=True):
        if not isinstance(variable, int) or variable not in range(len(scope.variables)):
            wrong(clause, f"there is no variable {variable}")
        if not scope.types.subtype(name, scope.variables[variable]):
            wrong(clause, f"variable {variable} is {scope.variables[variable]}, and {name} goes there")
    _statements(form[2:], scope, labels)


_CONTROL: Final[dict[str, Callable[[Tree, Scope, int], None]]] = {
    "do": _do,
    "block": _block,
    "br_table": _br_table,
    "if": _if,
    "repeat": _repeat,
    "return": _return,
    "try": _try,
}
