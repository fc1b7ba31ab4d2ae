"""The supervised executor: batches out, observations in, and nothing lost whatever the child does (docs/wire.md).

When a child dies, hangs, grows without bound or breaks the protocol, the programs whose results are missing are run
again one by one in fresh children. The one that was executing is run alone first, to see whether it ends the same way
again, and then up to the op before its end, for the observations that died with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from twinheap.model.engines import ENGINES
from twinheap.model.observation import PANIC, WRONG_STORE
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.targets.child import Child, Trouble
from twinheap.targets.ran import Flight, Ran, from_outside
from twinheap.targets.recovery import Recovering
from twinheap.targets.wire import (
    OP_NAMES,
    WIRE_VERSION,
    ExecutorHello,
    Hello,
    ParentHello,
    Request,
    frame,
)

__all__ = ["Executor", "ExecutorError", "Ran"]

OP_TIMEOUT: Final = 5.0
"""Seconds after which an op counts as hanging. The slowest, a fill of 20,000 objects, takes 0.2 s in Python."""
MEMORY_LIMIT: Final = 4 << 30
"""Bytes of resident size: eight stores of the largest limit in Python objects stay far below."""
HELLO_TIMEOUT: Final = 30.0
"""Seconds until the handshake: a cold start loads a 30 MB library from a slow disk, beside other load."""


STARTS: Final = 3
"""Starts until it is believed that a child that is killed before its handshake cannot live here."""


MOST_PANICS: Final = 256
"""Programs with a panic that one child of Wasmtime runs: each may leave an engine and eight stores, whose heaps reserve
50 GB of the 128 TB of addresses. About one in twenty panics on old releases."""

POOL_PANICS: Final = 16
"""For how many of them one counts whose stores had a pool: some thirty pools fill the address space."""


STORE_NEW_IN: Final = CODE["store_new_in"]


class ExecutorError(Exception):
    """The executor cannot be started, or does not speak the wire. The text is one line and says why."""


class _KilledError(ExecutorError):
    """Somebody else ended the child before its handshake."""


class Executor(Recovering):
    """A child process that runs programs, restarted when it ends.

    `command`: what to start, as a list. `op_timeout`: seconds for one op. `memory_limit`: bytes of resident size.
    `env`: what to set in the child's environment besides this process's own. Use it as a context manager, from one
    thread, which must live as long as the executor does.

    Every method that talks to the child raises ExecutorError if it cannot be started or greets wrongly.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        op_timeout: float = OP_TIMEOUT,
        memory_limit: int = MEMORY_LIMIT,
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(op_timeout)
        self.command = list(command)
        self.memory_limit = memory_limit
        # Backtraces would push the panic message out of the kept end of standard error.
        self._env = {**os.environ, "RUST_BACKTRACE": "0", **(env or {})}
        self._hello: Hello | None = None
        self._panics = 0  # since the last fresh start for their sake

    def __enter__(self) -> Executor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def hello(self) -> Hello:
        """The executor's handshake; starts it if need be."""
        self.start()
        assert self._hello is not None
        return self._hello

    @property
    def supported(self) -> frozenset[str]:
        """The op kinds and engine configurations that `view` may leave in a program for this executor."""
        return self.hello.supported

    @property
    def pid(self) -> int:
        """The process id of the child; it changes with every restart."""
        return self.start().pid

    def start(self) -> Child:
        """Starts the child and shakes hands; does nothing if that was done."""
        if self._child is None:
            for _ in range(STARTS - 1):
                try:
                    self._child = self._greeted()
                    break
                except _KilledError:
                    continue
            else:
                self._child = self._greeted()
        return self._child

    def _greeted(self) -> Child:
        try:
            child = Child(self.command, self._env, self.memory_limit)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ExecutorError(f"cannot start {self.command[0]}: {reason}") from None
        try:
            child.send(frame(ParentHello(Request(WIRE_VERSION, list(OP_NAMES), child.progress_path))))
            answer = child.next_answer(HELLO_TIMEOUT)
            if not isinstance(answer, ExecutorHello):
                raise ExecutorError("the executor sent a result before its handshake")
            self._accept(answer.body)
        except Trouble as trouble:
            child.close()
            raise (_KilledError if from_outside(trouble) else ExecutorError)(_no_start(trouble)) from None
        except BaseException:
            child.close()
            raise
        child.forget_progress_file()
        return child

    def _accept(self, hello: Hello) -> None:
        if hello.wire != WIRE_VERSION:
            raise ExecutorError(f"the executor speaks wire version {hello.wire}, and this is version {WIRE_VERSION}")
        if self._hello is not None and hello != self._hello:
            raise ExecutorError("the executor says something else of itself after a restart")
        self._hello = hello

    def send(self, programs: Iterable[tuple[int, Program]]) -> None:
        """Sends a batch of (number, program); returns at once.

        Numbers are 32-bit and unique among the batches sent and not yet received. Send the next batch before
        `receive` of the last one, so that the child never waits. Raises WireError for a batch over the frame limit.
        """
        flight = Flight(self._next_id, list(programs))
        encoded = flight.encoded()
        self._next_id += 1
        self.start().send(encoded)
        self._flights.append(flight)

    def receive(self) -> list[Ran]:
        """What became of the oldest batch's programs, in the order in which they were sent."""
        if not self._flights:
            raise ValueError("no batch was sent that is not yet received")
        flight = self._flights[0]
        try:
            child = self.start()
            for number in flight.missing():
                self._take(child, flight, number)
        except Trouble as trouble:
            self._recover(flight, trouble)
        self._flights.popleft()
        self._relieve(flight)
        return [flight.ran[number] for number in flight.programs]

    def _relieve(self, flight: Flight) -> None:
        """Starts a child anew that survived many panics: each may keep an engine, and a pool takes terabytes."""
        if self.hello.runtime == "wasmtime":
            panicked = [program for number, program in flight.programs.items() if _panicked(flight.ran[number])]
            self._panics += sum(POOL_PANICS if _has_pool(program) else 1 for program in panicked)
        if self._panics >= MOST_PANICS:
            self._panics = 0
            self._restart()
            self._send_again(self._flights)

    def run(self, programs: Iterable[Program]) -> list[Ran]:
        """Sends programs as one batch, numbered from 0, and receives it. No other batch may be under way."""
        if self._flights:
            raise ValueError("a batch that was sent is not yet received")
        self.send(enumerate(programs))
        return self.receive()

    def close(self) -> None:
        """Ends the child with its process group; batches not received are forgotten."""
        self._flights.clear()
        if self._child is not None:
            self._child.close()
            self._child = None


def _panicked(ran: Ran) -> bool:
    """Whether a program ended in a panic of the runtime; that of the wrong store leaves nothing."""
    outcome = ran.observations[-1].outcome if ran.observations else ""
    return outcome.startswith(PANIC) and outcome != PANIC + WRONG_STORE


def _has_pool(program: Program) -> bool:
    """Whether a store of the program has a pool."""
    engines = [program.config.engine, *(op[1] for op in program.ops if op[0] == STORE_NEW_IN)]
    return any(ENGINES[number].pooling for number in engines)


def _no_start(trouble: Trouble) -> str:
    lines = [line for line in trouble.stderr.splitlines() if line.strip()]
    last = f"; it wrote: {lines[-1].strip()[:200]}" if lines else ""
    reason = f"no handshake within {HELLO_TIMEOUT:g} s" if trouble.kind == "hang" else trouble.outcome
    return f"the executor ended before its handshake: {reason}{last}"
