"""The targets of one pytest session: which, how each is run, and when it is started.

The unmutated in-tree heap runs in pytest's own process: no round trip, breakpoints and coverage work. Everything
else, mutants included, may hang or crash, so it runs in a supervised executor, which the tests of a session share.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest

from twinheap.fuzz.differ import Differ, Judged, Runner
from twinheap.fuzz.oracle import failures_of
from twinheap.fuzz.signature import Identity
from twinheap.model.codes import Verdict
from twinheap.model.program import Program
from twinheap.model.view import view
from twinheap.pytest_checker import Checker, Shrunk
from twinheap.targets import registry
from twinheap.targets.executor import ExecutorError
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.ran import Ran, survived
from twinheap.targets.wire import Hello

DEFAULT_TARGETS: Final = ("heap,collector=drc", "heap,collector=null", "heap,collector=copying")
"""What programs run on if nobody says anything else: what is installed and safe to run in this process."""

SAFE_OPTIONS: Final = frozenset({"collector", "defects", "verify"})
"""Options of the heap with which it neither hangs nor crashes."""


class InProcess:
    """The in-tree heap as a differ's runner, without a process of its own."""

    def __init__(self, machine: HeapMachine) -> None:
        self._machine = machine
        self._sent: deque[list[tuple[int, Program]]] = deque()
        self.hello: Hello = machine.hello()
        self.restarts = 0

    def send(self, programs: Iterable[tuple[int, Program]]) -> None:
        """Takes a batch."""
        self._sent.append(list(programs))

    def receive(self) -> list[Ran]:
        """Runs the oldest batch."""
        return [survived(number, self._machine.run(program)) for number, program in self._sent.popleft()]

    def close(self) -> None:
        """There is nothing to end."""


def runner_of(target: registry.Target) -> Runner:
    """What runs a target's programs, started. Raises ExecutorError."""
    kind, *rest = target.name.split(",")
    options = dict(option.split("=", 1) for option in rest) if kind == "heap" else {"cmd": ""}
    if options.keys() <= SAFE_OPTIONS:
        defects = frozenset(filter(None, options.get("defects", "").split("+")))
        return InProcess(
            HeapMachine(options.get("collector", "drc"), defects=defects, verify=options.get("verify") == "1")
        )
    executor = target.executor()
    executor.start()
    return executor


def make_targets(names: Sequence[str], *, strict: bool, shrink_seconds: str, folder: Path | None) -> Targets:
    """The targets that `names` mean, or the default ones. Raises pytest.UsageError."""
    try:
        seconds = float(shrink_seconds)
    except ValueError:
        raise pytest.UsageError(f"twinheap_shrink_seconds: {shrink_seconds!r} is no number of seconds") from None
    try:
        found = registry.parse_all(names or DEFAULT_TARGETS)
    except registry.TargetError as error:
        raise pytest.UsageError(f"twinheap: {error}") from None
    return Targets(found, chosen=bool(names), strict=strict, shrink_seconds=seconds, folder=folder)


class Targets:
    """The targets of a session, and what its tests have in common.

    `chosen`: whether somebody asked for these targets. `strict`: known defects are failures. `shrink_seconds`: per
    failure. `folder`: where shrunk programs are written, None for nowhere. `known`: programs per (target, known
    defect), since the last `start_test`.
    """

    def __init__(
        self,
        targets: Sequence[registry.Target],
        *,
        chosen: bool = False,
        strict: bool = False,
        shrink_seconds: float = 10.0,
        folder: Path | None = None,
    ) -> None:
        self.names = [target.name for target in targets]
        self.chosen = chosen
        self.strict = strict
        self.shrink_seconds = shrink_seconds
        self.folder = folder
        self.known: Counter[tuple[str, str]] = Counter()
        self.shrunk: dict[tuple[str, Identity], Shrunk] = {}
        self._targets = {target.name: target for target in targets}
        self._differs: dict[str, Differ] = {}

    def checker(self, *names: str) -> Checker:
        """A checker on some targets, or on all; they are started now. Fails the test that asks if one cannot be."""
        for name in names or self.names:
            self.differ(name)
        return Checker(self, names or tuple(self.names))

    def differ(self, name: str) -> Differ:
        """The target `name`, which need not be one of `names`; started if it was not."""
        if name not in self._differs:
            try:
                target = self._targets.get(name) or registry.parse(name)
                self._differs[name] = Differ(target.name, runner_of(target))
            except (registry.TargetError, ExecutorError) as error:
                pytest.fail(f"target {name}: {error}", pytrace=False)
        return self._differs[name]

    def judged(self, name: str, program: Program) -> Judged:
        """What target `name` does with its view of `program`."""
        differ = self.differ(name)
        return differ.run([view(program, differ.supported)])[0]

    def failure(self, name: str, judged: Judged) -> tuple[Identity, Verdict] | None:
        """The first verdict that fails a test; known defects are counted instead."""
        failures = failures_of(judged)
        for defect in {verdict.known for _, verdict in failures if verdict.known}:
            self.known[name, defect] += 1
        return next((found for found in failures if self.strict or found[1].known is None), None)

    def start_test(self) -> None:
        """Another test begins: it has its own failures."""
        self.shrunk.clear()
        self.known.clear()

    def close(self) -> None:
        """Ends the executors."""
        for differ in self._differs.values():
            differ.close()
        self._differs.clear()
