"""Budgets, durations, schedules and the sketch."""

from __future__ import annotations

import pytest

from twinheap.fuzz.budget import BLOCK, Budget, Schedule, parse_duration
from twinheap.fuzz.sketch import KEPT, Sketch


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("5m", 300), ("6h", 21600), ("1.5h", 5400), ("90", 90), ("1h30m", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-3s", "0s", "1000d", "5m!", "h"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="bad duration"):
        parse_duration(text)


def test_blocks_depend_on_the_numbers_alone() -> None:
    budget = Budget(BLOCK * 2 + 5, None)
    blocks = []
    while (block := budget.deal()) is not None:
        blocks.append(block)
    assert blocks == [range(BLOCK), range(BLOCK, 2 * BLOCK), range(2 * BLOCK, 2 * BLOCK + 5)]
    assert budget.over


def test_time_ends_it_and_so_does_stopping() -> None:
    now = [0.0]
    budget = Budget(None, 10.0, clock=lambda: now[0])
    assert budget.deal() is not None
    now[0] = 9.9
    assert budget.deal() is not None
    now[0] = 10.0
    assert budget.deal() is None
    endless = Budget(None, None)
    endless.stop()
    assert endless.deal() is None


def test_a_frequent_failure_is_shrunk_ever_more_rarely() -> None:
    schedule = Schedule()
    worth = [n for n in range(1, 1001) if schedule.worth("TH202")]
    assert worth == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert schedule.worth("TH101")


def test_the_sketch_is_bounded_and_near() -> None:
    sketch = Sketch()
    for number in range(50_000):
        sketch.add([hash((number % 20_000, "program"))])
    assert sketch.seen == 50_000
    assert abs(sketch.distinct - 20_000) < 0.15 * 20_000
    assert len(sketch._heap) == len(sketch._members) == KEPT
    assert Sketch().share == 1.0
