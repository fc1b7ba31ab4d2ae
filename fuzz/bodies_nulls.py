"""Statements of random bodies in which an operand is null that must not be: each ends the run in a trap.

Nulls come in many ways, some that a compiler sees and some that it does not, since a check may be left to the hardware,
folded, or moved behind a barrier. Mostly a condition decides, so that the body is worth other runs; what is live at
the trap is in variables, on the operand stack, and in slots that the host looks at afterwards.
"""

# ruff: noqa: D103 -- the ways to make a statement are named after their forms.
from __future__ import annotations

from collections.abc import Callable

from twinheap.fuzz.bodies_exprs import NUMBERS, array, condition, filled, later, operands, segment_for
from twinheap.fuzz.bodies_frame import Maker, is_reference, operand_type
from twinheap.fuzz.bodies_stmts import fresh, interesting, statement
from twinheap.model.body import Tree

PACKED = ("i8", "i16")
CONDITIONAL = 190  # of 256
KEPT = 130  # of 256: how often a slot holds something that a variable has, too


def null_of(m: Maker, type_: str) -> Tree:
    """An expression of a type that is null when it is reached."""
    way = m.upto(8)
    plain: Tree = ("null", type_)
    if way == 0:
        return ("tee", m.writable(type_), plain)
    if way == 1:
        return ("select", plain, ("null", type_), condition(m, 0))
    if way == 2:
        return ("then", ("gc",), plain) if m.charge() else plain
    if way == 3 or not m.below(type_, "any") or type_ == "any":
        return _read(m, type_)
    source = _read(m, "any")
    return ("cast", type_, source) if way < 7 else plain


def _read(m: Maker, type_: str) -> Tree:
    """A null out of a new object: a field of a struct, perhaps one that is deep inside, or an element."""
    fields = [
        (made.name, at)
        for made in m.struct_of.values()
        for at, field in enumerate(made.fields)
        if field.storage == type_ and m.has_default(made.name)
    ]
    arrays = [name for name, made in m.array_of.items() if made.fields[0].storage == type_ and m.has_default(name)]
    if arrays and (not fields or m.chance(90)):
        name = m.pick(arrays)
        return ("array.get", name, ("array.new_default", name, ("i32", 2)), ("i32", m.upto(2)))
    if not fields:
        return ("null", type_)
    struct, at = m.pick(fields)
    inner: Tree = ("struct.new_default", struct)
    if m.chance(90):  # inside another one
        inner = ("cast", struct, ("struct.get", "pair", 1, ("struct.new", "pair", ("null", "extern"), inner)))
    return ("struct.get", struct, at, inner)


# --- the forms


def _struct(m: Maker) -> Tree | None:
    name = m.pick(m.structs)
    fields = m.struct_of[name].fields
    if not fields:
        return None
    at = m.upto(len(fields))
    if fields[at].mutable and m.chance(128):
        return ("struct.set", name, at, null_of(m, name), later(m, filled(m, fields[at], 1)))
    form = "struct.get_s" if fields[at].storage in PACKED and m.chance(128) else "struct.get"
    return ("drop", (form, name, at, null_of(m, name)))


def _array(m: Maker) -> Tree | None:
    name = m.pick(m.arrays)
    element, at = m.element(name), ("i32", m.pick(NUMBERS))
    if not element.mutable or m.chance(90):
        if m.chance(80):
            return ("drop", ("array.len", null_of(m, name)))
        form = "array.get_s" if element.storage in PACKED and m.chance(128) else "array.get"
        return ("drop", (form, name, null_of(m, name), later(m, at)))
    count = ("i32", m.upto(3))
    stored = filled(m, element, 1)
    if m.chance(100):
        return ("array.set", name, null_of(m, name), at, later(m, stored))
    return ("array.fill", name, null_of(m, name), ("i32", m.upto(3)), later(m, stored), count)


def _array_copy(m: Maker) -> Tree | None:
    """One of both is null, or both are."""
    name = m.pick(m.arrays)
    if not m.element(name).mutable:
        return None
    way = m.upto(3)
    target = null_of(m, name) if way != 1 else array(m, name, 1)[0]
    source = null_of(m, name) if way != 0 else array(m, name, 1)[0]
    return ("array.copy", name, name, target, ("i32", m.upto(3)), later(m, source), ("i32", 0), ("i32", m.upto(3)))


def _array_init(m: Maker) -> Tree | None:
    name = m.pick(m.arrays)
    field = m.element(name)
    if not field.mutable:
        return None
    rest = (("i32", m.upto(2)), ("i32", m.upto(2)), ("i32", m.upto(3)))
    if not is_reference(operand_type(field.storage)):
        return ("array.init_data", name, null_of(m, name), *rest)
    segment = segment_for(m, field.storage) if field.nullable else None
    return None if segment is None else ("array.init_elem", name, segment, null_of(m, name), *rest)


def _reference(m: Maker) -> Tree | None:
    type_ = interesting(m)
    form = ("as_non_null",) if m.types.top_of(type_) != "any" or m.chance(128) else ("cast_non_null", type_)
    return ("drop", (*form, null_of(m, type_)))


def _i31(m: Maker) -> Tree | None:
    return ("drop", (m.pick(("i31.get_s", "i31.get_u")), null_of(m, "i31")))


def _throw_ref(m: Maker) -> Tree | None:
    return ("throw_ref", null_of(m, "exn")) if m.has("exceptions") else None


def _invoke(m: Maker) -> Tree | None:
    """A call through null, whose arguments wait."""
    if m.far or not m.types.functions or not m.charge():
        return None
    of = m.pick(tuple(m.types.functions.values()))
    call: Tree = ("invoke", of.made.name, *operands(m, of.params, 1), null_of(m, of.made.name))
    return call if of.result is None else ("drop", call)


FORMS: tuple[tuple[float, Callable[[Maker], Tree | None]], ...] = (
    *((4, _struct), (4, _array), (2, _array_copy), (2, _array_init)),
    *((1.5, _reference), (1, _i31), (1, _throw_ref), (2, _invoke)),
)
"""How often, and what."""


@statement("nulls", 4)
def null_operand(m: Maker, depth: int) -> Tree | None:
    type_ = interesting(m)
    made, _ = fresh(m, type_)
    variable = m.writable(type_)
    m.learn(variable, None)
    before: list[Tree] = [("set", variable, made)]
    slots = [at for at in m.settable() if m.below(type_, m.all_globals()[at])]
    if slots and m.chance(KEPT):
        before.append(("global.set", m.pick(slots), ("get", variable)))
    if m.has("tables") and type_ == "extern" and m.chance(KEPT):
        before.append(("table.set", 0, ("i32", m.upto(4)), ("get", variable)))
    conditional = m.chance(CONDITIONAL)
    asked = condition(m) if conditional else ()
    trap = m.maybe(lambda: m.weighted(FORMS)(m))
    if trap is None:
        return None
    return ("do", *before, ("if", asked, ("do", trap)) if conditional else trap)
