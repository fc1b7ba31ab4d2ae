"""The differ: asks one target programs, and judges what it observed.

    program -> view(what the target supports) -> executor -> judge -> verdicts

It is pipelined: `send` the next batch before `receive` of the last one, and executor and judge each keep a core busy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from twinheap.model.codes import Verdict
from twinheap.model.judge import Behaviour, judge
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.program import Program
from twinheap.targets.executor import Ran
from twinheap.targets.wire import Hello

MEMORY_CODE: Final = "TH405"
PROTOCOL_CODE: Final = "TH404"
ZEAL: Final = "zeal"
"""In the description of a build that can collect at every allocation."""

_ENDS: Final = {"panic": "TH401", "dead": "TH402", "hang": "TH403", "memory": MEMORY_CODE}


class Runner(Protocol):
    """What a differ needs of `twinheap.targets.executor.Executor`."""

    restarts: int

    @property
    def hello(self) -> Hello:
        """The executor's handshake; starts it if need be."""

    def send(self, programs: Iterable[tuple[int, Program]]) -> None:
        """Sends a batch of (number, program); returns at once."""

    def receive(self) -> list[Ran]:
        """What became of the oldest batch's programs, in order."""

    def close(self) -> None:
        """Ends the process."""


class Judged(msgspec.Struct, frozen=True):
    """One program on one target: what it was asked (the view), what became of it, and the verdicts."""

    number: int
    program: Program
    ran: Ran
    verdicts: list[Verdict]


def profile_of(hello: Hello, expect: frozenset[str] = frozenset()) -> Profile:
    """How a target that greets so is judged; `expect`: known defects added by hand."""
    zeal = ZEAL in hello.build.split()
    return profile_for(hello.runtime, hello.release, hello.collector, hello.exact, expect=expect, zeal=zeal)


SLOW: Final = {"K10": "array_new_huge"}
"""Known defects that take as long as a hang, and the op that meets them."""

RARELY: Final = 4096
"""One program of so many may have such an op: it takes as long as a thousand others, and shows what is known."""


def offered(hellos: Iterable[Hello], number: int) -> frozenset[str]:
    """The op kinds that random program `number` is made of: all that a target supports, but rarely the slow ones."""
    supported, slow = _offers(tuple(hellos))
    return supported - slow if number % RARELY else supported


@lru_cache
def _offers(hellos: tuple[Hello, ...]) -> tuple[frozenset[str], frozenset[str]]:
    known = {name for hello in hellos for name in profile_of(hello).defects}
    slow = frozenset(op for defect, op in SLOW.items() if defect in known)
    return frozenset.union(*(hello.supported for hello in hellos)), slow


class Differ:
    """One target: its executor, and the profile by which it is judged. Use it from one thread.

    `behaviour`: collects the behaviours met, if given.
    """

    def __init__(self, name: str, runner: Runner, expect: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.runner = runner
        self.hello = runner.hello
        self.supported = self.hello.supported
        self.profile = profile_of(self.hello, expect)
        self.behaviour: set[Behaviour] | None = None
        self._sent: deque[list[tuple[int, Program]]] = deque()

    def send(self, views: Sequence[tuple[int, Program]]) -> None:
        """Sends a batch of views, each with a number that no other program under way has."""
        batch = list(views)
        self._sent.append(batch)
        self.runner.send(batch)

    def receive(self) -> list[Judged]:
        """The oldest batch, judged."""
        batch = self._sent.popleft()
        results = self.runner.receive()
        return [
            Judged(number, program, ran, verdicts_on(program, ran, self.profile, self.behaviour))
            for (number, program), ran in zip(batch, results, strict=True)
        ]

    def run(self, views: Sequence[Program]) -> list[Judged]:
        """Sends views as one batch and receives it. No other batch may be under way."""
        self.send(list(enumerate(views)))
        return self.receive()

    def close(self) -> None:
        """Ends the executor."""
        self.runner.close()


def verdicts_on(
    program: Program,
    ran: Ran,
    profile: Profile,
    behaviour: set[Behaviour] | None = None,
    cases: dict[int, str] | None = None,
) -> list[Verdict]:
    """The verdicts on what became of one program, the ways to end that the judge cannot see included.

    `behaviour` and `cases` are filled as `judge` does.
    """
    if ran.ended is None:
        return judge(program, ran.observations, profile, behaviour, cases)
    if ran.ended == "protocol":
        return [Verdict(PROTOCOL_CODE, max(ran.op, 0), "what docs/wire.md says", ran.detail)]
    if ran.op < 0 or ran.op != len(ran.observations) - 1:  # what the ops before the end did is not known
        return [Verdict(_ENDS[ran.ended], max(ran.op, 0), "no panic, death or hang", ran.detail)]
    verdicts = judge(program, ran.observations, profile, behaviour, cases)
    if ran.ended != "memory":
        return verdicts
    return [*(v for v in verdicts if v.known), Verdict(MEMORY_CODE, ran.op, "bounded resident memory", ran.detail)]
