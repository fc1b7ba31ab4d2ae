"""Getting the results that died with a child: what was lost is run again, one by one, in fresh children."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from twinheap.model.observation import Observation
from twinheap.model.ops import BRACKETS, CALLS, CODE, END, Op
from twinheap.model.program import Program
from twinheap.targets.child import Child, Trouble
from twinheap.targets.ran import Ended, Flight, Ran, about, by_design, from_outside, not_again, survived
from twinheap.targets.wire import ExecutorHello, WireError, batch_frame, check_observations, program_frame

OUTSIDE_TRIES: Final = 3
"""Runs alone until a program is believed to be what a child is killed for: the next kill may hit it by chance again."""

EARLIER_TRIES: Final = 4
"""Runs of the ops before the end until nothing is known of them: what depends on chance mostly lets one through."""


class Recovering:
    """The half of `twinheap.targets.executor.Executor` that takes results, and gets those that are lost."""

    def __init__(self, op_timeout: float) -> None:
        self.op_timeout = op_timeout
        self.restarts = 0
        """How often a child was started after the first."""
        self._child: Child | None = None
        self._flights: deque[Flight] = deque()
        self._next_id = 0

    def start(self) -> Child:
        """The child, started if need be."""
        raise NotImplementedError

    @property
    def supported(self) -> frozenset[str]:
        """The names of the op kinds that the executor performs."""
        raise NotImplementedError

    def _take(self, child: Child, flight: Flight, number: int) -> None:
        """Takes the next result, which must be that of program `number`."""
        program = flight.programs[number]
        observations = self._observations(
            child, flight.id, number, len(program.ops) + len(program.tail), program.values
        )
        flight.ran[number] = survived(number, observations)

    def _observations(self, child: Child, batch: int, number: int, ops: int, values: int) -> tuple[Observation, ...]:
        answer = child.next_answer(self.op_timeout)
        try:
            if isinstance(answer, ExecutorHello):
                raise WireError("a second handshake")
            if (answer.batch, answer.number) != (batch, number):
                raise WireError(f"a result of program {answer.number} where that of {number} was due")
            check_observations(answer.observations, ops, values)
        except WireError as error:
            child.kill()
            # The child is long past it: results are written at the end of a batch.
            raise Trouble("protocol", str(error), number, -1, child.stderr) from None
        return answer.observations

    def _restart(self) -> Child:
        if self._child is not None:
            self._child.close()
            self._child = None
        self.restarts += 1
        return self.start()

    def _send_again(self, flights: Iterable[Flight]) -> None:
        """Sends whole batches to a child that has not seen them."""
        child = self.start()
        for flight in flights:
            child.send(flight.encoded())

    def _recover(self, flight: Flight, trouble: Trouble) -> None:
        """Gets the missing results of `flight` in fresh children, and sends again what was sent after it."""
        lost = flight.missing()
        suspect = trouble.number if trouble.number in lost else lost[0]
        named = trouble.kind != "protocol" and suspect == trouble.number
        self._restart()
        if named:
            flight.ran[suspect] = self._investigate(flight.programs[suspect], trouble)
        while missing := flight.missing():
            try:
                self._one_by_one(flight, missing)
            except Trouble as again:
                # Each is a batch of its own, so the first that is missing is the one that was executing.
                number, named = flight.missing()[0], True
                self._restart()
                flight.ran[number] = self._investigate(flight.programs[number], about(again, number))
        if not named and not from_outside(trouble):
            # It named no program for certain, and alone none does it again; it must not be forgotten.
            flight.ran[suspect] = not_again(flight.ran[suspect], trouble)
        self._send_again(list(self._flights)[1:])

    def _one_by_one(self, flight: Flight, numbers: list[int]) -> None:
        """Runs programs of `flight` again, each as a batch of its own, whose results are written at its end."""
        child = self.start()
        for number in numbers:
            child.send(batch_frame(flight.id, [program_frame(flight.programs[number], number)]))
        for number in numbers:
            self._take(child, flight, number)

    def _investigate(self, program: Program, trouble: Trouble) -> Ran:
        """What becomes of the program that was executing when the child, now restarted, got into `trouble`."""
        flaky = False
        tries = OUTSIDE_TRIES if from_outside(trouble) else 1
        while tries and not by_design(program, trouble):
            tries -= 1
            try:
                clean = self._alone(program, trouble.number, len(program.all_ops))
            except Trouble as again:
                self._restart()
                again = about(again, trouble.number)
                if not from_outside(again):
                    tries = 0
                same_place = again.op == trouble.op or again.kind == "protocol"  # whose place only the reader knows
                flaky = again.kind != trouble.kind or not same_place
                trouble = again
            else:
                if from_outside(trouble):
                    return survived(trouble.number, clean)
                flaky, tries = True, 0
        return self._ended(program, trouble, flaky)

    def _ended(self, program: Program, trouble: Trouble, flaky: bool) -> Ran:
        """A program that ends in `trouble`, with the observations of the ops before.

        If those end the process by themselves it is at chance where it ends, and the earlier end is taken for it.
        """
        known: tuple[Observation, ...] = ()
        tries = EARLIER_TRIES
        while tries and trouble.kind != "protocol" and trouble.op >= 0:
            prefix = self._prefix(program, trouble.number, trouble.op)
            if not isinstance(prefix, Trouble):
                known = (*prefix, Observation(trouble.outcome)) if len(prefix) == trouble.op else ()
                break
            flaky, tries = True, tries - 1
            if not from_outside(prefix) and 0 <= prefix.op < trouble.op:
                trouble = about(prefix, trouble.number)
            elif prefix.kind == "hang":  # in the clean-up: each costs the time limit
                break
        ended: Ended = trouble.kind  # type: ignore[assignment]
        return Ran(trouble.number, known, ended, trouble.op, trouble.outcome, trouble.stderr, flaky)

    def _prefix(self, program: Program, number: int, op: int) -> tuple[Observation, ...] | Trouble:
        """The observations of the ops before `op`, or what the process got into instead."""
        if op == 0:
            return ()
        try:
            return self._alone(program, number, op, _cut_short(program.all_ops[:op], self.supported))[:op]
        except Trouble as trouble:
            return trouble
        finally:
            self._restart()  # what broke the heap may break it in the clean-up, and the next program must not pay

    def _alone(self, program: Program, number: int, ops: int, ending: tuple[Op, ...] = ()) -> tuple[Observation, ...]:
        """Runs the first `ops` ops of a program, then those of `ending`, with nothing else under way."""
        batch_id = self._next_id
        self._next_id += 1
        child = self.start()
        child.send(batch_frame(batch_id, [program_frame(program, number, program.all_ops[:ops] + ending)]))
        return self._observations(child, batch_id, number, ops + len(ending), program.values)


def _cut_short(ops: tuple[Op, ...], supported: frozenset[str]) -> tuple[Op, ...]:
    """What ends the brackets that a part of a program leaves open: callbacks trap, so that no run goes on after them.

    An executor that does not know `raise` ends them as it ends every program that stops early.
    """
    open_: list[int] = []
    for op in ops:
        if op[0] in BRACKETS:
            open_.append(op[0])
        elif op[0] == END:
            open_.pop()
    if "raise" not in supported or not CALLS.intersection(open_):
        return ()
    trap: Op = (CODE["raise"], 0)
    return tuple(each for code in reversed(open_) for each in ((trap, (END,)) if code in CALLS else ((END,),)))
