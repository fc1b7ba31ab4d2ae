"""Process growth: a program that runs again and again, each time in fresh stores, must leave nothing behind.

What a store leaks goes with the store; what outlives it (compiled modules, registered types, host data, boxes that
the API forgets to free) shows only as a process that grows. `churn` looks into one store (semantics 2.3); here a whole
program is repeated, and the anonymous resident memory of the executor is read between equal numbers of runs.

A list that doubles grows in one window out of many, a cache only at first: what grows by at least `FEWEST_BYTES` a run
in every window after `WARM_UP` is a leak. It is measured again with `MORE` times as many runs before it is said. What
the executor freed while it started is used up first, some hundred KB: smaller leaks take more runs to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from twinheap.fuzz.shrink import shrink
from twinheap.model.ops import OPS
from twinheap.model.program import Program
from twinheap.targets.executor import Executor

REPEATS: Final = 300
"""Runs of a window: at `FEWEST_BYTES` each more than a page, and a tenth of a second for programs of host ops."""

WARM_UP: Final = 3
"""Windows before the first measured one: caches fill, and what was free in the executor is used up."""

WINDOWS: Final = 5
"""Windows measured; all of them have to grow."""

MORE: Final = 8
"""By how much longer a suspect is measured again: pages that the allocator only keeps do not add up."""

FEWEST_BYTES: Final = 24
"""Bytes a run: the smallest block that malloc hands out."""

BATCH: Final = 50
"""Runs sent at once: neither the pipe nor the answers take much memory then."""

SHRINK_SECONDS: Final = 120.0
"""Seconds to shrink a leak; each candidate takes up to `WARM_UP` + `WINDOWS` windows."""


MOST_BULK: Final = 100
"""Objects that the bulk ops of a random program may make: thousands of them take a minute to repeat."""


class Leak(msgspec.Struct, frozen=True):
    """A program whose repetition makes the process grow: `per_run` bytes each time, `windows` as they were measured."""

    program: Program
    per_run: float
    windows: tuple[int, ...]


def quick(program: Program) -> bool:
    """Whether a program is worth repeating: its bulk ops make few objects."""
    many = (
        value
        for op in program.ops
        for param, value in zip(OPS[op[0]].params, op[1:], strict=False)
        if param.kind == "many"
    )
    return sum(many) <= MOST_BULK


def resident(pid: int) -> int:
    """Bytes of anonymous memory that a process has resident: its own, without mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise OSError("this kernel does not tell RssAnon")


def windows_of(executor: Executor, program: Program, repeats: int) -> tuple[int, ...]:
    """Bytes by which the executor grew in each window of `repeats` runs after the warm-up.

    It ends with the first window that did not grow enough, and before one in which the executor ended.
    """
    found: list[int] = []
    before = 0
    for window in range(WARM_UP + WINDOWS):
        for start in range(0, repeats, BATCH):
            if any(ran.ended for ran in executor.run([program] * min(BATCH, repeats - start))):
                return tuple(found)
        now = resident(executor.pid)
        if window >= WARM_UP:
            found.append(now - before)
            if found[-1] < FEWEST_BYTES * repeats:
                break
        before = now
    return tuple(found)


def grows(windows: Sequence[int], repeats: int) -> bool:
    """Whether there are enough windows, and every one grew by more than it may.

    >>> grows([8192] * 5, 300), grows([8192, 8192, 0], 300), grows([8192] * 2, 300)
    (True, False, False)
    """
    return len(windows) == WINDOWS and min(windows) >= FEWEST_BYTES * repeats


def leak_of(executor: Executor, program: Program, repeats: int = REPEATS) -> Leak | None:
    """The leak that repeating a program shows, confirmed by a longer measurement; None if there is none."""
    if not grows(windows_of(executor, program, repeats), repeats):
        return None
    more = windows_of(executor, program, MORE * repeats)
    if not grows(more, MORE * repeats):
        return None
    return Leak(program, sum(more) / (len(more) * MORE * repeats), more)


def shrunk(executor: Executor, leak: Leak, seconds: float = SHRINK_SECONDS, repeats: int = REPEATS) -> Leak:
    """The smallest program found that leaks at least half as much a run."""

    def check(candidates: Sequence[Program]) -> list[bool]:
        found = []
        for candidate in candidates:
            windows = windows_of(executor, candidate, repeats)
            found.append(grows(windows, repeats) and sum(windows) * 2 >= leak.per_run * len(windows) * repeats)
            if found[-1]:
                break
        return found + [False] * (len(candidates) - len(found))

    best = shrink(leak.program, check, max_seconds=seconds).program
    return leak_of(executor, best, repeats) or leak
