"""What the engine and its workers say to each other: frames of `targets/wire.py` over the worker's standard streams.

A worker gets its `Setup` first, then jobs; it answers each job, in order, and ends when its input ends.
"""

from __future__ import annotations

from typing import Final

import msgspec

from twinheap.fuzz.signature import Identity
from twinheap.model.codes import Verdict
from twinheap.model.judge import Behaviour
from twinheap.model.program import Program
from twinheap.targets.wire import Hello


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What all programs of a run have in common.

    `targets`: names as `twinheap.targets.registry` takes them. `profile`: of the generator. `expect`: known defects
    added by hand. `cross`: whether targets are compared with each other. `shrink_seconds`: per finding.
    """

    seed: int
    targets: tuple[str, ...]
    profile: str
    expect: frozenset[str] = frozenset()
    cross: bool = True
    shrink_seconds: float = 30.0


class Suspect(msgspec.Struct, frozen=True):
    """A program that failed, as it came up: its number, the index of the target, and what kind of failure.

    `other`: for targets that disagree, the index of the target that it was compared with, else -1. `narrow`: whether
    the view that all targets share was judged instead of the target's own.
    """

    number: int
    target: int
    identity: Identity
    verdict: Verdict
    other: int = -1
    narrow: bool = False


class BlockJob(msgspec.Struct, frozen=True, tag="block"):
    """Run programs `start` to `stop` - 1 on every target."""

    start: int
    stop: int


class BlockDone(msgspec.Struct, frozen=True, tag="block", kw_only=True):
    """The outcome of one `BlockJob`: counts and suspects.

    `runs`: programs times targets. `outcomes`: (op code, outcome, how often). `behaviours`: those that this worker had
    not met before. `known`: programs per known defect. `hashes`: of the programs, for the sketch.
    """

    start: int
    count: int
    runs: int
    outcomes: list[tuple[int, str, int]]
    behaviours: list[Behaviour]
    known: dict[str, int]
    hashes: list[int]
    suspects: list[Suspect]
    restarts: int = 0


class TriageJob(msgspec.Struct, frozen=True, tag="triage"):
    """Replay, shrink and sign one suspect; `start`: the first program of its block.

    `seconds`: for shrinking, None for what the setup says.
    """

    suspect: Suspect
    start: int
    seconds: float | None = None


class Flaky(msgspec.Struct, frozen=True):
    """How often a program was replayed alone, and how often it failed."""

    runs: int
    failures: int


class TriageDone(msgspec.Struct, frozen=True, tag="triage", kw_only=True):
    """What became of a suspect.

    `program`: shrunk; `original`: what the target was asked when it failed; `before`: programs that must run before it
    in the same process, shrunk. `flaky`: None if it fails every time. `others`: other targets of the run, each with
    "agrees" (it behaves as specified), "fails" (as this one) or "differs" (it fails in another way).
    `exhausted`: whether a budget ended shrinking.
    """

    suspect: Suspect
    program: Program
    original: Program
    verdict: Verdict
    before: list[Program]
    flaky: Flaky | None
    others: dict[str, str]
    stderr: str
    candidates: int
    seconds: float
    exhausted: bool


class HuntJob(msgspec.Struct, frozen=True, tag="hunt"):
    """Run programs on one target until one fails; `programs`: at most. The setup's seed is replaced by `seed`."""

    target: str
    seed: int
    programs: int


class HuntDone(msgspec.Struct, frozen=True, tag="hunt", kw_only=True):
    """How a hunt ended: `triage` of the first failure, None if the target survived; `seconds` until it."""

    target: str
    seed: int
    programs: int
    seconds: float
    hello: Hello
    triage: TriageDone | None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A worker cannot go on. `text`: one line; `detail`: a traceback if it is a defect of TwinHeap."""

    text: str
    detail: str = ""


Job = BlockJob | TriageJob | HuntJob
Answer = BlockDone | TriageDone | HuntDone | Failed

JOBS: Final[msgspec.msgpack.Decoder[BlockJob | TriageJob | HuntJob]] = msgspec.msgpack.Decoder(
    BlockJob | TriageJob | HuntJob
)
"""What a worker reads after its `Setup`."""

ANSWERS: Final[msgspec.msgpack.Decoder[BlockDone | TriageDone | HuntDone | Failed]] = msgspec.msgpack.Decoder(
    BlockDone | TriageDone | HuntDone | Failed
)
"""What the engine reads."""
