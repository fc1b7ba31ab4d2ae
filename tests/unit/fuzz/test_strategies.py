"""The Hypothesis strategy: valid programs, and counterexamples that are as small as they can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, find, given, settings

from twinheap.fuzz.profiles import PROFILES
from twinheap.fuzz.strategies import programs
from twinheap.model.ops import CODE, INT_KINDS, OPS
from twinheap.model.program import Program
from twinheap.model.text import dumps
from twinheap.model.view import ALL_OPS, resolve

MOST_OPS = 15
"""Of the programs that shrinking begins with; it takes seconds from 40."""

THOROUGH = settings(
    max_examples=8000, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def count(program: Program, name: str) -> int:
    return sum(op[0] == CODE[name] for op in program.ops)


def exposes_twice(program: Program) -> bool:
    raws = [op[1] for op in program.ops if op[0] == CODE["to_raw"]]
    return len(raws) > len(set(raws))


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        (exposes_twice, 4),
        (lambda program: count(program, "oom_take") > 0, 2),
        (lambda program: count(program, "global_set") > 0, 3),
        (lambda program: any(op[0] == CODE["i31_new_owned"] and op[2] > 100 for op in program.ops), 1),
    ],
)
def test_counterexamples_are_small(wanted: Callable[[Program], bool], most: int) -> None:
    smallest = find(programs(max_ops=MOST_OPS), wanted, settings=THOROUGH)
    assert len(smallest) <= most, dumps(smallest)


@settings(max_examples=100, deadline=None)
@given(programs(max_ops=12))
def test_programs_are_valid_and_not_too_long(program: Program) -> None:
    assert resolve(program.config, program.ops) == program
    assert len(program) <= 12 + count(program, "cancel")
    for op in program.ops:
        for param, value in zip(OPS[op[0]].params, op[1:], strict=False):
            assert param.kind not in INT_KINDS or INT_KINDS[param.kind].holds(value)


@settings(max_examples=50, deadline=None)
@given(programs(supported=ALL_OPS - {"scope", "table_new"}))
def test_only_supported_ops_are_drawn(program: Program) -> None:
    assert not count(program, "scope")
    assert not count(program, "table_new")


def table_ops(name: str) -> int:
    """How many ops on tables there are in some programs of a profile."""
    seen = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(programs(PROFILES[name], min_ops=8, max_ops=10))
    def look(program: Program) -> None:
        seen.append(sum(OPS[op[0]].group == "tables" for op in program.ops))

    look()
    return sum(seen)


def test_a_profile_says_what_is_drawn_more_often() -> None:
    assert table_ops("tables") > 1.5 * table_ops("default")


@settings(max_examples=40, deadline=None)
@given(programs(min_ops=8, max_ops=10))
def test_about_as_many_ops_come_out_as_asked_for(program: Program) -> None:
    assert len(program) >= 1  # the resolver drops some
