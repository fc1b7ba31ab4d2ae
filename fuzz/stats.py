"""The statistics of a run: counters and bounded sets only, so that memory does not grow with the number of programs."""

from __future__ import annotations

from collections import Counter

from twinheap.fuzz.messages import BlockDone
from twinheap.fuzz.sketch import Sketch
from twinheap.model.judge import Behaviour
from twinheap.model.observation import DEAD, PANIC, SKIP
from twinheap.model.ops import END, OPS


class Statistics:
    """What was run, counted.

    `programs`: each counted once, however many targets ran it. `ops`: executed on targets, skipped ones and closing
    `end`s left out. `outcomes`: how often each (op kind, outcome) was observed. `behaviours`: those met.
    `known`: programs, per target, that showed a known defect. `restarts`: of executors.
    """

    def __init__(self) -> None:
        self.programs = 0
        self.runs = 0
        self.ops = 0
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.behaviours: set[Behaviour] = set()
        self.known: Counter[str] = Counter()
        self.restarts = 0
        self.sketch = Sketch()

    def absorb(self, done: BlockDone) -> None:
        """Adds one block."""
        self.programs += done.count
        self.runs += done.runs
        for code, outcome, count in done.outcomes:
            if outcome != SKIP and code != END:
                self.ops += count
            self.outcomes[OPS[code].name, outcome_class(outcome)] += count
        self.behaviours.update(done.behaviours)
        self.known.update(done.known)
        self.restarts += done.restarts
        self.sketch.add(done.hashes)


def outcome_class(outcome: str) -> str:
    """An outcome as tables group it: panics and deaths without their text.

    >>> outcome_class("panic:object used with wrong store"), outcome_class("err:oom")
    ('panic', 'err:oom')
    """
    return outcome.partition(":")[0] if outcome.startswith((PANIC, DEAD)) else outcome
