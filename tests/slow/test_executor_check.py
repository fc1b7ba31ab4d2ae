"""check-executor: what passes, and what each broken executor is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twinheap.fuzz.generate import generate
from twinheap.model.builder import Builder
from twinheap.model.judge import judge
from twinheap.model.ops import CODE
from twinheap.model.profiles import profile_for
from twinheap.model.view import view
from twinheap.targets.check import Check, check_executor
from twinheap.targets.executor import Executor

ROOT = Path(__file__).parents[2]
MINIMAL = [sys.executable, str(ROOT / "docs" / "examples" / "minimal_executor.py")]
HEAP = [sys.executable, "-P", "-m", "twinheap.targets.heap.executor"]


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.reason for check in checks if not check.passed}


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_the_heap_passes(collector: str) -> None:
    checks = check_executor([*HEAP, "--collector", collector])
    assert len(checks) > 10
    assert failed(checks) == {}


def test_the_example_passes() -> None:
    checks = check_executor(MINIMAL)
    assert failed(checks) == {}
    assert all(check.reason == "" for check in checks)  # nothing was left out


def test_the_example_agrees_with_the_model() -> None:
    with Executor(MINIMAL) as executor:
        hello = executor.hello
        profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
        programs = [view(generate(5, number), hello.ops) for number in range(300)]
        for program, ran in zip(programs, executor.run(programs), strict=True):
            assert ran.ended is None, ran
            assert judge(program, ran.observations, profile) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/nowhere/executor"], "No such file"),
        (["true"], "exit 0"),
        (["cat"], "not a message of an executor"),
        (["echo", "hello, I am an executor"], "garbage"),
        ([sys.executable, "-c", "raise SystemExit('no heap here')"], "exit 1; it wrote: no heap here"),
    ],
)
def test_what_does_not_greet(command: list[str], words: str) -> None:
    (check,) = check_executor(command)
    assert check.name == "greets"
    assert words in check.reason


def broken(tmp_path: Path, old: str, new: str) -> list[str]:
    """The example with a mistake."""
    source = Path(MINIMAL[1]).read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "broken.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    return [sys.executable, str(path)]


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        ('"wire": 1', '"wire": 2', "describes itself", "wire version 2"),
        ('"collector": "drc"', '"collector": "rc"', "describes itself", "collector 'rc'"),
        ("list(READS)}", "[*READS, 'fly']}", "describes itself", "do not exist: fly"),
        ("note[1] = index", "pass", "notes its place", "its progress file says"),
        ("note[0] = number", "pass", "notes its place", "its progress file says"),
        ("program[0], run", "0, run", "runs a batch", "answers program 0"),
        ('"result", batch_id', '"result", 0', "runs a batch", "answers batch 0"),
        ("in programs:", "in reversed(programs):", "answers in order", "answers program 1 where program 2"),
        ("while len(data) < count and (piece", "while not data and (piece", "reads in pieces", ""),
        ("(found.value, found.payload)", "(0, 0)", "keeps what is held", "data of value 1"),
        ("self.finalized.append(found.value)", "pass", "gives back what is not", "finalized by the end"),
        ('observations.append(("skip",))', 'observations.append(("ok",))', "refuses over the limit", "empty slot"),
        ("            self.finalized.append(value)\n", "", "refuses over the limit", "not finalized in the same op"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(old: str, new: str, name: str, words: str, tmp_path: Path) -> None:
    checks = check_executor(broken(tmp_path, old, new), op_timeout=1.0)
    assert name in failed(checks)
    assert words in failed(checks)[name]


def test_an_executor_that_lives_on_is_told(tmp_path: Path) -> None:
    command = broken(tmp_path, "    main()\n", "    main()\n    import time; time.sleep(60)\n")
    assert "lives on" in failed(check_executor(command))["ends with its input"]


def test_a_program_of_one_store_is_all_that_is_needed() -> None:
    program = Builder().finish()
    assert [op[0] for op in program.all_ops] == [CODE["gc"], CODE["sync"], CODE["store_drop"]]
