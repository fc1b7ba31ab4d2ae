"""The hunt: random programs on one target until it fails once; what `bench mutants` measures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from twinheap.fuzz.budget import Budget
from twinheap.fuzz.differ import Differ, Judged
from twinheap.fuzz.generate import generate
from twinheap.fuzz.messages import HuntDone, HuntJob, Suspect, TriageDone
from twinheap.fuzz.oracle import Opener, failures_of
from twinheap.fuzz.profiles import Profile
from twinheap.fuzz.triage import Case, triage
from twinheap.model.program import Program
from twinheap.model.view import view

DEPTH: Final = 2
"""Batches under way: one is executed while the one before it is judged."""

SMALL: Final = 3
"""Lines that are short enough to stop looking for a shorter failure."""

TRIES: Final = 5
"""Failures that are shrunk at most: each costs up to a second, and a fifth hardly ever is the shortest."""

MORE_PROGRAMS: Final = 400
"""Programs after the first failure in which to look for others, so that a rare bug is not hunted twice."""


def hunt(job: HuntJob, profile: Profile, opener: Opener, shrink_seconds: float) -> HuntDone:
    """Runs programs until one fails in a way that no known defect explains, and shrinks it.

    One bug shows itself in several ways, of which some need long programs: unless the first shrinks to `SMALL` lines,
    up to `TRIES` failures of the next programs are shrunk too, and the shortest is kept.
    """
    differ = opener(job.target)
    started = time.monotonic()
    seconds, first = 0.0, 0
    best: TriageDone | None = None
    try:
        for tries, (batch, at) in enumerate(_failures(job, profile, differ), 1):
            if best is None:
                seconds, first = time.monotonic() - started, batch[at].number + 1
            elif batch[at].number >= first + MORE_PROGRAMS:
                break
            found = _shrunk(job, batch, at, opener, shrink_seconds)
            best = min(filter(None, (best, found)), key=lambda done: len(done.program))
            if len(best.program) <= SMALL or tries == TRIES:
                break
    finally:
        differ.close()
    if best is None:
        return _done(job, job.programs, time.monotonic() - started, differ, None)
    return _done(job, first, seconds, differ, best)


def _shrunk(job: HuntJob, batch: list[Judged], at: int, opener: Opener, shrink_seconds: float) -> TriageDone:
    identity, verdict = next(pair for pair in failures_of(batch[at]) if pair[0].known is None)
    suspect = Suspect(batch[at].number, 0, identity, verdict)
    case = Case(suspect, batch[at].program, [one.program for one in batch[:at]])
    return triage(case, [job.target], opener, shrink_seconds)


def _done(job: HuntJob, programs: int, seconds: float, differ: Differ, found: TriageDone | None) -> HuntDone:
    return HuntDone(
        target=job.target, seed=job.seed, programs=programs, seconds=seconds, hello=differ.hello, triage=found
    )


def _failures(job: HuntJob, profile: Profile, differ: Differ) -> Iterator[tuple[list[Judged], int]]:
    """Each unexplained failure: its batch, and its place there."""
    batches = _batches(job)
    under_way = 0
    while True:
        while under_way < DEPTH and (numbers := next(batches, None)) is not None:
            differ.send([(number, _program(job, number, profile, differ)) for number in numbers])
            under_way += 1
        if not under_way:
            return
        under_way -= 1
        batch = differ.receive()
        for at, judged in enumerate(batch):
            if any(verdict.known is None for verdict in judged.verdicts):
                yield batch, at


def _batches(job: HuntJob) -> Iterator[range]:
    """All of its programs: those of the first block one by one, since each that hangs keeps its batch for long."""
    budget = Budget(job.programs, None)
    yield from (range(number, number + 1) for number in budget.deal() or ())
    while (numbers := budget.deal()) is not None:
        yield numbers


def _program(job: HuntJob, number: int, profile: Profile, differ: Differ) -> Program:
    return view(generate(job.seed, number, profile, differ.supported), differ.supported)
