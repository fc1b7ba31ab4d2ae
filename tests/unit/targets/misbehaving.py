"""An executor that misbehaves on purpose: `misbehaving.py MODE NUMBER OP [ONCE_FILE]`.

It is the in-tree heap's executor until program NUMBER comes to op OP; then it does MODE. With ONCE_FILE it does so
only if the file does not exist, and makes it: every other time it behaves. In the mode "wander" the file counts, and
after the second time it is the op before OP.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twinheap.targets import serve
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.wire import OP_NAMES, Error, ExecutorHello, Hello, WireProgram, frame

PANIC = b"thread 'main' panicked at src/store.rs:12:3:\nobject used with wrong store: 0x7f3a\nnote: run with more\n"
SINK = 3


def hang() -> None:
    while True:
        time.sleep(60)


def grow() -> None:
    hoard = []
    while True:
        hoard.append(b"x" * (8 << 20))


def half_frame() -> None:
    os.write(SINK, frame(("result", 0, 0, [("ok",)] * 20))[:-7])
    os._exit(0)


def close_output() -> None:
    os.close(SINK)
    os.close(1)
    hang()


def grandchild() -> None:
    """Leaves a process behind that holds every pipe, and dies."""
    if os.fork() == 0:
        hang()
    os._exit(1)


def panic_and_abort() -> None:
    os.write(2, PANIC)
    os.abort()


def garbage() -> None:
    os.write(SINK, b"Hello, world! This is no frame at all.")
    hang()


def no_message() -> None:
    os.write(SINK, b"\x03\0\0\0\x91\xa1x")
    hang()


AT_OP: dict[str, Callable[[], Any]] = {
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "wander": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit0": lambda: os._exit(0),
    "exit7": lambda: os._exit(7),
    "panic": panic_and_abort,
    "hang": hang,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "grow": grow,
    "garbage": garbage,
    "no-message": no_message,
    "half-frame": half_frame,
    "close": close_output,
    "grandchild": grandchild,
    "error": lambda: os.write(SINK, frame(Error("out of paper"))) and hang(),
    "raise": lambda: (_ for _ in ()).throw(LookupError("lost")),
    "second-hello": lambda: os.write(SINK, frame(ExecutorHello(hello()))),
}
AFTER_PROGRAM: dict[str, Callable[[list[Any]], None]] = {
    "too-many": lambda seen: seen.append(("ok",)),
    "too-few": lambda seen: seen.pop(),
    "bad-outcome": lambda seen: seen.__setitem__(0, ("fine",)),
    "bad-value": lambda seen: seen.__setitem__(0, ("ok", (), (99,))),
    "bad-type": lambda seen: seen.__setitem__(0, (7,)),
    "bad-shape": lambda seen: seen.__setitem__(0, ("ok", {"a": 1})),
}


def hello(wire: int = 1) -> Hello:
    return Hello(wire, "heap", "42.0.2", "drc", True, frozenset(OP_NAMES))


class Note:
    """Passes notes on, and acts when the place has come."""

    def __init__(self, note: Any, place: tuple[int, int], act: Callable[[], Any]) -> None:
        self.note, self.place, self.act = note, place, act

    def __setitem__(self, at: int, value: int) -> None:
        self.note[at] = value
        if at == 1 and (self.note[0], value) == self.place:
            self.act()


class Misbehaving(HeapMachine):
    def __init__(self, mode: str, place: tuple[int, int], once: Path | None) -> None:
        super().__init__("drc")
        self.mode, self.place, self.once = mode, place, once

    def now(self) -> bool:
        if self.once is None:
            return True
        if self.once.exists():
            return False
        self.once.touch()
        return True

    def execute(self, program: WireProgram, note: Any) -> list[Any]:
        if self.mode == "chatty":
            print("a library prints")
            os.write(2, b"x" * (1 << 20))
        act = AT_OP.get(self.mode, lambda: None)
        place = self.place
        if self.mode == "wander" and program.number == place[0] and self.once is not None:
            with self.once.open("a") as times:
                times.write("x")
            place = (place[0], place[1] - (self.once.stat().st_size > 2))
        elif self.mode in AT_OP and program.number == place[0] and not self.now():
            place = (-1, -1)
        seen = super().execute(program, Note(note, place, act))
        if program.number == place[0] and self.mode in AFTER_PROGRAM and self.now():
            AFTER_PROGRAM[self.mode](seen)
        return seen


def greet_badly(mode: str) -> None:
    if mode == "old-wire":
        os.write(SINK, frame(ExecutorHello(hello(wire=2))))
    elif mode == "no-hello":
        os.write(SINK, frame(("result", 0, 0, [])))
    elif mode == "silent":
        hang()
    elif mode == "not-me":
        os.write(2, b"not today\n")
        os._exit(4)
    hang()


def main() -> None:
    mode, number, op, *once = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve.die_with_parent()
    if os.dup2(1, SINK) and os.dup2(2, 1) and mode in ("old-wire", "no-hello", "silent", "not-me"):
        greet_badly(mode)
    machine = Misbehaving(mode, (int(number), int(op)), Path(once[0]) if once else None)
    serve.serve(machine, 0, SINK)


if __name__ == "__main__":
    main()
