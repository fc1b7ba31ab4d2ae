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
    names: dict[str, str] = {}
    parts = [_function(part, names) if isinstance(part, tuple) else str(part) for part in parse(text)]
    return "(" + " ".join(parts) + ")"


def _function(form: Tree, names: dict[str, str]) -> str:
    params = 4
    if form[0] == "func":
        params = next((len(part) - 1 for part in form if isinstance(part, tuple) and part[0] == "param"), 0)
    return _form(form, params, {key: name for key, name in names.items() if key[0] != "V"})


def _form(form: Tree, params: int, names: dict[str, str]) -> str:
    name = str(form[0])
    variables = {at for kind, at in numbered(form) if kind == "V"}
    shown = [name]
    for at, part in enumerate(form[1:], 1):
        if isinstance(part, tuple):
            if part[0] not in HEADS:
                shown.append(_form(part, params, names))
        elif at in variables and isinstance(part, int):
            shown.append(_named(names, "V", part, "p" if part < params else "l"))
        elif name.startswith("global.") and isinstance(part, int):
            shown.append(_named(names, "K", part, KIT_GLOBALS[part] + "."))
        elif name not in CONSTANTS:
            shown.append(str(part))
    return "(" + " ".join(shown) + ")"


def _named(names: dict[str, str], kind: str, number: int, prefix: str) -> str:
    """The name of a variable or global: what it is, and how many like it came before."""
    key = f"{kind}{number}"
    if key not in names:
        names[key] = prefix + str(
            sum(1 for other, name in names.items() if other[0] == kind and name.startswith(prefix))
        )
    return names[key]
