"""The control of `twinheap bench mutants`: what it finds is told and stored, since somebody has to look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinheap.cli import EXIT_FOUND, bench, main
from twinheap.fuzz import mutants
from twinheap.fuzz.replay import load
from twinheap.fuzz.store import StoreError

PROGRAMS = 40
"""Enough for m20, which a test of planted bugs finds in a few; and each different failure is shrunk."""


def test_what_the_control_finds_is_shown_and_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mutants, "COLLECTORS", ("null", "drc,mutant=m20"))
    control = mutants.control(PROGRAMS, 1, "default", 1, tmp_path)
    assert control.programs == PROGRAMS
    assert not control.interrupted
    assert {made.finding.target for made in control.findings} == {"heap,collector=drc,mutant=m20"}
    lines = bench._lines_of(control)
    assert lines[0].endswith(f"{len(control.findings)} findings")
    for made in control.findings:
        assert made.path is not None
        assert len(load(made.path).program) == made.finding.ops
        assert any(str(made.path) in line for line in lines)
        assert f"  seed 2, program {made.finding.number}" in lines


def test_without_a_folder_the_programs_are_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "COLLECTORS", ("drc,mutant=m20",))
    control = mutants.control(PROGRAMS, 1, "default", 1)
    assert control.findings
    made = control.findings[0]
    assert made.path is None
    assert any(f"  at:       {made.finding.op}" == line for line in bench._lines_of(control))


def test_what_cannot_be_stored_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise StoreError(f"{path}: No space left on device")

    monkeypatch.setattr(mutants, "COLLECTORS", ("drc,mutant=m20",))
    monkeypatch.setattr("twinheap.fuzz.store.write_atomically", refuse)
    few = str(PROGRAMS)
    command = ["bench", "mutants", "--only", "m20", "--seeds", "1", "--control", few, "--findings", str(tmp_path)]
    assert main(command) == EXIT_FOUND
    told = capsys.readouterr()
    assert "warning: a killer could not be stored" in told.err
    assert "warning: a finding could not be stored" in told.err
    assert told.out.splitlines()[-1].startswith("1 of 1 hunts killed")
