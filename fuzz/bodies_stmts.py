"""Statements of random bodies: what stores, moves and shows references. Control is in `bodies_control.py`."""

# ruff: noqa: D103 -- the ways to make a statement are named after their forms.
from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.fuzz.bodies_exprs import (
    collection,
    element,
    exact,
    index,
    later,
    make_array,
    make_object,
    operands,
    pause,
    value,
)
from twinheap.fuzz.bodies_frame import (
    TRIES,
    Maker,
    is_reference,
    operand_type,
)
from twinheap.model.body import Tree
from twinheap.model.kit import KIT_GLOBALS

BOTTOM_LOCALS: Final = ("none", "noextern")
"""Types of variables that have only null."""

Write = Callable[[Maker, int], Tree | None]
STATEMENTS: Final[list[tuple[str, float, Write]]] = []
"""The ways to make a statement: of which feature, how often, how. The number is how deep it may nest others."""


def statement(feature: str, weight: float) -> Callable[[Write], Write]:
    """Registers a way to make a statement."""

    def register(write: Write) -> Write:
        STATEMENTS.append((feature, weight, write))
        return write

    return register


def some(m: Maker, depth: int) -> Tree:
    """One statement."""
    ways = [(weight, write) for feature, weight, write in STATEMENTS if m.has(feature)]
    for _ in range(TRIES):
        made = m.weighted(ways)(m, depth)
        if made is not None:
            m.left -= 1
            return made
    return ("drop", value(m, "eq", 1))


def block(m: Maker, depth: int, most: int) -> list[Tree]:
    """One to `most` statements."""
    made = [some(m, depth)]
    while len(made) < most and m.left > 0 and m.chance(150):
        made.append(some(m, depth))
    return made


def interesting(m: Maker) -> str:
    """A reference type that this body is about."""
    if m.chance(90):
        return "extern"
    if m.chance(60):
        if m.has("functions") and m.chance(128):
            return m.pick(("func", "nofunc", *m.types.functions))
        return m.pick(("any", "eq", "i31", "struct", "array", *BOTTOM_LOCALS))
    return m.pick(m.structs) if m.has("structs") and (not m.has("arrays") or m.chance(128)) else m.pick(m.arrays)


# --- variables


@statement("", 3)
def set_(m: Maker, depth: int) -> Tree | None:
    type_ = interesting(m)
    length: int | None = None
    if type_ in m.array_of and m.chance(180):
        tree, length = make_array(m, type_, 2)
    elif type_ in m.struct_of and m.chance(180):
        tree, length = make_object(m, type_, 2), 0
    else:
        tree = exact(m, type_, 2)
    variable = m.writable(type_)
    m.learn(variable, length)
    return ("set", variable, tree)


@statement("", 0.7)
def set_both(m: Maker, depth: int) -> Tree | None:
    """Two references leave a block together."""
    types = (interesting(m), interesting(m))
    trees = operands(m, types, 2)
    variables = [m.writable(type_) for type_ in types]
    for variable in variables:
        m.learn(variable, None)
    if variables[0] == variables[1]:
        return ("set", variables[0], trees[0])
    return ("set2", *variables, *trees)


@statement("frames", 3)
def wait_on_stack(m: Maker, depth: int) -> Tree | None:
    """A value waits on the operand stack for a collection, and mostly nothing else holds it. Then it is looked at.

    What waits with it may be one of its kind, which would take the place of what was freed.
    """
    type_ = interesting(m)
    first, length = fresh(m, type_)
    other = type_ if m.chance(150) else "extern"
    before = pause(m)
    second, more = fresh(m, other)
    variables = m.writable(type_), m.writable(other)
    if variables[0] == variables[1]:
        return ("set", variables[0], first)
    for variable, known in zip(variables, (length, more), strict=True):
        m.learn(variable, known)
    compared: list[Tree] = []
    if other == type_ and m.below(type_, "eq"):
        compared.append(shown(m, ("ref_eq", ("get", variables[0]), ("get", variables[1])), "i32"))
    last: Tree = ("then", *before, second)
    both: Tree = ("set2", *variables, first, last)
    return ("do", both, *compared, look_at(m, variables[0]))


def fresh(m: Maker, type_: str) -> tuple[Tree, int | None]:
    """A value, mostly a new object, and what is known of it then (see `Frame.known`)."""
    if type_ in m.array_of and m.chance(200):
        return make_array(m, type_, 1)
    if type_ in m.struct_of and m.chance(120):
        return make_object(m, type_, 1), 0
    return exact(m, type_, 2), None


