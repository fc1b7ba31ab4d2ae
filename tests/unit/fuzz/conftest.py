"""Fake targets: the unmutated heap in process, with defects of the test's choice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import pytest

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.oracle import Opener
from twinheap.model.observation import Observation
from twinheap.model.program import Program
from twinheap.targets.executor import Ran
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.wire import Hello

Spoil = Callable[["FakeRunner", Program, list[Observation]], None]
"""Changes the observations of one program; the runner is as old as its process would be."""


class FakeRunner:
    """An executor without a process. `seen`: the programs that ran since it was started."""

    def __init__(self, spoil: Spoil | None, starts: list[int]) -> None:
        self.restarts = 0
        self.seen: list[Program] = []
        self.starts = starts
        self.starts[0] += 1
        self._machine = HeapMachine("drc")
        self._spoil = spoil
        self._batches: deque[list[tuple[int, Program]]] = deque()

    @property
    def hello(self) -> Hello:
        return self._machine.hello()

    def send(self, programs: Iterable[tuple[int, Program]]) -> None:
        self._batches.append(list(programs))

    def receive(self) -> list[Ran]:
        return [self._run(number, program) for number, program in self._batches.popleft()]

    def _run(self, number: int, program: Program) -> Ran:
        observations = list(self._machine.run(program))
        if self._spoil:
            self._spoil(self, program, observations)
        self.seen.append(program)
        return Ran(number, tuple(observations))

    def close(self) -> None:
        pass


@pytest.fixture
def faked() -> Callable[..., Opener]:
    """Return ``faked(spoil)``: an opener of fake targets, all with the same defect; names do not matter."""

    def make(spoil: Spoil | None = None, starts: list[int] | None = None) -> Opener:
        counter = starts if starts is not None else [0]
        return lambda name: Differ(name, FakeRunner(spoil, counter))

    return make
