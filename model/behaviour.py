"""Behaviour coverage: the (op kind, outcome, state class) tuples that the judge's rules tell apart.

Each rule lists its own cases beside its code (`world.rule`); this module only collects them. `EXCLUDED` names the
tuples that no program can be asked for, each with the spec line that says why; they are at most 5 %.
"""

from __future__ import annotations

from typing import Final

from twinheap.model.judge import Behaviour
from twinheap.model.world import CASES

UNIVERSE: Final[frozenset[Behaviour]] = frozenset(
    (name, outcome, case)
    for name, cases in CASES.items()
    for outcome, _, case in (both.partition("/") for both in cases)
)
"""Every behaviour that a rule tells apart."""

EXCLUDED: Final[dict[Behaviour, str]] = {}
"""Behaviours that depend on a choice of the target, with the spec line that leaves it open."""


def missed(met: set[Behaviour]) -> list[Behaviour]:
    """The behaviours that were neither met nor excluded, sorted."""
    return sorted(UNIVERSE - met - EXCLUDED.keys())
