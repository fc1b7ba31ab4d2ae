"""Random programs find planted bugs soon, one of each area here, and shrink them to about their stored killers.

`twinheap bench mutants` measures all of them, with several seeds.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from twinheap.fuzz.hunt import hunt
from twinheap.fuzz.messages import HuntJob
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import DEFAULT
from twinheap.fuzz.replay import load
from twinheap.model.judge import judge
from twinheap.model.text import dumps, loads

MUTANTS = Path(__file__).resolve().parents[2] / "corpus" / "mutants"
SEED = 20260101
MAX_PROGRAMS = 3000
"""Six times the median of all mutants: a search that has lost an area finds nothing there in any number of programs."""
SLACK = 2
"""Ops by which a shrunk program may be longer than the stored killer, which people have shortened by hand."""
SHRINK_SECONDS = 60.0
"""No limit in practice, so that a busy machine shrinks as far as an idle one."""

AREAS = {
    "generations of LIFO roots": "heap,mutant=m04",
    "clones of owned roots": "heap,mutant=m11",
    "trims": "heap,collector=copying,mutant=m12",
    "exposed objects": "heap,mutant=t20",
    "write barriers": "heap,mutant=m27",
    "free list": "heap,mutant=m36",
    "null heap": "heap,collector=null,mutant=t23",
    "host data": "heap,mutant=m32",
    "copying": "heap,collector=copying,mutant=c01",
    "futures": "heap,mutant=a01",
    "tables": "heap,mutant=t02",
    "typed calls": "heap,mutant=t18",
    "i31": "heap,collector=null,mutant=t06",
    "out-of-memory errors": "heap,collector=copying,mutant=t26",
    "other stores": "heap,mutant=t07",
    "moments of what Wasm overwrites": "heap,mutant=x01",
    "moments of what frames hold": "heap,mutant=x02",
}


def test_a_run_of_a_body_leaves_the_depth_of_recursion_as_it_was() -> None:
    """The cascade of m30 is told by the interpreter's own limit, which bodies need to be higher."""
    runs = "B0: (body (main (null extern)))\nI1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\n"
    program = loads(f"twinheap program 1\n{runs}O3 = chain S0 1000\nodrop O3\n").program
    differ = opener_for()("heap,mutant=m30")
    try:
        (judged,) = differ.run([program])
    finally:
        differ.close()
    assert [verdict.code for verdict in judged.verdicts] == ["TH401"]


def killer_ops(target: str) -> int:
    """The length of the stored killer of the mutant in `target`."""
    name = target.rpartition("=")[2]
    (path,) = MUTANTS.glob(f"{name}-*.twin")
    return len(load(path).program)


@pytest.mark.parametrize("target", AREAS.values(), ids=AREAS.keys())
def test_a_planted_bug_is_found_and_shrunk(target: str) -> None:
    done = hunt(HuntJob(target, SEED, MAX_PROGRAMS), DEFAULT, opener_for(), SHRINK_SECONDS)
    assert done.triage is not None, f"{target} survived {MAX_PROGRAMS} programs"
    assert done.triage.flaky is None
    shrunk = done.triage.program
    assert len(shrunk) <= killer_ops(target) + SLACK, dumps(shrunk)


@pytest.mark.parametrize("name", ["x01", "x02", "x03"])
def test_only_exact_moments_show_some_bugs_of_wasm(name: str) -> None:
    """What goes a little late or a little early is right for a judge that knows only what is due (4.2)."""
    (path,) = MUTANTS.glob(f"{name}-*.twin")
    program = load(path).program
    differ = opener_for()(f"heap,mutant={name}")
    try:
        (judged,) = differ.run([program])
    finally:
        differ.close()
    assert [verdict.code for verdict in judged.verdicts] == ["TH205"]
    portable = replace(differ.profile, exact=False)
    assert judge(program, judged.ran.observations, portable) == []
