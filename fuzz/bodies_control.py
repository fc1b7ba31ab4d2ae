"""Statements of random bodies that steer: blocks, branches, loops, calls, exceptions, traps."""

# ruff: noqa: D103 -- the ways to make a statement are named after their forms.
from __future__ import annotations

from collections.abc import Callable

from twinheap.fuzz.bodies_exprs import arguments, condition, operands, present, value
from twinheap.fuzz.bodies_frame import MOST_TIMES, TAG_OF, Helper, Maker, is_reference, operand_type
from twinheap.fuzz.bodies_stmts import block, fresh, interesting, shown, statement
from twinheap.model.body import Tree


def _inside(m: Maker, write: Callable[[], list[Tree]]) -> list[Tree]:
    """Statements inside one more block."""
    m.here.blocks += 1
    made = m.maybe(write)
    m.here.blocks -= 1
    return made


def branch(m: Maker) -> Tree:
    """A branch out of some enclosing block, of which there must be one."""
    blocks = m.here.blocks
    way = m.upto(5)
    if way == 0:
        return ("br", m.upto(blocks))
    if way == 4:
        return ("br_on_null", m.upto(blocks), value(m, interesting(m), 1))
    if way < 3:
        return ("br_if", m.upto(blocks), condition(m))
    targets = tuple(m.upto(blocks) for _ in range(1 + m.upto(3)))
    return ("br_table", condition(m), *targets)


@statement("control", 3)
def block_(m: Maker, depth: int) -> Tree | None:
    if depth <= 0:
        return None

    def write() -> list[Tree]:
        before = block(m, depth - 1, 2)
        return [*before, branch(m), *block(m, depth - 1, 2)]

    return ("block", *_inside(m, write))


@statement("control", 1)
def out(m: Maker, depth: int) -> Tree | None:
    return branch(m) if m.here.blocks else None


@statement("control", 2.5)
def if_(m: Maker, depth: int) -> Tree | None:
    if depth <= 0:
        return None
    asked = condition(m, 2)
    arms: list[Tree] = [("do", *m.maybe(lambda: block(m, depth - 1, 3))) for _ in range(1 + m.chance(100))]
    return ("if", asked, *arms)


@statement("control", 2)
def repeat(m: Maker, depth: int) -> Tree | None:
    times = m.pick((1, 2, 2, 3, 3, 4, 5, 9, 20, 40))
    if depth <= 0 or m.here.times * times > MOST_TIMES:
        return None
    m.here.times *= times
    inner = m.maybe(lambda: block(m, depth - 1, 3))
    m.here.times //= times
    return ("repeat", times, *inner)


@statement("traps", 0.6)
def unreachable(m: Maker, depth: int) -> Tree | None:
    return ("if", condition(m), ("do", ("unreachable",)))


# --- calls


def result_fits(m: Maker, result: str | None) -> bool:
    """Whether what a function gives will do as the result of the one that is being written."""
    wanted = m.here.result
    return result == wanted if result is None or wanted is None else m.below(result, wanted)


def _arguments(m: Maker, helper: Helper) -> list[Tree]:
    """Arguments of a call; sometimes new ones, which its caller keeps no hold of."""
    if m.chance(170):
        return arguments(m, helper, 1)
    return [
        present(m, type_, 1)
        if at in helper.strict
        else fresh(m, type_)[0]
        if is_reference(type_)
        else value(m, type_, 1)
        for at, type_ in enumerate(helper.params)
    ]


@statement("calls", 4)
def call(m: Maker, depth: int) -> Tree | None:
    helpers = [
        at
        for at, helper in enumerate(m.helpers)
        if m.here.cost + helper.cost * m.here.times <= m.here.allowed and not helper.throws
    ]
    if not helpers:
        return None
    at = m.pick(helpers)
    m.charge(m.helpers[at].cost)
    form = m.pick(("call", "call", "call_ref", "call_indirect"))
    tree: Tree = (form, at, *_arguments(m, m.helpers[at]))
    result = m.helpers[at].result
    if result is None:
        return tree
    if m.chance(90):
        variable = m.writable(result)
        m.learn(variable, None)
        return ("set", variable, tree)
    return shown(m, tree, result)


