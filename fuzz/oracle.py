"""Oracles: whether a program still shows one particular failure, for replaying and shrinking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from twinheap.fuzz.cross import compare
from twinheap.fuzz.differ import Differ, Judged
from twinheap.fuzz.signature import Identity, identity_of, outcome_at
from twinheap.model.codes import Verdict
from twinheap.model.program import Program
from twinheap.model.view import view

Opener = Callable[[str], Differ]
"""Starts a fresh executor of the target with this name."""


class Seen(msgspec.Struct, frozen=True):
    """One program on one target or two: the verdicts with their identities, and the last words of a dead process."""

    failures: list[tuple[Identity, Verdict]]
    stderr: str = ""

    def find(self, identity: Identity) -> Verdict | None:
        """The verdict with this identity, if there is one."""
        return next((verdict for found, verdict in self.failures if found == identity), None)


class Oracle(Protocol):
    """Answers about programs; owns executors, which `fresh` replaces."""

    @property
    def supported(self) -> frozenset[str]:
        """The op kinds that are asked of every target."""

    def see(self, programs: Sequence[Program]) -> list[Seen]:
        """Runs programs as one batch."""

    def fresh(self) -> None:
        """Replaces the executors by new ones."""

    def close(self) -> None:
        """Ends the executors."""


def failures_of(judged: Judged) -> list[tuple[Identity, Verdict]]:
    """The verdicts on one program, each with its identity."""
    observations = judged.ran.observations
    return [
        (identity_of(verdict, judged.program, outcome_at(verdict, observations)), verdict)
        for verdict in judged.verdicts
    ]


class TargetOracle:
    """One target, judged by the model."""

    def __init__(self, target: str, opener: Opener) -> None:
        self._target = target
        self._open = opener
        self.differ = opener(target)

    @property
    def supported(self) -> frozenset[str]:
        """The op kinds of the target."""
        return self.differ.supported

    def see(self, programs: Sequence[Program]) -> list[Seen]:
        """Runs the target's views of programs as one batch."""
        judged = self.differ.run([view(program, self.differ.supported) for program in programs])
        return [Seen(failures_of(one), one.ran.stderr) for one in judged]

    def fresh(self) -> None:
        """Replaces the executor by a new one."""
        self.differ.close()
        self.differ = self._open(self._target)

    def close(self) -> None:
        """Ends the executor."""
        self.differ.close()


class CrossOracle:
    """Two targets, compared with each other on the view that both support."""

    def __init__(self, one: str, two: str, opener: Opener) -> None:
        self._one = TargetOracle(one, opener)
        self._two = TargetOracle(two, opener)

    @property
    def supported(self) -> frozenset[str]:
        """The op kinds that both targets have."""
        return self._one.supported & self._two.supported

    def see(self, programs: Sequence[Program]) -> list[Seen]:
        """Runs the shared views of programs on both targets."""
        one, two = self._one.differ, self._two.differ
        views = [view(program, self.supported) for program in programs]
        same = one.profile.collector == two.profile.collector
        return [
            Seen(disagreement(left, right, same)) for left, right in zip(one.run(views), two.run(views), strict=True)
        ]

    def fresh(self) -> None:
        """Replaces both executors by new ones."""
        self._one.fresh()
        self._two.fresh()

    def close(self) -> None:
        """Ends both executors."""
        self._one.close()
        self._two.close()


def disagreement(one: Judged, two: Judged, same_collector: bool) -> list[tuple[Identity, Verdict]]:
    """How two targets disagree on a program, with its identity; at most one."""
    verdict = compare(one, two, same_collector)
    if verdict is None:
        return []
    outcome = f"{one.ran.observations[verdict.at].outcome} {two.ran.observations[verdict.at].outcome}"
    return [(identity_of(verdict, one.program, outcome), verdict)]
