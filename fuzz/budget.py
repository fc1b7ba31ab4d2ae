"""Budgets: how many programs a run deals, until when, and how much of it shrinking may take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

BLOCK: Final = 32
"""Programs of one batch. Each program of 50 ops takes about 1 ms on every side, so a batch amortizes a pipe's round
trip (0.05 ms) a thousandfold, and a worker answers about thirty times a second."""

MAX_DURATION: Final = 30 * 86400.0
"""Seconds. A month; more is a slip of the pen."""

TRIAGE_GRACE: Final = 20.0
"""Seconds after the end of its time at which a run gives up what is under way; what is not shrunk yet is kept whole."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")

Clock = Callable[[], float]


def parse_duration(text: str) -> float:
    """`text` in seconds: 20s, 5m, 6h, 1.5h, a plain number of seconds, or several joined as 1h30m.

    Raises ValueError, in one line, for anything else.

    >>> parse_duration("6h"), parse_duration("1m30s"), parse_duration("20")
    (21600.0, 90.0, 20.0)
    """
    total, at, stripped = 0.0, 0, text.strip().lower()
    if stripped.startswith("-"):
        raise ValueError(f"bad duration {text!r}: it must be more than nothing: write 20s, 5m, 6h or 1h30m")
    while match := _DURATION.match(stripped, at):
        if match[2] not in _UNITS:
            break
        total += float(match[1]) * _UNITS[match[2]]
        at = match.end()
    if not stripped or at != len(stripped):
        raise ValueError(f"bad duration {text!r}: write 20s, 5m, 6h or 1h30m")
    if not 0 < total <= MAX_DURATION:
        raise ValueError(f"bad duration {text!r}: it must be more than nothing and at most 30 days")
    return total


class Budget:
    """Deals program numbers in blocks, in order, until the programs or the time are used up.

    `programs`, `seconds`: None for no bound. `first`: the first number. Blocks depend on the numbers alone, so one seed
    gives the same programs, in the same batches, whatever the number of workers.
    """

    def __init__(
        self, programs: int | None, seconds: float | None, *, first: int = 0, clock: Clock = time.monotonic
    ) -> None:
        self._next = first
        self._stop = None if programs is None else first + programs
        self._clock = clock
        self.started = clock()
        self._deadline = None if seconds is None else self.started + seconds
        self.stopped = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self.started

    @property
    def over(self) -> bool:
        """Whether nothing more is dealt."""
        return (
            self.stopped
            or (self._stop is not None and self._next >= self._stop)
            or (self._deadline is not None and self._clock() >= self._deadline)
        )

    @property
    def bounded(self) -> bool:
        """Whether there is a bound on the time."""
        return self._deadline is not None

    @property
    def overtime(self) -> float:
        """Seconds since the time was up: below 0 before, and always without a bound on the time."""
        return -1.0 if self._deadline is None else self._clock() - self._deadline

    def stop(self) -> None:
        """Deals nothing more."""
        self.stopped = True

    def deal(self) -> range | None:
        """The numbers of the next block, or None when the budget is over."""
        if self.over:
            return None
        start = self._next
        stop = start + BLOCK if self._stop is None else min(start + BLOCK, self._stop)
        self._next = stop
        return range(start, stop)


class Schedule:
    """Which meetings of a likely duplicate are worth shrinking: the 1st, 2nd, 4th, 8th, ... of each pre-signature.

    A bug in every second program would otherwise take the whole run; a rare one behind the same pre-signature still
    gets its turn.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def worth(self, presignature: str) -> bool:
        """Counts one meeting, and says whether to shrink it."""
        count = self.counts[presignature] = self.counts.get(presignature, 0) + 1
        return count & (count - 1) == 0
