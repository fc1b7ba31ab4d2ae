"""Bodies, cut into functions and segments (docs/bodies.md)."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from twinheap.model.body import CACHED, parse
from twinheap.targets.heap.types import Storage
from twinheap.targets.heap.values import Val
from twinheap.targets.heap.wasm_frames import WasmValue

Form = tuple[Any, ...]
"""A form of a body: its name and its parts."""

MAIN_PARAMS: Final = 4
NUMBERS: Final = {name: Val(Storage(name), 0) for name in ("i32", "i64", "f32", "f64")}
"""The first value of each numeric variable; references are null."""


class Function(NamedTuple):
    """What a function does: its locals at first, its statements, and the expression at its end, if it has a result.

    `far`: it lives in the instance that the body's was linked with.
    """

    locals: tuple[WasmValue, ...]
    statements: tuple[Form, ...]
    result: Form | None
    far: bool = False


class Segment(NamedTuple):
    """A passive element segment: the expressions that its items are made by."""

    items: tuple[Form, ...]


class Active(NamedTuple):
    """An active element segment: the table that it is written into, where, and the expressions of its items."""

    table: int
    start: int
    items: tuple[Form, ...]


class Body(NamedTuple):
    """All of a body. `globals`: the expressions of what private ones are at first."""

    globals: tuple[Form, ...]
    active: tuple[Active, ...]
    segments: tuple[Segment, ...]
    helpers: tuple[Function, ...]
    main: Function


@lru_cache(maxsize=CACHED)
def body_of(text: str) -> Body:
    """The parts of a body that keeps the static rules.

    >>> body = body_of("(body (main (local extern i32) (gc) (get 0)))")
    >>> body.main.statements, body.main.result, body.main.locals[0]
    ((('gc',),), ('get', 0), 0)
    """
    forms: list[Form] = [form for form in parse(text)[1:] if isinstance(form, tuple)]
    return Body(
        tuple(form[2] for form in forms if form[0] in ("global", "const")),
        tuple(Active(form[1], form[2], form[4:]) for form in forms if form[0] == "active"),
        tuple(Segment(form[2:]) for form in forms if form[0] == "segment"),
        tuple(_function(form, False) for form in forms if form[0] == "func"),
        next(_function(form, True) for form in forms if form[0] == "main"),
    )


def _function(form: Form, is_main: bool) -> Function:
    heads = {"far", "param", "result", "local"}
    declared = {name: [word for part in form[1:] if part[0] == name for word in part[1:]] for name in heads}
    parts = tuple(part for part in form[1:] if part[0] not in heads)
    variables = tuple(NUMBERS.get(name, 0) for name in declared["local"])
    far = ("far",) in form
    if is_main or declared["result"]:
        return Function(variables, parts[:-1], parts[-1], far)
    return Function(variables, parts, None, far)
