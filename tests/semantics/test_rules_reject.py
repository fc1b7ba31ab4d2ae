"""Every rule says no: of right observations of random programs, one is made wrong at a time, and must be a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.generate import generate
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import DEFAULT
from twinheap.model.judge import judge
from twinheap.model.observation import OK, SKIP, Observation
from twinheap.model.ops import OPS
from twinheap.model.view import view

PROGRAMS = 96
LONGEST = 150
"""Ops of a program that is looked at: each wrong observation costs a replay of the whole."""
EACH = 2
"""Observations of one op and outcome that are made wrong."""
RARE = 8
"""Op kinds that so few programs may not have."""


def wrong(seen: Observation) -> Iterator[tuple[str, Observation]]:
    """What an op cannot have done that did this."""
    yield "another error", msgspec.structs.replace(seen, outcome="err:another")
    yield "a value that nobody made", msgspec.structs.replace(seen, finalized=(*seen.finalized, 1_000_000))
    if seen.outcome != SKIP:
        yield "skipped", Observation(SKIP)
    if seen.outcome != OK:
        yield "ok", Observation(OK)
    if not all(str(value).startswith("f:") for value in seen.values):  # in a run alone: when, of what is told anyway
        yield "no values", msgspec.structs.replace(seen, values=())
    if seen.values:
        yield "other values", msgspec.structs.replace(seen, values=("another",) * len(seen.values))
    yield "one value more", msgspec.structs.replace(seen, values=(*seen.values, "surplus"))
    if seen.finalized:
        yield "twice", msgspec.structs.replace(seen, finalized=seen.finalized * 2)


@pytest.fixture(scope="module")
def heap() -> Iterator[Differ]:
    """The in-tree heap, which does everything right."""
    differ = opener_for()("heap")
    yield differ
    differ.close()


@pytest.mark.parametrize("exact", [True, False])
def test_every_rule_rejects_what_is_wrong(heap: Differ, exact: bool) -> None:
    profile = msgspec.structs.replace(heap.profile, exact=exact)
    views = [view(generate(5, number, DEFAULT, heap.supported), heap.supported) for number in range(PROGRAMS)]
    looked: Counter[tuple[str, str]] = Counter()
    accepted = []
    for program, judged in zip(views, heap.run(views), strict=True):
        seen, cases = list(judged.ran.observations), dict[int, str]()
        assert not judge(program, seen, profile, set(), cases)
        for at, op in enumerate(program.all_ops[:LONGEST] if len(seen) <= LONGEST else ()):
            name = OPS[op[0]].name
            looked[name, seen[at].outcome] += at in cases  # what the model cannot follow is not judged
            if at not in cases or looked[name, seen[at].outcome] > EACH:
                continue
            for how, instead in wrong(seen[at]):
                if how == "ok" and cases[at] == "unsure":  # in portable mode a root is gone, or not yet (2.3)
                    continue
                if not judge(program, [*seen[:at], instead, *seen[at + 1 :]], profile):
                    accepted.append((name, seen[at], how))
    assert not accepted
    assert len({name for name, _ in looked}) >= len(OPS) - RARE
