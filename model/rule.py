"""The registry of rules: one for each op kind, with what it can meet and what the op gives."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

Rule = Callable[..., None]
RULES: Final[dict[str, Rule]] = {}

CASES: Final[dict[str, tuple[str, ...]]] = {}
"""Per op kind: the `outcome/state class` pairs that its rule can meet."""


class Gives(enum.Enum):
    """When an op gives values (docs/wire.md, Observations), which its rule then checks."""

    NOTHING = "never"
    VALUES = "if it is ok"
    TRACE = "however its run ends, if it begins"


GIVES: Final[dict[str, Gives]] = {}
"""Per op kind: when it gives values. At any other time the judge refuses them."""


def rule(name: str, cases: str, gives: Gives = Gives.NOTHING) -> Callable[[Rule], Rule]:
    """Registers the rule of op kind `name`; `cases` lists the `outcome/state class` pairs that it tells apart."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        CASES[name] = tuple(cases.split())
        GIVES[name] = gives
        return function

    return register
