"""The edits that a shrinker tries on the bodies of a program: each makes one of them simpler, and all of them valid.

As in `edits.py`, what counts as simpler is a number tuple, `body_weight`, so that shrinking ends. Edits are made
without asking whether they fit; a candidate that breaks a static rule of bodies is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from twinheap.fuzz.body_part_edits import merges, promotions, unused
from twinheap.fuzz.body_places import (
    Path,
    forms_among,
    places,
    replaced,
    statements_of,
)
from twinheap.fuzz.body_type_edits import declared_types, fewer_fields, plainer_types
from twinheap.model.body import BodyError, Tree, dumps, features_of, forms, parse
from twinheap.model.body_types import check, env_of, type_of
from twinheap.model.declared import is_declared
from twinheap.model.ops import CODE, Op
from twinheap.model.program import Program
from twinheap.model.view import resolve

NUMERIC: Final = ("i32", "i64", "f32", "f64")
RANKS: Final = {"null": 0, **dict.fromkeys(NUMERIC, 0), "get": 1, "i31": 2, "struct.new_default": 2, "drop": 2}
RANKS_MORE: Final = {
    "global.get": 3,
    **dict.fromkeys(("on_cast_fail", "struct.get_s", "array.get_s"), 5),
    "call_ref": 5,
    "call_indirect": 5,
    "tail_ref": 5,
    "tail_indirect": 5,
}
OTHER_RANK: Final = 4
PLAIN: Final = {name: name.split("_")[0] for name in ("call_ref", "call_indirect", "tail_ref", "tail_indirect")} | {
    "on_cast_fail": "on_cast",
    "struct.get_s": "struct.get",
    "array.get_s": "array.get",
}
FEW_VARIABLES: Final = 3  # that stand for an expression of their type

_RUN: Final = (CODE["run"], CODE["run_exn"])
_CALL: Final = (CODE["call"], CODE["call_exn"])
_LIKE: Final = {code: pair for pair in (_RUN, _CALL) for code in pair}
"""Ops that run a body: each with its form for bodies without and with exceptions."""
_BODY_AT: Final = 2  # where runs name their body

Edit = Callable[[Tree, str], Iterator[Tree]]


def _runs(op: Op) -> bool:
    return op[0] in _LIKE


def body_weight(text: str) -> tuple[int, int]:
    """How complicated a body is: its forms, then its integers and what its forms are.

    >>> body_weight("(body (main (global.get 0)))") > body_weight("(body (main (null extern)))")
    True
    """
    return _tree_weight(parse(text))


def _tree_weight(body: Tree) -> tuple[int, int]:
    count = detail = 0
    for form in forms(body):
        count += 1
        name = str(form[0])
        detail += RANKS.get(name, RANKS_MORE.get(name, OTHER_RANK))
        detail += len(form) if name in ("local", "param") else 0
        detail += _type_weight(form) if name in ("struct", "array") else 0
        detail += sum(abs(part) for part in form if isinstance(part, int))
    return count, detail


def _type_weight(member: Tree) -> int:
    """How complicated a declared type is: its fields, those that refer to declared ones, and their prefixes."""
    words = [str(part) for part in member[1:] if not isinstance(part, tuple)]
    return sum(1 + 2 * word.count(".") + is_declared(word.rpartition(".")[-1]) for word in words)


# --- programs


def body_edits(program: Program) -> Iterator[Program]:
    """Every simpler program that one edit of one body gives, the strongest edits first."""
    for edit in EDITS:
        for at, text in enumerate(program.config.bodies):
            before = body_weight(text)
            for tree in edit(parse(text), text):
                if _tree_weight(tree) < before and _is_body(candidate := dumps(tree)):
                    yield with_body(program, at, candidate)


def _is_body(text: str) -> bool:
    """Whether a text keeps the rules of bodies; it may be nested too deep even to be read."""
    try:
        check(text)
    except BodyError:
        return False
    return True


def with_body(program: Program, at: int, text: str) -> Program:
    """`program` with another text for a body; its runs become those of bodies with or without exceptions."""
    bodies = (*program.config.bodies[:at], text, *program.config.bodies[at + 1 :])
    throws = bool(features_of(text))
    ops = [(_LIKE[op[0]][throws], *op[1:]) if _runs(op) and op[_BODY_AT] == at else op for op in program.ops]
    return resolve(replace(program.config, bodies=bodies), ops)


def fewer_bodies(program: Program) -> Iterator[Program]:
    """Without the bodies that nothing runs, and with equal ones only once."""
    bodies = program.config.bodies
    used = sorted({op[_BODY_AT] for op in program.ops if _runs(op)})
    kept = list(dict.fromkeys(bodies[at] for at in used))
    if len(kept) == len(bodies):
        return

    def moved(op: Op) -> Op:
        if not _runs(op):
            return op
        return (*op[:_BODY_AT], kept.index(bodies[op[_BODY_AT]]), *op[_BODY_AT + 1 :])

    yield resolve(replace(program.config, bodies=tuple(kept)), [moved(op) for op in program.ops])


# --- statements


def deletions(body: Tree, text: str) -> Iterator[Tree]:
    """Runs of statements deleted, long ones first."""
    lists = [(place.path, statements_of(place.form)) for place in places(body)]
    longest = max((len(listed) for _, listed in lists), default=0)
    size = longest
    while size:
        for path, listed in lists:
            for start in range(listed.stop - size, listed.start - 1, -size):
                yield _without(body, path, start, start + size)
        size //= 2


def _without(body: Tree, path: Path, start: int, stop: int) -> Tree:
    for at in range(stop - 1, start - 1, -1):
        body = replaced(body, (*path, at))
    return body


def unwraps(body: Tree, text: str) -> Iterator[Tree]:
    """A statement replaced by those in it, or by an expression in it, dropped."""
    for place in places(body):
        if place.kind != "statement":
            continue
        form = place.form
        inner = forms_among(form[at] for at in statements_of(form))
        if form[0] == "block":
            inner = [_unlabelled(one, 0) for one in inner]
        if inner:
            yield replaced(body, place.path, *inner)
        if form[0] == "if":
            for arm in forms_among(form[2:]):
                yield replaced(body, place.path, *forms_among(arm[1:]))
        if form[0] == "drop":
            yield replaced(body, place.path, *(("drop", operand) for operand in forms_among(forms_among(form)[0])))
        for expression in _expressions_in(form):
            yield replaced(body, place.path, ("drop", expression))
            if expression[0] == "then":
                yield replaced(body, place.path, *forms_among(expression[1:-1]))


def _unlabelled(form: Tree, depth: int) -> Tree:
    """A statement that was in a block which is gone: branches to it become nothing, those beyond it one less."""
    if form[0] in ("br", "br_if", "br_on_null", "br_table"):
        labels = [part for part in form[1:] if isinstance(part, int)]
        if depth in labels:
            return ("do",)
        return tuple(part - 1 if isinstance(part, int) and part > depth else part for part in form)
    inner = depth + (form[0] == "block")
    return tuple(_unlabelled(part, inner) if isinstance(part, tuple) else part for part in form)


# --- expressions


def expressions(body: Tree, text: str) -> Iterator[Tree]:
    """An expression replaced by null, zero, a variable, or an expression in it."""
    env = env_of(text)
    for place in places(body):
        if place.kind not in ("expression", "item"):
            continue
        scope = env.scope(place.function)
        type_ = type_of(place.form, scope)
        yield replaced(body, place.path, (type_, 0) if type_ in NUMERIC else ("null", type_))
        fitting = [v for v, found in enumerate(scope.variables) if found == type_ or scope.types.subtype(found, type_)]
        for variable in fitting[:FEW_VARIABLES]:
            yield replaced(body, place.path, ("get", variable))
        for inner in _expressions_in(place.form):
            if scope.types.subtype(type_of(inner, scope), type_):
                yield replaced(body, place.path, inner)


def _expressions_in(form: Tree) -> Iterator[Tree]:
    for inner in places(("body", form)):
        if inner.kind == "expression":
            yield inner.form


def hoists(body: Tree, text: str) -> Iterator[Tree]:
    """The statements of a `then` put before the statement that it is in."""
    around: list[Path] = []
    for place in places(body):
        while around and place.path[: len(around[-1])] != around[-1]:
            around.pop()
        if place.kind == "statement":
            around.append(place.path)
        if place.form[0] == "then" and around:
            outer = around[-1]
            whole = replaced(body, place.path, *forms_among(place.form[-1:]))
            for step in outer:
                whole = forms_among(whole[step : step + 1])[0]
            yield replaced(body, outer, *forms_among(place.form[1:-1]), whole)


# --- what is named


def names(body: Tree, text: str) -> Iterator[Tree]:
    """Smaller integers, and the plain form of calls."""
    for place in places(body):
        form = place.form
        if form[0] in PLAIN:
            yield replaced(body, place.path, (PLAIN[str(form[0])], *form[1:]))
        for at, part in enumerate(form):
            if isinstance(part, int):
                for smaller in sorted({0, 1, part // 2, part - 1, -part} - {part}, key=abs):
                    if abs(smaller) <= abs(part):
                        yield replaced(body, place.path, (*form[:at], smaller, *form[at + 1 :]))


EDITS: Final[tuple[Edit, ...]] = (
    *(promotions, deletions, unwraps, expressions, hoists, unused, merges),
    *(declared_types, fewer_fields, plainer_types, names),
)
