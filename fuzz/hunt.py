"""The hunt: random programs on one target until it fails once; what `bench mutants` measures."""

from __future__ import annotations

import time
from collections import deque
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


def hunt(job: HuntJob, profile: Profile, opener: Opener, shrink_seconds: float) -> HuntDone:
    """Runs programs until one fails in a way that no known defect explains, and shrinks it."""
    differ = opener(job.target)
    started = time.monotonic()
    try:
        found = _first_failure(job, profile, differ)
    finally:
        differ.close()
    seconds = time.monotonic() - started
    if found is None:
        return _done(job, job.programs, seconds, differ, None)
    batch, at = found
    identity, verdict = next(pair for pair in failures_of(batch[at]) if pair[0].known is None)
    suspect = Suspect(batch[at].number, 0, identity, verdict)
    case = Case(suspect, batch[at].program, [one.program for one in batch[:at]])
    done = triage(case, [job.target], opener, shrink_seconds)
    return _done(job, batch[at].number + 1, seconds, differ, done)


def _done(job: HuntJob, programs: int, seconds: float, differ: Differ, found: TriageDone | None) -> HuntDone:
    return HuntDone(
        target=job.target, seed=job.seed, programs=programs, seconds=seconds, hello=differ.hello, triage=found
    )


def _first_failure(job: HuntJob, profile: Profile, differ: Differ) -> tuple[list[Judged], int] | None:
    """The batch with the first unexplained failure, and its place there."""
    budget = Budget(job.programs, None)
    under_way: deque[range] = deque()
    while True:
        while len(under_way) < DEPTH and (numbers := budget.deal()) is not None:
            differ.send([(number, _program(job, number, profile, differ)) for number in numbers])
            under_way.append(numbers)
        if not under_way:
            return None
        under_way.popleft()
        batch = differ.receive()
        for at, judged in enumerate(batch):
            if any(verdict.known is None for verdict in judged.verdicts):
                return batch, at


def _program(job: HuntJob, number: int, profile: Profile, differ: Differ) -> Program:
    return view(generate(job.seed, number, profile, differ.supported), differ.supported)