@statement("calls", 1.5)
def tail(m: Maker, depth: int) -> Tree | None:
    """What a tail call brings is the function's result, so the rest of it does not run: mostly conditional."""
    helpers = [
        at
        for at, helper in enumerate(m.helpers)
        if result_fits(m, helper.result) and not helper.throws and helper.strict_result >= m.here.strict_result
    ]
    if not helpers or m.here.blocks > 2:
        return None
    at = m.pick(helpers)
    if not m.charge(m.helpers[at].cost):
        return None
    form = m.pick(("tail", "tail", "tail_ref", "tail_indirect"))
    tree: Tree = (form, at, *arguments(m, m.helpers[at], 1))
    return tree if m.chance(20) else ("if", condition(m), ("do", tree))


@statement("control", 0.4)
def return_(m: Maker, depth: int) -> Tree | None:
    result = m.here.result
    tree: Tree = ("return",) if result is None else ("return", value(m, result, 1))
    return ("if", condition(m), ("do", tree))


# --- exceptions


def thrown(m: Maker) -> Tree:
    """A throw of any tag, or of an exception that was caught."""
    caught = m.variables("exn")
    if caught and m.chance(80):
        return ("throw_ref", ("get", m.pick(caught)))
    tag = m.pick(tuple(TAG_OF))
    return ("throw", tag, *operands(m, [operand_type(field.storage) for field in TAG_OF[tag].fields], 2))


def _clause(m: Maker) -> tuple[Tree, list[int]]:
    """A clause of `try`, and the variables that it writes."""
    way = m.upto(5)
    if way == 4:
        return ("catch_all",), []
    if way == 3:
        exn = m.writable("exn")
        return ("catch_all_ref", exn), [exn]
    tag = m.pick(tuple(TAG_OF))
    payload: list[int] = []
    for field in TAG_OF[tag].fields:
        payload.append(m.writable(operand_type(field.storage)))
    if way == 0:
        return ("catch", tag, *payload), payload
    exn = m.writable("exn")
    return ("catch_ref", tag, *payload, exn), [*payload, exn]


@statement("exceptions", 6)
def try_(m: Maker, depth: int) -> Tree | None:
    """Something thrown and mostly caught, with a collection somewhere; then what was caught is looked at."""
    if depth <= 0:
        return None

    def write() -> list[Tree]:
        inner = block(m, depth - 1, 2)
        if m.chance(215):
            throw = thrown(m)
            inner.append(throw if m.chance(190) else ("if", condition(m), ("do", throw)))
        return inner

    inner = m.maybe(write)
    clause, written = _clause(m)
    for variable in written:
        m.learn(variable, None)
    after: list[Tree] = [("gc",)] if m.chance(140) and m.charge() else []
    for variable in written[:2]:
        if m.here.types[variable] != "exn":
            after.append(shown(m, ("get", variable), m.here.types[variable]))
    return ("do", ("try", clause, *inner), *after)


def _throwing(m: Maker, depth: int) -> Tree:
    """What may throw after a collection: the helper that only does that, another one, or the host."""
    throwers = [at for at, helper in enumerate(m.helpers) if helper.throws]
    if throwers and m.chance(200):
        m.charge(m.helpers[throwers[0]].cost)
        tree: Tree = ("call", throwers[0])
        return tree if m.chance(170) else ("if", condition(m), ("do", tree))
    return call(m, depth) or ("drop", value(m, "extern", 1))


@statement("exceptions", 2)
def go_on_in_try(m: Maker, depth: int) -> Tree | None:
    """A variable goes on behind a call that may throw, and behind the handler it is looked at: only that needs it."""
    if depth <= 0:
        return None
    type_ = interesting(m)
    variable = m.writable(type_)

    def write() -> list[Tree]:
        before: Tree = ("set", variable, fresh(m, type_)[0])
        behind: Tree = ("set", variable, ("null", type_) if m.chance(170) else fresh(m, type_)[0])
        one, other = _throwing(m, depth), ("drop", value(m, "extern", 1))
        return [before, one, behind, other]

    inner = m.maybe(write)
    clause, written = _clause(m) if m.chance(80) else (("catch_all",), [])
    for changed in (variable, *written):
        m.learn(changed, None)
    after: list[Tree] = [("gc",)] if m.chance(80) and m.charge() else []
    return ("do", ("try", clause, *inner), *after, shown(m, ("get", variable), type_))


@statement("exceptions", 0.5)
def throw(m: Maker, depth: int) -> Tree | None:
    return ("if", condition(m), ("do", thrown(m)))


@statement("exceptions", 0.3)
def keep_exception(m: Maker, depth: int) -> Tree | None:
    caught = m.variables("exn")
    return ("set", m.writable("exn"), ("get", m.pick(caught))) if caught else None
