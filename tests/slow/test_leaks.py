"""Repeated programs: a process that keeps something of each run is told, and one that only caches is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twinheap.fuzz.leaks import MORE, WINDOWS, grows, leak_of, quick, shrunk
from twinheap.model.program import Program
from twinheap.model.text import loads
from twinheap.targets.executor import Executor

LEAKING = """
from twinheap.targets import serve
from twinheap.targets.heap.machine import HeapMachine

kept = []

class Leaking(HeapMachine):
    def op_store_new(self, op):
        {leak}
        return super().op_store_new(op)

serve.main(Leaking("drc"))
"""
REPEATS = 100
TEXT = "O1 = ext_new_owned S0 v0\nS2 = store_new none plain\ndata O1\nO3 = ext_new_owned S2 v1"


def program_of(text: str) -> Program:
    return loads(f"twinheap program 1\n{text}\n").program


def executor(folder: Path, leak: str) -> Executor:
    script = folder / "executor.py"
    script.write_text(LEAKING.format(leak=leak))
    return Executor([sys.executable, "-P", str(script)])


def test_ten_kilobytes_for_each_store_is_a_leak_and_is_shrunk(tmp_path: Path) -> None:
    with executor(tmp_path, "kept.append(bytearray(10_000))") as leaking:
        leak = leak_of(leaking, program_of(TEXT), REPEATS)
        assert leak is not None
        assert 9_000 <= leak.per_run <= 13_000
        assert len(leak.windows) == WINDOWS
        assert min(leak.windows) >= 8_000 * MORE * REPEATS
        assert shrunk(leaking, leak, repeats=REPEATS).program == program_of("S1 = store_new none plain")
        assert leak_of(leaking, program_of("O1 = ext_new_owned S0 v0\ndata O1"), REPEATS) is None


@pytest.mark.parametrize("leak", ["pass", "len(kept) < 50 and kept.append(bytearray(5000))"])
def test_what_is_kept_once_is_no_leak(leak: str, tmp_path: Path) -> None:
    with executor(tmp_path, leak) as right:
        assert leak_of(right, program_of(TEXT), REPEATS) is None


def test_an_executor_that_ends_is_no_leak(tmp_path: Path) -> None:
    with executor(tmp_path, "import os; os._exit(3)") as dying:
        assert leak_of(dying, program_of(TEXT), 10) is None


def test_every_window_has_to_grow() -> None:
    assert grows([100_000] * WINDOWS, REPEATS)
    assert not grows([100_000] * (WINDOWS - 1) + [0], REPEATS)
    assert not grows([100_000], REPEATS)


def test_programs_that_make_thousands_of_objects_are_not_repeated() -> None:
    assert quick(program_of(TEXT))
    assert not quick(program_of("F1 = fill S0 2047 v0"))
