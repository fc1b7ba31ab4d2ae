"""What random bodies declare beside functions: private globals and element segments, of constant expressions."""

from __future__ import annotations

from twinheap.fuzz.bodies_exprs import NUMBERS, something
from twinheap.fuzz.bodies_frame import (
    NUMERIC,
    Maker,
    OwnTable,
    operand_type,
)
from twinheap.model.body import Tree
from twinheap.model.body_forms import ABSTRACT, NON_NULL_PREFIX
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, Field

MOST_TABLES = 2
DEPTH = 3  # nesting of a constant expression: inner objects wait while outer ones are made
LENGTHS = (0, 1, 2, 3, 3, 5, 8, 100)


def globals_(m: Maker) -> list[Tree]:
    """One to four private globals, which `m` knows from then on."""
    made: list[Tree] = []
    for _ in range(1 + m.upto(4)):
        type_ = m.pick(("any", "any", "eq", "extern", "struct", "array", "i31", *m.structs, *m.arrays))
        mutable = m.chance(140)
        made.append(("global" if mutable else "const", type_, constant(m, type_, DEPTH)))
        m.globals.append((type_, mutable))
    return made


def tables(m: Maker) -> list[Tree]:
    """One or two private tables, some with indexes of 64 bits, some without nulls."""
    made: list[Tree] = []
    for _ in range(1 + m.upto(MOST_TABLES)):
        type_ = m.pick(("extern", "any", "eq", "i31", *m.structs, *m.arrays))
        if m.has("functions") and m.chance(140):
            type_ = m.pick(("func", *m.types.functions))
        length = m.upto(5)
        filler = constant(m, type_, 1)
        strict = filler[0] not in ("null", "global.get") and m.chance(150)
        name = NON_NULL_PREFIX * strict + type_
        made.append(("table64" if m.chance(128) else "table", name, length, length + m.upto(9), filler))
        m.tables.append(OwnTable(type_, strict, length))
    return made


def segments(m: Maker) -> list[Tree]:
    """One or two passive segments of items that make objects, mostly; and perhaps an active one."""
    made: list[Tree] = []
    for _ in range(1 + m.upto(2)):
        type_ = m.pick(("eq", "eq", "any", m.structs[0], "i31"))
        items = tuple(constant(m, type_, 1 + m.chance(60)) for _ in range(1 + m.upto(4)))
        m.segments.append((type_, items))
        made.append(("segment", type_, *items))
    return made


def active(m: Maker) -> Tree:
    """Mostly within its table, as that is at first."""
    table = m.upto(len(KIT_TABLES)) if m.chance(40) else len(KIT_TABLES) - 1
    type_ = KIT_TABLES[table] if m.chance(100) else m.pick(("extern",) if table == 0 else ("any", "eq", *m.structs))
    items = tuple(constant(m, type_, DEPTH) for _ in range(1 + m.upto(3)))
    start = m.upto(5 - len(items)) if not m.has("traps") or m.chance(200) else m.pick((3, 4, 5, 12))
    return ("active", table, start, type_, *items)


def constant(m: Maker, wanted: str, depth: int, strict: bool = False) -> Tree:
    """A constant expression that will do where `wanted` is, and where null is not if it is `strict`."""
    if wanted in NUMERIC:
        return (wanted, m.pick(NUMBERS))
    if strict and (depth <= 0 or wanted not in m.under):
        return something(m, wanted)
    consts = [
        at for at, (type_, mutable) in enumerate(m.globals, len(KIT_GLOBALS)) if not mutable and m.below(type_, wanted)
    ]
    if consts and not strict and m.chance(110):
        return ("global.get", m.pick(consts))
    if not strict and (wanted not in m.under or wanted == "none" or depth <= 0 or m.chance(24)):
        return ("null", wanted)
    usual = [type_ for type_ in m.under[wanted] if type_ in (*m.structs, *m.arrays, "i31")]
    made = [type_ for type_ in m.under[wanted] if (type_ != "none" and type_ not in ABSTRACT) or type_ == "i31"]
    type_ = m.pick(usual if usual and m.chance(200) else made)
    if type_ == "i31":
        return ("i31", ("i32", m.pick(NUMBERS)))
    if type_ in m.struct_of:
        if m.has_default(type_) and m.chance(80):
            return ("struct.new_default", type_)
        return ("struct.new", type_, *(_content(m, field, depth) for field in m.struct_of[type_].fields))
    return _array(m, type_, depth)


def _array(m: Maker, type_: str, depth: int) -> Tree:
    element = m.element(type_)
    way = m.upto(3)
    if way == 0 and element.has_default:
        return ("array.new_default", type_, ("i32", m.pick(LENGTHS)))
    if way == 1:
        return ("array.new", type_, _content(m, element, depth), ("i32", m.pick(LENGTHS)))
    return ("array.new_fixed", type_, *(_content(m, element, depth) for _ in range(m.upto(4))))


def _content(m: Maker, field: Field, depth: int) -> Tree:
    return constant(m, operand_type(field.storage), depth - 1, not field.has_default)
