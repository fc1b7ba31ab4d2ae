"""Statements of random bodies on structs, arrays and the segments that fill them."""

# ruff: noqa: D103 -- the ways to make a statement are named after their forms.
from __future__ import annotations

from twinheap.fuzz.bodies_exprs import array, filled, index, later, object_
from twinheap.fuzz.bodies_frame import Maker, is_reference, operand_type
from twinheap.fuzz.bodies_stmts import shown, statement
from twinheap.model.body import Tree


@statement("structs", 4)
def struct_set(m: Maker, depth: int) -> Tree | None:
    name = m.pick(m.structs)
    fields = [at for at, field in enumerate(m.struct_of[name].fields) if field.mutable]
    if not fields:
        return None
    at = m.pick(fields)
    target = object_(m, name, 2)
    stored = filled(m, m.struct_of[name].fields[at], 2)
    return ("struct.set", name, at, target, later(m, stored))


@statement("types", 0.8)
@statement("structs", 0.25)
def each_type(m: Maker, depth: int) -> Tree | None:
    """An object of each type, or nearly each, and a collection: what is known of types is asked for, and kept."""
    if not m.charge():
        return None
    made: list[Tree] = [("struct.new_default", name) for name in m.struct_of if m.has_default(name) and m.chance(220)]
    lengths = ((name, m.upto(4)) for name in m.array_of if m.element(name).has_default and m.chance(180))
    made += [("array.new_default", name, ("i32", length)) for name, length in lengths]
    m.left -= len(made) // 3
    return ("do", *(("drop", tree) for tree in made), ("gc",))


def _settable(m: Maker) -> str | None:
    arrays = [name for name in m.arrays if m.element(name).mutable]
    return m.pick(arrays) if arrays else None


@statement("arrays", 3)
def array_set(m: Maker, depth: int) -> Tree | None:
    name = _settable(m)
    if name is None:
        return None
    target, length = array(m, name, 2)
    stored = filled(m, m.element(name), 2)
    return ("array.set", name, target, index(m, length), later(m, stored))


@statement("arrays", 2)
def array_fill(m: Maker, depth: int) -> Tree | None:
    name = _settable(m)
    if name is None:
        return None
    target, length = array(m, name, 2)
    start = m.upto(max(min(length, 250), 1))
    stored = filled(m, m.element(name), 2)
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
    element = operand_type(m.element(name).storage)
    target, length = array(m, name, 2)
    count = m.upto(min(length, 4) + 1)
    if not is_reference(element):
        return ("array.init_data", name, target, ("i32", 0), ("i32", m.upto(30)), ("i32", count))
    fitting = [s for s, (item, _) in enumerate(m.segments) if m.below(item, element)]
    if not fitting or not m.element(name).nullable:
        return None
    segment = m.pick(fitting)
    count = min(count, len(m.segments[segment][1]))
    return ("array.init_elem", name, segment, target, ("i32", 0), ("i32", 0), ("i32", count))


# --- segments


@statement("segments", 3)
def table_init(m: Maker, depth: int) -> Tree | None:
    pairs = [
        (t, s)
        for t, table in enumerate(m.all_tables())
        for s, (item, _) in enumerate(m.segments)
        if m.below(item, table.type) and not table.strict
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
    fitting = [s for s, (item, items) in enumerate(m.segments) if m.below(item, "any") and items]
    if not fitting:
        return None
    segment = m.pick(fitting)
    first, second = m.upto(3), m.upto(3)
    init = [("table.init", 1, segment, ("i32", at), ("i32", 0), ("i32", 1)) for at in (first, second)]
    between = [("gc",)] if m.chance(60) and m.charge() else []
    items = [("cast", "eq", ("table.get", 1, ("i32", at))) for at in (first, second)]
    return ("do", init[0], *between, init[1], shown(m, ("ref_eq", *items), "i32"))
