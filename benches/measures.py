"""What `pipeline.py` measures: the checked pipeline, the bare executor below it, and the state machine beside it."""

from __future__ import annotations

import gc
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.core import Core
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
from twinheap.targets.serve import READ_SIZE
from twinheap.targets.wire import OP_NAMES, WIRE_VERSION, FrameReader, ParentHello, Request, batch_frame, frame
from twinheap.targets.wire import program_frame as encoded

PROFILE: Final = "default"
WARM_UP: Final = 4
"""Blocks before the clock starts: imports, code caches, compiled kit modules."""


class Measured(NamedTuple):
    """Ops executed (not skipped, closing `end`s left out), and the seconds that they took."""

    ops: int
    seconds: float

    @property
    def rate(self) -> float:
        """Ops a second."""
        return self.ops / self.seconds


class Checked:
    """The whole pipeline of one worker on one target: generate, view, encode, execute, decode, judge, count."""

    def __init__(self, target: str, profile: str = PROFILE) -> None:
        self.target, self.profile = target, profile
        self.failures = 0
        collect_rarely()
        self._core = Core(self._setup(0), opener_for())
        self.supported = self._core.differs[0].supported
        self.measure(WARM_UP * BLOCK, seed=0)

    def _setup(self, seed: int) -> Setup:
        return Setup(seed=seed, targets=(self.target,), profile=self.profile)

    def measure(self, programs: int, seed: int) -> Measured:
        """Runs programs 0 to `programs` - 1 of a seed, as `twinheap run` with one worker does."""
        self._core.setup = self._setup(seed)
        statistics = Statistics()
        blocks = [BlockJob(start, min(start + BLOCK, programs)) for start in range(0, programs, BLOCK)]
        gc.collect()
        started = time.perf_counter()
        for at, block in enumerate(blocks):
            self._core.start(block)
            if at:
                self._absorb(statistics)
        self._absorb(statistics)
        return Measured(statistics.ops, time.perf_counter() - started)

    def _absorb(self, statistics: Statistics) -> None:
        done = self._core.finish()
        assert isinstance(done, BlockDone)
        self.failures += sum(suspect.identity.known is None for suspect in done.suspects)
        statistics.absorb(done)

    def close(self) -> None:
        """Ends the executor."""
        self._core.close()


class Bare:
    """The executor of a target, fed with frames that were encoded before; what it answers is read and dropped."""

    def __init__(self, target: str, supported: frozenset[str], profile: Profile | None = None) -> None:
        self.supported = supported
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
        return view(generate(seed, number, self._profile, self.supported), self.supported)

    def _frames(self, programs: int, seed: int) -> list[bytes]:
        bodies = [encoded(self._view(seed, number), number) for number in range(programs)]
        return [batch_frame(start, bodies[start : start + BLOCK]) for start in range(0, programs, BLOCK)]

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
