"""The ways to make a value in a random body, by type: what reads slots, makes objects, chooses, casts and converts."""

# ruff: noqa: D103 -- they are named after their forms.
from __future__ import annotations

from twinheap.fuzz.bodies_exprs import (
    arguments,
    array,
    condition,
    element,
    exact,
    index,
    later,
    leaf,
    make_object,
    object_,
    operands,
    pause,
    value,
    way,
)
from twinheap.fuzz.bodies_frame import NUMERIC, Maker, operand_type
from twinheap.model.body import Tree
from twinheap.model.kit import REFERENCES

# --- references, whatever their type


@way("ref", 5)
def get(m: Maker, type_: str, depth: int) -> Tree | None:
    variables = m.known(type_) if m.chance(150) else m.variables(type_)
    return ("get", m.pick(variables)) if variables else None


@way("ref", 0.5)
def null(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("null", type_)


@way("ref", 0.7)
def tee(m: Maker, type_: str, depth: int) -> Tree | None:
    tree = exact(m, type_, depth)
    variable = m.writable(type_)
    m.learn(variable, None)
    return ("tee", variable, tree)


@way("ref", 1.2, "frames")
def then(m: Maker, type_: str, depth: int) -> Tree | None:
    before = pause(m)
    return ("then", *before, exact(m, type_, depth))


@way("ref", 3, "select")
def select(m: Maker, type_: str, depth: int) -> Tree | None:
    first = exact(m, type_, depth)
    second = later(m, exact(m, type_, depth))
    return ("select", first, second, later(m, condition(m, depth)))


@way("ref", 1, "control")
def if_else(m: Maker, type_: str, depth: int) -> Tree | None:
    asked = condition(m, depth)
    arms = [m.maybe(lambda: exact(m, type_, depth)) for _ in range(2)]
    return ("if_else", asked, *arms)


@way("ref", 2.5, "calls")
def call(m: Maker, type_: str, depth: int) -> Tree | None:
    helpers = [at for at, helper in enumerate(m.helpers) if helper.result == type_]
    if not helpers:
        return None
    helper = m.pick(helpers)
    if not m.charge(m.helpers[helper].cost):
        return None
    form = m.pick(("call", "call", "call_ref", "call_indirect"))
    return (form, helper, *arguments(m, m.helpers[helper], depth - 1))


@way("ref", 3)
def slot(m: Maker, type_: str, depth: int) -> Tree | None:
    slots = [("global.get", at) for at, found in enumerate(m.all_globals()) if found == type_]
    tables = [(at, table) for at, table in enumerate(m.all_tables()) if table.type == type_ and m.has("tables")]
    if tables and (not slots or m.chance(128)):
        number, table = m.pick(tables)
        return ("table.get", number, index(m, table.length)) if table.length else None
    return m.pick(slots) if slots else None


@way("ref", 1.5, "structs")
def struct_get(m: Maker, type_: str, depth: int) -> Tree | None:
    fields = [
        (made.name, at) for made in m.struct_of.values() for at, f in enumerate(made.fields) if f.storage == type_
    ]
    usual = [pair for pair in fields if pair[0] in m.structs or m.known(pair[0])]
    if not fields or (not usual and m.chance(200)):
        return None
    struct, at = m.pick(usual or fields)
    return ("struct.get", struct, at, object_(m, struct, depth))


@way("ref", 1.5, "arrays")
def array_get(m: Maker, type_: str, depth: int) -> Tree | None:
    arrays = [name for name, made in m.array_of.items() if made.fields[0].storage == type_]
    usual = [name for name in arrays if name in m.arrays or m.known(name)]
    if not usual:
        return None
    name = m.pick(usual)
    tree, length = array(m, name, depth)
    return ("array.get", name, tree, later(m, index(m, length))) if length else None


@way("lower", 1.5, "casts")
def cast(m: Maker, type_: str, depth: int) -> Tree | None:
    known = [number for other in m.under[type_] for number in m.known(other)]
    risky = m.has("traps") and m.chance(60)
    if known and not risky:
        return (m.pick(("cast", "cast_non_null")), type_, ("get", m.pick(known)))
    source = value(m, "any" if risky else type_, depth)
    return ("cast", type_, source)


@way("lower", 1.5, "casts")
def on_cast(m: Maker, type_: str, depth: int) -> Tree | None:
    form = m.pick(("on_cast", "on_cast", "on_cast_fail", "on_cast_null", "on_cast_fail_null"))
    return (form, type_, value(m, "any", depth), exact(m, type_, depth))


@way("ref", 0.8, "control")
def on_non_null(m: Maker, type_: str, depth: int) -> Tree | None:
    first = exact(m, type_, depth)
    return ("on_non_null", first, m.maybe(lambda: exact(m, type_, depth)))


@way("ref", 0.3, "casts")
def as_non_null(m: Maker, type_: str, depth: int) -> Tree | None:
    known = m.known(type_)
    return ("as_non_null", ("get", m.pick(known))) if known else None


# --- by type


@way("extern", 4)
def new(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("new",) if m.fresh() else None


@way("extern", 1.5)
def pass_(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("pass", value(m, "extern", depth))


@way("extern", 5, "callbacks")
def cb(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("cb", value(m, "extern", depth)) if m.charge() else None


@way("extern", 1, "convert")
def to_extern(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_extern", value(m, "any", depth))


@way("any", 2)
def to_any(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_any", value(m, "extern", depth))


@way("i31", 3)
def i31(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("i31", value(m, "i32", depth - 1))


@way("made", 5)
def construct(m: Maker, type_: str, depth: int) -> Tree | None:
    return make_object(m, type_, depth)


# --- numbers


@way("number", 3)
def constant(m: Maker, type_: str, depth: int) -> Tree | None:
    return leaf(m, type_)


@way("i32", 1)
def add(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("add", value(m, "i32", depth - 1), value(m, "i32", depth - 1))


@way("i32", 1)
def is_null(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("is_null", value(m, m.pick(REFERENCES[:2]), depth))


@way("i32", 2, "casts")
def test(m: Maker, type_: str, depth: int) -> Tree | None:
    return (
        m.pick(("test", "test", "test_null")),
        m.pick([name for name in m.under if name != "any"]),
        value(m, "any", depth),
    )


@way("i32", 1.5)
def ref_eq(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("ref_eq", *operands(m, ("eq", "eq"), depth))


@way("i32", 1, "arrays")
def array_len(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("array.len", array(m, m.pick(m.arrays), depth)[0])


@way("i32", 1, "tables")
def table_size(m: Maker, type_: str, depth: int) -> Tree | None:
    table = m.some_table()
    if m.chance(100):
        return ("table.size", table)
    return ("table.grow", table, element(m, table, depth), later(m, ("i32", m.upto(4))))


@way("i32", 1)
def i31_get(m: Maker, type_: str, depth: int) -> Tree | None:
    known = m.known("i31")
    source: Tree = ("get", m.pick(known)) if known else ("i31", value(m, "i32", depth - 1))
    return (m.pick(("i31.get_s", "i31.get_u")), source)


@way("number", 1.5, "structs")
def struct_number(m: Maker, type_: str, depth: int) -> Tree | None:
    numeric = [s for s in m.structs if any(operand_type(f.storage) == type_ for f in m.struct_of[s].fields)]
    if not numeric:
        return None
    struct = m.pick(numeric)
    at = m.pick([at for at, f in enumerate(m.struct_of[struct].fields) if operand_type(f.storage) == type_])
    packed = m.struct_of[struct].fields[at].storage in ("i8", "i16")
    form = "struct.get_s" if packed and m.chance(128) else "struct.get"
    return (form, struct, at, object_(m, struct, depth))


@way("number", 1.5, "arrays")
def array_number(m: Maker, type_: str, depth: int) -> Tree | None:
    numeric = [a for a in m.arrays if operand_type(m.array_of[a].fields[0].storage) == type_]
    if not numeric:
        return None
    name = m.pick(numeric)
    tree, length = array(m, name, depth)
    form = "array.get_s" if m.array_of[name].fields[0].storage in ("i8", "i16") and m.chance(128) else "array.get"
    return (form, name, tree, index(m, length)) if length else None


@way("i32", 0.7)
def to_i32(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_i32", value(m, m.pick(NUMERIC[1:]), depth - 1))
