"""The C API's executor on the installed wheel: agreement with the model, ends by design, nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.builder import Builder
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, NULL
from twinheap.model.profiles import profile_for
from twinheap.model.program import Config, Program
from twinheap.model.view import view
from twinheap.targets.check import check_executor
from twinheap.targets.executor import Executor
from twinheap.targets.registry import parse

LIFO_ONLY = {"scope", "ext_new", "own", "lend", "cast", "typed_call", "new_async", "gc_for", "oom_take"}
LEAK_ROUNDS = 400
LEAK = 4 << 20
"""Bytes. Four times 400 programs would leave 320,000 handles behind, of 30 bytes or more each."""


@pytest.fixture(scope="module")
def capi() -> Iterator[Executor]:
    with parse("capi").executor() as executor:
        yield executor


def program(*ops: tuple[str, *tuple[int, ...]], config: Config | None = None) -> Program:
    builder = Builder(config)
    for name, *operands in ops:
        assert builder.add(CODE[name], operands) is not None, name
    return builder.finish()


def run(executor: Executor, *ops: tuple[str, *tuple[int, ...]], config: Config | None = None) -> list[Observation]:
    asked = program(*ops, config=config)
    (ran,) = executor.run([asked])
    assert ran.ended is None, ran
    return list(ran.observations[: len(asked.ops)])


def test_it_says_what_it_is(capi: Executor) -> None:
    hello = capi.hello
    assert (hello.runtime, hello.collector, hello.exact) == ("wasmtime", "drc", False)
    assert hello.release.count(".") == 2
    assert not hello.ops & LIFO_ONLY


def test_it_passes_its_check() -> None:
    assert [check for check in check_executor(parse("capi").command) if not check.passed] == []


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_model_agrees(capi: Executor, profile: str) -> None:
    hello = capi.hello
    expected = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
    programs = [view(generate(13, number, PROFILES[profile]), hello.ops) for number in range(60)]
    for asked, ran in zip(programs, capi.run(programs), strict=True):
        assert [verdict for verdict in judge(asked, ran.observations, expected) if not verdict.known] == []


def test_values_of_the_basic_ops(capi: Executor) -> None:
    seen = run(
        capi,
        ("ext_new_owned", 0, 0),
        ("data_set", 1, 7),
        ("oclone", 1),
        ("data", 2),
        ("conv_any_owned", 1),
        ("kind", 3),
        ("eq", 3, 3),
        ("i31_new_owned", 0, 0xFFFFFFFF),
        ("kind", 4),
        ("conv_ext_owned", 4),
        ("data", 5),
        ("kind", 5),
        ("eq", 5, 5),
        ("eq", 1, 5),
        ("from_imm_owned", 0, 0, 0),
        ("data", 6),
    )
    assert [str(one) for one in seen] == [
        "ok",
        "ok",
        "ok",
        "ok(0, 7)",
        "ok",
        "ok(extern)",
        "ok(True)",
        "ok",
        "ok(i31, 2147483647)",
        "ok",
        "ok(none)",
        "ok(i31, 2147483647)",
        "ok(True)",
        "ok(False)",
        "ok(null)",
        "skip",
    ]


def test_slots(capi: Executor) -> None:
    seen = run(
        capi,
        ("i31_new_owned", 0, 3),
        ("global_new", 0, 0, 1, 1),
        ("global_new", 0, 1, 0, 1),
        ("global_set", 3, NULL),
        ("global_get_owned", 3),
        ("kind", 4),
        ("table_new", 0, 1, 2, 3, NULL),
        ("table_get_owned", 5, 1),
        ("table_get_owned", 5, 2),
        ("table_set", 5, 2, NULL),
        ("table_grow", 5, 1, 1),
        ("table_grow", 5, 1, 1),
        ("table_size", 5),
    )
    assert [str(one) for one in seen] == [
        "ok",
        "err:type",
        "ok",
        "err:immutable",
        "ok(nonnull)",
        "ok(i31, 3)",
        "ok",
        "ok(null)",
        "ok(absent)",
        "err:oob",
        "ok(2)",
        "err:grow",
        "ok(3)",
    ]


def test_fill_until_the_limit(capi: Executor) -> None:
    seen = run(capi, ("fill", 0, 3000, 0), ("free", 1, 1), ("gc", 0), config=Config(limit=65536))
    assert (seen[0].values, seen[0].finalized) == ((2047,), (2047,))
    assert sorted(seen[2].finalized) == list(range(1, 2047, 2))


@pytest.mark.parametrize("use", [0, 1, 3])
def test_the_wrong_store_ends_the_process_and_nothing_else(capi: Executor, use: int) -> None:
    fine = program(("ext_new_owned", 0, 0), ("data", 1))
    fatal = program(("ext_new_owned", 0, 0), ("store_new", -1, 0), ("wrong_store", 2, 1, use))
    before = capi.restarts
    first, culprit, last = capi.run([fine, fatal, fine])
    assert (first.ended, culprit.ended, last.ended) == (None, "panic", None)
    assert [one.outcome for one in culprit.observations[:2]] == ["ok", "ok"]
    assert culprit.observations[2].outcome.startswith("panic:")
    assert "wrong store" in culprit.observations[2].outcome
    assert not culprit.flaky
    assert first.observations == last.observations
    assert capi.restarts == before  # it happens in a copy of the process


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_handles_that_a_program_leaves_behind_are_given_back() -> None:
    left = program(*[("ext_new_owned", 0, value) for value in range(100)], ("fill", 0, 100, 100))
    with parse("capi").executor() as executor:
        for _ in range(4):  # until the allocators have what they need
            executor.run([left] * LEAK_ROUNDS)
        before = resident(executor.pid)
        for _ in range(4):
            executor.run([left] * LEAK_ROUNDS)
        assert resident(executor.pid) - before < LEAK


def test_a_library_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "libwasmtime.so"
    path.write_bytes(b"no library")
    (check,) = check_executor(parse(f"capi,lib={path}").command)
    assert "cannot be loaded" in check.reason
