"""The measure of the search: how fast it finds each planted bug of the in-tree heap, and that it finds none without.

Each mutant is hunted with each seed until it is killed or `MAX_PROGRAMS` programs have run; hunts are spread over the
cores. The control runs programs on the unmutated heap, on all collectors, and must find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from twinheap.fuzz.engine import Engine, Run
from twinheap.fuzz.events import Ended, Event, FindingMade, Warned
from twinheap.fuzz.messages import HuntDone, HuntJob, Setup
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.pool import ProcessPool
from twinheap.fuzz.record import Found, found_from
from twinheap.targets.heap.mutants import MUTANTS
from twinheap.targets.registry import COLLECTORS

MAX_PROGRAMS: Final = 20_000
"""Programs after which a mutant has survived: what a maintainer's machine does in a minute."""

CONTROL_PROGRAMS: Final = 200_000
"""Programs of the control, over all collectors: ten times what a mutant gets, so a false alarm would show."""

SHRINK_SECONDS: Final = 20.0
"""Seconds to shrink a kill: mutants hang, and each candidate that hangs costs seconds."""

TICK: Final = 0.5
"""Seconds between two looks at the workers."""


class Hunted(msgspec.Struct, frozen=True):
    """One hunt: the mutant, and the shrunk finding if it was killed."""

    name: str
    seed: int
    collector: str
    programs: int
    seconds: float
    found: Found | None


class Control(msgspec.Struct, frozen=True):
    """The control: programs run, and findings, of which there must be none.

    `interrupted`: Ctrl-C ended it. `warnings`: what went wrong beside, as findings that could not be stored.
    """

    programs: int
    findings: list[FindingMade]
    seconds: float
    interrupted: bool
    warnings: list[str]


def target_of(name: str, seed: int) -> str:
    """The target on which a mutant is hunted; with several collectors the seed chooses."""
    collectors = MUTANTS[name].collectors
    return f"heap,collector={collectors[seed % len(collectors)]},mutant={name}"


def hunt_all(names: Sequence[str], seeds: Sequence[int], profile: str, programs: int, workers: int) -> Iterator[Hunted]:
    """Hunts every mutant with every seed; gives each hunt when it is over. Raises WorkerError."""
    jobs = [HuntJob(target_of(name, seed), seed, programs) for seed in seeds for name in names]
    setup = Setup(seed=0, targets=("heap",), profile=profile, shrink_seconds=SHRINK_SECONDS)
    # A hunt takes seconds to minutes, so each worker gets one at a time.
    waiting = list(reversed(jobs))
    with ProcessPool(setup, workers) as pool:
        while waiting or pool.outstanding:
            while waiting and pool.outstanding < workers:
                pool.submit(waiting.pop())
            for answer in pool.wait(TICK):
                if isinstance(answer, HuntDone):
                    yield _hunted(answer, profile)


def _hunted(done: HuntDone, profile: str) -> Hunted:
    parts = dict(part.split("=") for part in done.target.split(",")[1:])
    found = None
    if done.triage is not None:
        setup = Setup(seed=done.seed, targets=(done.target,), profile=profile)
        found = found_from(done.triage, setup, {done.target: done.hello}, done.seconds)
    return Hunted(parts["mutant"], done.seed, parts["collector"], done.programs, done.seconds, found)


def control(programs: int, seed: int, profile: str, workers: int, folder: Path | None = None) -> Control:
    """Runs programs on the unmutated heap, a third on each collector. Findings are stored in `folder`, if given."""
    total, seconds, interrupted = 0, 0.0, False
    findings: list[FindingMade] = []
    warnings: list[str] = []

    def hear(event: Event) -> None:
        nonlocal interrupted
        if isinstance(event, Warned):
            warnings.append(event.text)
        interrupted = interrupted or (isinstance(event, Ended) and event.interrupted)

    for at, collector in enumerate(COLLECTORS):
        share = programs // len(COLLECTORS) + (at < programs % len(COLLECTORS))
        if not share or interrupted:
            continue
        setup = Setup(seed=seed + at, targets=(f"heap,collector={collector}",), profile=profile)
        run = Run(setup=setup, programs=share, workers=workers, folder=folder)
        summary = Engine(run, opener_for(), hear).run()
        total += summary.statistics.programs
        findings += summary.findings
        seconds += summary.seconds
    return Control(total, findings, seconds, interrupted, warnings)
