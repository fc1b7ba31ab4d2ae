"""Pools of workers: in this process, or one process each."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from collections import deque
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from twinheap.fuzz.core import Core
from twinheap.fuzz.messages import ANSWERS, Answer, Failed, Job, Setup, TriageDone, TriageJob
from twinheap.fuzz.oracle import Opener
from twinheap.targets.wire import FrameReader, WireError, frame

DEPTH: Final = 3
"""Jobs given to one worker at once: it starts two, and a third is there when the first is done."""

READ_SIZE: Final = 1 << 18
"""Bytes asked of a worker's pipe at once."""

EXIT_GRACE: Final = 2.0
"""Seconds that a killed worker may take to be gone."""


class WorkerError(Exception):
    """A worker cannot go on. The text is one line; `detail` is a traceback, if it is a defect of TwinHeap."""

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail


class Pool(Protocol):
    """Takes jobs, gives answers in any order."""

    @property
    def room(self) -> int:
        """How many jobs may be submitted now without piling up."""

    @property
    def outstanding(self) -> int:
        """How many jobs are not yet answered."""

    def submit(self, job: Job) -> None:
        """Gives a job to some worker."""

    def wait(self, seconds: float) -> list[Answer]:
        """The answers that are there within `seconds`. Raises WorkerError."""

    def close(self) -> None:
        """Ends the workers; what they have under way is lost."""


class LocalPool:
    """One worker, in this process; it works while it is waited for."""

    def __init__(self, setup: Setup, opener: Opener) -> None:
        self._core = Core(setup, opener)

    @property
    def room(self) -> int:
        """How many jobs may be submitted now without piling up."""
        return max(0, DEPTH - 1 - self._core.outstanding)

    @property
    def outstanding(self) -> int:
        """How many jobs are not yet answered."""
        return self._core.outstanding

    def submit(self, job: Job) -> None:
        """Starts a job."""
        self._core.start(job)

    def wait(self, seconds: float) -> list[Answer]:
        """The answer of the oldest job, however long it takes."""
        return [self._core.finish()] if self._core.outstanding else []

    def close(self) -> None:
        """Ends the executors."""
        self._core.close()


class _Worker:
    """One worker process."""

    def __init__(self, setup: Setup) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the worker
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "twinheap.fuzz.worker"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C goes to this process alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self.pipe = self._process.stdout.fileno()
        self._reader = FrameReader()
        self.jobs = 0
        self.load = 0  # as `jobs`, but a triage counts as many as a worker takes, so that no block waits behind it
        self._write(frame(setup))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # reading finds out why
            self._stdin.write(data)

    def submit(self, job: Job) -> None:
        self.jobs += 1
        self.load += DEPTH if isinstance(job, TriageJob) else 1
        self._write(frame(job))

    def read(self) -> list[Answer]:
        data = os.read(self.pipe, READ_SIZE)
        if not data:
            raise WorkerError(self._epitaph())
        self._reader.feed(data)
        try:
            answers: list[Answer] = [ANSWERS.decode(body) for body in self._reader.bodies()]
        except (WireError, msgspec.DecodeError) as error:
            raise WorkerError(f"a worker said something that is no answer: {error}") from None
        self.jobs -= len(answers)
        self.load -= sum(DEPTH if isinstance(answer, TriageDone) else 1 for answer in answers)
        return answers

    def _epitaph(self) -> str:
        code = self._process.wait(EXIT_GRACE)
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"a worker ended with exit code {code}" + (f": {lines[-1][:300]}" if lines else "")

    def close(self) -> None:
        # Its executors are asked by the kernel to die with it.
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_GRACE)
        for stream in (self._stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class ProcessPool:
    """Workers in processes of their own. Use it as a context manager or `close` it."""

    def __init__(self, setup: Setup, count: int) -> None:
        self._workers: list[_Worker] = []
        self._waiting: deque[Job] = deque()
        try:
            for _ in range(count):
                self._workers.append(_Worker(setup))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def room(self) -> int:
        """How many jobs may be submitted now without piling up."""
        free = sum(max(0, DEPTH - worker.load) for worker in self._workers)
        return max(0, free - len(self._waiting))

    @property
    def outstanding(self) -> int:
        """How many jobs are not yet answered."""
        return sum(worker.jobs for worker in self._workers) + len(self._waiting)

    def submit(self, job: Job) -> None:
        """Gives a job to the worker with the fewest; keeps it if all have enough."""
        self._waiting.append(job)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            worker = min(self._workers, key=lambda one: one.load)
            if worker.load >= DEPTH:
                return
            worker.submit(self._waiting.popleft())

    def wait(self, seconds: float) -> list[Answer]:
        """The answers that are there within `seconds`. Raises WorkerError."""
        answers: list[Answer] = []
        ready, _, _ = select.select([worker.pipe for worker in self._workers], [], [], seconds)
        for worker in self._workers:
            if worker.pipe in ready:
                answers += worker.read()
        for answer in answers:
            if isinstance(answer, Failed):
                raise WorkerError(answer.text, answer.detail)
        self._hand_out()
        return answers

    def close(self) -> None:
        """Ends the workers; what they have under way is lost."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()


def default_workers() -> int:
    """One per core that this process may use."""
    return max(1, len(os.sched_getaffinity(0)))
