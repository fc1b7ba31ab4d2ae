"""Which bodies write variables so that compiled code loses sight of their values (K34, K35)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from twinheap.model.body import CACHED, Tree, forms, parse

SEQUENCES: Final = frozenset({"then", "main", "func", "body", "do", "block", "repeat", "try"})
"""Forms whose parts follow each other, and leave nothing on the stack."""

SAME_VALUE: Final = frozenset(
    {"then", "tee", "to_any", "to_extern", "cast", "on_cast", "on_cast_fail"} | {"on_non_null", "as_non_null", "select"}
)
"""Forms that may give the value of an operand, as it lies on the stack."""

_SAME_VARIABLE: Final = SAME_VALUE | {"if_else"}
"""Forms that may give the value of a variable that an operand read."""


@lru_cache(maxsize=CACHED)
def overtakes(text: str, may_collect: Callable[[Tree], bool]) -> bool:
    """Whether in a body's function a variable is written, and a collection may run, while its old value waits.

    >>> always = lambda form: True
    >>> overtakes("(body (main (drop (struct.new pair (get 0) (then (set 0 (new)) (gc) (get 2)))) (get 0)))", always)
    True
    >>> overtakes("(body (main (set 0 (new)) (drop (struct.new pair (get 0) (then (gc) (get 2)))) (get 0)))", always)
    False
    """
    for form in forms(parse(text)):
        if form[0] in SEQUENCES:
            continue
        parts = [part for part in form if isinstance(part, tuple)]
        for at, part in enumerate(parts):
            waiting = _given(part)
            behind = parts[at + 1 :]
            if waiting and any(map(may_collect, behind)) and any(waiting & _written(later) for later in behind):
                return True
    return False


@lru_cache(maxsize=CACHED)
def overtaken(form: Tree) -> dict[int, frozenset[str]]:
    """The places of a form's parts that may give what a variable held, which a later part writes: {place: {K34}}."""
    found: dict[int, frozenset[str]] = {}
    written: set[str] = set()
    for at in range(len(form) - 1, 0, -1):
        part = form[at]
        if isinstance(part, tuple):
            if written & _given(part):
                found[at] = frozenset({"K34"})
            written |= _written(part)
    return found


def _given(form: Tree) -> set[str]:
    """The variables whose value a form may give."""
    if form[0] == "get":
        return {str(form[1])}
    if form[0] not in _SAME_VARIABLE:
        return set()
    parts = [part for part in (form[-1:] if form[0] == "then" else form) if isinstance(part, tuple)]
    return {variable for part in parts for variable in _given(part)}


def _written(form: Tree) -> set[str]:
    """The variables that a form writes."""
    found: set[str] = set()
    for inner in forms(form):
        if inner[0] in ("set", "tee"):
            found.add(str(inner[1]))
        elif inner[0] == "set2":
            found |= {str(inner[1]), str(inner[2])}
        elif str(inner[0]).startswith("catch"):
            found |= {str(word) for word in inner[1:] if not isinstance(word, tuple)}
    return found


@lru_cache(maxsize=CACHED)
def merges(text: str, may_collect: Callable[[Tree], bool]) -> bool:
    """Whether a function of a body that may collect writes a variable where control may or may not come by.

    >>> always = lambda form: True
    >>> merges("(body (main (if (get 3) (do (set 0 (new)))) (gc) (get 0)))", always)
    True
    >>> merges("(body (main (set 0 (new)) (gc) (if (get 3) (do (gc))) (get 0)))", always)
    False
    """
    functions = [part for part in parse(text)[1:] if isinstance(part, tuple) and part[0] in ("func", "main")]
    return any(
        any(form[0] in _BRANCHING and _written(form) for form in forms(function))
        for function in functions
        if may_collect(function)
    )


_BRANCHING: Final = frozenset({"if", "if_else", "block", "repeat", "try", "on_cast", "on_cast_fail", "on_non_null"})
