"""One executor process: its pipes, its progress file, its memory, its end. `executor.py` supervises it.

Everything here is non-blocking but `Child.next_answer`, which watches over the process while it waits. The child is
in a process group of its own and dies with the thread that started it; keep that thread alive as long as the child.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from twinheap.model.observation import DEAD, HANG
from twinheap.targets.panics import panic_of
from twinheap.targets.progress import NOWHERE, ProgressFile
from twinheap.targets.wire import Error, ExecutorHello, FrameReader, Result, WireError, decode_answer

PIPE_SIZE: Final = 1 << 20
"""Bytes that a pipe may hold (the system's own limit for users): the next batch fits while the last one is judged."""
STDERR_TAIL: Final = 64 << 10
"""Bytes of standard error that are kept: a panic, a backtrace and some context, whatever a wild executor prints."""
TICK: Final = 0.05
"""Seconds between two looks at memory and progress: memory that grows 4 GiB a second passes its limit by 5 %."""
EXIT_GRACE: Final = 2.0
"""Seconds that a process may take to be gone once its output ended or its group was killed."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LIBC: Final = ctypes.CDLL(None)


class Trouble(Exception):
    """A child came to an end that nobody asked for, or said what it may not say.

    `kind`: "panic", "dead", "hang", "memory" or "protocol". `outcome`: the canonical outcome, for "protocol" a
    sentence. `number`, `op`: the place noted last, or -1. `stderr`: the end of what it wrote there.
    """

    def __init__(self, kind: str, outcome: str, number: int, op: int, stderr: str) -> None:
        super().__init__(outcome)
        self.kind = kind
        self.outcome = outcome
        self.number = number
        self.op = op
        self.stderr = stderr


def _die_with_parent() -> None:
    """Runs in the child before exec: the kernel sends SIGKILL when the parent's thread ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A started executor process. Raises OSError if the command cannot be started.

    `memory_limit`: bytes of resident size of the process itself; an address-space limit would make allocations fail,
    which looks like a defect.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], memory_limit: int) -> None:
        self._memory_limit = memory_limit
        self._progress = ProgressFile()
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except BaseException:
            self._progress.close()
            raise
        self._reader = FrameReader()
        self._bodies: deque[bytes] = deque()
        self._outgoing: deque[memoryview] = deque()
        self._stderr = bytearray()
        self._ended = False  # whether its standard output ended
        self._set_up_pipes()

    def forget_progress_file(self) -> None:
        """Removes the progress file's name, once the child has mapped it."""
        self._progress.forget_name()

    def _set_up_pipes(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr_pipe = (
            process.stdin.fileno(),
            process.stdout.fileno(),
            process.stderr.fileno(),
        )
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError):  # many pipes of one user: the system's own size does too
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        os.set_blocking(self._stderr_pipe, False)
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._poll.register(self._stderr_pipe, select.POLLIN)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def place(self) -> tuple[int, int]:
        """Program number and op index that were noted last; NOWHERE before the first."""
        return self._progress.place

    @property
    def progress_path(self) -> str:
        """What the handshake tells the child of the progress file."""
        return self._progress.path

    @property
    def stderr(self) -> str:
        """The end of what the child wrote to standard error."""
        return self._stderr.decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        """Queues `data`, and writes what the pipe takes now; the rest goes while `next_answer` waits."""
        self._outgoing.append(memoryview(data))
        if len(self._outgoing) == 1:
            self._poll.register(self._stdin, select.POLLOUT)
            self._write()

    def _write(self) -> None:
        while self._outgoing:
            try:
                written = os.write(self._stdin, self._outgoing[0])
            except BlockingIOError:
                return
            except OSError:  # its end is gone; what it said before comes first, so reading finds out
                self._outgoing.clear()
                break
            if written == len(self._outgoing[0]):
                self._outgoing.popleft()
            else:
                self._outgoing[0] = self._outgoing[0][written:]
        self._poll.unregister(self._stdin)

    def next_answer(self, patience: float) -> ExecutorHello | Result:
        """The next message. Raises Trouble when none can come, or after `patience` seconds without any progress."""
        if not self._bodies:
            self._wait(patience)
        try:
            answer = decode_answer(self._bodies.popleft())
        except WireError as error:
            raise self._trouble("protocol", str(error)) from None
        if isinstance(answer, Error):
            raise self._trouble("protocol", f"the executor reports: {answer.text[:400]}")
        return answer

    def _wait(self, patience: float) -> None:
        self._cut()  # garbage that came in one piece with whole frames is reported after them
        now = time.monotonic()
        alive_at, looked_at, place = now, now, self.place
        while not self._bodies:
            if self._pump():
                alive_at = time.monotonic()
            now = time.monotonic()
            if now - looked_at < TICK and not self._ended:
                continue
            looked_at = now
            if self._ended or self._process.poll() is not None:
                self._report_end()
            if self.place != place:
                alive_at, place = now, self.place
            elif now - alive_at > patience:
                raise self._trouble("hang", HANG)
            self._check_memory()

    def _pump(self) -> bool:
        """Moves what the pipes have and take, waiting at most a tick; whether anything was said."""
        said = False
        for pipe, _ in self._poll.poll(TICK * 1000):
            if pipe == self._stdin:
                self._write()
            elif pipe == self._stdout:
                said |= self._read_output()
            else:
                self._read_stderr()
        return said

    def _read_output(self) -> bool:
        try:
            data = os.read(self._stdout, PIPE_SIZE)
        except BlockingIOError:
            return False
        if not data:
            if not self._ended:
                self._poll.unregister(self._stdout)
            self._ended = True
            return False
        self._reader.feed(data)
        self._cut()
        return True

    def _cut(self) -> None:
        """Takes the whole frames out of what was read."""
        try:
            self._bodies.extend(self._reader.bodies())
        except WireError as error:
            raise self._trouble("protocol", str(error)) from None

    def _read_stderr(self) -> bool:
        """Keeps the end of one piece of standard error; whether there may be more."""
        try:
            data = os.read(self._stderr_pipe, STDERR_TAIL)
        except BlockingIOError:
            return False
        if not data:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._stderr_pipe)
            return False
        self._stderr += data
        del self._stderr[:-STDERR_TAIL]
        return True

    def _check_memory(self) -> None:
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                resident = int(file.read().split()[1]) * _PAGE
        except (OSError, IndexError):  # it is just ending; the pipe will say so
            return
        if resident > self._memory_limit:
            raise self._trouble("memory", f"{DEAD}memory over {self._memory_limit >> 20} MiB")

    def _report_end(self) -> None:
        """Raises Trouble for a child that ended, unless it said something more before."""
        while not self._ended and self._read_output():
            pass
        if self._bodies:
            return
        try:
            code = self._process.wait(EXIT_GRACE)
        except subprocess.TimeoutExpired:
            raise self._trouble("protocol", "the executor closed its output and lives on") from None
        if self._reader.rest:
            raise self._trouble("protocol", f"the executor ended ({_reason(code)}) in the middle of a frame")
        if panic := panic_of(self._drained_stderr()):
            raise self._trouble("panic", panic)
        raise self._trouble("dead", DEAD + _reason(code))

    def _drained_stderr(self) -> str:
        for _ in range(PIPE_SIZE // STDERR_TAIL + 1):  # a grandchild may write for ever
            if not self._read_stderr():
                break
        return self.stderr

    def _trouble(self, kind: str, outcome: str) -> Trouble:
        self.kill()
        number, op = self.place
        return Trouble(kind, outcome, -1 if number == NOWHERE else number, -1 if op == NOWHERE else op, self.stderr)

    def end_of_input(self, patience: float) -> int | None:
        """Closes the child's standard input: its exit code, or None if it lives on after `patience` seconds."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Ends the child and its group now, and keeps the last words of its standard error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel, beyond anybody's reach
            self._process.wait(EXIT_GRACE)
        self._drained_stderr()

    def close(self) -> None:
        """Ends the child and gives back pipes and progress file."""
        if self._stdin < 0:
            return
        self.kill()
        self._stdin = -1
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._progress.close()


def _reason(code: int) -> str:
    """An exit code as the canonical outcome names it."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
