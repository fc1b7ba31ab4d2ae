"""The edits of a shrinker on the helpers of a body, and on what it declares beside types and does not use.

As all edits of bodies, they do not ask whether what comes out is a body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twinheap.fuzz.body_places import CALLS, forms_among, functions, mapped, named, renumbered, replaced, statements_of
from twinheap.model.body import Tree
from twinheap.model.body_types import env_of
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES

MAIN_VARIABLES: Final = 4  # the parameters of `main`


def promotions(body: Tree, text: str) -> Iterator[Tree]:
    """`main` replaced by what a helper does, without that and later ones."""
    env = env_of(text)
    for at, number, helper in functions(body):
        if number is None:
            continue
        declared = env.functions[number]
        parts = _statements(helper, MAIN_VARIABLES, declared.result)
        variables = declared.params + declared.locals
        head: list[Tree] = [("local", *variables)] if variables else []
        yield (*body[:at], ("main", *head, *parts, ("null", "extern")))


def merges(body: Tree, text: str) -> Iterator[Tree]:
    """What a helper does put before what `main` does, without the helper, if nothing calls that."""
    env = env_of(text)
    calls = named([part for part in body if isinstance(part, tuple)], "F")
    main = forms_among(body[-1:])[0]
    variables = env.main.locals
    for at, number, helper in functions(body):
        if number is None or number in calls:
            continue
        declared = env.functions[number]
        more = (*variables, *declared.params, *declared.locals)
        parts = _statements(helper, MAIN_VARIABLES + len(variables), declared.result)
        head: list[Tree] = [("local", *more)] if more else []
        whole = ("main", *head, *parts, *main[statements_of(main).start :])
        yield renumbered((*body[:at], *body[at + 1 : -1], whole), "F", number)


def _statements(helper: Tree, variables: int, result: str | None) -> list[Tree]:
    """What a helper does, as statements behind so many variables; the value of its result type is dropped."""
    moved = renumbered(helper, "V", -1, variables)
    parts = forms_among(moved[place] for place in statements_of(moved))
    return [*parts, ("drop", forms_among(moved)[-1])] if result else parts


def unused(body: Tree, text: str) -> Iterator[Tree]:
    """Active segments deleted; helpers, segments, globals, locals and parameters that nothing names."""
    parts = [part for part in body[1:] if isinstance(part, tuple)]
    yield from (
        replaced(body, (at,)) for at, part in enumerate(body) if isinstance(part, tuple) and part[0] == "active"
    )
    declared = (
        (("func",), "F", 0),
        (("segment",), "S", 0),
        (("global", "const"), "K", len(KIT_GLOBALS)),
        (("table", "table64"), "T", len(KIT_TABLES)),
    )
    for of, kind, first in declared:
        numbers = named(parts, kind)
        found = [at for at, part in enumerate(body) if isinstance(part, tuple) and part[0] in of]
        for gone in range(len(found) - 1 + first, first - 1, -1):
            if gone not in numbers:
                yield renumbered(replaced(body, (found[gone - first],)), kind, gone)
    for at, number, function in functions(body):
        yield from _unused_variables(body, at, number, function)


def _unused_variables(body: Tree, at: int, number: int | None, function: Tree) -> Iterator[Tree]:
    used = named((function,), "V")
    variable = 0 if function[0] == "func" else MAIN_VARIABLES
    for where, head in enumerate(function):
        if not isinstance(head, tuple) or head[0] not in ("param", "local"):
            continue
        for place in range(1, len(head)):
            if variable not in used:
                shorter = (*head[:place], *head[place + 1 :])
                less = replaced(function, (where,), *([shorter] if len(shorter) > 1 else []))
                changed = replaced(body, (at,), renumbered(less, "V", variable))
                yield _without_argument(changed, number, place) if head[0] == "param" else changed
            variable += 1


def _without_argument(body: Tree, number: int | None, place: int) -> Tree:
    """Calls of a helper without one argument."""

    def change(form: Tree) -> Tree:
        if form[0] in CALLS and form[1] == number:
            return (*form[: 1 + place], *form[2 + place :])
        return form

    return mapped(body, change)
