"""What a body declares: globals, segments, helpers and `main` with their variables (docs/bodies.md).

The forms inside are `body_types.py`'s business.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NoReturn

import msgspec
from msgspec.structs import replace

from twinheap.model.body import CACHED, BodyError, Tree, dumps, parse
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import KIT_ONLY, Types
from twinheap.model.declared_reader import types_of
from twinheap.model.kit import KIT_TABLES

MAIN_PARAMS: Final = ("extern", "extern", "any", "i32")
"""Variables 0 to 3 of `main`."""

MAIN_RESULT: Final = "extern"
MAX_VARIABLES: Final = 100
"""Parameters and locals of a function: more than registers and stack slots; Wasm itself allows 1000 parameters."""


MAX_INVOKED: Final = 100
"""Calls by reference in a run: more than bodies make that end by themselves, since such calls may go round."""

MAX_TABLES: Final = 2
"""Private tables of a body: a pool has four for a module, and calls need one."""

MAX_ELEMENTS: Final = 16
"""Elements of a private table."""

_ORDER: Final = {
    "rec": 0,
    **dict.fromkeys(("table", "table64"), 1),
    **dict.fromkeys(("global", "const"), 2),
    **dict.fromkeys(("segment", "active"), 3),
    "func": 4,
    "main": 5,
}
_MAIN: Final = _ORDER["main"]


class Global(msgspec.Struct, frozen=True):
    """A private global: its type, whether it can be set, and the expression of what it is at first."""

    type: str
    mutable: bool
    value: Tree


class PrivateTable(msgspec.Struct, frozen=True):
    """A table of elements of a type, at least and at most so many, and the expression of what all are at first.

    `strict`: none is null. `wide`: its indexes have 64 bits.
    """

    type: str
    strict: bool = False
    wide: bool = False
    minimum: int = 0
    maximum: int = 0
    value: Tree = ()


class Segment(msgspec.Struct, frozen=True):
    """A passive element segment: the type of its items, and the expressions that make them."""

    type: str
    items: tuple[Tree, ...]


class Active(msgspec.Struct, frozen=True):
    """An active element segment: the table of the kit that it is written into, and where."""

    table: int
    index: int
    type: str
    items: tuple[Tree, ...]


class Function(msgspec.Struct, frozen=True):
    """A helper or `main`: the types of its parameters, of its result and of its locals, and its statements.

    `parts`: the last one is an expression if there is a result. `far`: it lives in another instance. `strict`: the
    variables that are never null; `strict_result`: nor is its result. `type`: the declared function type that it is
    said to be of.
    """

    params: tuple[str, ...]
    result: str | None
    locals: tuple[str, ...]
    parts: tuple[Tree, ...]
    far: bool = False
    strict: frozenset[int] = frozenset()
    strict_result: bool = False
    type: str | None = None

    @property
    def words(self) -> tuple[tuple[str, ...], str | None]:
        """The words for its parameters and its result."""
        params = tuple(NON_NULL_PREFIX * (at in self.strict) + name for at, name in enumerate(self.params))
        return params, self.result and NON_NULL_PREFIX * self.strict_result + self.result

    @property
    def statements(self) -> tuple[Tree, ...]:
        """Its parts without the final expression."""
        return self.parts[:-1] if self.result else self.parts


class Scope(msgspec.Struct, frozen=True):
    """What a form may name: segments and helpers by number, variables, and the result of its own function.

    `globals`, `tables`: private ones, which are numbered after those of the kit. `far`: it is in a far helper, which
    knows the kit and other far helpers only. `strict_result`: the function's result is never null. `types`: those of
    the kit and of the body.
    """

    segments: tuple[str, ...]
    functions: tuple[Function, ...]
    variables: tuple[str, ...]
    result: str | None
    globals: tuple[Global, ...] = ()
    far: bool = False
    tables: tuple[PrivateTable, ...] = ()
    strict_result: bool = False
    types: Types = KIT_ONLY

    def table(self, number: int) -> PrivateTable:
        """A table of the kit, or after those a private one."""
        return KIT[number] if number < len(KIT) else self.tables[number - len(KIT)]


KIT: Final = tuple(PrivateTable(storage) for storage in KIT_TABLES)


class Env(msgspec.Struct, frozen=True):
    """What a body declares."""

    types: Types
    tables: tuple[PrivateTable, ...]
    globals: tuple[Global, ...]
    segments: tuple[Segment, ...]
    active: tuple[Active, ...]
    functions: tuple[Function, ...]
    main: Function
    scopes: tuple[Scope, ...] = ()  # of each helper, and of `main`: made once, since every run asks for them

    def scope(self, number: int | None = None) -> Scope:
        """What forms may name in helper `number`, or in `main`: only helpers with smaller numbers are called."""
        return self.scopes[-1 if number is None else number]


def _scope(env: Env, number: int, function: Function) -> Scope:
    variables = function.params + function.locals
    result, strict, helpers = function.result, function.strict_result, env.functions[:number]
    if function.far:
        return Scope((), helpers, variables, result, far=True, strict_result=strict, types=env.types)
    segments = tuple(segment.type for segment in env.segments)
    own = Scope(segments, helpers, variables, result, env.globals, tables=env.tables, strict_result=strict)
    return replace(own, types=env.types)


def wrong(form: object, why: str) -> NoReturn:
    """Raises BodyError about a form."""
    text = dumps(form) if isinstance(form, tuple) else str(form)
    raise BodyError(f"{text if len(text) <= 100 else text[:97] + '...'}: {why}")


@lru_cache(maxsize=CACHED)
def env_of(text: str) -> Env:
    """What a text declares. Raises BodyError if it is no body; the forms inside functions are not looked at."""
    return declared_in(parse(text))


def declared_in(tree: Tree) -> Env:
    """What a tree declares; forms are the same objects. Raises BodyError as `env_of`."""
    parts = [part for part in tree[1:] if isinstance(part, tuple)]
    heads = [part[0] for part in parts]
    ranks = [_ORDER.get(str(head), -1) for head in heads]
    if tree[0] != "body" or len(parts) != len(tree) - 1 or ranks != sorted(ranks) or ranks.count(_MAIN) != 1:
        raise BodyError(
            "a body is (body (rec ...) ... (table ...) ... (global ...) ... (segment ...) ... (func ...) ... "
            "(main ...)), in this order, one main"
        )
    if -1 in ranks:
        wrong(parts[0], f"a body is made of {' '.join(_ORDER)}")
    recs = tuple(part for part in parts if part[0] == "rec")
    types = types_of(recs)
    tables = tuple(_table(part, types) for part in parts if part[0] in ("table", "table64"))
    if len(tables) > MAX_TABLES:
        raise BodyError(f"a body has at most {MAX_TABLES} tables of its own")
    env = Env(
        types,
        tables,
        tuple(_global(part, types) for part in parts if part[0] in ("global", "const")),
        tuple(_segment(part, types) for part in parts if part[0] == "segment"),
        tuple(_active(part, types) for part in parts if part[0] == "active"),
        tuple(_function(part, (), None, types) for part in parts if part[0] == "func"),
        _function(parts[-1], MAIN_PARAMS, MAIN_RESULT, types),
    )
    return replace(env, scopes=tuple(_scope(env, at, each) for at, each in enumerate((*env.functions, env.main))))


def _global(form: Tree, types: Types) -> Global:
    if len(form) != 3 or form[1] not in types.references or not isinstance(form[2], tuple):
        wrong(form, "a global has a reference type and an expression")
    if types.top_of(str(form[1])) == "func":
        wrong(form, "no function is in a global")
    return Global(str(form[1]), form[0] == "global", form[2])


def _table(form: Tree, types: Types) -> PrivateTable:
    of, minimum, maximum, value = (*form[1:], None, None, None, None)[:4]
    name, strict = types.plain(str(of)) or ("", False)
    if name not in types.references or types.top_of(name) == "exn":
        wrong(form, "a table has a reference type other than exn")
    if (
        not isinstance(minimum, int)
        or not isinstance(maximum, int)
        or not 0 <= minimum <= maximum <= MAX_ELEMENTS
        or not isinstance(value, tuple)
        or len(form) != 5
    ):
        wrong(form, f"after its type come how many elements it has at first and at most, 0 to {MAX_ELEMENTS}, and one")
    return PrivateTable(name, strict, form[0] == "table64", minimum, maximum, value)


def _segment(form: Tree, types: Types, at: int = 1) -> Segment:
    """`at`: where its type is."""
    type_ = form[at] if len(form) > at else None
    if type_ not in types.references or types.top_of(str(type_)) in ("exn", "func"):
        wrong(form, "a segment has a reference type other than exn and func")
    items = tuple(part for part in form[at + 1 :] if isinstance(part, tuple))
    if len(items) != len(form) - at - 1:
        wrong(form, "the items of a segment are expressions")
    return Segment(str(type_), items)


def _active(form: Tree, types: Types) -> Active:
    table, index = (*form[1:], None, None)[:2]
    if not isinstance(table, int) or table not in range(len(KIT_TABLES)):
        wrong(form, f"an active segment begins with the number of a table, 0 to {len(KIT_TABLES) - 1}")
    if not isinstance(index, int) or index not in range(2**31):
        wrong(form, "after the table comes the index where an active segment is written, 0 to 2^31-1")
    segment = _segment(form, types, 3)
    if not types.subtype(segment.type, KIT_TABLES[table]):
        wrong(form, f"elements of type {segment.type} do not fit into {KIT_TABLES[table]}")
    return Active(table, index, segment.type, segment.items)


def _function(form: Tree, params: tuple[str, ...], result: str | None, types: Types) -> Function:
    """`params` and `result`: those of `main`, which declares only locals."""
    parts = list(form[1:])
    far = form[0] == "func" and parts[:1] == [("far",)]
    del parts[:far]
    strict_result = False
    of = None
    head = parts[0] if parts else None
    if form[0] == "func" and isinstance(head, tuple) and head[0] == "type":
        parts.pop(0)
        of = str(head[1]) if len(head) > 1 else ""
        if of not in types.functions:
            wrong(form, f"{of} is no function type of the body")
    if form[0] == "func":
        params = _declared(form, parts, "param", types)
        results = _declared(form, parts, "result", types)
        if len(results) > 1:
            wrong(form, "a helper has at most one result")
        result = results[0].removeprefix(NON_NULL_PREFIX) if results else None
        strict_result = bool(results) and results[0].startswith(NON_NULL_PREFIX)
    locals_ = _declared(form, parts, "local", types)
    strict = frozenset(at for at, name in enumerate(params + locals_) if name.startswith(NON_NULL_PREFIX))
    params, locals_ = (tuple(name.removeprefix(NON_NULL_PREFIX) for name in names) for names in (params, locals_))
    if len(params) + len(locals_) > MAX_VARIABLES:
        wrong(form, f"more than {MAX_VARIABLES} parameters and locals")
    forms = tuple(part for part in parts if isinstance(part, tuple))
    if len(forms) != len(parts):
        wrong(form, "a function is made of forms")
    if result and not forms:
        wrong(form, f"its last part must be an expression of type {result}")
    made = Function(params, result, locals_, forms, far, strict, strict_result, of)
    if of is not None and made.words != (types.functions[of].params, types.functions[of].result):
        wrong(form, f"it has other parameters or another result than {of}")
    return made


def _declared(form: Tree, parts: list[str | int | Tree], word: str, types: Types) -> tuple[str, ...]:
    """Takes `(word TYPE ...)` from the front of `parts`."""
    if not parts or not isinstance(parts[0], tuple) or parts[0][0] != word:
        return ()
    declared = parts.pop(0)
    assert isinstance(declared, tuple)
    names = [str(name) for name in declared[1:]]
    for name in names:
        if types.plain(name) is None:
            wrong(form, f"{name} is no type; use one of {types.words}, or ref. and one of references")
    return tuple(names)
