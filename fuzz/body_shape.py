"""The shape of a Wasm body: its forms as they nest, variables and globals by first use, constants dropped."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from twinheap.fuzz.body_places import HEADS, numbered
from twinheap.model.body import Tree, parse
from twinheap.model.kit import KIT_GLOBALS

CONSTANTS: Final = frozenset({"i32", "i64", "f32", "f64", "repeat"})
"""Forms whose number is not part of a shape."""


@lru_cache(maxsize=256)
def body_shape(text: str) -> str:
    """The shape of a body.

    >>> body_shape("(body (main (global.set 1 (get 0)) (gc) (global.get 1)))")
    '(body (main (global.set extern.0 (get p0)) (gc) (global.get extern.0)))'
    >>> body_shape("(body (main (local extern) (set 4 (new)) (repeat 3 (note (i32 7))) (get 4)))")
    '(body (main (set l0 (new)) (repeat (note (i32))) (get l0)))'
    """
    slots: dict[int, str] = {}
    parts = [_function(part, slots) if isinstance(part, tuple) else str(part) for part in parse(text)]
    return "(" + " ".join(parts) + ")"


def _function(form: Tree, slots: dict[int, str]) -> str:
    params = 4
    if form[0] == "func":
        params = next((len(part) - 1 for part in form if isinstance(part, tuple) and part[0] == "param"), 0)
    return _form(form, params, {}, slots)


def _form(form: Tree, params: int, variables: dict[int, str], slots: dict[int, str]) -> str:
    """`variables`, `slots`: the names of variables and globals so far."""
    name = str(form[0])
    places = {at for kind, at in numbered(form) if kind == "V"}
    shown = [name]
    for at, part in enumerate(form[1:], 1):
        if isinstance(part, tuple):
            if part[0] not in HEADS:
                shown.append(_form(part, params, variables, slots))
        elif at in places and isinstance(part, int):
            shown.append(_named(variables, part, "p" if part < params else "l"))
        elif name.startswith("global.") and isinstance(part, int):
            shown.append(_named(slots, part, (KIT_GLOBALS[part] if part < len(KIT_GLOBALS) else "own") + "."))
        elif name not in CONSTANTS:
            shown.append(str(part))
    return "(" + " ".join(shown) + ")"


def _named(names: dict[int, str], number: int, prefix: str) -> str:
    """The name of a variable or global: what it is, and how many like it came before."""
    if number not in names:
        names[number] = f"{prefix}{sum(name.startswith(prefix) for name in names.values())}"
    return names[number]
