"""Owned handles and the end of their store, on the Rust executor: every host value ends exactly once.

Handles are dropped before their store, after it, and on another thread meanwhile (semantics.md 2.3, 3.6, 4.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from twinheap.model.builder import Builder
from twinheap.model.judge import judge
from twinheap.model.ops import CODE, INT_KINDS, MAX_FILL, MAX_VALUES, UNLIMITED
from twinheap.model.profiles import profile_for
from twinheap.model.program import Program
from twinheap.targets.executor import Executor
from twinheap.targets.registry import parse

pytestmark = pytest.mark.timeout(900)

OBJECTS = 3 * MAX_VALUES
"""Objects of each way in a test run, in programs of `MAX_VALUES`; a million were run once, and took a minute."""

ALL = INT_KINDS["pattern"].names.index("all")
FILLS = MAX_VALUES // MAX_FILL


@pytest.fixture(scope="module", params=["drc", "null"])
def rust(require_executor: Callable[[], None], request: pytest.FixtureRequest) -> Iterator[Executor]:
    require_executor()
    with parse(f"rust,collector={request.param}", print).executor() as executor:
        yield executor


class Draft:
    """A program that fills a store of its own with as many values as a program can have."""

    def __init__(self) -> None:
        self.builder = Builder()
        (self.store,) = self.add("store_new", UNLIMITED, 0)
        self.fills = [self.fill("fill") for _ in range(FILLS - 1)]

    def add(self, name: str, *operands: int) -> tuple[int, ...]:
        made = self.builder.add(CODE[name], operands)
        assert made is not None, name
        return made

    def fill(self, name: str, *operands: int) -> int:
        return self.add(name, self.store, MAX_FILL, self.builder.next_value, *operands)[0]

    def free_all(self) -> None:
        for fill in self.fills:
            self.add("free", fill, ALL)


def before() -> Program:
    draft = Draft()
    draft.fills.append(draft.fill("fill"))
    draft.free_all()
    draft.add("store_drop", draft.store)
    return draft.builder.finish()


def after() -> Program:
    draft = Draft()
    draft.fills.append(draft.fill("fill"))
    draft.add("store_drop", draft.store)
    draft.free_all()
    return draft.builder.finish()


def meanwhile() -> Program:
    """While others are made, and while the store goes; some are left until after it."""
    draft = Draft()
    raced = draft.fills[0]
    draft.fills.append(draft.fill("fill_race", raced))
    draft.add("store_drop_race", draft.store, draft.fills[-1])
    draft.free_all()
    return draft.builder.finish()


@pytest.mark.parametrize("way", [before, after, meanwhile])
def test_every_value_ends_exactly_once(rust: Executor, way: Callable[[], Program]) -> None:
    hello = rust.hello
    judged = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
    program = way()
    ended = 0
    for _ in range(OBJECTS // MAX_VALUES):
        (ran,) = rust.run([program])
        assert ran.ended is None
        assert judge(program, ran.observations, judged) == []
        counts = Counter(value for seen in ran.observations for value in seen.finalized)
        assert set(counts.values()) == {1}
        ended += len(counts)
    assert ended == OBJECTS
