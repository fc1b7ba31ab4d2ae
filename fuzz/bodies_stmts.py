"""Statements of random bodies: what stores, moves and shows references. Control is in `bodies_control.py`."""

# ruff: noqa: D103 -- the ways to make a statement are named after their forms.
from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.fuzz.bodies_exprs import array, exact, index, later, make_array, make_object, object_, operands, value
from twinheap.fuzz.bodies_frame import ARRAY_OF, NUMERIC, STRUCT_OF, Maker, below, is_reference, operand_type
from twinheap.model.body import Tree
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, TABLE_MINIMUM

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
    total = sum(weight for weight, _ in ways)
    for _ in range(4):
        at = m.byte() / 256 * total
        for weight, write in ways:
            at -= weight
            if at < 0:
                break
        made = write(m, depth)
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
        return m.pick(("any", "eq", "i31", "struct", "array"))
    return m.pick(m.structs) if m.has("structs") and (not m.has("arrays") or m.chance(128)) else m.pick(m.arrays)


# --- variables


@statement("", 3)
def set_(m: Maker, depth: int) -> Tree | None:
    type_ = interesting(m)
    length: int | None = None
    if type_ in ARRAY_OF and m.chance(180):
        tree, length = make_array(m, type_, 2)
    elif type_ in STRUCT_OF and m.chance(180):
        tree, length = make_object(m, type_, 2), 0
    else:
        tree = exact(m, type_, 2)
    variable = m.writable(type_)
    m.learn(variable, length)
    return ("set", variable, tree)


@statement("frames", 4)
def keep_across(m: Maker, depth: int) -> Tree | None:
    """From a slot into a local, the slot emptied, a collection: the frame alone holds it. Then it is looked at."""
    if not m.charge(2):
        return None
    before: list[Tree] = []
    k = m.upto(5)
    type_ = KIT_GLOBALS[k]
    if m.chance(170):
        before.append(("global.set", k, value(m, type_, 2)))
    variable = m.writable(type_)
    m.learn(variable, None)
    before.append(("set", variable, ("global.get", k)))
    forget: Tree = ("clear",) if m.chance(90) else ("global.set", k, ("null", type_))
    after = [some(m, 0)] if m.chance(70) and m.left > 0 else []
    return ("do", *before, forget, ("gc",), *after, look_at(m, variable))


def look_at(m: Maker, variable: int) -> Tree:
    """What a variable holds goes into the trace, or into a slot."""
    type_ = m.here.types[variable]
    source: Tree = ("get", variable)
    if not is_reference(type_):
        return ("note", source if type_ == "i32" else ("to_i32", source)) if m.charge() else ("drop", source)
    if type_ in STRUCT_OF and STRUCT_OF[type_].fields and variable in m.here.known and m.chance(200):
        at = m.upto(len(STRUCT_OF[type_].fields))
        return shown(m, ("struct.get", type_, at, source), operand_type(STRUCT_OF[type_].fields[at].storage))
    if type_ in ARRAY_OF and m.here.known.get(variable, 0) > 0 and m.chance(200):
        item = ("array.get", type_, source, index(m, m.here.known[variable]))
        return shown(m, item, operand_type(ARRAY_OF[type_].fields[0].storage))
    return shown(m, source, type_)


def shown(m: Maker, tree: Tree, type_: str) -> Tree:
    """The value of an expression goes into the trace."""
    if type_ == "exn" or not m.charge():
        return ("drop", tree)
    if not is_reference(type_):
        return ("note", tree if type_ == "i32" else ("to_i32", tree))
    return ("see", tree if type_ == "extern" else ("to_extern", tree))


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
    return ("gc",) if m.charge() else None


@statement("", 0.4)
def clear(m: Maker, depth: int) -> Tree | None:
    return ("clear",) if m.charge() else None


@statement("", 0.5)
def drop(m: Maker, depth: int) -> Tree | None:
    return ("drop", value(m, interesting(m), 3))


# --- globals and tables


@statement("globals", 4)
def global_set(m: Maker, depth: int) -> Tree | None:
    k = m.upto(len(KIT_GLOBALS))
    return ("global.set", k, value(m, KIT_GLOBALS[k], 2))


def _table(m: Maker) -> int:
    return m.upto(len(KIT_TABLES))


def _count(m: Maker) -> Tree:
    return ("i32", m.upto(4) if not m.has("traps") or m.chance(230) else m.pick((5, 17, 1000, -1)))


@statement("tables", 3)
def table_set(m: Maker, depth: int) -> Tree | None:
    table = _table(m)
    return ("table.set", table, index(m, TABLE_MINIMUM), value(m, KIT_TABLES[table], 2))


@statement("tables", 2)
def table_fill(m: Maker, depth: int) -> Tree | None:
    table = _table(m)
    return ("table.fill", table, ("i32", m.upto(2)), value(m, KIT_TABLES[table], 2), later(m, _count(m)))


