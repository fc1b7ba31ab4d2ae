"""The native executor of the C API against the Python one: the same programs, the same observations.

Programs come from random profiles, so many of them meet known defects: panics and deaths must be the same, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import msgspec
import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.builder import Builder
from twinheap.model.engines import ENGINES
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, INT_KINDS, OPS
from twinheap.model.program import Program
from twinheap.model.text import loads
from twinheap.model.view import view
from twinheap.targets.executor import Executor
from twinheap.targets.ran import Ran
from twinheap.targets.registry import parse
from twinheap.targets.rust import native

SEEDS = [
    loads(entry.read_text()).program
    for entry in files("twinheap.corpus").joinpath("seeds").iterdir()
    if entry.name.endswith(".twin")
]
RELEASES = ["29.0.0", "36.0.0", "43.0.0", "50.0.1"]
"""One of each shape of handles and releases, and the one with objects of the host."""
PROGRAMS = 64
"""Programs of each profile and release."""
SEED = 2029
TIMEOUT = 1200
"""Seconds for a first build and all programs beside other load."""

pytestmark = pytest.mark.timeout(TIMEOUT)

Pair = tuple[Executor, Executor]


@pytest.fixture(scope="module", autouse=True)
def built(require: Callable[[str], None]) -> None:
    require("network")
    require("rust")
    native.build(print)


@pytest.fixture(scope="module", params=RELEASES)
def pair(request: pytest.FixtureRequest, built: None) -> object:
    python, other = (parse(f"capi@{request.param},via={via}").executor() for via in ("ctypes", "native"))
    with python, other:
        yield python, other


def comparable(asked: Program, ran: Ran) -> tuple[str | None, list[Observation]]:
    """How a program ended, and its observations; how many bytes a process grew by is its own affair."""
    told = zip(asked.all_ops, ran.observations, strict=False)
    return ran.ended, [Observation("grown") if op[0] == CODE["churn"] else seen for op, seen in told]


def agree(pair: Pair, programs: Sequence[Program]) -> int:
    """Runs programs on both; how many ops were observed."""
    python, other = pair
    views = [view(program, python.hello.supported) for program in programs]
    observed = 0
    for asked, one, two in zip(views, python.run(views), other.run(views), strict=True):
        assert comparable(asked, two) == comparable(asked, one), asked
        observed += len(one.observations)
    return observed


def test_they_say_the_same_of_themselves(pair: Pair) -> None:
    python, other = (executor.hello for executor in pair)
    assert python.build.endswith(" ctypes")
    assert " native executor-" in other.build
    assert msgspec.structs.replace(python, build="") == msgspec.structs.replace(other, build="")


@pytest.mark.parametrize("profile", ["default", "bodies"])
def test_they_observe_the_same(pair: Pair, profile: str) -> None:
    ops = pair[0].hello.supported
    assert agree(pair, [generate(SEED, at, PROFILES[profile], ops) for at in range(PROGRAMS)]) > 20 * PROGRAMS


@pytest.mark.parametrize("engine", range(1, len(ENGINES)))
def test_they_have_the_same_engines(pair: Pair, engine: int) -> None:
    made = [generate(SEED + engine, at, PROFILES["wasm"], pair[0].hello.supported) for at in range(8)]
    agree(
        pair, [msgspec.structs.replace(one, config=msgspec.structs.replace(one.config, engine=engine)) for one in made]
    )


def test_the_seeds_use_every_op(pair: Pair) -> None:
    python, other = pair
    views = [view(seed, python.hello.supported) for seed in SEEDS]
    assert {OPS[op[0]].name for one in views for op in one.all_ops} == python.hello.ops
    stopped = {str(seen.outcome) for ran in other.run(views) for seen in ran.observations}
    assert stopped >= {"trap:fuel", "trap:interrupt"}
    agree(pair, SEEDS)


@pytest.mark.parametrize("use", ["data", "to_raw", "global"])
def test_the_wrong_store_ends_both_alike(pair: Pair, use: str) -> None:
    builder = Builder()
    for name, *operands in (("store_new", -1, 0), ("ext_new_owned", 0, 0)):
        builder.add(CODE[name], tuple(operands))
    builder.add(CODE["wrong_store"], (1, 2, INT_KINDS["use"].names.index(use)))
    program = builder.finish()
    pids = [executor.pid for executor in pair]
    agree(pair, [program])
    (ran,) = pair[1].run([view(program, pair[1].hello.supported)])
    assert any(str(seen).startswith(("panic:", "dead:")) for seen in ran.observations)
    assert [executor.pid for executor in pair] == pids


FREEING = """twinheap program 1
S0: limit=none limiter=plain engine=fuel
I1 = inst S0
modules_drop S0
"""
GROUP = """twinheap program 1
S0: limit=none limiter=plain engine=fuel
B0: (body (global nodes (array.new_fixed nodes (null node) (struct.new node (struct.new node (null node) (null extern)) (null extern)))) (main (null extern)))
I1 = inst S0
L2 = run I1 0 v0 null null null 0 lifo
"""  # noqa: E501


@pytest.mark.parametrize("via", ["ctypes", "native"])
def test_types_freed_in_one_program_do_not_reach_the_next(via: str) -> None:
    """K52: within one program these two end the process, since an engine's types take the places of freed ones."""
    programs = [loads(FREEING).program, loads(GROUP).program] * 2
    with parse(f"capi@31.0.0,via={via}").executor() as executor:
        for ran in executor.run(programs):
            assert [observation.outcome for observation in ran.observations if observation.outcome != "ok"] == []
