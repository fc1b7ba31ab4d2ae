"""Statements of random bodies on variables that get one value after the other, and on garbage in quantity."""

from __future__ import annotations

from twinheap.fuzz.bodies_exprs import condition, pause
from twinheap.fuzz.bodies_frame import MAIN_COST, MOST_TIMES, SELECTOR, Maker, is_reference
from twinheap.fuzz.bodies_stmts import fresh, interesting, look_at, statement
from twinheap.model.body import Tree

Known = int | None
"""What is known of a value (see `Frame.known`)."""


def _both(one: Known, other: Known) -> Known:
    """What is known of a variable that holds the one or the other."""
    return None if one is None or other is None else min(one, other)


@statement("frames", 2)
def carry(m: Maker, depth: int) -> Tree | None:
    """A variable goes on to its next value, in a loop or not, while the one before waits on the operand stack."""
    here = m.here
    parameters = [at for at in range(here.params) if is_reference(here.types[at]) and at not in here.strict]
    if parameters and m.chance(90 if m.here.allowed == MAIN_COST else 210):
        return _advance(m, m.pick(parameters), None)
    times = 2 + m.upto(3)
    if m.here.times * times > MOST_TIMES:
        return None
    type_ = interesting(m)
    first, known = fresh(m, type_)
    variable = m.writable(type_)
    m.here.times *= times
    if m.chance(128):
        inner, last = m.maybe(lambda: _perhaps(m, variable))
        m.learn(variable, _both(known, last))
    else:
        inner = m.maybe(lambda: [_advance(m, variable, known)])
        m.learn(variable, None)
    m.here.times //= times
    return ("do", ("set", variable, first), ("repeat", times, *inner), look_at(m, variable))


def _perhaps(m: Maker, variable: int) -> tuple[list[Tree], Known]:
    """A collection; then the variable gets another value, or keeps the one it has, at which nothing looks here."""
    type_ = m.here.types[variable]
    m.learn(variable, None)
    before = pause(m)
    again: list[Tree] = [("drop", fresh(m, type_)[0]) for _ in range(1 + m.upto(2))]  # what was freed is used again
    last, known = fresh(m, type_)
    asked: Tree = ("get", SELECTOR) if m.here.allowed == MAIN_COST else condition(m)  # runs differ in the selector
    return [*before, *again, ("if", asked, ("do", ("set", variable, last)))], known


def _advance(m: Maker, variable: int, known: Known) -> Tree:
    """The next value, a collection, and a look at the one before, of which `known` is known at first."""
    type_ = m.here.types[variable]
    following, length = fresh(m, type_)
    m.learn(variable, None)
    waited = m.writable(type_)
    if waited == variable:
        return ("do", ("set", variable, following), look_at(m, variable))
    last: Tree = ("then", ("set", variable, following), *pause(m), fresh(m, "extern")[0])
    beside = m.writable("extern")
    m.learn(beside, None)
    m.learn(waited, None if beside == waited else _both(known, length))
    return ("do", ("set2", waited, beside, ("get", variable), last), look_at(m, waited))


@statement("arrays", 0.5)
def waste(m: Maker, depth: int) -> Tree | None:
    """Garbage that takes more than a heap."""
    times = 5 + m.upto(36)
    if m.here.times * times > MOST_TIMES:
        return None
    length = m.pick((1000, 4000, 4000, 8000))
    plain = [name for name in m.arrays if m.has_default(name)]
    if not plain:
        return None
    return ("repeat", times, ("drop", ("array.new_default", m.pick(plain), ("i32", length))))
