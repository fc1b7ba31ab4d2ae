"""What `pipeline.py` measures: the checked pipeline, the bare executor below it, and the state machine beside it."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.core import Core
from twinheap.fuzz.differ import offered
from twinheap.fuzz.generate import generate
from twinheap.fuzz.machine_rules import ProgramMachine, heap_machine
from twinheap.fuzz.messages import BlockDone, BlockJob, Setup
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import Profile, profile_named
from twinheap.fuzz.stats import Statistics
from twinheap.fuzz.worker import collect_rarely
from twinheap.model.ops import END
from twinheap.model.program import Program
from twinheap.model.view import view
from twinheap.targets import registry
from twinheap.targets.executor import Executor
from twinheap.targets.serve import READ_SIZE
from twinheap.targets.wire import OP_NAMES, WIRE_VERSION, FrameReader, Hello, ParentHello, Request, batch_frame, frame
from twinheap.targets.wire import program_frame as encoded

PROFILE: Final = "default"
WARM_UP: Final = 4
"""Blocks before the clock starts: imports, code caches, compiled kit modules."""


class Measured(NamedTuple):
    """Ops executed (not skipped, closing `end`s left out), and the seconds that they took.

    `programs`: how many; `parent`, `executor`: CPU seconds; `idle`: the share of the time in which the executor had
    nothing to do; `waited`: seconds for which the parent wanted a core that others had. The last four are of the
    checked pipeline only, and nothing is known of an executor that restarted.
    """

    ops: int
    seconds: float
    programs: int = 0
    parent: float = 0.0
    executor: float = math.nan
    idle: float = math.nan
    waited: float = math.nan

    @property
    def rate(self) -> float:
        """Ops a second."""
        return self.ops / self.seconds


class Checked:
    """The whole pipeline of one worker on one target: generate, view, encode, execute, decode, judge, count."""

    def __init__(self, target: str, profile: Profile) -> None:
        self.target, self.profile = target, profile
        self.failures = 0
        collect_rarely()
        self._core = Core(self._setup(0), opener_for())
        self._core._profile = profile  # it may be one without a name: programs of another length
        self.hello = self._core.differs[0].hello
        self.supported = self._core.differs[0].supported
        self.measure(WARM_UP * BLOCK, seed=0)

    def _setup(self, seed: int) -> Setup:
        return Setup(seed=seed, targets=(self.target,), profile=self.profile.name)

    def measure(self, programs: int, seed: int, seconds: float = math.inf) -> Measured:
        """Runs programs 0 to `programs` - 1 of a seed, as `twinheap run` with one worker does; fewer if time is up."""
        self._core.setup = self._setup(seed)
        statistics = Statistics()
        blocks = [BlockJob(start, min(start + BLOCK, programs)) for start in range(0, programs, BLOCK)]
        gc.collect()
        pid, before = self._executor()
        started, parent, waited = time.perf_counter(), time.process_time(), _waited()
        for at, block in enumerate(blocks):
            if at and time.perf_counter() - started > seconds:
                break
            self._core.start(block)
            if at:
                self._absorb(statistics)
        self._absorb(statistics)
        took, parent, waited = time.perf_counter() - started, time.process_time() - parent, _waited() - waited
        now, after = self._executor()
        if now != pid:
            return Measured(statistics.ops, took, statistics.programs, parent, waited=waited)
        cpu, waited = after[0] - before[0], after[1] - before[1]
        idle = max(0.0, 1 - (cpu + waited) / took)
        return Measured(statistics.ops, took, statistics.programs, parent, cpu, idle, waited)

    def _executor(self) -> tuple[int, tuple[float, float]]:
        """The executor's process, and the seconds that its threads ran, and waited for a core."""
        runner = self._core.differs[0].runner
        assert isinstance(runner, Executor)
        files = Path(f"/proc/{runner.pid}/task").glob("*/schedstat")
        spent = [file.read_text().split() for file in files]
        return runner.pid, (sum(int(one[0]) for one in spent) / 1e9, sum(int(one[1]) for one in spent) / 1e9)

    def _absorb(self, statistics: Statistics) -> None:
        done = self._core.finish()
        assert isinstance(done, BlockDone)
        self.failures += sum(suspect.identity.known is None for suspect in done.suspects)
        statistics.absorb(done)

    def close(self) -> None:
        """Ends the executor."""
        self._core.close()


