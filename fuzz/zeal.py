"""Zeal: a collection between every two steps of a program, on the host and in its bodies.

What a root, a barrier or a stack map forgets shows only if a collection comes before the reference is used again.
`zealous` makes any program one in which nothing can wait: the host collects after every op, and code calls the
collecting import before every statement and after every instruction that leaves a reference on the operand stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from twinheap.fuzz.body_places import HEADS, statements_of
from twinheap.model.body import CACHED, BodyError, Tree, dumps, parse
from twinheap.model.body_env import Scope, env_of
from twinheap.model.body_forms import EXPRESSIONS, NUMBER_TYPES
from twinheap.model.body_types import check, type_of
from twinheap.model.ops import CODE, MAX_OPS, Op
from twinheap.model.program import Program, results_of, slots_of
from twinheap.model.view import resolve

_GC: Final = CODE["gc"]
_RESULT: Final = CODE["result"]
_COLLECT: Final[Tree] = ("gc",)
_DECLARED: Final = ("func", "main")
WAYS: Final = ("select", "then")
"""How operands wait: `select` leaves each of them after a collection; or the collection begins the next operand, which
leaves the code as it is otherwise. A body takes one of the two, by its text."""

_HELD: Final = ("null", "get", "tee")
_BEGIN_SO: Final = ("gc", "do")  # statements that collect first themselves, then


def zealous(program: Program) -> Program:
    """`program` with a collection between every two steps.

    The host collects the store of the op before. It does not where a raw value is still to be used, which a collection
    would end (semantics 3.4), nor between the `end` of a call and its `result`.
    """
    bodies = tuple(map(zealous_body, program.config.bodies))
    ops = program.ops if 2 * len(program.ops) > MAX_OPS else _collecting(program.ops)
    return resolve(replace(program.config, bodies=bodies), ops)


def _collecting(ops: tuple[Op, ...]) -> Iterator[Op]:
    kept = _raw_needed(ops)
    home = {0: 0}  # slot -> its store
    store = 0
    for at, op in enumerate(ops):
        if at and at not in kept and op[0] != _RESULT:
            yield (_GC, store)
        yield op
        store = next((home[slot] for _, slot in slots_of(op) if slot in home), store)
        for kind, slot in results_of(op):
            store = slot if kind == "S" else store
            home[slot] = store


def _raw_needed(ops: tuple[Op, ...]) -> set[int]:
    """The places before which a raw value was made that is used there or later."""
    needed: set[int] = set()
    made: dict[int, int] = {}
    for at, op in enumerate(ops):
        for kind, slot in slots_of(op):
            if kind == "W" and slot in made:
                needed.update(range(made[slot], at + 1))
        made.update((slot, at + 1) for kind, slot in results_of(op) if kind == "W")
    return needed


# --- bodies


@lru_cache(maxsize=CACHED)
def zealous_body(text: str) -> str:
    """A body with collections between its instructions; between its statements only, if it would get too large.

    >>> zealous_body("(body (main (drop (get 1)) (to_extern (get 2))))")
    '(body (main (gc) (drop (get 1)) (select (to_extern (get 2)) (null extern) (then (gc) (i32 1)))))'
    """
    for way in (WAYS[crc32(text.encode()) % 2], "statements"):
        made = collecting(text, way)
        try:
            check(made)
        except BodyError:  # too long, or nested too deeply
            continue
        return made
    return text


def collecting(text: str, way: str) -> str:
    """A body with collections, which may be too large to be one; `way`: one of `WAYS`, or "statements" for less."""
    env = env_of(text)
    number = 0
    parts: list[str | int | Tree] = []
    for part in parse(text):
        if isinstance(part, tuple) and part[0] in _DECLARED:
            parts.append(_inside(part, env.scope(number if part[0] == "func" else None), way))
            number += 1
        else:
            parts.append(part)
    return dumps(tuple(parts))


def _inside(form: Tree, scope: Scope, way: str) -> Tree:
    """A form whose statements and operands are zealous."""
    listed = statements_of(form)
    operands = _operands(form) if way != "statements" else []
    made: list[str | int | Tree] = []
    waits = False  # a reference is on the operand stack, and nothing was collected since
    for at, part in enumerate(form):
        if not isinstance(part, tuple) or part[0] in HEADS or (form[0] == "try" and at == 1):
            made.append(part)
            continue
        inner = _inside(part, scope, way)
        if at in listed:
            made += [inner] if part[0] in _BEGIN_SO else [_COLLECT, inner]
        elif at not in operands:
            made.append(inner)
        else:
            reference = type_of(part, scope) not in NUMBER_TYPES
            selected = reference and (way == "select" or at == operands[-1])
            if waits:
                inner = _after_collection(inner)
            made.append(_waiting(inner, type_of(part, scope)) if selected else inner)
            waits = reference and not selected
    return tuple(made)


def _operands(form: Tree) -> list[int]:
    """The indexes of what is evaluated onto the operand stack: no statement, clause or arm."""
    listed = statements_of(form)
    return [
        at
        for at, part in enumerate(form)
        if isinstance(part, tuple)
        and part[0] not in HEADS
        and at not in listed
        and not (form[0] == "try" and at == 1)
        and not (form[0] == "if" and at >= 2)
        and part[0] in EXPRESSIONS  # a tail call may stand for a function's result
    ]


def _after_collection(form: Tree) -> Tree:
    return ("then", _COLLECT, *(form[1:] if form[0] == "then" else (form,)))


def _waiting(form: Tree, type_: str) -> Tree:
    """An expression of a reference that waits on the operand stack for a collection before it is used.

    `select` leaves the first operand, since the last is not zero: there is no shorter way to do something between two
    instructions without a local, which would hold the reference, too. What comes from a local is held by that anyway.
    """
    if form[0] in _HELD:
        return form
    return ("select", form, ("null", type_), ("then", _COLLECT, ("i32", 1)))
