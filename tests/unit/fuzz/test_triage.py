"""Triage: solid, flaky and dependent failures, on fake targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twinheap.fuzz.messages import Flaky, Suspect, TriageDone
from twinheap.fuzz.oracle import Opener, TargetOracle
from twinheap.fuzz.triage import REPLAYS, Case, triage
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, OPS
from twinheap.model.program import Program
from twinheap.model.text import loads

DATA, KIND = CODE["data"], CODE["kind"]

FAILING = """twinheap program 1
O1 = ext_new_owned S0 v0
scope S0:
  L2 = lend O1
  data L2
  data O1
  kind L2
gc S0
"""
INNOCENT = "twinheap program 1\nO1 = ext_new_owned S0 v0\nodrop O1\n"
GUILTY = "twinheap program 1\nO1 = i31_new_owned S0 7\nO2 = ext_new_owned S0 v0\nkind O2\ngc S0\n"

Faked = Callable[..., Opener]


def lies(observations: list[Observation], program: Program) -> None:
    """Every `data` gives another value."""
    for at, op in enumerate(program.all_ops):
        if op[0] == DATA:
            observations[at] = Observation("ok", (7, 0))


def names(program: Program) -> list[str]:
    return [OPS[op[0]].name for op in program.ops]


def run(opener: Opener, before: list[str]) -> TriageDone:
    program = loads(FAILING).program
    oracle = TargetOracle("fake", opener)
    earlier = [loads(text).program for text in before]
    identity, verdict = next(
        seen.failures[0] for _ in range(50) if (seen := oracle.see([*earlier, program])[-1]).failures
    )
    case = Case(Suspect(len(before), 0, identity, verdict), program, earlier)
    return triage(case, ["fake"], opener)


def test_a_solid_failure_is_shrunk(faked: Faked) -> None:
    done = run(faked(lambda runner, program, seen: lies(seen, program)), [INNOCENT])
    assert done.flaky is None
    assert done.before == []
    assert names(done.program) == ["ext_new_owned", "data"]
    assert done.verdict.code == "TH101"
    assert names(done.original).count("data") == 2


def test_a_failure_that_needs_a_predecessor_keeps_it_shrunk(faked: Faked) -> None:
    def spoil(runner: Any, program: Program, seen: list[Observation]) -> None:
        if any(op[0] == KIND for earlier in runner.seen for op in earlier.ops):
            lies(seen, program)

    done = run(faked(spoil), [INNOCENT, GUILTY, INNOCENT])
    assert done.flaky is None
    assert names(done.program) == ["ext_new_owned", "data"]
    [before] = done.before
    assert names(before) in (["ext_new_owned", "kind"], ["i31_new_owned", "kind"])


def test_a_failure_that_comes_and_goes_is_flaky(faked: Faked) -> None:
    def spoil(runner: Any, program: Program, seen: list[Observation]) -> None:
        if runner.starts[0] % 2:
            lies(seen, program)

    starts = [0]
    done = run(faked(spoil, starts), [])
    assert done.flaky in (Flaky(REPLAYS, 1), Flaky(REPLAYS, 2))
    assert done.program == done.original


def test_a_failure_that_never_repeats_is_flaky(faked: Faked) -> None:
    def spoil(runner: Any, program: Program, seen: list[Observation]) -> None:
        if runner.starts[0] == 1:
            lies(seen, program)

    done = run(faked(spoil), [INNOCENT])
    assert done.flaky == Flaky(REPLAYS, 0)
