"""Findings as data: what is recorded of one, and the header lines that make its program replayable on its own."""

from __future__ import annotations

import importlib.metadata
import time
from typing import Final

import msgspec

from twinheap.fuzz.messages import Flaky, Setup, TriageDone
from twinheap.fuzz.signature import signature
from twinheap.model.program import Program
from twinheap.model.text import digest, format_ops
from twinheap.targets.wire import Hello

RECORD_VERSION: Final = 1
"""Of the JSON record. A record of another version is refused and left alone."""

STDERR_KEPT: Final = 4096
"""Characters of a dead process's last words that a record keeps: a panic and its surroundings."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. The file names are set once it is stored.

    `target`: its name; with `other`, the two disagree. `runtime`, `release`, `collector`, `build`: as the target
    greets. `twinheap`: the version that found it. `seed`, `number`, `profile`: the program that failed. `op`: the line
    at which it fails. `ops`, `original_ops`: lines of the shrunk and of the original program. `seconds`: from the start
    of the run. `time`: UTC. `others`: what the other targets of the run do: "agrees", "fails" or "differs".
    `exhausted`: a budget ended shrinking. `bisected`, `releases`: what bisection gave, in words and by release, once it
    was done. `program`, `original`, `before`: file names beside the record.
    """

    version: int = RECORD_VERSION
    code: str
    signature: str
    known: str | None
    target: str
    other: str | None = None
    runtime: str
    release: str
    collector: str
    build: str
    twinheap: str
    seed: int
    number: int
    profile: str
    op: str
    allowed: str
    observed: str
    ops: int
    original_ops: int
    flaky: Flaky | None
    exhausted: bool
    seconds: float
    time: str
    others: dict[str, str]
    stderr: str = ""
    program: str = ""
    original: str = ""
    before: tuple[str, ...] = ()
    bisected: str = ""
    releases: dict[str, str] = {}


class Found(msgspec.Struct, frozen=True):
    """A finding with its programs."""

    finding: Finding
    program: Program
    original: Program
    before: list[Program]


def found_from(done: TriageDone, setup: Setup, hellos: dict[str, Hello], seconds: float) -> Found:
    """The finding that a triage ended in; `seconds`: since the start of the run."""
    suspect, verdict = done.suspect, done.verdict
    target = setup.targets[suspect.target]
    hello = hellos[target]
    lines = format_ops(done.program)
    finding = Finding(
        code=verdict.code,
        signature=signature(suspect.identity, done.program),
        known=verdict.known,
        target=target,
        other=setup.targets[suspect.other] if suspect.other >= 0 else None,
        runtime=hello.runtime,
        release=hello.release,
        collector=hello.collector,
        build=hello.build,
        twinheap=_version(),
        seed=setup.seed,
        number=suspect.number,
        profile=setup.profile,
        op=lines[verdict.at] if 0 <= verdict.at < len(lines) else "",
        allowed=verdict.allowed,
        observed=verdict.observed,
        ops=len(done.program),
        original_ops=len(done.original),
        flaky=done.flaky,
        exhausted=done.exhausted,
        seconds=round(seconds, 3),
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        others=done.others,
        stderr=done.stderr[-STDERR_KEPT:],
    )
    return Found(finding, done.program, done.original, list(done.before))


def header_of(finding: Finding, role: str, before: tuple[str, ...] = ()) -> dict[str, str]:
    """The header lines of a finding's program; `role`: "shrunk", "original" or "before"."""
    header = {"role": role, "code": finding.code, "signature": finding.signature}
    if finding.known:
        header["known"] = finding.known
    header["targets"] = f"{finding.other} | {finding.target}" if finding.other else finding.target
    if finding.release:
        header["release"] = finding.release
    header |= {"seed": str(finding.seed), "number": str(finding.number), "profile": finding.profile}
    if role == "shrunk":
        header |= {"at": finding.op, "allowed": _line(finding.allowed), "observed": _line(finding.observed)}
    if finding.flaky:
        header["flaky"] = f"{finding.flaky.failures} of {finding.flaky.runs}"
    if before:
        header["before"] = " ".join(before)
    return header


def _line(text: str) -> str:
    return " ".join(text.split())


def file_name(finding: Finding, program: Program, role: str) -> str:
    """The content-addressed name of a finding's program."""
    middle = "" if role == "shrunk" else f"{role}-"
    return f"{finding.signature}-{middle}{digest(program)}.twin"


def _version() -> str:
    """The version of TwinHeap that is installed; the front door's constant is above this layer."""
    try:
        return importlib.metadata.version("twinheap")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
