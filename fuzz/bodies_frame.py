"""A body in the making: its types, its variables, what it has left to spend, and its choices.

Nothing here runs Wasm. What a variable holds is only guessed (`Frame.known`), so that most bodies go on to their end
instead of trapping at the first null; a wrong guess gives a trap, which is an observation like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from twinheap.model.body import Tree
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import KIT_ONLY, Types
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, TABLE_MINIMUM, TAGS, Field, ObjectType

T = TypeVar("T")

TAG_OF: Final = {made.name: made for made in TAGS}
NUMERIC: Final = ("i32", "i64", "f32", "f64")
MOST_TIMES: Final = 200  # how often the innermost statement of nested repeats runs
MOST_NEWS: Final = 8  # host values of a run
MAIN_COST: Final = 80  # entries in the trace and collections of a run
HELPER_COST: Final = 12  # of one call
MOST_LOCALS: Final = 14
TRIES: Final = 4  # ways that are tried until one is possible
SELECTOR: Final = 3  # the parameter of `main` that conditions look at, and that stays as it is


def _under(types: Types) -> dict[str, tuple[str, ...]]:
    """Each type of the any hierarchy with every type that will do for it."""
    nested = [name for name in types.references if types.top_of(name) == "any"]
    return {sup: tuple(sub for sub in nested if types.subtype(sub, sup)) for sup in nested}


KIT_UNDER: Final = _under(KIT_ONLY)


def operand_type(storage: str) -> str:
    """The type of an operand that goes into a field of a storage type, and of what is read from it."""
    return "i32" if storage in ("i8", "i16") else storage


def is_reference(type_: str) -> bool:
    """Whether values of the type are references."""
    return type_ not in NUMERIC


class OwnTable:
    """A private table: its type, whether it has nulls, and how many elements at first."""

    __slots__ = ("length", "strict", "type")

    def __init__(self, type_: str, strict: bool, length: int) -> None:
        self.type = type_
        self.strict = strict
        self.length = length


class Helper:
    """A helper function that is done: its signature, its text, what a call of it costs, and whether it collects.

    `strict`, `strict_result`: which parameters are never null, and whether the result is. `throws`: it only throws.
    """

    __slots__ = ("collects", "cost", "params", "result", "strict", "strict_result", "throws", "tree", "type")

    def __init__(
        self,
        params: tuple[str, ...],
        result: str | None,
        tree: Tree,
        cost: int,
        strict: frozenset[int] = frozenset(),
        never: bool = False,
        throws: bool = False,
    ) -> None:
        self.params = params
        self.throws = throws
        self.strict, self.strict_result = strict, never
        self.result = result
        self.tree = tree
        self.cost = cost
        self.collects = ("gc",) in tree
        self.type: str | None = None  # the declared function type that it is said to be of


class Frame:
    """The function that is being written."""

    __slots__ = ("allowed", "blocks", "cost", "known", "params", "result", "strict", "strict_result", "times", "types")

    def __init__(self, params: Sequence[str], result: str | None, allowed: int) -> None:
        self.types = list(params)
        self.params = len(params)
        self.result = result
        self.allowed = allowed
        self.known: dict[int, int] = {}  # variables that probably hold an object: the length of an array, else 0
        self.strict: set[int] = set()  # variables that are never null
        self.strict_result = False
        self.blocks = 0  # enclosing blocks
        self.times = 1  # how often what is written here runs
        self.cost = 0

    def tree(self, name: str, parts: Sequence[Tree]) -> Tree:
        """The whole function."""
        head: list[Tree] = []
        types = [NON_NULL_PREFIX * (at in self.strict) + type_ for at, type_ in enumerate(self.types)]
        if name == "func" and self.params:
            head.append(("param", *types[: self.params]))
        if name == "func" and self.result:
            head.append(("result", NON_NULL_PREFIX * self.strict_result + self.result))
        if len(self.types) > self.params:
            head.append(("local", *types[self.params :]))
        return (name, *head, *parts)


class Maker:
    """See the module. `features`: what this body is about; `left`: forms that it may still have."""

    __slots__ = (
        "array_of",
        "arrays",
        "byte",
        "far",
        "features",
        "globals",
        "helpers",
        "here",
        "left",
        "news",
        "segments",
        "struct_of",
        "structs",
        "tables",
        "types",
        "under",
    )

    def __init__(self, byte: Callable[[], int], features: frozenset[str], left: int) -> None:
        self.byte = byte
        self.features = features
        self.left = left
        self.news = 0
        self.far = False  # whether a far helper is being written
        self.segments: list[tuple[str, tuple[Tree, ...]]] = []
        self.globals: list[tuple[str, bool]] = []  # private ones: type, and whether it can be set
        self.tables: list[OwnTable] = []
        self.helpers: list[Helper] = []
        self.here = Frame((), None, 0)
        self.types = KIT_ONLY
        self.struct_of: dict[str, ObjectType] = {}
        self.array_of: dict[str, ObjectType] = {}
        self.under = KIT_UNDER
        """Each type of the any hierarchy with every type that will do for it."""
        self.know(KIT_ONLY)
        # Few types in a body, so that objects of one size and type meet.
        self.structs = tuple(self.pick(tuple(self.struct_of)) for _ in range(1 + self.upto(2)))
        self.arrays = tuple(self.pick(tuple(self.array_of)) for _ in range(1 + self.upto(2)))

    # --- types

    def know(self, types: Types) -> None:
        """From here on these are the types of the body."""
        self.types = types
        self.struct_of = {name: types.objects[name] for name in types.structs}
        self.array_of = {name: types.objects[name] for name in types.arrays}
        self.under = KIT_UNDER if types is KIT_ONLY else _under(types)

    def below(self, sub: str, sup: str) -> bool:
        """Whether a value of type `sub` will do where `sup` is wanted."""
        return self.types.subtype(sub, sup)

    def element(self, array: str) -> Field:
        """What an array type holds."""
        return self.array_of[array].fields[0]

    def has_default(self, type_: str) -> bool:
        """Whether objects of a type can be made without values."""
        return all(field.has_default for field in self.types.objects[type_].fields)

    # --- choices

    def upto(self, n: int) -> int:
        """A number below `n`; `n` at most 256."""
        return self.byte() * n >> 8

    def chance(self, share: int) -> bool:
        """True `share` times in 256."""
        return self.byte() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.byte() * len(items) >> 8]

    def has(self, feature: str) -> bool:
        """Whether this body is about `feature`; every one is about what has no name."""
        return not feature or feature in self.features

    def weighted(self, items: Sequence[tuple[float, T]]) -> T:
        """One of them, by weight."""
        at = self.byte() / 256 * sum(weight for weight, _ in items)
        for weight, item in items:
            at -= weight
            if at < 0:
                return item
        return items[-1][1]

    def all_globals(self) -> tuple[str, ...]:
        """The types of the globals of the kit, and of private ones."""
        return (*KIT_GLOBALS, *(type_ for type_, _ in self.globals))

    def all_tables(self) -> tuple[OwnTable, ...]:
        """The tables of the kit, and private ones."""
        return (*(OwnTable(type_, False, TABLE_MINIMUM) for type_ in KIT_TABLES), *self.tables)

    def some_table(self) -> int:
        """A table's number; private ones are as likely as those of the kit."""
        if self.tables and self.chance(128):
            return len(KIT_TABLES) + self.upto(len(self.tables))
        return self.upto(len(KIT_TABLES))

    def settable(self) -> list[int]:
        """The globals that can be set; private ones are as likely as those of the kit."""
        own = [at for at, (_, mutable) in enumerate(self.globals, len(KIT_GLOBALS)) if mutable]
        return own if own and self.chance(128) else list(range(len(KIT_GLOBALS)))

    # --- what may be spent

    def charge(self, cost: int = 1) -> bool:
        """Takes the cost of something that runs as often as what is written here; False if there is not enough."""
        here = self.here
        if here.cost + cost * here.times > here.allowed:
            return False
        here.cost += cost * here.times
        return True

    def fresh(self) -> bool:
        """Whether one more `new` makes sense: beyond eight of them in a run they give null."""
        if self.news >= MOST_NEWS + 2 or not self.charge():
            return False
        self.news += self.here.times
        return True

    # --- variables

    def variables(self, type_: str) -> list[int]:
        """The variables of exactly this type."""
        return [number for number, found in enumerate(self.here.types) if found == type_]

    def writable(self, type_: str) -> int:
        """A variable of the type to write to: a new local, or one that there is, also a parameter."""
        here = self.here
        there = [
            number
            for number in self.variables(type_)
            if (number != SELECTOR or type_ != "i32") and number not in here.strict
        ]
        if there and (len(here.types) - here.params >= MOST_LOCALS or self.chance(110)):
            return self.pick(there)
        here.types.append(type_)
        return len(here.types) - 1

    def learn(self, variable: int, length: int | None) -> None:
        """The variable holds an object now (its length, or 0), or perhaps not (None)."""
        if length is None:
            self.here.known.pop(variable, None)
        else:
            self.here.known[variable] = length

    def known(self, type_: str) -> list[int]:
        """The variables of exactly this type that probably hold an object."""
        return [number for number in self.variables(type_) if number in self.here.known]

    def maybe(self, write: Callable[[], T]) -> T:
        """What `write` gives; what it learns is forgotten where it may not have run."""
        before = dict(self.here.known)
        made = write()
        after = self.here.known
        self.here.known = {number: length for number, length in before.items() if after.get(number) == length}
        return made
