"""The loop of an executor: handshake, batches, results (docs/wire.md). Shared by the executors written in Python.

An executor is a *machine* and `main(machine)`. Results are kept until the end of a batch and then written at once; the
place in the program is noted in shared memory before each op, so that the parent knows it whatever happens here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import MutableSequence, Sequence
from typing import Any, Final, Protocol

from twinheap.targets.progress import open_progress
from twinheap.targets.wire import (
    OP_NAMES,
    WIRE_VERSION,
    Batch,
    Error,
    ExecutorHello,
    FrameReader,
    Hello,
    ParentHello,
    Request,
    WireError,
    WireProgram,
    decode_order,
    frame,
)

EXIT_TROUBLE: Final = 3
"""Exit code of an executor that reported an error of its own."""

READ_SIZE: Final = 1 << 20
"""Bytes asked of the pipe at once: as much as a pipe may hold."""

FLUSH_SIZE: Final = 8 << 20
"""Bytes of results that are kept before the end of a batch: memory stays bounded whatever the parent sends."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h

Note = MutableSequence[int] | memoryview
"""Where a machine notes its place: `note[0]` the program's number, `note[1]` the index of the op."""

Raw = Sequence[Any]
"""An observation as it is sent: outcome, values, finalized, limiter, needed; trailing empty fields left out."""


class Machine(Protocol):
    """Executes programs in this process."""

    def hello(self) -> Hello:
        """What the handshake says."""

    def execute(self, program: WireProgram, note: Note) -> Sequence[Raw]:
        """One observation per op; fewer if an op panicked, whose observation is then the last.

        Sets `note[0]` and `note[1]` before each op.
        """

    def finish(self) -> None:
        """Drops what the last program left: a part of a program leaves stores open."""


def main(machine: Machine) -> None:
    """Serves on the standard streams until they end, and exits the process."""
    code = 0
    try:
        die_with_parent()
        serve(machine, 0, _private_output())
    except (BrokenPipeError, KeyboardInterrupt):
        code = EXIT_TROUBLE
    # Interpreter shutdown would finalize machines in an arbitrary order; nothing is left to save.
    sys.stderr.flush()
    os._exit(code)


def die_with_parent() -> None:
    """Asks the kernel for SIGKILL when the parent dies, whatever this process is doing then."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _private_output() -> int:
    """Standard output under another number; what libraries print goes to standard error and breaks no frame."""
    private = os.dup(1)
    os.dup2(2, 1)
    return private


def serve(machine: Machine, source: int, sink: int) -> None:
    """Serves on two file descriptors until the first ends.

    Trouble of the machine itself is reported as an `error` message and on standard error; the process exits with
    EXIT_TROUBLE.
    """
    server = _Server(machine, sink)
    reader = FrameReader()
    try:
        while data := os.read(source, READ_SIZE):
            reader.feed(data)
            for body in reader.bodies():
                server.obey(decode_order(body))
        if reader.rest:
            raise WireError(f"the parent stopped {reader.rest} bytes into a frame")
    except BrokenPipeError:
        raise
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        server.send(frame(Error(f"{type(error).__name__}: {error}")))
        os._exit(EXIT_TROUBLE)


class _Server:
    """What is between two messages: the machine, the place for notes, results not yet written."""

    def __init__(self, machine: Machine, sink: int) -> None:
        self._machine = machine
        self._sink = sink
        self._note: Note = [0, 0]
        self._greeted = False

    def obey(self, order: ParentHello | Batch) -> None:
        """Does what one message asks."""
        if isinstance(order, ParentHello):
            self._greet(order.body)
        elif self._greeted:
            self._run(order)
        else:
            raise WireError("a batch came before the handshake")

    def _greet(self, request: Request) -> None:
        if request.wire != WIRE_VERSION:
            raise WireError(f"the parent speaks wire version {request.wire}, and this executor {WIRE_VERSION}")
        hello = self._machine.hello()
        for code, name in enumerate(request.ops):
            if name in hello.ops and (code >= len(OP_NAMES) or OP_NAMES[code] != name):
                raise WireError(f"the parent's code {code} for {name!r} is not this executor's: update one of them")
        if request.progress is not None:
            self._note = open_progress(request.progress)
        self._greeted = True
        self.send(frame(ExecutorHello(hello)))

    def _run(self, batch: Batch) -> None:
        execute, finish, note = self._machine.execute, self._machine.finish, self._note
        parts: list[bytes] = []
        size = 0
        for at, program in enumerate(batch.programs):
            if at:
                finish()
            part = frame(("result", batch.id, program.number, execute(program, note)))
            parts.append(part)
            size += len(part)
            if size > FLUSH_SIZE:
                self.send(b"".join(parts))
                parts, size = [], 0
        # Written before the last clean-up: on a heap that is already broken it may be the end of the process, and the
        # parent asks for the part of a program that comes before a death as a batch of its own.
        self.send(b"".join(parts))
        if batch.programs:
            finish()

    def send(self, data: bytes) -> None:
        """Writes all of `data`; a pipe takes it in pieces."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._sink, view) :]
