"""Failures that wait to be shrunk: which is next, and whether it may begin while programs are still to be run.

A run with a bound on its time looks for more as long as it can: shrinking gets a share of the workers and of the time,
and what was never shrunk before goes first, so that no frequent defect keeps the others waiting.
"""

from __future__ import annotations

import time
from typing import Final

from twinheap.fuzz.messages import Suspect, TriageJob
from twinheap.fuzz.signature import presignature

SHARE: Final = 0.5
"""Of the time of a single worker, for shrinking: a finding nobody can read is worth little, and so is none."""


class Waiting:
    """The queue. `workers`: how many there are, 0 for this process alone."""

    def __init__(self, workers: int) -> None:
        self._most = max(1, workers // 2)
        self._alone = workers < 2
        self._jobs: list[TriageJob] = []
        self._begun: dict[str, int] = {}
        self._under_way: dict[Suspect, float] = {}
        self._spent = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: TriageJob) -> None:
        """A failure to shrink."""
        self._jobs.append(job)

    def begin(self, elapsed: float | None) -> TriageJob | None:
        """The next job, if one may begin now; `elapsed`: seconds of a run that is bounded and not over, else None."""
        if not self._jobs:
            return None
        busy = len(self._under_way) >= self._most
        if elapsed is not None and (busy or (self._alone and self._spent > SHARE * elapsed)):
            return None
        job = min(self._jobs, key=lambda one: self._begun.get(_kind(one), 0))
        self._jobs.remove(job)
        self._begun[_kind(job)] = self._begun.get(_kind(job), 0) + 1
        self._under_way[job.suspect] = time.monotonic()
        return job

    def done(self, suspect: Suspect) -> None:
        """A job is over."""
        started = self._under_way.pop(suspect, None)
        if started is not None:
            self._spent += time.monotonic() - started


def _kind(job: TriageJob) -> str:
    """What two failures share that are likely the same: a known defect, or where and how they fail."""
    identity = job.suspect.identity
    return identity.known or f"{job.suspect.target}|{job.suspect.other}|{presignature(identity)}"
