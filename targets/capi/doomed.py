"""Doing what ends the process by design, in a copy of it: the wrong store aborts through the C API (capi.md 5).

Else each such program would cost a restart of the executor, as much time as four hundred others. What a copy does is
what this process would have done: the op is the program's last, and nothing of it is needed afterwards.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from typing import Final

from twinheap.model.observation import DEAD, MAX_TEXT
from twinheap.targets.machine import Raw
from twinheap.targets.panics import panic_of

MAX_STDERR: Final = 64 << 10
"""Bytes of the copy's standard error that are read: a message and a backtrace."""

_SURVIVED: Final = b"\0survived:"  # what no runtime prints: the copy came through, and with which outcome


def outcome_of(act: Callable[[], Raw]) -> Raw:
    """What `act` gives, or the panic or death that it causes. Its finalizations are lost with the copy."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        _in_the_copy(act, sink)
    os.close(sink)
    try:
        said = _read(source)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(source)
    text, mark, outcome = said.partition(_SURVIVED)
    if mark:
        return (outcome.decode(),)
    if panic := panic_of(text.decode("utf-8", "replace")):
        return (panic,)
    code = os.waitstatus_to_exitcode(status)
    reason = signal.Signals(-code).name if code < 0 else f"exit {code}"
    return ((DEAD + reason)[:MAX_TEXT],)


def _in_the_copy(act: Callable[[], Raw], sink: int) -> None:
    """Never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core of what is meant to die is no use to anybody
        os.dup2(sink, 2)
        os.write(sink, _SURVIVED + act()[0].encode())
    finally:
        os._exit(0)


def _read(source: int) -> bytes:
    said = b""
    while len(said) < MAX_STDERR and (piece := os.read(source, MAX_STDERR)):
        said += piece
    return said
