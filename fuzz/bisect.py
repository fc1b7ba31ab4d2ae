"""Bisection over releases: since when a stored program fails, and in which release it was mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

BAD: Final = "bad"
GOOD: Final = "good"


class Bisected(msgspec.Struct, frozen=True):
    """What bisection gave.

    `releases`: those tried, each "bad", "good", "other": it fails there, but not as the stored program does, or "n/a":
    it could not be replayed. `first_bad`: the oldest bad release, None if none is. `first_good`: the first good release
    after the last bad one, None if the newest is bad or none is. `others`: what was met where it is "other".
    """

    releases: dict[str, str]
    first_bad: str | None
    first_good: str | None
    others: dict[str, str] = {}

    def __str__(self) -> str:
        line = f"first bad {self.first_bad or 'none'}, first good {self.first_good or 'none'}"
        return line + "".join(f"; {release}: another failure, {met}" for release, met in self.others.items())


def another_failure(replayed: Replayed) -> str | None:
    """What a program shows if it fails in another way than it is stored for, as "TH202 (K22)"; else None.

    A known defect is told by its name, whatever its code, since what comes of one differs from release to release, and
    anything else by its code. A failure with that code that nothing explains is taken for the stored one: that a known
    defect is also in this release may be just what is to be found out.
    """
    verdict, meta = replayed.verdict, replayed.stored.meta
    if verdict is None or "code" not in meta:
        return None
    same = verdict.code == meta["code"] if verdict.known is None else verdict.known == meta.get("known")
    known = f" ({verdict.known})" if verdict.known else ""
    return None if same else verdict.code + known


class Family(msgspec.Struct, frozen=True):
    """The releases of one target: `kind` is its name, `given` its options, with their commas.

    `against`: the target that it is to agree with, for a program on which two disagree, with what stands between them.
    """

    kind: str
    given: str
    against: str = ""

    @property
    def name(self) -> str:
        """The target without a release."""
        return self.against + self.kind + self.given

    def at(self, release: str) -> str:
        """The target's name at a release."""
        return f"{self.against}{self.kind}@{release}{self.given}"

    def releases(self, spec: str) -> list[str]:
        """The releases that "all" or a range means, oldest first. Raises TargetError."""
        return registry.releases(self.kind, spec)


def family_of(targets: Sequence[str]) -> Family:
    """The family that the first of `targets` belongs to which has releases; else all of the C API's.

    >>> family_of(["heap", "rust@48.0.2,collector=copying"]).at("45.0.0")
    'rust@45.0.0,collector=copying'
    >>> family_of(["heap | capi@48.0.0"]).at("45.0.0")
    'heap | capi@45.0.0'
    >>> family_of(["capi@48.0.0 | heap"]).at("45.0.0")
    'heap | capi@45.0.0'
    """
    for target in targets:
        for against, other in _sides(target):
            head, _, given = other.partition(",")
            kind = head.partition("@")[0]
            if kind in RELEASES_OF:
                return Family(kind, _lasting(given), against)
    return Family(RELEASES_OF[0], "")


def _sides(target: str) -> Iterator[tuple[str, str]]:
    """The targets in `target`, of two the second first, each with what stands before it (`Family.against`)."""
    one, between, other = target.partition(AGAINST)
    if between:
        yield one + between, other
        yield other + between, one
    else:
        yield "", target


def _lasting(given: str) -> str:
    """The options that are good for any release: without those that name a build of one's own."""
    kept = [part for part in given.split(",") if part and part.partition("=")[0] not in registry.OWN_BUILD]
    return "".join(f",{part}" for part in kept)


def keep(stored: Stored, family: str, result: Bisected) -> None:
    """Stores a result in the program's header, and in the record of the finding if it is one. Raises StoreError.

    The records of a corpus are left alone: their ranges were measured and written down.
    """
    if stored.is_record:
        return
    line = f"{family}: {result}"
    write_atomically(stored.path, dumps(stored.program, {**stored.meta, HEADER: line}).encode())
    FindingStore(stored.path.parent).note_bisected(stored.path.name, result.releases, line)


def bisect(releases: Sequence[str], replay: Callable[[str], Replayed], everything: bool) -> Bisected:
    """Tries releases, oldest first; without `everything` only as many as two binary searches need.

    Without `everything` it takes for granted that a defect comes once and goes once, as defects do.
    """
    states: dict[str, str] = {}
    others: dict[str, str] = {}

    def state(at: int) -> str:
        release = releases[at]
        if release not in states:
            replayed = replay(release)
            states[release] = {"FAILED": BAD, "FIXED": GOOD, "ERROR": "n/a"}[replayed.status]
            if other := another_failure(replayed):
                states[release], others[release] = "other", other
        return states[release]

    if everything:
        for at in range(len(releases)):
            state(at)
    else:
        _search(len(releases), state)
    tried = [release for release in releases if release in states]
    first_bad, first_good = _borders({release: states[release] for release in tried})
    met = {release: others[release] for release in tried if release in others}
    return Bisected({release: states[release] for release in tried}, first_bad, first_good, met)


def _search(count: int, state: Callable[[int], str]) -> None:
    """Looks at the ends, for any bad release, and then at both borders of the bad ones."""
    bad = _some_bad(count, state)
    if bad is not None:
        _border(bad, -1, state)
        _border(bad, count, state)


def _border(bad: int, beyond: int, state: Callable[[int], str]) -> None:
    """Tries what lies between a bad release and the end, or a good one, until nothing between them is undecided.

    What is neither bad nor good says nothing of its neighbours: those further off are tried in its place.
    """
    step = 1 if beyond > bad else -1
    while abs(beyond - bad) > 1:
        middle = at = (bad + beyond) // 2
        while at != beyond and state(at) not in (BAD, GOOD):
            at += step
        if at == beyond:
            beyond = middle  # nothing decides from there on
        elif state(at) == BAD:
            bad = at
        else:
            beyond = at if at == middle else middle


def _some_bad(count: int, state: Callable[[int], str]) -> int | None:
    """The index of a bad release, found by ever finer steps; None if there is none."""
    step = max(count - 1, 1)
    while True:
        for at in range(0, count, step):
            if state(at) == BAD:
                return at
        if step == 1:
            return None
        step = (step + 1) // 2


def _borders(states: dict[str, str]) -> tuple[str | None, str | None]:
    """The first bad release, and the first good one after the last bad one."""
    ordered = [(release, state) for release, state in states.items() if state in (BAD, GOOD)]
    bad = [at for at, (_, state) in enumerate(ordered) if state == BAD]
    if not bad:
        return None, None
    return ordered[bad[0]][0], ordered[bad[-1] + 1][0] if bad[-1] + 1 < len(ordered) else None
