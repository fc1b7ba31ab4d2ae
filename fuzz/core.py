"""The work of one worker: blocks of programs on every target, and the triage of what fails there.

Jobs are started and finished in order; a block that is started before the one before it is finished keeps the executors
busy while that one is judged.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from operator import attrgetter, itemgetter

import msgspec

from twinheap.fuzz import cross
from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.differ import Differ, Judged, offered
from twinheap.fuzz.generate import generate
from twinheap.fuzz.hunt import hunt
from twinheap.fuzz.messages import Answer, BlockDone, BlockJob, HuntJob, Job, Setup, Suspect, TriageJob
from twinheap.fuzz.oracle import Opener, disagreement, failures_of
from twinheap.fuzz.profiles import profile_named
from twinheap.fuzz.triage import Case, triage
from twinheap.model.judge import Behaviour
from twinheap.model.program import Program
from twinheap.model.view import ALL_OPS, view

_NUMBERS = 1 << 30
"""Wire numbers wrap here: they are 32-bit and unique among a few batches only."""

_code = itemgetter(0)
_outcome = attrgetter("outcome")


class _Block(msgspec.Struct, frozen=True):
    """A block under way: its programs, and per target the views sent, own ones and then narrow ones."""

    job: BlockJob
    programs: list[Program]
    own: list[list[Program]]
    narrow: list[dict[int, Program]]  # per target: by index in the block


class Core:
    """Does the jobs of a run. `opener`: starts an executor by target name. Use it from one thread."""

    def __init__(self, setup: Setup, opener: Opener) -> None:
        self.setup = setup
        self._open = opener
        self._profile = profile_named(setup.profile)
        self._differs: list[Differ] = []
        self._waiting: deque[Callable[[], Answer]] = deque()
        self._met: set[Behaviour] = set()
        self._reported: set[Behaviour] = set()
        self._restarts = 0
        self._next_wire = 0

    @property
    def differs(self) -> list[Differ]:
        """One per target, started when first needed."""
        if not self._differs:
            for name in self.setup.targets:
                differ = self._open(name)
                differ.behaviour = self._met
                self._differs.append(differ)
        return self._differs

    @property
    def outstanding(self) -> int:
        """Jobs started and not finished."""
        return len(self._waiting)

    def start(self, job: Job) -> None:
        """Starts a job; blocks are sent to the executors at once."""
        if isinstance(job, BlockJob):
            self._waiting.append(partial(self._finish_block, self._send_block(job)))
        elif isinstance(job, TriageJob):
            self._waiting.append(partial(self._triage, job))
        else:
            self._waiting.append(partial(self._hunt, job))

    def finish(self) -> Answer:
        """Does the oldest job to its end."""
        return self._waiting.popleft()()

    def close(self) -> None:
        """Ends the executors."""
        for differ in self._differs:
            differ.close()
        self._differs.clear()

    # --- blocks

    def _program(self, number: int) -> Program:
        return generate(
            self.setup.seed, number, self._profile, offered((differ.hello for differ in self.differs), number)
        )

    def _send_block(self, job: BlockJob) -> _Block:
        programs = [self._program(number) for number in range(job.start, job.stop)]
        views: dict[frozenset[str], list[Program]] = {}
        for differ in self.differs:
            if differ.supported not in views:
                # What supports everything is asked the programs as they are: they come from a resolver.
                whole = differ.supported >= ALL_OPS
                views[differ.supported] = programs if whole else [view(one, differ.supported) for one in programs]
        own = [views[differ.supported] for differ in self.differs]
        narrow = self._narrow(job, programs, own) if self.setup.cross and len(views) > 1 else [{} for _ in own]
        base, self._next_wire = self._next_wire, (self._next_wire + 2 * BLOCK) % _NUMBERS
        for differ, mine, more in zip(self.differs, own, narrow, strict=True):
            differ.send(list(enumerate([*mine, *more.values()], base)))
        return _Block(job, programs, own, narrow)

    def _narrow(self, job: BlockJob, programs: list[Program], own: list[list[Program]]) -> list[dict[int, Program]]:
        """The views that all targets share, of a share of the programs, where they are not a target's own views."""
        shared = frozenset.intersection(*(differ.supported for differ in self.differs))
        result: list[dict[int, Program]] = [{} for _ in own]
        for at, program in enumerate(programs):
            if (job.start + at) % cross.NARROW_EVERY == 0:
                same = view(program, shared)
                for mine, more in zip(own, result, strict=True):
                    if mine[at] != same:
                        more[at] = same
        return result

    def _finish_block(self, block: _Block) -> BlockDone:
        count = len(block.programs)
        judged = [differ.receive() for differ in self.differs]
        outcomes: Counter[tuple[int, str]] = Counter()
        known: Counter[str] = Counter()
        suspects: list[Suspect] = []
        start = block.job.start
        for target, row in enumerate(judged):
            places = [*range(count), *block.narrow[target]]
            for place, at, one in zip(range(len(row)), places, row, strict=True):
                ops = one.program.all_ops
                outcomes.update(zip(map(_code, ops), map(_outcome, one.ran.observations), strict=False))
                if one.verdicts:
                    known.update({verdict.known for verdict in one.verdicts if verdict.known})
                    suspects += _suspects(start + at, target, one, place >= count)
        if self.setup.cross and len(judged) > 1:
            suspects += self._compare(block, judged)
        new = self._met - self._reported
        self._reported |= new
        restarts = sum(differ.runner.restarts for differ in self.differs)
        fresh_restarts, self._restarts = restarts - self._restarts, restarts
        return BlockDone(
            start=start,
            count=count,
            runs=sum(map(len, judged)),
            outcomes=[(code, outcome, times) for (code, outcome), times in outcomes.items()],
            behaviours=sorted(new),
            known=dict(known),
            hashes=[hash(program.ops) for program in block.programs],
            suspects=suspects,
            restarts=fresh_restarts,
        )

    def _compare(self, block: _Block, judged: list[list[Judged]]) -> list[Suspect]:
        """The disagreements of targets that were asked the same view; each is compared with the first such target."""
        suspects: list[Suspect] = []
        count = len(block.programs)
        rows = [dict(zip(more, row[count:], strict=True)) for more, row in zip(block.narrow, judged, strict=True)]
        narrowed = {at for more in block.narrow for at in more}
        for two in range(1, len(judged)):
            like = next((n for n in range(two) if self.differs[n].supported == self.differs[two].supported), None)
            for at in range(count) if like is not None else ():
                suspects += self._disagree(block.job.start + at, like or 0, two, judged, at, False)
            for at in sorted(narrowed):
                pair = (rows[0].get(at, judged[0][at]), rows[two].get(at, judged[two][at]))
                suspects += self._disagreement(block.job.start + at, 0, two, pair, True)
        return suspects

    def _disagree(
        self, number: int, one: int, two: int, judged: list[list[Judged]], at: int, narrow: bool
    ) -> list[Suspect]:
        return self._disagreement(number, one, two, (judged[one][at], judged[two][at]), narrow)

    def _disagreement(
        self, number: int, one: int, two: int, pair: tuple[Judged, Judged], narrow: bool
    ) -> list[Suspect]:
        same = self.differs[one].profile.collector == self.differs[two].profile.collector
        return [Suspect(number, two, identity, verdict, one, narrow) for identity, verdict in disagreement(*pair, same)]

    # --- other jobs

    def _triage(self, job: TriageJob) -> Answer:
        suspect = job.suspect
        supported = self.differs[suspect.target].supported
        if suspect.narrow:
            supported = frozenset.intersection(*(differ.supported for differ in self.differs))
        program = view(self._program(suspect.number), supported)
        own = self.differs[suspect.target].supported
        before = [view(self._program(number), own) for number in range(job.start, suspect.number)]
        seconds = self.setup.shrink_seconds if job.seconds is None else min(job.seconds, self.setup.shrink_seconds)
        return triage(Case(suspect, program, before), self.setup.targets, self._open, seconds)

    def _hunt(self, job: HuntJob) -> Answer:
        return hunt(job, self._profile, self._open, self.setup.shrink_seconds)


def _suspects(number: int, target: int, judged: Judged, narrow: bool) -> list[Suspect]:
    """One suspect per kind of failure; a program that leaks ten values shows one bug."""
    first = dict(reversed(failures_of(judged)))
    return [Suspect(number, target, identity, verdict, -1, narrow) for identity, verdict in reversed(first.items())]
