"""What the machines written in Python share: one method per op kind, and the loop that calls them.

A machine's methods are named `op_` and the op; each gets the op's tuple and returns a raw observation. What they
raise becomes an outcome in `failure`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from twinheap.model.observation import MAX_TEXT, OK, PANIC, SKIP, Observation
from twinheap.model.ops import OPS, Op
from twinheap.model.program import Program, closing
from twinheap.targets.modules import modules_of
from twinheap.targets.wire import WireBody, WireProgram

Raw = tuple[Any, ...]
"""An observation as it is sent: outcome, values, finalized, limiter, needed; trailing empty fields left out."""

Handler = Callable[[Op], Raw]

# The observations that nearly every op has; one object each, since millions are made a minute.
DONE: Final[Raw] = (OK,)
SKIPPED: Final[Raw] = (SKIP,)
NONNULL: Final[Raw] = (OK, ("nonnull",))
NULL_REF: Final[Raw] = (OK, ("null",))
NONE: Final[Raw] = (OK, (None,))


# How callbacks end that do not return.
TRAPS: Final = "trap"
THROWS: Final = "exn"


class UnsupportedOp(Exception):
    """The parent sent an op that the handshake did not offer."""


class Over(Exception):
    """An op of a callback panicked: the run that it was called from ends, and nothing more is observed."""


class Callback:
    """A call under way: its place, that of its `end`, and what its callback does.

    `arg`, `returns`: the argument and what will be returned, in the machine's own form. `ending`: how it will end if it
    does not return, "trap" or "exn"; `exn`: what it will throw, also in the machine's own form, or what is pending.
    """

    __slots__ = ("arg", "at", "end", "ending", "exn", "reached", "returns", "store")

    def __init__(self, at: int, end: int) -> None:
        self.at = at
        self.end = end
        self.reached = False
        self.store: Any = None
        self.arg: Any = None
        self.returns: Any = None
        self.ending = ""
        self.exn: Any = None


class PythonMachine:
    """The loop over a program's ops.

    Subclasses have the `op_` methods, `begin`, `failure`, `complete` and `clean_up`. The slots of the program that runs
    are in `slots`, None where a slot is empty.
    """

    def __init__(self) -> None:
        self.slots: list[Any] = []
        self._ops: Sequence[Op] = ()
        self._seen: list[Raw] = []  # observations by place; ops of a callback that is not called are skipped
        self._note_place: Any = [0, 0]
        self._effects_of_op: Sequence[Any] = ()
        self._place = 0  # of the current op; what is executed next comes after it
        self._last = 0  # after a panic: the place after the op that panicked
        self._over = False  # an op panicked
        self._calls: list[Callback] = []  # the callbacks that run, the innermost last
        self._handlers: tuple[Handler, ...] = tuple(getattr(self, f"op_{spec.name}", self._unsupported) for spec in OPS)

    @property
    def supported(self) -> frozenset[str]:
        """The names of the op kinds that this machine has a method for."""
        return frozenset(spec.name for spec in OPS if hasattr(self, f"op_{spec.name}"))

    def run(self, program: Program) -> tuple[Observation, ...]:
        """Executes a program in this process: its observations, aligned with `Program.all_ops`.

        They end early with an op that panicked. For pytest and Hypothesis; the wire uses `execute`.
        """
        config = program.config
        sent = WireProgram(
            0,
            config.limit,
            config.limiter,
            program.slots,
            program.values,
            program.all_ops,
            tuple(WireBody(*body) for body in modules_of(program)),
            config.engine,
        )
        try:
            return msgspec.convert(self.execute(sent, [0, 0]), tuple[Observation, ...])
        finally:
            self.finish()

    def execute(self, program: WireProgram, note: Any) -> list[Raw]:
        """The raw observations of a program; `note` gets its number and the index of each op before it runs.

        Call `finish` before the next one.
        """
        note[0] = program.number
        note[1] = 0
        self._ops, self._note_place = program.ops, note
        self._seen = [SKIPPED] * len(program.ops)
        self._over = False
        self._effects_of_op = self.begin(program)
        return self._seen[: self._perform(0, len(program.ops))]

    def _perform(self, index: int, stop: int) -> int:
        """Executes the ops from `index` to `stop`, and gives the place after the last that was executed.

        Host functions call it for the ops of a callback, inside an op that is under way. After a panic nothing more is
        executed, and the place is that after the op that panicked.
        """
        handlers, ops, seen, note, effects = (
            self._handlers,
            self._ops,
            self._seen,
            self._note_place,
            self._effects_of_op,
        )
        while index < stop:
            note[1] = self._place = index
            op = ops[index]
            try:
                raw = handlers[op[0]](op)
            except UnsupportedOp:
                raise
            except Exception as error:
                raw = self.failure(error)
            if effects:
                raw = self._completed(raw)
            seen[index] = raw
            if self._over or raw[0][:6] == PANIC:
                if not self._over:
                    self._over, self._last = True, index + 1
                return self._last
            index = self._place + 1
        return stop

    def _called(self) -> Callback:
        """The call that begins here; what comes after its callback is executed next."""
        call = Callback(self._place, closing(self._ops, self._place))
        self._place = call.end
        return call

    def _call_back(self, call: Callback) -> None:
        """Executes the ops of a callback. `_over` is set if one of them panicked: then the run must end."""
        call.reached = True
        self._calls.append(call)
        try:
            self._perform(call.at + 1, min(call.end + 1, len(self._ops)))
        finally:
            self._calls.pop()
            self._note_place[1] = call.at
            self._place = call.end

    def finish(self) -> None:
        """Drops what the last program left, however far it came."""
        self.clean_up()
        self.slots = []
        self._calls = []

    def _completed(self, raw: Raw) -> Raw:
        try:
            return self.complete(raw)
        except Exception as error:  # a mutant finalized what is no host value
            return self.failure(error)

    def begin(self, program: WireProgram) -> Sequence[Any]:
        """Sets up slots and store 0; gives a list that is not empty whenever `complete` is needed."""
        raise NotImplementedError

    def failure(self, error: Exception) -> Raw:
        """The outcome of an op that raised `error`."""
        raise NotImplementedError

    def complete(self, raw: Raw) -> Raw:
        """`raw` with the host values finalized during the op, and what else it did; forgets them."""
        raise NotImplementedError

    def clean_up(self) -> None:
        """Drops what is left in the slots."""
        raise NotImplementedError

    def _unsupported(self, op: Op) -> Raw:
        raise UnsupportedOp(f"{OPS[op[0]].name} was not offered in the handshake")


def panic(text: str) -> Raw:
    """A panic that is none of the runtime's own: a broken machine or a mutant's exception."""
    return ((PANIC + " ".join(text.split()))[:MAX_TEXT],)
