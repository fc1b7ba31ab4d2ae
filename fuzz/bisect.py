"""Bisection over releases: since when a stored program fails, and in which release it was mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from twinheap.fuzz.replay import AGAINST, Replayed, Stored
from twinheap.fuzz.store import FindingStore, write_atomically
from twinheap.model.text import dumps
from twinheap.targets import registry

HEADER: Final = "bisected"
"""The header line of a program that says what bisection gave."""

RELEASES_OF: Final = ("capi", "rust")
"""The targets that have releases; what failed on another one is bisected on the first."""


class Bisected(msgspec.Struct, frozen=True):
    """What bisection gave.

    `releases`: those tried, each "bad", "good" or "n/a": it could not be replayed, or shows another known defect there.
    `first_bad`: the oldest bad release, None if none is.
    `first_good`: the first good release after the last bad one, None if the newest is bad or none is.
    """

    releases: dict[str, str]
    first_bad: str | None
    first_good: str | None


def something_else(replayed: Replayed) -> str | None:
    """The known defect that a program shows instead of the one that it is stored for, in which it may be hidden."""
    verdict, meta = replayed.verdict, replayed.stored.meta
    if verdict is None or verdict.known is None or "known" not in meta:
        return None
    return verdict.known if verdict.known != meta["known"] and verdict.code != meta.get("code") else None


class Family(msgspec.Struct, frozen=True):
    """The releases of one target: `kind` is its name, `given` its options, with their commas."""

    kind: str
    given: str

    @property
    def name(self) -> str:
        """The target without a release."""
        return self.kind + self.given

    def at(self, release: str) -> str:
        """The target's name at a release."""
        return f"{self.kind}@{release}{self.given}"

    def releases(self, spec: str) -> list[str]:
        """The releases that "all" or a range means, oldest first. Raises TargetError."""
        return registry.releases(self.kind, spec)


def family_of(targets: Sequence[str]) -> Family:
    """The family that the first of `targets` belongs to which has releases; else all of the C API's.

    >>> family_of(["heap", "rust@48.0.2,collector=copying"]).at("45.0.0")
    'rust@45.0.0,collector=copying'
    """
    for target in targets:
        head, _, given = target.split(AGAINST)[-1].partition(",")
        kind = head.partition("@")[0]
        if kind in RELEASES_OF:
            kept = [part for part in given.split(",") if part and part.partition("=")[0] not in registry.OWN_BUILD]
            return Family(kind, "".join(f",{part}" for part in kept))
    return Family(RELEASES_OF[0], "")


def keep(stored: Stored, family: str, result: Bisected) -> None:
    """Stores a result in the program's header, and in the record of the finding if it is one. Raises StoreError.

    The records of a corpus are left alone: their ranges were measured and written down.
    """
    if stored.is_record:
        return
    line = f"{family}: first bad {result.first_bad or 'none'}, first good {result.first_good or 'none'}"
    write_atomically(stored.path, dumps(stored.program, {**stored.meta, HEADER: line}).encode())
    FindingStore(stored.path.parent).note_bisected(stored.path.name, result.releases, line)


def bisect(releases: Sequence[str], replay: Callable[[str], Replayed], everything: bool) -> Bisected:
    """Tries releases, oldest first; without `everything` only as many as two binary searches need.

    Without `everything` it takes for granted that a defect comes once and goes once, as defects do.
    """
    states: dict[str, str] = {}

    def state(at: int) -> str:
        release = releases[at]
        if release not in states:
            replayed = replay(release)
            state = {"FAILED": "bad", "FIXED": "good", "ERROR": "n/a"}[replayed.status]
            states[release] = "n/a" if something_else(replayed) else state
        return states[release]

    if everything:
        for at in range(len(releases)):
            state(at)
    else:
        _search(len(releases), state)
    tried = {release: states[release] for release in releases if release in states}
    return _borders(tried)


def _search(count: int, state: Callable[[int], str]) -> None:
    """Looks at the ends, for any bad release, and then at both borders of the bad ones."""
    bad = _some_bad(count, state)
    if bad is None:
        return
    low, high = -1, bad  # everything up to `low` is not bad, `high` is
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if state(middle) == "bad" else (middle, high)
    low, high = bad, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if state(middle) == "bad" else (low, middle)


def _some_bad(count: int, state: Callable[[int], str]) -> int | None:
    """The index of a bad release, found by ever finer steps; None if there is none."""
    step = max(count - 1, 1)
    while True:
        for at in range(0, count, step):
            if state(at) == "bad":
                return at
        if step == 1:
            return None
        step = (step + 1) // 2


def _borders(states: dict[str, str]) -> Bisected:
    ordered = [(release, state) for release, state in states.items() if state != "n/a"]
    bad = [at for at, (_, state) in enumerate(ordered) if state == "bad"]
    if not bad:
        return Bisected(states, None, None)
    first_bad = ordered[bad[0]][0]
    first_good = ordered[bad[-1] + 1][0] if bad[-1] + 1 < len(ordered) else None
    return Bisected(states, first_bad, first_good)