@statement("tables", 3)
def table_copy(m: Maker, depth: int) -> Tree | None:
    table = _table(m)
    return ("table.copy", table, table, ("i32", m.upto(3)), ("i32", m.upto(3)), _count(m))


@statement("tables", 1)
def table_grow(m: Maker, depth: int) -> Tree | None:
    table = _table(m)
    tree: Tree = ("table.grow", table, value(m, KIT_TABLES[table], 2), later(m, ("i32", m.upto(6))))
    return ("note", tree) if m.charge() else ("drop", tree)


@statement("segments", 3)
def table_init(m: Maker, depth: int) -> Tree | None:
    pairs = [
        (t, s) for t, type_ in enumerate(KIT_TABLES) for s, (item, _) in enumerate(m.segments) if below(item, type_)
    ]
    if not pairs:
        return None
    table, segment = m.pick(pairs)
    length = len(m.segments[segment][1])
    return ("table.init", table, segment, ("i32", m.upto(3)), ("i32", m.upto(2)), ("i32", m.upto(length + 1)))


@statement("segments", 0.7)
def elem_drop(m: Maker, depth: int) -> Tree | None:
    return ("elem.drop", m.upto(len(m.segments))) if m.segments else None


@statement("segments", 2)
def same_item(m: Maker, depth: int) -> Tree | None:
    """An item of a segment, taken out twice, is the same object (K5)."""
    fitting = [s for s, (item, items) in enumerate(m.segments) if below(item, "any") and items]
    if not fitting:
        return None
    segment = m.pick(fitting)
    first, second = m.upto(3), m.upto(3)
    init = [("table.init", 1, segment, ("i32", at), ("i32", 0), ("i32", 1)) for at in (first, second)]
    between = [("gc",)] if m.chance(60) and m.charge() else []
    items = [("cast", "eq", ("table.get", 1, ("i32", at))) for at in (first, second)]
    return ("do", init[0], *between, init[1], shown(m, ("ref_eq", *items), "i32"))


# --- structs and arrays


@statement("structs", 4)
def struct_set(m: Maker, depth: int) -> Tree | None:
    name = m.pick(m.structs)
    fields = [at for at, field in enumerate(STRUCT_OF[name].fields) if field.mutable]
    if not fields:
        return None
    at = m.pick(fields)
    target = object_(m, name, 2)
    stored = value(m, operand_type(STRUCT_OF[name].fields[at].storage), 2)
    return ("struct.set", name, at, target, later(m, stored))


def _settable(m: Maker) -> str | None:
    arrays = [name for name in m.arrays if ARRAY_OF[name].fields[0].mutable]
    return m.pick(arrays) if arrays else None


@statement("arrays", 3)
def array_set(m: Maker, depth: int) -> Tree | None:
    name = _settable(m)
    if name is None:
        return None
    target, length = array(m, name, 2)
    stored = value(m, operand_type(ARRAY_OF[name].fields[0].storage), 2)
    return ("array.set", name, target, index(m, length), later(m, stored))


@statement("arrays", 2)
def array_fill(m: Maker, depth: int) -> Tree | None:
    name = _settable(m)
    if name is None:
        return None
    target, length = array(m, name, 2)
    start = m.upto(max(min(length, 250), 1))
    stored = value(m, operand_type(ARRAY_OF[name].fields[0].storage), 2)
    count = m.upto(min(length - start, 250) + 1) + (m.has("traps") and m.chance(40)) * 3
    return ("array.fill", name, target, ("i32", start), later(m, stored), ("i32", count))


@statement("arrays", 3)
def array_copy(m: Maker, depth: int) -> Tree | None:
    """Mostly within one array, overlapping."""
    name = _settable(m)
    if name is None:
        return None
    target, length = array(m, name, 2)
    variable = target[1] if target[0] in ("get", "tee") else None
    source, other = (("get", variable), length) if variable is not None and m.chance(170) else array(m, name, 1)
    to, start = m.upto(min(length, 4) or 1), m.upto(min(other, 4) or 1)
    count = m.upto(min(length - to, other - start, 250) + 1) + (m.has("traps") and m.chance(40)) * 3
    return ("array.copy", name, name, target, ("i32", to), later(m, source), ("i32", start), ("i32", count))


@statement("segments", 2)
def array_init(m: Maker, depth: int) -> Tree | None:
    name = _settable(m)
    if name is None:
        return None
    element = operand_type(ARRAY_OF[name].fields[0].storage)
    target, length = array(m, name, 2)
    count = m.upto(min(length, 4) + 1)
    if not is_reference(element):
        return ("array.init_data", name, target, ("i32", 0), ("i32", m.upto(30)), ("i32", count))
    fitting = [s for s, (item, _) in enumerate(m.segments) if below(item, element)]
    if not fitting:
        return None
    segment = m.pick(fitting)
    count = min(count, len(m.segments[segment][1]))
    return ("array.init_elem", name, segment, target, ("i32", 0), ("i32", 0), ("i32", count))


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


def number_of(m: Maker) -> str:
    """A numeric type."""
    return m.pick(NUMERIC)
