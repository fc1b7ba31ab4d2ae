"""Checking an executor against the wire: bytes in, properties out, and a few programs (docs/wire.md).

Each check runs in a child of its own, so that one that fails does not take the others with it. The frames are those
of `check_frames`, byte for byte what a parent may send.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from twinheap.model.observation import Observation
from twinheap.model.ops import BRACKETS, BY_NAME, OPS
from twinheap.model.program import Program
from twinheap.targets.check_programs import SEMANTIC_CHECKS, Asking, CheckFailed, expect, smallest
from twinheap.targets.child import Child, Trouble
from twinheap.targets.executor import HELLO_TIMEOUT, MEMORY_LIMIT, OP_TIMEOUT, Executor, ExecutorError
from twinheap.targets.wire import (
    OP_NAMES,
    WIRE_VERSION,
    ExecutorHello,
    Hello,
    ParentHello,
    Request,
    Result,
    WireError,
    batch_frame,
    check_observations,
    frame,
    program_frame,
)

END_TIMEOUT: Final = 5.0
"""Seconds that an executor may take to end after its input ended."""
MANY: Final = 3000
"""Programs of the large batch: more than both pipes hold, so whoever does not read while writing stands still."""
NEEDED: Final = ("gc", "sync", "store_drop")
"""Ops that every program ends with."""


class Check(msgspec.Struct, frozen=True):
    """One check: its name, whether the executor passed, and if not why; `reason` may also say why it was left out."""

    name: str
    passed: bool
    reason: str = ""


class _Session:
    """One child, greeted, and the frames to and from it."""

    def __init__(self, command: Sequence[str], patience: float) -> None:
        self.patience = patience
        self.child = Child(command, {**os.environ, "RUST_BACKTRACE": "0"}, MEMORY_LIMIT)
        try:
            self.child.send(greeting(self.child.progress_path))
            answer = self.child.next_answer(HELLO_TIMEOUT)
            expect(isinstance(answer, ExecutorHello), "its first message is no hello")
            assert isinstance(answer, ExecutorHello)
            self.hello: Hello = answer.body
        except BaseException:
            self.child.close()
            raise

    def result(self, batch: int, number: int, program: Program) -> tuple[Observation, ...]:
        """The next message, which must be this program's result."""
        answer = self.child.next_answer(self.patience)
        expect(isinstance(answer, Result), "it greets again where a result was due")
        assert isinstance(answer, Result)
        expect(answer.batch == batch, f"it answers batch {answer.batch} where batch {batch} was due")
        expect(answer.number == number, f"it answers program {answer.number} where program {number} was due")
        check_observations(answer.observations, len(program.all_ops), program.values)
        return answer.observations


def greeting(progress: str | None) -> bytes:
    """The first frame of a parent."""
    return frame(ParentHello(Request(WIRE_VERSION, list(OP_NAMES), progress)))


def check_executor(command: Sequence[str], *, op_timeout: float = OP_TIMEOUT) -> list[Check]:
    """What an executor passes and what not; the first check that fails to start it is the only one.

    `op_timeout`: seconds that it may take for one op. Never raises for what the executor does.
    """
    try:
        with contextlib.closing(_Session(command, op_timeout).child):
            pass
    except (CheckFailed, Trouble, OSError, WireError) as error:
        return [Check("greets", False, _one_line(error))]
    checks = [Check("greets", True)]
    checks += [_one(name, partial(_in_session, run, command, op_timeout)) for name, run in _CHECKS.items()]
    checks += [_one(name, partial(_semantic, judge, command, op_timeout)) for name, judge in SEMANTIC_CHECKS.items()]
    return checks


def _one(name: str, run: Callable[[], str | None]) -> Check:
    try:
        return Check(name, True, run() or "")
    except (CheckFailed, Trouble, ExecutorError, OSError, WireError) as error:
        return Check(name, False, _one_line(error))


def _one_line(error: Exception) -> str:
    """Why a check failed; what the executor wrote on standard error last often says more."""
    text = " ".join(str(error).split())
    if isinstance(error, Trouble) and (lines := error.stderr.strip().splitlines()):
        text += f"; it wrote: {lines[-1][:200]}"
    return text


def _in_session(run: Callable[[_Session], str | None], command: Sequence[str], patience: float) -> str | None:
    session = _Session(command, patience)
    try:
        return run(session)
    finally:
        session.child.close()


def _semantic(judge: Callable[[frozenset[str]], Asking], command: Sequence[str], patience: float) -> str | None:
    """Runs the programs that a check wants, one after the other, and hands it the observations."""
    with Executor(command, op_timeout=patience) as executor:
        asking = judge(executor.supported)
        wanted = next(asking)
        while not isinstance(wanted, str):
            (ran,) = executor.run([wanted])
            expect(ran.ended is None, f"the program ended early: {ran.detail or ran.ended}")
            try:
                wanted = asking.send(ran.observations)
            except StopIteration:
                return None
        return wanted  # why there is nothing to check


# --- checks of the protocol


