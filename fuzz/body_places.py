"""Where the forms of a body are: statements, expressions and what they name, for edits that leave the rest as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from twinheap.model.body import Tree
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import CONST_PREFIX

Path = tuple[int, ...]
"""Where a form is: the index of the part to go into, again and again; () is the body itself."""

CALLS: Final = frozenset({"call", "call_ref", "call_indirect", "tail", "tail_ref", "tail_indirect"})
HEADS: Final = frozenset({"far", "type", "param", "result", "local"})
VARIABLES: Final = frozenset({"get", "set", "tee"})
GLOBALS: Final = frozenset({"global.get", "global.set"})
SEGMENT_AT: Final = {"table.init": 2, "array.new_elem": 2, "array.init_elem": 2, "elem.drop": 1}
"""Where forms name a segment."""
_LISTS: Final = {"do": 1, "block": 1, "repeat": 2, "try": 2, "then": 1}
"""Where the statements of a form begin."""

SEGMENTS: Final = {"segment": 2, "active": 4}
"""Where the items of segments begin."""


class Place(msgspec.Struct, frozen=True):
    """A form in a body. `kind`: "statement", "expression", "item" (of a segment) or "" for all else.

    `function`: the number of the helper that it is in; None in `main`, in segments and in globals.
    """

    path: Path
    form: Tree
    kind: str
    function: int | None


def forms_among(parts: Iterable[str | int | Tree]) -> list[Tree]:
    """The parts that are forms."""
    return [part for part in parts if isinstance(part, tuple)]


def functions(body: Tree) -> Iterator[tuple[int, int | None, Tree]]:
    """The index of each function in the body, its number (None: `main`), and the function."""
    number = 0
    for at, part in enumerate(body):
        if isinstance(part, tuple) and part[0] in ("func", "main"):
            yield at, number if part[0] == "func" else None, part
            number += 1


def statements_of(form: Tree) -> range:
    """The indexes of the statements of a form; items, for a segment."""
    name, count = form[0], len(form)
    if name in SEGMENTS:
        return range(SEGMENTS[str(name)], count)
    if name in ("func", "main"):
        heads = [part[0] for part in form[1:] if isinstance(part, tuple) and part[0] in HEADS]
        return range(1 + len(heads), count - (name == "main" or "result" in heads))
    start = _LISTS.get(str(name))
    return range(0) if start is None else range(start, count - (name == "then"))


def places(body: Tree) -> Iterator[Place]:
    """Every place in a body, outer ones first; not in what declares types."""
    number = 0
    for at, part in enumerate(body):
        if isinstance(part, tuple) and part[0] != "rec":
            yield from _inside(part, (at,), "", number if part[0] == "func" else None)
            number += part[0] == "func"


def _inside(form: Tree, path: Path, kind: str, function: int | None) -> Iterator[Place]:
    yield Place(path, form, kind, function)
    listed = statements_of(form)
    for at, part in enumerate(form):
        if not isinstance(part, tuple) or part[0] in HEADS or (form[0] == "try" and at == 1):
            continue
        if at in listed:
            kind = "item" if form[0] in SEGMENTS else "statement"
        else:
            kind = "" if form[0] == "if" and at >= 2 else "expression"
        yield from _inside(part, (*path, at), kind, function)


def replaced(body: Tree, path: Path, *forms: Tree) -> Tree:
    """The body with the form at `path` replaced by any number of forms."""
    at, rest = path[0], path[1:]
    if not rest:
        return (*body[:at], *forms, *body[at + 1 :])
    inner = body[at]
    assert isinstance(inner, tuple)
    return (*body[:at], replaced(inner, rest, *forms), *body[at + 1 :])


def mapped(form: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """A form with every form in it changed, inner ones first."""
    return change(tuple(mapped(part, change) if isinstance(part, tuple) else part for part in form))


def with_types(form: Tree, names: dict[str, str]) -> Tree:
    """A form in which types have other names."""

    def word(part: str) -> str:
        rest = part.removeprefix(CONST_PREFIX).removeprefix(NON_NULL_PREFIX)
        return part[: len(part) - len(rest)] + names.get(rest, rest)

    def change(inner: Tree) -> Tree:
        return (inner[0], *(word(part) if isinstance(part, str) else part for part in inner[1:]))

    return mapped(form, change)


def numbered(form: Tree) -> Iterator[tuple[str, int]]:
    """The kind and index of each variable ("V"), global ("K"), table ("T"), helper ("F") and segment ("S") it names."""
    name = str(form[0])
    if name in VARIABLES:
        yield "V", 1
    elif name == "set2":
        yield from (("V", 1), ("V", 2))
    elif name in GLOBALS:
        yield "K", 1
    elif name in CALLS or name == "ref.func":
        yield "F", 1
    if name in SEGMENT_AT:
        yield "S", SEGMENT_AT[name]
    if name.startswith("table."):
        yield from (("T", at) for at in range(1, 3 if name == "table.copy" else 2))
    if name.startswith("catch"):
        yield from (("V", at) for at, part in enumerate(form) if isinstance(part, int))


def named(forms: Sequence[Tree], kind: str) -> frozenset[int]:
    """The numbers of one kind that are named anywhere in some forms."""
    found: set[int] = set()

    def note(form: Tree) -> Tree:
        found.update(int(str(form[at])) for of, at in numbered(form) if of == kind)
        return form

    for form in forms:
        mapped(form, note)
    return frozenset(found)


def renumbered(form: Tree, kind: str, gone: int, by: int = -1) -> Tree:
    """A form in which what comes after number `gone` of a kind comes one earlier, or `by` later."""

    def change(inner: Tree) -> Tree:
        at = {at for of, at in numbered(inner) if of == kind}
        return tuple(
            part + by if n in at and isinstance(part, int) and part > gone else part for n, part in enumerate(inner)
        )

    return mapped(form, change)