@statement("frames", 4)
def keep_across(m: Maker, depth: int) -> Tree | None:
    """From a slot into a local, the slot emptied, a collection: the frame alone holds it. Then it is looked at."""
    if not m.charge(2):
        return None
    before: list[Tree] = []
    k = m.pick(m.settable())
    type_ = m.all_globals()[k]
    if m.chance(170):
        before.append(("global.set", k, value(m, type_, 2)))
    variable = m.writable(type_)
    m.learn(variable, None)
    before.append(("set", variable, ("global.get", k)))
    forget: Tree = ("clear",) if k < len(KIT_GLOBALS) and m.chance(90) else ("global.set", k, ("null", type_))
    after = [some(m, 0)] if m.chance(70) and m.left > 0 else []
    return ("do", *before, forget, collection(m), *after, look_at(m, variable))


def look_at(m: Maker, variable: int) -> Tree:
    """What a variable holds goes into the trace, or into a slot."""
    type_ = m.here.types[variable]
    source: Tree = ("get", variable)
    if not is_reference(type_):
        return ("note", source if type_ == "i32" else ("to_i32", source)) if m.charge() else ("drop", source)
    if type_ in m.struct_of and m.struct_of[type_].fields and variable in m.here.known and m.chance(200):
        at = m.upto(len(m.struct_of[type_].fields))
        return shown(m, ("struct.get", type_, at, source), operand_type(m.struct_of[type_].fields[at].storage))
    if type_ in m.array_of and m.here.known.get(variable, 0) > 0 and m.chance(200):
        item = ("array.get", type_, source, index(m, m.here.known[variable]))
        return shown(m, item, operand_type(m.array_of[type_].fields[0].storage))
    return shown(m, source, type_)


def shown(m: Maker, tree: Tree, type_: str) -> Tree:
    """The value of an expression goes into the trace."""
    if type_ == "exn" or not m.charge():
        return ("drop", tree)
    if not is_reference(type_):
        return ("note", tree if type_ == "i32" else ("to_i32", tree))
    if m.types.top_of(type_) == "func":
        return ("note", ("is_null", tree))
    return ("see", tree if m.types.top_of(type_) == "extern" else ("to_extern", tree))


@statement("", 3)
def look(m: Maker, depth: int) -> Tree | None:
    references = [number for number, type_ in enumerate(m.here.types) if is_reference(type_)]
    return look_at(m, m.pick(references)) if references else None


@statement("", 1.5)
def show(m: Maker, depth: int) -> Tree | None:
    type_ = m.pick(("extern", "extern", "any", "i32"))
    return shown(m, value(m, type_, 2), type_)


@statement("", 2)
def gc(m: Maker, depth: int) -> Tree | None:
    return collection(m) if m.charge() else None


@statement("", 0.4)
def clear(m: Maker, depth: int) -> Tree | None:
    return ("clear",) if m.charge() else None


@statement("", 0.5)
def drop(m: Maker, depth: int) -> Tree | None:
    return ("drop", value(m, interesting(m), 3))


# --- globals and tables


@statement("globals", 4)
def global_set(m: Maker, depth: int) -> Tree | None:
    k = m.pick(m.settable())
    return ("global.set", k, value(m, m.all_globals()[k], 2))


def _count(m: Maker) -> Tree:
    return ("i32", m.upto(4) if not m.has("traps") or m.chance(230) else m.pick((5, 17, 1000, -1)))


@statement("tables", 3)
def table_set(m: Maker, depth: int) -> Tree | None:
    table = m.some_table()
    return ("table.set", table, index(m, m.all_tables()[table].length), element(m, table, 2))


@statement("tables", 2)
def table_fill(m: Maker, depth: int) -> Tree | None:
    table = m.some_table()
    return ("table.fill", table, ("i32", m.upto(2)), element(m, table, 2), later(m, _count(m)))


@statement("tables", 3)
def table_copy(m: Maker, depth: int) -> Tree | None:
    into, tables = m.some_table(), m.all_tables()
    fitting = [
        at
        for at, table in enumerate(tables)
        if m.below(table.type, tables[into].type) and table.strict >= tables[into].strict
    ]
    start = m.pick(fitting) if m.chance(100) else into
    return ("table.copy", into, start, ("i32", m.upto(3)), ("i32", m.upto(3)), _count(m))


@statement("tables", 1)
def table_grow(m: Maker, depth: int) -> Tree | None:
    table = m.some_table()
    tree: Tree = ("table.grow", table, element(m, table, 2), later(m, ("i32", m.upto(6))))
    return ("note", tree) if m.charge() else ("drop", tree)


@statement("frames", 1.5)
def reuse(m: Maker, depth: int) -> Tree | None:
    """Objects of one size made again and again, after a collection freed others: their blocks are used again."""
    times = 2 + m.upto(8)
    if m.here.times * times > 60 or not m.charge():
        return None
    m.here.times *= times
    type_ = m.pick((*m.structs, "extern"))
    tree = m.maybe(lambda: exact(m, type_, 1))
    variable = m.writable(type_)
    m.learn(variable, None)
    inner: list[Tree] = [("set", variable, tree)]
    if m.chance(80):
        inner.append(m.maybe(lambda: some(m, 0)))
    m.here.times //= times
    return ("do", ("gc",), ("repeat", times, *inner))