def _describes_itself(session: _Session) -> str | None:
    hello = session.hello
    expect(hello.wire == WIRE_VERSION, f"it speaks wire version {hello.wire}, not {WIRE_VERSION}")
    unknown = sorted(hello.ops - BY_NAME.keys())
    expect(not unknown, f"it offers ops that do not exist: {', '.join(unknown)}")
    missing = [name for name in NEEDED if name not in hello.ops]
    expect(not missing, f"it lacks {', '.join(missing)}, with which every program ends")
    expect(hello.collector in ("drc", "null", "copying"), f"its collector {hello.collector!r} is none of the three")
    expect(bool(hello.runtime), "its runtime has no name")
    parts = hello.release.split(".") if hello.release else []
    expect(all(part.isdigit() for part in parts[:3]), f"its release {hello.release!r} is no release number")
    brackets = any(OPS[code].name in hello.ops for code in BRACKETS)
    expect(brackets == ("end" in hello.ops), "it has scope or call without end, or end without them")
    return None


def _runs_a_batch(session: _Session) -> str | None:
    program = smallest(session.hello.ops)
    session.child.send(batch_frame(7, [program_frame(program, 4294967290)]))
    session.result(7, 4294967290, program)
    return None


def _notes_its_place(session: _Session) -> str | None:
    program = smallest(session.hello.ops)
    session.child.send(batch_frame(0, [program_frame(program, 41), program_frame(program, 42)]))
    session.result(0, 41, program)
    session.result(0, 42, program)
    place, last = session.child.place, len(program.all_ops) - 1
    expect(place == (42, last), f"its progress file says {place} after op {last} of program 42")
    return None


def _reads_any_msgpack(session: _Session) -> str | None:
    """Numbers and arrays in longer forms than needed are the same message."""
    program = smallest(session.hello.ops)
    session.child.send(wide_batch(3, 5, program))
    session.result(3, 5, program)
    return None


def _reads_in_pieces(session: _Session) -> str | None:
    program = smallest(session.hello.ops)
    data = batch_frame(1, [program_frame(program, 0)])
    for at in range(len(data)):
        session.child.send(data[at : at + 1])
        if at % 8 == 0:
            time.sleep(0.001)  # so that the pieces do not meet again in the pipe
    session.result(1, 0, program)
    return None


def _answers_in_order(session: _Session) -> str | None:
    program = smallest(session.hello.ops)
    batches = [batch_frame(batch, [program_frame(program, number) for number in (2, 1)]) for batch in (9, 8)]
    session.child.send(b"".join([*batches, batch_frame(5, []), batch_frame(6, [program_frame(program, 0)])]))
    for batch, number in ((9, 2), (9, 1), (8, 2), (8, 1), (6, 0)):
        session.result(batch, number, program)
    return None


def _takes_large_batches(session: _Session) -> str | None:
    program = smallest(session.hello.ops, pad=200)
    parts = [program_frame(program, number) for number in range(MANY)]
    session.child.send(batch_frame(0, parts))
    for number in range(MANY):
        session.result(0, number, program)
    return None


def _ends_at_the_end(session: _Session) -> str | None:
    code = session.child.end_of_input(END_TIMEOUT)
    expect(code is not None, f"it lives on {END_TIMEOUT:g} s after its input ended")
    expect(code == 0, f"it ends with exit code {code} when its input ends")
    return None


_CHECKS: Final[dict[str, Callable[[_Session], str | None]]] = {
    "describes itself": _describes_itself,
    "runs a batch": _runs_a_batch,
    "notes its place": _notes_its_place,
    "reads any msgpack": _reads_any_msgpack,
    "reads in pieces": _reads_in_pieces,
    "answers in order": _answers_in_order,
    "takes large batches": _takes_large_batches,
    "ends with its input": _ends_at_the_end,
}


# --- bytes


def wide_batch(batch: int, number: int, program: Program) -> bytes:
    """A batch of one program with every number in 64 bits and every length in 32, as msgpack allows."""
    ops = _wide_array([_wide_array([_wide(value) for value in op]) for op in program.all_ops])
    head = [number, program.config.limit, program.config.limiter, program.slots, program.values]
    body = _wide_array([_wide(value) for value in head] + [ops])
    name = b"\xdb" + len(b"batch").to_bytes(4, "big") + b"batch"
    message = _wide_array([name, _wide(batch), _wide_array([body])])
    return len(message).to_bytes(4, "little") + message


def _wide(value: int) -> bytes:
    return b"\xd3" + value.to_bytes(8, "big", signed=True)


def _wide_array(items: list[bytes]) -> bytes:
    return b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)


def check_frames() -> dict[str, bytes]:
    """The frames that checks send, by name, for executors in other languages to test against."""
    program = smallest(frozenset(OP_NAMES))
    return {
        "hello": greeting(None),
        "batch": batch_frame(7, [program_frame(program, 4294967290)]),
        "empty": batch_frame(5, []),
        "wide": wide_batch(3, 5, program),
    }
