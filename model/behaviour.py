"""Behaviour coverage: the (op kind, outcome, state class) tuples that the judge's rules tell apart.

Each rule lists its own cases beside its code (`world.rule`); this module only collects them. `EXCLUDED` names the
tuples that no program can be asked for, each with the spec line that says why; they are at most 5 %.
"""

from __future__ import annotations

from typing import Final

from twinheap.model.judge import Behaviour
from twinheap.model.rule import CASES

UNIVERSE: Final[frozenset[Behaviour]] = frozenset(
    (name, outcome, case)
    for name, cases in CASES.items()
    for outcome, _, case in (both.partition("/") for both in cases)
)
"""Every behaviour that a rule tells apart."""

_YIELDS: Final = (
    "semantics 7, 'yields: ignored': whether an allocation that fails waits at least once before it gives up is the "
    "target's choice; the in-tree heap always does, and reports the error in a poll"
)

EXCLUDED: Final[dict[Behaviour, str]] = {
    ("new_async", "err:oom", "dropped"): _YIELDS,
    ("new_async", "err:oom", "kept"): _YIELDS,
}
"""Behaviours that depend on a choice of the target, with the spec line that leaves it open."""


_NEEDS: Final = {
    "stale": "scope",
    "lifo": "scope",
    "yes-lifo": "scope",
    "cast": "cast",
    "unsure": "cast",
    "async": "gc_async",
    "async-limiter": "gc_async",
    "kept": "oom_take",
    "spent": "oom_take",
    "errors": "oom_take",
    "foreign-value": "scope",  # without it, on C, the conversion panics
}
"""The op kind without which a state class does not arise."""


def reachable(supported: frozenset[str]) -> frozenset[Behaviour]:
    """The behaviours that a target can show which supports the op kinds `supported`."""
    return frozenset(
        (name, outcome, case)
        for name, outcome, case in UNIVERSE
        if name in supported and _NEEDS.get(case, name) in supported
    )


def missed(met: set[Behaviour]) -> list[Behaviour]:
    """The behaviours that were neither met nor excluded, sorted."""
    return sorted(UNIVERSE - met - EXCLUDED.keys())
