"""The shrinker: a smaller program that shows the same bug.

It edits resolved programs (`edits.py`), asks `check` about many candidates at once, and keeps the first that still
fails. Everything is decided by the order of candidates, never by time, unless the time budget ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

import msgspec

from twinheap.fuzz import edits
from twinheap.fuzz.body_edits import body_edits, fewer_bodies
from twinheap.fuzz.budget import Clock
from twinheap.model.ops import INT_KINDS, UNLIMITED
from twinheap.model.program import Program

BATCH: Final = 16
"""Candidates asked at once: executor and judge overlap, and little is wasted on an early hit."""

FEWEST: Final = 2
"""The same right after a hit."""

MAX_CANDIDATES: Final = 6_000
"""Candidates per finding. Programs of 60 ops need 300 to 1,500; what is not small by then hardly gets smaller."""

MAX_SECONDS: Final = 30.0
"""Seconds per finding; a candidate that hangs costs seconds by itself."""

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

Check = Callable[[Sequence[Program]], Sequence[bool]]
"""Whether each program still shows the bug."""


class Shrunk(msgspec.Struct, frozen=True):
    """What shrinking gave: the program, how many candidates were asked, seconds, and whether a budget ended it."""

    program: Program
    candidates: int
    seconds: float
    exhausted: bool


class _Exhausted(Exception):
    """A budget is used up."""


def shrink(
    program: Program,
    check: Check,
    *,
    max_candidates: int = MAX_CANDIDATES,
    max_seconds: float = MAX_SECONDS,
    clock: Clock = time.monotonic,
) -> Shrunk:
    """The smallest program found that `check` still accepts; `program` itself must be one that it accepts."""
    shrinker = _Shrinker(program, check, max_candidates, clock() + max_seconds, clock)
    started = clock()
    exhausted = False
    try:
        shrinker.run()
    except _Exhausted:
        exhausted = True
    return Shrunk(shrinker.best, shrinker.candidates, clock() - started, exhausted)


class _Shrinker:
    def __init__(self, program: Program, check: Check, max_candidates: int, deadline: float, clock: Clock) -> None:
        self.best = program
        self.weight = edits.weight(program)
        self.candidates = 0
        self._check = check
        self._left = max_candidates
        self._deadline = deadline
        self._clock = clock
        self._refused: set[Program] = set()
        self._width = BATCH

    def run(self) -> None:
        """Passes, the strongest first, until none of them helps."""
        passes = (
            self._delete,
            lambda: self._first_of(fewer_bodies),
            lambda: self._first_of(body_edits),
            lambda: self._first_of(edits.configs),
            lambda: self._first_of(edits.brackets),
            lambda: self._first_of(edits.unwraps),
            lambda: self._first_of(edits.nulls),
            lambda: self._first_of(edits.merges),
            self._ints,
            lambda: self._first_of(edits.pairs),
            lambda: self._first_of(edits.collections),
            lambda: self._first_of(edits.fills),
        )
        before: edits.Weight | None = None
        while before != self.weight:
            before = self.weight
            for one in passes:
                one()

    # --- asking

    def _worth(self, program: Program) -> bool:
        return edits.weight(program) < self.weight and program not in self._refused

    def _ask(self, programs: Sequence[Program]) -> list[bool]:
        """Whether each of at most `BATCH` programs still fails. Raises _Exhausted when a budget is used up."""
        if not programs:
            return []
        if self._left <= 0 or self._clock() >= self._deadline:
            raise _Exhausted
        self._left -= len(programs)
        self.candidates += len(programs)
        answers = list(self._check(programs))
        self._refused.update(program for program, fails in zip(programs, answers, strict=True) if not fails)
        return answers

    def _take(self, program: Program) -> None:
        self.best = program
        self.weight = edits.weight(program)

    def _try(self, candidates: Iterable[Program]) -> bool:
        """Takes the first candidate that is simpler and still fails.

        Few are asked at once while there are many hits: each costs a process if the bug ends it. No more candidates
        are made than are asked: those of a body are hundreds, and cost more than their answers.
        """
        waiting = distinct(filter(self._worth, candidates))
        while batch := list(islice(waiting, self._width)):
            for program, fails in zip(batch, self._ask(batch), strict=True):
                if fails:
                    self._take(program)
                    self._width = FEWEST
                    return True
            self._width = min(2 * self._width, BATCH)
        return False

    # --- passes

    def _first_of(self, edit: Callable[[Program], Iterator[Program]]) -> None:
        while self._try(edit(self.best)):
            pass

    def _delete(self) -> None:
        """Deletes chunks of halving size (ddmin), then single ops as long as one goes."""
        size = max(len(self.best.ops) // 2, 1)
        while size > 1:
            self._delete_level(edits.chunks(self.best, size))
            size //= 2
        while self._delete_level(edits.chunks(self.best, 1)):
            pass

    def _delete_level(self, level: list[frozenset[int]]) -> bool:
        """Deletes every chunk of a level that can go; those that can go each alone are first tried together."""
        base, gone, improved = self.best, frozenset[int](), False
        for batch in _batched(level, BATCH):
            asked = [(chunk, program) for chunk in batch if self._worth(program := edits.without(base, gone | chunk))]
            answers = self._ask([program for _, program in asked])
            hits = [pair for pair, fails in zip(asked, answers, strict=True) if fails]
            if not hits:
                continue
            together = gone.union(*(chunk for chunk, _ in hits))
            program = edits.without(base, together)
            if len(hits) == 1 or (self._worth(program) and self._ask([program])[0]):
                gone = together
            else:
                gone, program = self._one_after_another(base, gone, hits)
            self._take(program)
            improved = True
        return improved

    def _one_after_another(
        self, base: Program, gone: frozenset[int], hits: list[tuple[frozenset[int], Program]]
    ) -> tuple[frozenset[int], Program]:
        """Deletes chunks one by one: each can go, but not all of them."""
        gone, program = gone | hits[0][0], hits[0][1]
        self._take(program)
        for chunk, _ in hits[1:]:
            candidate = edits.without(base, gone | chunk)
            if self._worth(candidate) and self._ask([candidate])[0]:
                gone, program = gone | chunk, candidate
                self._take(program)
        return gone, program

    def _ints(self) -> None:
        """Each integer at its simplest edge value that still fails, else as small as a search by sections finds."""
        places = list(edits.int_places(self.best))
        for at, place, kind in places:
            if at >= len(self.best.ops) or place >= len(self.best.ops[at]):
                return  # an edit changed what the resolver takes; the next round finds the rest
            value = self.best.ops[at][place]
            if not self._try(edits.with_int(self.best, at, place, v) for v in edits.edge_values(kind, value)):
                self._section(at, place, kind, value)

    def _section(self, at: int, place: int, kind: str, value: int) -> None:
        """The smallest value that fails, if failing is monotonous: `BATCH` values at once between bad and good."""
        if INT_KINDS[kind].names or kind == "limit" or value == UNLIMITED:
            return
        low = max(INT_KINDS[kind].lo, 0)
        while value - low > 1:
            grid = sorted({low + (value - low) * step // (BATCH + 1) for step in range(1, BATCH + 1)} - {low, value})
            asked = [(v, p) for v in grid if self._worth(p := edits.with_int(self.best, at, place, v))]
            answers = self._ask([program for _, program in asked])
            hit = next((n for n, fails in enumerate(answers) if fails), None)
            if hit is None:
                low = max((v for v, _ in asked), default=value)
                continue
            low = asked[hit - 1][0] if hit else low
            value, program = asked[hit]
            self._take(program)


def distinct(items: Iterable[H]) -> Iterator[H]:
    """Each item when it first comes, taken from `items` only when it is asked for."""
    seen: set[H] = set()
    for item in items:
        if item not in seen:
            seen.add(item)
            yield item


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
