"""References to functions in random bodies: where they come from, casts, and calls through them."""

# ruff: noqa: D103 -- they are named after their forms.
from __future__ import annotations

from twinheap.fuzz.bodies_control import result_fits
from twinheap.fuzz.bodies_exprs import condition, exact, operands, referable, value, way
from twinheap.fuzz.bodies_frame import HELPER_COST, Maker
from twinheap.fuzz.bodies_stmts import shown, statement
from twinheap.model.body import Tree
from twinheap.model.declared import Member


def _of(m: Maker, result: str | None) -> list[Member]:
    """The function types that give exactly `result`, where code may call by reference."""
    return [] if m.far else [of for of in m.types.functions.values() if of.result == result]


def called(m: Maker, of: Member, form: str, depth: int) -> Tree:
    """A call of a function type, mostly of a function that is there."""
    name = of.made.name
    arguments = operands(m, of.params, depth)
    there = referable(m, name)
    function: Tree = ("ref.func", m.pick(there)) if there and m.chance(110) else exact(m, name, depth)
    return (form, name, *arguments, function)


@way("func", 4)
def ref_func(m: Maker, type_: str, depth: int) -> Tree | None:
    there = referable(m, type_)
    return ("ref.func", m.pick(there)) if there else None


@way("func", 1.5, "casts")
def cast(m: Maker, type_: str, depth: int) -> Tree | None:
    if type_ == "func":
        return None
    form = m.pick(("cast", "on_cast", "on_cast_fail", "on_cast_null", "on_cast_fail_null"))
    if form == "cast" and not (m.has("traps") and m.chance(128)):
        return ("cast", type_, exact(m, type_, depth))
    source = value(m, "func", depth)
    return ("cast", type_, source) if form == "cast" else (form, type_, source, exact(m, type_, depth))


@way("i32", 1.5, "functions")
def test(m: Maker, type_: str, depth: int) -> Tree | None:
    wanted = m.pick(("func", "nofunc", *m.types.functions))
    return (m.pick(("test", "test", "test_null")), wanted, value(m, "func", depth))


@way("ref", 2.5, "functions")
def invoke(m: Maker, type_: str, depth: int) -> Tree | None:
    types = _of(m, type_)
    return called(m, m.pick(types), "invoke", depth) if types and m.charge(HELPER_COST) else None


@statement("functions", 3)
def invoked(m: Maker, depth: int) -> Tree | None:
    types = [] if m.far else list(m.types.functions.values())
    if not types or not m.charge(HELPER_COST):
        return None
    of = m.pick(types)
    tree = called(m, of, "invoke", 1)
    return tree if of.result is None else shown(m, tree, of.result)


@statement("functions", 1)
def tail_invoked(m: Maker, depth: int) -> Tree | None:
    """As `tail` in `bodies_control.py`: mostly conditional."""
    types = [] if m.far else [of for of in m.types.functions.values() if result_fits(m, of.result)]
    if not types or m.here.strict_result or m.here.blocks > 2 or not m.charge(HELPER_COST):
        return None
    tree = called(m, m.pick(types), "tail_invoke", 1)
    return tree if m.chance(20) else ("if", condition(m), ("do", tree))
