"""The engine: one run from its seed to its summary. It deals programs to workers and sends failures to triage.

Blocks are absorbed in the order of their numbers, and triages in the order in which they were asked for, so one seed
gives the same programs and the same findings whatever the number of workers, as long as no time limit cuts in.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from twinheap.fuzz.budget import TRIAGE_GRACE, Budget, Schedule
from twinheap.fuzz.differ import offered
from twinheap.fuzz.events import Ended, FindingMade, Listener, Progress, Started, Summary, Warned
from twinheap.fuzz.generate import generate
from twinheap.fuzz.interruption import undisturbed
from twinheap.fuzz.messages import BlockDone, BlockJob, Setup, Suspect, TriageDone, TriageJob
from twinheap.fuzz.oracle import Opener
from twinheap.fuzz.pool import LocalPool, Pool, ProcessPool
from twinheap.fuzz.profiles import profile_named
from twinheap.fuzz.record import Found, found_from
from twinheap.fuzz.signature import presignature
from twinheap.fuzz.stats import Statistics
from twinheap.fuzz.store import FindingStore, StoreError
from twinheap.fuzz.waiting import Waiting
from twinheap.model.behaviour import missed, reachable
from twinheap.model.profiles import NEWEST, parse_release
from twinheap.model.program import Program
from twinheap.model.text import dumps
from twinheap.model.view import view
from twinheap.targets.wire import Hello

TICK: Final = 0.25
"""Seconds between progress events, and at most between two looks at the time."""

MAX_FINDINGS: Final = 200
"""Findings of one run: a target that fails everywhere gives no more knowledge after that, and takes the disk."""


KNOWN_SECONDS: Final = 4.0
"""Seconds for shrinking what is a known defect, finding or not: the corpus has a shrunk program of each."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `programs`, `seconds`: None for no bound. `strict`: known defects are findings like any other.

    `folder`: where findings are stored, None for nowhere. `workers`: processes that work; with 0 it is done in this
    one, where the time is looked at between jobs only.
    """

    setup: Setup
    programs: int | None = None
    seconds: float | None = None
    workers: int = 0
    strict: bool = False
    folder: Path | None = None


class Engine:
    """One run. `opener` starts targets by name; workers in other processes start them by themselves."""

    def __init__(self, run: Run, opener: Opener, listener: Listener) -> None:
        self.run_of = run
        self.setup = run.setup
        self._open = opener
        self._tell = listener
        self._store = FindingStore(run.folder) if run.folder is not None else None
        self._hellos: dict[str, Hello] = {}
        self._statistics = Statistics()
        self._budget = Budget(run.programs, run.seconds)  # begins anew when the targets have started
        self._schedule = Schedule()
        self._waiting = Waiting(run.workers)
        self._early: dict[int, BlockDone] = {}  # done before the blocks before them
        self._next_start = 0
        self._asked: deque[tuple[TriageJob, float]] = deque()  # triages in order, with when they came up
        self._triaged: dict[Suspect, TriageDone] = {}
        self._signatures: set[str] = set()
        self._findings: list[FindingMade] = []
        self._expected: list[FindingMade] = []
        self._failures = 0
        self._told_at = 0.0

    def run(self) -> Summary:
        """Runs to the end of the budget, or to Ctrl-C. Raises TargetError, ExecutorError or WorkerError.

        Whatever it raises, findings made before are stored. Ctrl-C ends it with a summary whenever it comes, also while
        targets are being started.
        """
        interrupted = False
        try:
            self._start_and_work()
        except KeyboardInterrupt:
            interrupted = True
        with undisturbed():  # whoever presses Ctrl-C twice still gets what was found
            summary = self._summary()
            self._tell(Ended(summary, interrupted))
        return summary

    def _start_and_work(self) -> None:
        run = self.run_of
        self._greet()
        self._tell(Started(self.setup.seed, self.setup.profile, self._hellos, run.workers, run.programs, run.seconds))
        self._budget = Budget(run.programs, run.seconds)
        pool: Pool = LocalPool(self.setup, self._open) if run.workers == 0 else ProcessPool(self.setup, run.workers)
        try:
            self._work(pool)
        finally:
            with undisturbed():
                try:
                    self._keep_unshrunk()
                finally:
                    pool.close()

    def _greet(self) -> None:
        """Starts each target once, so that what cannot be started is known before anything runs."""
        for name in self.setup.targets:
            differ = self._open(name)
            differ.close()
            hello = self._hellos[name] = differ.hello
            if hello.runtime == "wasmtime" and hello.release and parse_release(hello.release)[0] > NEWEST:
                self._tell(Warned(f"{name} is {hello.release}, newer than the profiles: judged as {NEWEST}"))

    # --- the loop

    def _work(self, pool: Pool) -> None:
        while True:
            while pool.room > 0 and (block := self._budget.deal()) is not None:
                pool.submit(BlockJob(block.start, block.stop))
            self._shrink_some(pool)
            if not pool.outstanding:
                return
            for answer in pool.wait(TICK):
                if isinstance(answer, BlockDone):
                    self._early[answer.start] = answer
                    self._absorb_blocks()
                elif isinstance(answer, TriageDone):
                    self._triaged[answer.suspect] = answer
                    self._waiting.done(answer.suspect)
                    self._absorb_triages()
            self._tell_progress()
            if self._budget.overtime > TRIAGE_GRACE:
                return

    def _shrink_some(self, pool: Pool) -> None:
        """Gives failures to shrink to the pool: all of them, or their share while the time runs."""
        running = self._budget.elapsed if self._budget.bounded and not self._budget.over else None
        while (job := self._waiting.begin(running)) is not None:
            pool.submit(job)

    def _absorb_blocks(self) -> None:
        """Takes blocks in the order of their numbers."""
        while (done := self._early.pop(self._next_start, None)) is not None:
            self._next_start += done.count
            self._statistics.absorb(done)
            for suspect in done.suspects:
                self._failures += 1
                if len(self._findings) + len(self._asked) < MAX_FINDINGS and self._worth(suspect):
                    seconds = None if suspect.identity.known is None else KNOWN_SECONDS
                    job = TriageJob(suspect, done.start, seconds)
                    self._asked.append((job, self._budget.elapsed))
                    self._waiting.add(job)

    def _worth(self, suspect: Suspect) -> bool:
        """Whether to shrink a failure: a known defect once, what looks like an earlier failure ever more rarely."""
        known = suspect.identity.known
        if known is not None and not self.run_of.strict:
            self._schedule.worth(known)
            return self._schedule.counts[known] == 1
        return self._schedule.worth(f"{suspect.target}|{suspect.other}|{presignature(suspect.identity)}")

    def _absorb_triages(self) -> None:
        """Takes triages in the order in which they were asked for, or as they come if the time is bounded."""
        if self._budget.bounded:
            for asked in [one for one in self._asked if one[0].suspect in self._triaged]:
                self._asked.remove(asked)
                self._asked.appendleft(asked)
        while self._asked and (done := self._triaged.pop(self._asked[0][0].suspect, None)) is not None:
            _, came_up = self._asked.popleft()
            self._take(found_from(done, self.setup, self._hellos, came_up))

    def _take(self, found: Found) -> None:
        """Reports and stores a finding, unless it is one that this run has already."""
        finding = found.finding
        if finding.signature in self._signatures:
            return
        self._signatures.add(finding.signature)
        expected = finding.known is not None and not self.run_of.strict
        path, new = None, True
        if self._store is not None:
            try:
                finding, new = self._store.add(found)
                path = self._store.folder / finding.program
            except StoreError as error:
                self._tell(Warned(f"a finding could not be stored: {error}"))
        # What is told is this run's finding; a shorter program of an earlier run lends its path.
        made = FindingMade(found.finding, dumps(found.program), path, expected, new)
        (self._expected if expected else self._findings).append(made)
        self._tell(made)

    def _keep_unshrunk(self) -> None:
        """Keeps the failures that nobody had the time to shrink."""
        self._absorb_triages()
        while self._asked:
            job, came_up = self._asked.popleft()
            done = self._triaged.pop(job.suspect, None) or self._unshrunk(job.suspect)
            self._take(found_from(done, self.setup, self._hellos, came_up))

    def _unshrunk(self, suspect: Suspect) -> TriageDone:
        program = self._asked_program(suspect)
        return TriageDone(
            suspect=suspect,
            program=program,
            original=program,
            verdict=suspect.verdict,
            before=[],
            flaky=None,
            others={},
            stderr="",
            candidates=0,
            seconds=0.0,
            exhausted=True,
        )

    def _asked_program(self, suspect: Suspect) -> Program:
        """What the target was asked, made again from its number."""
        supported = {name: hello.supported for name, hello in self._hellos.items()}
        asked = offered(self._hellos.values(), suspect.number)
        program = generate(self.setup.seed, suspect.number, profile_named(self.setup.profile), asked)
        if suspect.narrow:
            return view(program, frozenset.intersection(*supported.values()))
        return view(program, supported[self.setup.targets[suspect.target]])

    # --- telling

    def _tell_progress(self) -> None:
        elapsed = self._budget.elapsed
        if elapsed - self._told_at < TICK:
            return
        self._told_at = elapsed
        statistics = self._statistics
        self._tell(
            Progress(
                elapsed,
                statistics.programs,
                statistics.ops,
                len(self._findings),
                statistics.known.total(),
                len(statistics.behaviours),
                len(self._asked),
            )
        )

    def _summary(self) -> Summary:
        supported = frozenset[str]().union(*(hello.supported for hello in self._hellos.values()))
        universe = reachable(supported)
        left = [behaviour for behaviour in missed(self._statistics.behaviours) if behaviour in universe]
        return Summary(
            seed=self.setup.seed,
            profile=self.setup.profile,
            targets=self._hellos,
            seconds=self._budget.elapsed,
            statistics=self._statistics,
            findings=self._findings,
            expected=self._expected,
            failures=self._failures,
            missed=left,
            universe=len(universe),
        )
