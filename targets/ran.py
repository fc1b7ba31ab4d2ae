"""What becomes of programs that were sent: batches under way, results, and how trouble is told (docs/wire.md)."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from twinheap.model.observation import DEAD, PANIC, Observation
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.targets.child import Trouble
from twinheap.targets.wire import batch_frame, program_frame

Ended = Literal["panic", "dead", "hang", "memory", "protocol"]

_WRONG_STORE: Final = CODE["wrong_store"]


class Ran(msgspec.Struct, frozen=True):
    """What became of one program.

    `observations` are aligned with `Program.all_ops`, and end with the op that ended the program early, if one did.
    `ended`: None, or why: "panic" (the outcome says with which text), "dead", "hang", "memory" (over the limit, its
    outcome is a `dead:`), or "protocol" (the executor said what it may not say: `detail`). If `ended` is set and
    `op` is -1 or not the last observation's index, what the other ops did is not known. `stderr`: the end of what the
    process wrote before it ended. `flaky`: run alone in a fresh process the program did not end so again, or
    a part of it ended earlier; with `op` -1
    the observations are then those of that run.
    """

    number: int
    observations: tuple[Observation, ...]
    ended: Ended | None = None
    op: int = -1
    detail: str = ""
    stderr: str = ""
    flaky: bool = False


class Flight:
    """A batch that was sent: its programs, and what became of them so far."""

    def __init__(self, batch_id: int, programs: Sequence[tuple[int, Program]]) -> None:
        self.id = batch_id
        self.programs = dict(programs)
        if len(self.programs) != len(programs):
            raise ValueError("two programs of a batch have the same number")
        self.ran: dict[int, Ran] = {}

    def missing(self) -> list[int]:
        """The numbers of the programs whose results are not there."""
        return [number for number in self.programs if number not in self.ran]

    def encoded(self) -> bytes:
        """The frame of the batch, without the programs whose results are there."""
        return batch_frame(self.id, [program_frame(self.programs[number], number) for number in self.missing()])


def survived(number: int, observations: tuple[Observation, ...]) -> Ran:
    """A program whose process survived it."""
    last = observations[-1].outcome if observations else ""
    if last.startswith((PANIC, DEAD)):  # a death is that of a copy of the process
        return Ran(number, observations, "panic" if last.startswith(PANIC) else "dead", len(observations) - 1)
    return Ran(number, observations)


def about(trouble: Trouble, number: int) -> Trouble:
    """`trouble` as that of program `number`, whatever place the child noted."""
    op = trouble.op if trouble.number == number else -1
    return Trouble(trouble.kind, trouble.outcome, number, op, trouble.stderr)


def not_again(ran: Ran, trouble: Trouble) -> Ran:
    """A program that ended well when it was run again, with the trouble that nobody made again."""
    ended: Ended = trouble.kind  # type: ignore[assignment]
    return Ran(ran.number, ran.observations, ended, -1, trouble.outcome, trouble.stderr, True)


def from_outside(trouble: Trouble) -> bool:
    """Whether somebody else ended the child: a user, or the system short of memory. No runtime sends itself this."""
    return trouble.outcome == f"{DEAD}{signal.SIGKILL.name}"


def by_design(program: Program, trouble: Trouble) -> bool:
    """Whether the process ended where it does by design: on C, the wrong store aborts it (capi.md 5). No need to see
    it twice, and it is the one end that is frequent."""
    ops = program.ops
    return trouble.kind in ("dead", "panic") and 0 <= trouble.op < len(ops) and ops[trouble.op][0] == _WRONG_STORE
