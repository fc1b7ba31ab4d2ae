"""Which bodies write variables so that compiled code loses sight of their values (K34, K35, K51)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from twinheap.model.body import CACHED, Tree, forms, parse
from twinheap.model.body_env import env_of
from twinheap.model.body_forms import CATCHES, TAG_TYPES

SEQUENCES: Final = frozenset({"then", "main", "func", "body", "do", "block", "repeat", "try"})
"""Forms whose parts follow each other, and leave nothing on the stack."""

SAME_VALUE: Final = frozenset(
    {"then", "tee", "to_any", "to_extern", "cast", "on_cast", "on_cast_fail"} | {"on_non_null", "as_non_null", "select"}
)
"""Forms that may give the value of an operand, as it lies on the stack."""

_SAME_VARIABLE: Final = SAME_VALUE | {"if_else"}
"""Forms that may give the value of a variable that an operand read."""


WRITES: Final = frozenset({"set", "tee", "set2"})
"""Forms that give a variable another value."""

TAGS: Final = frozenset(TAG_TYPES)
"""The names of tags, which stand among the variables of clauses."""


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
def tried(form: Tree) -> frozenset[int]:
    """The variables that the body of a `try` writes: of these the handler has the value of the call that threw (K51).

    >>> from twinheap.model.body import parse
    >>> tried(parse("(try (catch_all_ref 5) (set 4 (new)) (call 0))"))
    frozenset({4})
    """
    written = {variable for part in form[2:] if isinstance(part, tuple) for variable in _written(part)}
    return frozenset(int(variable) for variable in written - TAGS)


@lru_cache(maxsize=CACHED)
def rewritten(parts: Tree) -> frozenset[int]:
    """The variables that a function, or a turn of a loop, writes before control first branches or comes together.

    The value that such a variable has where the parts begin, as a parameter or from the turn before, is forgotten.

    >>> from twinheap.model.body import parse
    >>> sorted(rewritten(parse("(do (set 0 (tee 1 (new))) (if (get 3) (do (set 2 (null any)))) (set 4 (new)))")))
    [0, 1]
    """
    found: set[int] = set()
    for part in parts:
        if isinstance(part, tuple) and not _straight(part, found):
            break
    return frozenset(found)


def _straight(form: Tree, found: set[int]) -> bool:
    """Adds the variables that a form writes, up to where control may branch; whether it does not."""
    name = form[0]
    if name in _APART:
        return False
    for part in form[1:]:
        if isinstance(part, tuple) and (not _straight(part, found) or name in _ONE_PART):
            return False
    if name in WRITES:
        found |= {int(part) for part in form[1:] if not isinstance(part, tuple)}
    return name not in ("then", "block")  # their end is where branches to it come together


def rewrites(text: str, may_collect: Callable[[Tree], bool]) -> bool:
    """Whether a function of a body, in which a collection may run, writes a parameter or in a loop a variable so.

    >>> always = lambda form: True
    >>> rewrites("(body (func (param extern) (gc) (set 0 (cb (get 0)))) (main (get 0)))", always)
    True
    >>> rewrites("(body (main (local extern) (gc) (set 4 (cb (get 0))) (get 0)))", always)
    False
    """
    env = env_of(text)
    for function in (*env.functions, env.main):
        if any(map(may_collect, function.parts)):
            params = range(len(function.params))
            loops = (form for form in forms(function.parts) if form[0] == "repeat")
            if any(at in params for at in rewritten(function.parts)) or any(rewritten(loop[2:]) for loop in loops):
                return True
    return False


@lru_cache(maxsize=CACHED)
def merges(text: str, may_collect: Callable[[Tree], bool]) -> bool:
    """Whether a function of a body that may collect writes a variable where control may or may not come by.

    Or has two loops in which code branches: a variable from before is handed from head to head.

    >>> always = lambda form: True
    >>> merges("(body (main (if (get 3) (do (set 0 (new)))) (gc) (get 0)))", always)
    True
    >>> merges("(body (main (set 0 (new)) (gc) (if (get 3) (do (gc))) (get 0)))", always)
    False
    """
    functions = [part for part in parse(text)[1:] if isinstance(part, tuple) and part[0] in ("func", "main")]
    return any(
        any(form[0] in _BRANCHING and _written(form) for form in forms(function)) or _hands_on(function)
        for function in functions
        if may_collect(function)
    )


def _hands_on(function: Tree) -> bool:
    """Whether there are two loops with branches in them."""
    loops = [form for form in forms(function) if form[0] == "repeat"]
    branching = [loop for loop in loops if any(form[0] in _BRANCHES_INSIDE for form in forms(loop) if form is not loop)]
    return len(branching) >= _TWO_LOOPS


_TWO_LOOPS: Final = 2

_APART: Final = frozenset({"repeat", "try"})
"""Forms whose parts are apart from what comes before them: a loop's head, and calls that may lead to a handler."""

_ONE_PART: Final = frozenset(
    {"if", "if_else", "br_if", "br_on_null", "br_table"}
    | {"on_cast", "on_cast_fail", "on_cast_null", "on_cast_fail_null", "on_non_null"}
)
"""Forms that branch behind their first part."""

_BRANCHING: Final = frozenset({"if", "if_else", "block", "repeat", "try", "on_cast", "on_cast_fail", "on_non_null"})


_BRANCHES_INSIDE: Final = _BRANCHING | _ONE_PART | {"array.new", "array.new_default", "array.fill", "array.copy"}
"""Forms for which compiled code branches; those on arrays fill in the elements in a loop."""


def written_by(form: Tree) -> list[int]:
    """The variables that a form itself defines."""
    if form[0] in ("set", "tee"):
        return [int(form[1])]  # type: ignore[arg-type]
    if form[0] == "set2":
        return [int(form[1]), int(form[2])]  # type: ignore[arg-type]
    if form[0] == "try":
        clause: Tree = form[1]  # type: ignore[assignment]
        tagged, _ = CATCHES[str(clause[0])]
        return [int(at) for at in clause[2 if tagged else 1 :]]  # type: ignore[arg-type]
    return []
