"""A worker process: `python -P -m twinheap.fuzz.worker`, started by the engine's pool.

It reads its `Setup` and then jobs from standard input, answers on standard output, and dies with its parent. A job that
has arrived is started before the one before it is finished, so that its executors never wait.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import traceback
from collections import deque
from typing import Final

import msgspec

from twinheap.fuzz.core import Core
from twinheap.fuzz.messages import JOBS, Failed, Job, Setup
from twinheap.fuzz.opening import opener_for
from twinheap.targets.executor import ExecutorError
from twinheap.targets.registry import TargetError
from twinheap.targets.serve import die_with_parent
from twinheap.targets.wire import FrameReader, frame

AHEAD: Final = 2
"""Jobs under way at once: one is executed while the one before it is judged."""

READ_SIZE: Final = 1 << 16
"""Bytes asked of the pipe at once; jobs are short."""

GC_THRESHOLD: Final = 10_000
"""Objects made before Python looks for cycles: judging leaves hundreds a program, and looking at Python's own pace
takes a tenth of the time. More gains nothing, and costs memory."""


def main() -> None:
    """Works until standard input ends."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business; it closes the pipe
    sink = os.dup(1)
    os.dup2(2, 1)  # what libraries print breaks no frame
    collect_rarely()
    try:
        _work(0, sink)
    except BrokenPipeError:
        pass
    except (TargetError, ExecutorError) as error:
        _say(sink, Failed(str(error)))
    except Exception as error:
        _say(sink, Failed(f"{type(error).__name__}: {error}", traceback.format_exc()))
    sys.stderr.flush()
    os._exit(0)  # executors die with their parent; nothing is left to save


def collect_rarely() -> None:
    """Sets Python's own garbage collector up for checking programs, in a process that does nothing else."""
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _say(sink: int, message: msgspec.Struct) -> None:
    data = memoryview(frame(message))
    while data:
        data = data[os.write(sink, data) :]


class _Inbox:
    """The bodies of frames from a pipe, which can be looked at without waiting."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._reader = FrameReader()
        self._bodies: deque[bytes] = deque()
        self.open = True

    def take(self, wait: bool) -> bytes | None:
        """The next body; None if there is none yet and `wait` is off, or if the pipe ended."""
        while not self._bodies and self.open:
            if not wait and not select.select([self._source], [], [], 0)[0]:
                return None
            data = os.read(self._source, READ_SIZE)
            self.open = bool(data)
            self._reader.feed(data)
            self._bodies.extend(self._reader.bodies())
        return self._bodies.popleft() if self._bodies else None


def _work(source: int, sink: int) -> None:
    inbox = _Inbox(source)
    first = inbox.take(wait=True)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=Setup)
    core = Core(setup, opener_for(setup.expect))
    while True:
        while core.outstanding < AHEAD:
            body = inbox.take(wait=core.outstanding == 0)
            if body is None:
                break
            job: Job = JOBS.decode(body)
            core.start(job)
        if not core.outstanding:
            return
        _say(sink, core.finish())


if __name__ == "__main__":
    main()