def _waited() -> float:
    """Seconds for which this thread was ready to run and had no core."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


class Bare:
    """The executor of a target, fed with frames that were encoded before; what it answers is read and dropped."""

    def __init__(self, target: str, hello: Hello, profile: Profile | None = None) -> None:
        self.hello = hello
        self._target = target
        self._profile = profile or profile_named(PROFILE)
        self._process = subprocess.Popen(
            registry.parse(target).command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._exchange([frame(ParentHello(Request(WIRE_VERSION, list(OP_NAMES))))], 1)
        self.measure(WARM_UP * BLOCK, 0, 1)

    def measure(self, programs: int, seed: int, ops: int) -> Measured:
        """Runs the same programs as `Checked.measure`; `ops`: how many ops they execute."""
        frames = self._frames(programs, seed)
        gc.collect()
        started = time.perf_counter()
        self._exchange(frames, programs)
        return Measured(ops, time.perf_counter() - started)

    def sent(self, programs: int, seed: int) -> int:
        """How many ops those programs have, closing `end`s left out."""
        return sum(op[0] != END for number in range(programs) for op in self._view(seed, number).all_ops)

    def _view(self, seed: int, number: int) -> Program:
        program = generate(seed, number, self._profile, offered([self.hello], number))
        return view(program, self.hello.supported)

    def _frames(self, programs: int, seed: int) -> list[bytes]:
        views = [self._view(seed, number) for number in range(programs)]
        if self._target.startswith("rust"):  # where known defects end the process, and here nobody starts it again
            views = self._orderly(views)
        bodies = [encoded(one, number) for number, one in enumerate(views)]
        return [batch_frame(start, bodies[start : start + BLOCK]) for start in range(0, programs, BLOCK)]

    def _orderly(self, views: list[Program]) -> list[Program]:
        """Those that do not end the process, again and again in the place of the others."""
        differ = opener_for()(self._target)
        try:
            judged = [one for start in range(0, len(views), BLOCK) for one in differ.run(views[start : start + BLOCK])]
        finally:
            differ.close()
        good = [one.program for one in judged if one.ran.ended is None]
        return list(islice(cycle(good), len(views)))

    def _exchange(self, frames: Sequence[bytes], answers: int) -> None:
        """Sends from a thread, so that the executor never waits for work, and reads until all answers are there."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        writer = threading.Thread(target=_write, args=(stdin.fileno(), b"".join(frames)))
        writer.start()
        reader = FrameReader()
        while answers:
            data = os.read(stdout.fileno(), READ_SIZE)
            if not data:
                raise SystemExit("the bare executor ended: it needs a supervisor, and cannot be measured without one")
            reader.feed(data)
            answers -= len(reader.bodies())
        writer.join()

    def close(self) -> None:
        """Ends the executor."""
        self._process.kill()
        self._process.communicate()


def _write(pipe: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(pipe, left) :]


def state_machine(programs: int, steps: int) -> Measured:
    """Hypothesis: a rule-based state machine over the same op kinds, on the heap in this process, with the same judge.

    Each program is run and judged once, at its end, which is the cheapest that such a machine can do.
    """
    executed = 0

    class AtTheEnd(heap_machine("drc")):  # type: ignore[misc]
        def check(self) -> None:
            """Not after each op."""

        def teardown(self) -> None:
            ProgramMachine.check(self)
            nonlocal executed
            executed += sum(op[0] != END for op in self.builder.ops)

    limits: Any = settings(
        max_examples=programs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    gc.collect()
    started = time.perf_counter()
    run_state_machine_as_test(AtTheEnd, settings=limits)
    return Measured(executed, time.perf_counter() - started)
