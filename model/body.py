"""Bodies: the Wasm code of a program, as text, as a tree, and its static rules.

A body is one S-expression: passive element segments, helper functions, and `main`. Its forms are those of Wasm in
folded form, structured so that dropping a statement or replacing an expression by one of the same type leaves it
valid, and with loops that end (`repeat`). docs/bodies.md lists every form; `body_types.py` checks them, `wat.py` turns
them into a module, `interpreter.py` runs them in the model. Implements docs/spec/program-ir.md 8.1 (bodies).

    (body (main (local extern) (set 4 (new)) (global.set 0 (get 4)) (gc) (see (global.get 0)) (get 0)))
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

Tree = tuple["str | int | Tree", ...]
"""A form: its name and its parts, which are names, numbers and forms."""

MAX_TEXT: Final = 20_000
"""Characters of a body: some hundred statements; more only costs compile time."""

MAX_DEPTH: Final = 60
"""Nesting of forms: far below the recursion limits of everything that walks them."""

CACHED: Final = 4096  # bodies whose trees are kept: a batch asks for each several times

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_EXCEPTIONS: Final = frozenset({"throw", "throw_ref", "try", "exn", "noexn"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_.]*")


class BodyError(ValueError):
    """A text that is no body, or one that breaks a static rule. One line that says what and where."""


@lru_cache(maxsize=CACHED)
def parse(text: str) -> Tree:
    """The tree of a text. Raises BodyError; static rules are `body_types.check`'s business.

    >>> parse("(body (main (gc) (get 0)))")
    ('body', ('main', ('gc',), ('get', 0)))
    """
    if len(text) > MAX_TEXT:
        raise BodyError(f"a body of {len(text)} characters, and the limit is {MAX_TEXT}")
    open_forms: list[list[str | int | Tree]] = [[]]
    for word in _TOKEN.findall(text):
        if word == "(":
            open_forms.append([])
            if len(open_forms) > MAX_DEPTH:
                raise BodyError(f"forms nested deeper than {MAX_DEPTH}")
        elif word == ")":
            form = tuple(open_forms.pop())
            if not open_forms or not form or not isinstance(form[0], str):
                raise BodyError("a form must be ( NAME PART ... ), and brackets must match")
            open_forms[-1].append(form)
        else:
            open_forms[-1].append(_atom(word))
    if len(open_forms) != 1 or len(open_forms[0]) != 1 or not isinstance(open_forms[0][0], tuple):
        raise BodyError("a body must be one form, ( body ... ), and brackets must match")
    return open_forms[0][0]


@lru_cache(maxsize=CACHED)  # the same few names and numbers all the time
def _atom(word: str) -> str | int:
    if word.lstrip("-").isdecimal():
        return int(word)
    if not _NAME.fullmatch(word):
        raise BodyError(f"{word!r} is no name and no number")
    return word


def dumps(tree: Tree) -> str:
    """The text of a tree, in the one way in which it is stored.

    >>> dumps(("body", ("main", ("get", 0))))
    '(body (main (get 0)))'
    """
    return "(" + " ".join(dumps(part) if isinstance(part, tuple) else str(part) for part in tree) + ")"


def forms(tree: Tree) -> Iterator[Tree]:
    """Every form in a tree, itself included, in order."""
    pending = [tree]
    while pending:
        form = pending.pop()
        yield form
        pending += [part for part in form[::-1] if isinstance(part, tuple)]


@lru_cache(maxsize=CACHED)
def names(text: str, *of: str) -> bool:
    """Whether a body has a form of one of these names."""
    return any(form[0] in of for form in forms(parse(text)))


def calls_back(text: str) -> bool:
    """Whether a body calls the host's `cb`; then only `call` runs it."""
    return names(text, "cb")


def invokes(text: str) -> bool:
    """Whether a body calls by reference, and so perhaps functions of other bodies, whose frames are not known."""
    return names(text, "invoke", "tail_invoke")


@lru_cache(maxsize=CACHED)
def reaches_far(text: str) -> bool:
    """Whether a body has far helpers, which live in another instance."""
    return any(form == ("far",) for form in forms(parse(text)))


@lru_cache(maxsize=CACHED)
def features_of(text: str) -> frozenset[str]:
    """What a body needs of its target beside references and GC: "exceptions", or nothing."""
    words = {str(word) for form in forms(parse(text)) for word in form if not isinstance(word, tuple)}
    return frozenset({"exceptions"} if words & _EXCEPTIONS else ())
