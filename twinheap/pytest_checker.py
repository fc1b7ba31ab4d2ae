"""Checking one program in a test: run it on the targets, judge what they observed, and shrink what fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twinheap.fuzz import edits
from twinheap.fuzz.differ import Differ, Judged
from twinheap.fuzz.oracle import failures_of
from twinheap.fuzz.shrink import shrink
from twinheap.fuzz.signature import Identity
from twinheap.fuzz.store import StoreError, write_atomically
from twinheap.model.codes import Verdict
from twinheap.model.program import Program
from twinheap.model.text import SUFFIX, digest, dumps, loads
from twinheap.model.view import view
from twinheap.pytest_report import report

if TYPE_CHECKING:
    from twinheap.pytest_targets import Targets


class Shrunk(msgspec.Struct, frozen=True):
    """A failure, shrunk: the smallest program found with its verdict, and whether a budget ended the search."""

    judged: Judged
    verdict: Verdict
    exhausted: bool


class Divergence(AssertionError):
    """A target did what the reference model does not allow. The message is a report; the rest is for programs.

    `target`: its name. `verdict`: on `program`, the shrunk one. `original`: what the target was asked.
    """

    def __init__(self, message: str, target: str, verdict: Verdict, program: Program, original: Program) -> None:
        super().__init__(message)
        self.target = target
        self.verdict = verdict
        self.program = program
        self.original = original


class Checker:
    """Checks programs on some targets: the value of the fixtures `twinheap` and `twinheap_target`.

    `names`: of the targets.
    """

    def __init__(self, targets: Targets, names: Sequence[str]) -> None:
        self._targets = targets
        self.names = tuple(names)

    def __repr__(self) -> str:
        return f"<twinheap: {' | '.join(self.names)}>"

    def check(self, program: Program | str) -> None:
        """Runs `program`, or a text in the stored form, on each target. Raises Divergence, with the shrunk program.

        A target is asked what it can express of the program. A release's known defects are counted and fail nothing,
        unless the session is strict. Raises FormatError for a text that is no program.
        """
        __tracebackhide__ = True
        parsed = loads(program).program if isinstance(program, str) else program
        for name in self.names:
            judged = self._targets.judged(name, parsed)
            failure = self._targets.failure(name, judged)
            if failure is not None:
                raise self._divergence(name, judged, *failure)

    def _divergence(self, name: str, judged: Judged, identity: Identity, verdict: Verdict) -> Divergence:
        targets = self._targets
        shrunk = targets.shrunk.get((name, identity))
        # Hypothesis runs a failing test hundreds of times: what looks like the same failure is shrunk once.
        if shrunk is None or edits.weight(judged.program) < edits.weight(shrunk.judged.program):
            shrunk = shrunk_failure(targets.differ(name), judged, identity, verdict, targets.shrink_seconds)
            targets.shrunk[name, identity] = shrunk
        path = self._write(name, shrunk)
        text = report(name, shrunk.judged, shrunk.verdict, judged.program, path, shrunk.exhausted)
        return Divergence(text, name, shrunk.verdict, shrunk.judged.program, judged.program)

    def _write(self, name: str, shrunk: Shrunk) -> Path | None:
        """Writes the shrunk program where `twinheap replay` can read it; a full disk hides no failure."""
        if self._targets.folder is None:
            return None
        program, verdict = shrunk.judged.program, shrunk.verdict
        header = {"code": verdict.code} | ({"known": verdict.known} if verdict.known else {}) | {"targets": name}
        path = self._targets.folder / f"{verdict.code}-{digest(program)}{SUFFIX}"
        try:
            write_atomically(path, dumps(program, header).encode())
        except StoreError:
            return None
        return path


def shrunk_failure(differ: Differ, judged: Judged, identity: Identity, verdict: Verdict, seconds: float) -> Shrunk:
    """The smallest program found within `seconds` that fails on the same target in the same way."""

    def check(programs: Sequence[Program]) -> list[bool]:
        batch = differ.run([view(program, differ.supported) for program in programs])
        return [any(found == identity for found, _ in failures_of(one)) for one in batch]

    best = shrink(judged.program, check, max_seconds=seconds)
    again = differ.run([best.program])[0]
    for found, smaller in failures_of(again):
        if found == identity:
            return Shrunk(again, smaller, best.exhausted)
    return Shrunk(judged, verdict, best.exhausted)  # it comes and goes: show what was seen
