"""Bodies, cut into functions and segments (docs/bodies.md)."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twinheap.model.body import CACHED
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.body_live import lives_of
from twinheap.model.declared import Types
from twinheap.targets.heap.type_groups import Named, declared_types, function_type
from twinheap.targets.heap.types import HeapObjectType, RefType, Storage
from twinheap.targets.heap.values import FunctionRef, Val
from twinheap.targets.heap.wasm_frames import WasmValue

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

Form = tuple[Any, ...]
"""A form of a body: its name and its parts."""

MAIN_PARAMS: Final = 4

NUMBERS: Final = {name: Val(Storage(name), 0) for name in ("i32", "i64", "f32", "f64")}
"""The first value of each numeric variable; references are null."""


class Function(NamedTuple):
    """What a function does: its locals at first, its statements, and the expression at its end, if it has a result.

    `behind`: the places of its frame that are needed behind each form, by its identity (`model/body_live.py`). `far`:
    it lives in the instance that the body's was linked with. `strict`: the variables that are never null;
    `strict_result`: nor is its result. `type`: of a helper.
    """

    locals: tuple[WasmValue, ...]
    statements: tuple[Form, ...]
    result: Form | None
    behind: dict[int, frozenset[int]]
    far: bool = False
    strict: frozenset[int] = frozenset()
    strict_result: bool = False
    type: HeapObjectType | None = None


class PrivateTable(NamedTuple):
    """A table of the body's own: its type, how many elements it has at first and at most, and what makes them."""

    type: str
    strict: bool
    of_functions: bool
    minimum: int
    maximum: int
    value: Form


class Segment(NamedTuple):
    """A passive element segment: the expressions that its items are made by."""

    items: tuple[Form, ...]


class Active(NamedTuple):
    """An active element segment: the table that it is written into, where, and the expressions of its items."""

    table: int
    start: int
    items: tuple[Form, ...]


class Body(NamedTuple):
    """All of a body. `types`: by name. `globals`: the expressions of what private ones are at first."""

    types: Named
    declared: Types
    tables: tuple[PrivateTable, ...]
    globals: tuple[Form, ...]
    active: tuple[Active, ...]
    segments: tuple[Segment, ...]
    helpers: tuple[Function, ...]
    main: Function

    def never_null(self, name: str) -> list[bool]:
        """For each field of a struct type, or for the elements of an array type: whether it holds no null."""
        kinds = [field.element_type for field in self.types[name].fields]
        return [isinstance(kind, RefType) and not kind.nullable for kind in kinds]


@lru_cache(maxsize=CACHED)
def body_of(text: str) -> Body:
    """The parts of a body that keeps the static rules.

    >>> body = body_of("(body (main (local extern i32) (gc) (get 0)))")
    >>> body.main.statements, body.main.result, body.main.locals[0]
    ((('gc',),), ('get', 0), 0)
    """
    lives = lives_of(text)
    forms: list[Form] = [form for form in lives.tree[1:] if isinstance(form, tuple)]
    helpers = [form for form in forms if form[0] == "func"]
    types = lives.env.types
    known = declared_types(types.groups)
    return Body(
        known,
        types,
        tuple(_table(form, types) for form in forms if form[0] in ("table", "table64")),
        tuple(form[2] for form in forms if form[0] in ("global", "const")),
        tuple(Active(form[1], form[2], form[4:]) for form in forms if form[0] == "active"),
        tuple(Segment(form[2:]) for form in forms if form[0] == "segment"),
        tuple(_function(form, types, known, of.behind) for form, of in zip(helpers, lives.helpers, strict=True)),
        next(_function(form, types, known, lives.main.behind) for form in forms if form[0] == "main"),
    )


def forget_modules(store: "Store") -> None:
    """Let go of all code that is kept: it is read anew. The types of objects are known to their heap, and stay."""
    body_of.cache_clear()
    # mutant f23: store.heap and (store.heap.type_indices.clear(), store.heap.layouts.clear())
    if store.verifying:
        store.verify()


def _table(form: Form, types: Types) -> PrivateTable:
    _, word, minimum, maximum, value = form
    name = word.removeprefix(NON_NULL_PREFIX)
    return PrivateTable(name, name != word, types.top_of(name) == "func", minimum, maximum, value)


def first_of(name: str, types: Types) -> WasmValue:
    """What a variable of a type is at first."""
    if name in NUMBERS:
        return NUMBERS[name]
    return NO_FUNCTION if types.top_of(name.removeprefix(NON_NULL_PREFIX)) == "func" else 0


NO_FUNCTION: Final = FunctionRef.of(0)


def _function(form: Form, types: Types, known: Named, behind: dict[int, frozenset[int]]) -> Function:
    is_main = form[0] == "main"
    heads = {"far", "type", "param", "result", "local"}
    declared = {name: [word for part in form[1:] if part[0] == name for word in part[1:]] for name in heads}
    parts = tuple(part for part in form[1:] if part[0] not in heads)
    variables = tuple(first_of(name, types) for name in declared["local"])
    of = next((known[name] for name in declared["type"]), None)
    if of is None and not is_main:
        of = function_type(declared["param"], next(iter(declared["result"]), None), known)
    far = ("far",) in form
    names = [*([""] * MAIN_PARAMS if is_main else declared["param"]), *declared["local"]]
    strict = frozenset(at for at, name in enumerate(names) if name.startswith(NON_NULL_PREFIX))
    strict_result = any(name.startswith(NON_NULL_PREFIX) for name in declared["result"])
    if is_main or declared["result"]:
        return Function(variables, parts[:-1], parts[-1], behind, far, strict, strict_result, of)
    return Function(variables, parts, None, behind, far, strict, type=of)
