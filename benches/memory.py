"""Whether memory grows with the number of programs: the resident size of the process that does all the work."""

from __future__ import annotations

import argparse
import os
from typing import Final

from measures import PROFILE

from twinheap.fuzz.engine import Engine, Run
from twinheap.fuzz.events import Event, Progress
from twinheap.fuzz.messages import Setup
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.worker import collect_rarely

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
MB: Final = 1_000_000


def resident_bytes() -> int:
    """The resident size of this process, in bytes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE


class Watch:
    """A listener that notes the resident size when so many programs were checked."""

    def __init__(self, programs: int) -> None:
        self._programs = programs
        self.size: int | None = None

    def __call__(self, event: Event) -> None:
        """Takes one event of the engine."""
        if isinstance(event, Progress) and event.programs >= self._programs and self.size is None:
            self.size = resident_bytes()
            print(f"{self.size / MB:8.1f} MB resident after {event.programs:,} programs", flush=True)


def resident(options: argparse.Namespace) -> dict[str, float]:
    """Resident size in MB after few and after many programs, of one run whose only worker is this process."""
    few, many = options.memory_programs
    collect_rarely()
    watch = Watch(few)
    setup = Setup(seed=1, targets=(options.memory_target,), profile=PROFILE)
    summary = Engine(Run(setup=setup, programs=many), opener_for(), watch).run()
    size = resident_bytes()
    print(f"{size / MB:8.1f} MB resident after {summary.statistics.programs:,} programs, {summary.seconds:.0f} s")
    growth = size - (watch.size or 0)
    print(f"{growth / MB:8.1f} MB more")
    return {"few": (watch.size or 0) / MB, "many": size / MB, "growth": growth / MB}
