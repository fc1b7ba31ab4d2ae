"""Triage: from a program that failed in the middle of a batch to a finding.

It is replayed alone in a fresh executor. If it fails every time it is shrunk; if it never does, the programs before it
in its batch are put back, and they are shrunk too; otherwise it is flaky, and its counts are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from twinheap.fuzz.messages import Flaky, Suspect, TriageDone
from twinheap.fuzz.oracle import CrossOracle, Opener, Oracle, Seen, TargetOracle, failures_of
from twinheap.fuzz.shrink import MAX_SECONDS, Check, shrink
from twinheap.fuzz.signature import Identity
from twinheap.model.codes import Verdict
from twinheap.model.program import Program
from twinheap.model.view import view

REPLAYS: Final = 3
"""Replays alone, each in a fresh executor (0.1 s each): what fails half of the time passes as solid once in 8."""

FRESH_CANDIDATES: Final = 300
"""Candidates when each needs a fresh executor: about 0.1 s each."""


class Case(msgspec.Struct, frozen=True):
    """What to triage: the suspect, what its target was asked, and what it was asked before in the same batch."""

    suspect: Suspect
    program: Program
    before: list[Program]


def triage(case: Case, targets: Sequence[str], opener: Opener, max_seconds: float = MAX_SECONDS) -> TriageDone:
    """Replays, shrinks and describes one suspect; `targets`: those of the run, by index as the suspect names them."""
    suspect = case.suspect
    oracle: Oracle
    if suspect.other >= 0:
        oracle = CrossOracle(targets[suspect.other], targets[suspect.target], opener)
    else:
        oracle = TargetOracle(targets[suspect.target], opener)
    try:
        done = _Triage(case, oracle, max_seconds).run()
    finally:
        oracle.close()
    if done.flaky is None and not done.before:
        asked = {suspect.target, suspect.other}
        others = {
            name: stands(name, done.program, suspect.identity, opener)
            for at, name in enumerate(targets)
            if at not in asked
        }
        done = msgspec.structs.replace(done, others=others)
    return done


def stands(target: str, program: Program, identity: Identity, opener: Opener) -> str:
    """What another target does with a program: "agrees" with the specification, "fails" in this way, or "differs"."""
    differ = opener(target)
    try:
        judged = differ.run([view(program, differ.supported)])[0]
    finally:
        differ.close()
    if not judged.verdicts:
        return "agrees"
    codes = {found.code for found, _ in failures_of(judged)}
    return "fails" if identity.code in codes else "differs"


class _Triage:
    def __init__(self, case: Case, oracle: Oracle, max_seconds: float) -> None:
        self.case = case
        self.identity = case.suspect.identity
        self.oracle = oracle
        self.max_seconds = max_seconds
        self.verdict: Verdict = case.suspect.verdict
        self.stderr = ""

    def run(self) -> TriageDone:
        failures = sum(self._fails_fresh([], self.case.program) for _ in range(REPLAYS))
        if failures == REPLAYS:
            return self._alone()
        if failures == 0 and self.case.before and self._fails_fresh(self.case.before, self.case.program):
            again = sum(self._fails_fresh(self.case.before, self.case.program) for _ in range(REPLAYS - 1))
            if again == REPLAYS - 1:
                return self._with_predecessors()
        return self._done(self.case.program, [], Flaky(REPLAYS, failures), 0, 0.0, False)

    def _note(self, seen: Seen) -> bool:
        """Whether the failure is there; remembers how it looked the last time."""
        verdict = seen.find(self.identity)
        if verdict is None:
            return False
        self.verdict = verdict
        self.stderr = seen.stderr or self.stderr
        return True

    def _fails_fresh(self, before: Sequence[Program], program: Program) -> bool:
        self.oracle.fresh()
        return self._note(self.oracle.see([*before, program])[-1])

    def _alone(self) -> TriageDone:
        shared = self._check_shared
        shrunk = shrink(self.case.program, shared, max_seconds=self.max_seconds)
        if not self._fails_fresh([], shrunk.program):  # candidates of one batch helped each other
            alone = self._check_fresh([])
            shrunk = shrink(self.case.program, alone, max_candidates=FRESH_CANDIDATES, max_seconds=self.max_seconds)
            self._fails_fresh([], shrunk.program)
        return self._done(shrunk.program, [], None, shrunk.candidates, shrunk.seconds, shrunk.exhausted)

    def _check_shared(self, programs: Sequence[Program]) -> list[bool]:
        return [seen.find(self.identity) is not None for seen in self.oracle.see(programs)]

    def _check_fresh(self, before: Sequence[Program]) -> Check:
        return lambda programs: [self._fails_fresh(before, program) for program in programs]

    def _with_predecessors(self) -> TriageDone:
        before = self._fewer(list(self.case.before))
        shrunk = shrink(
            self.case.program,
            self._check_fresh(before),
            max_candidates=FRESH_CANDIDATES,
            max_seconds=self.max_seconds,
        )
        for at in range(len(before)):
            before[at] = self._smaller(before, at, shrunk.program)
        self._fails_fresh(before, shrunk.program)
        return self._done(shrunk.program, before, None, shrunk.candidates, shrunk.seconds, shrunk.exhausted)

    def _fewer(self, before: list[Program]) -> list[Program]:
        """Predecessors without those that are not needed: halves first, then ever smaller parts."""
        size = max(len(before) // 2, 1)
        while True:
            at = 0
            while at < len(before):
                fewer = before[:at] + before[at + size :]
                if self._fails_fresh(fewer, self.case.program):
                    before = fewer
                else:
                    at += size
            if size == 1:
                return before
            size //= 2

    def _smaller(self, before: list[Program], at: int, program: Program) -> Program:
        """Predecessor `at`, shrunk while `program` still fails after all of them."""

        def check(programs: Sequence[Program]) -> list[bool]:
            return [self._fails_fresh([*before[:at], one, *before[at + 1 :]], program) for one in programs]

        return shrink(before[at], check, max_candidates=FRESH_CANDIDATES, max_seconds=self.max_seconds).program

    def _done(
        self,
        program: Program,
        before: list[Program],
        flaky: Flaky | None,
        candidates: int,
        seconds: float,
        exhausted: bool,
    ) -> TriageDone:
        return TriageDone(
            suspect=self.case.suspect,
            program=program,
            original=self.case.program,
            verdict=self.verdict,
            before=before,
            flaky=flaky,
            others={},
            stderr=self.stderr,
            candidates=candidates,
            seconds=seconds,
            exhausted=exhausted,
        )
