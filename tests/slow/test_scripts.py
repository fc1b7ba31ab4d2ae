"""Stand-alone scripts of known defects: on a release that has it, and on one without; and those in docs/findings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from twinheap.fuzz.replay import Stored, load
from twinheap.reporters.script import script
from twinheap.targets.capi import wheels
from twinheap.targets.capi.releases import parse

ROOT = Path(__file__).parents[2]
KNOWN = ROOT / "corpus" / "known"
SCRIPTS = sorted((ROOT / "docs" / "findings").glob("*.py"))

RUNS = [
    *(("K2", "45.0.0", 1), ("K2", "50.0.1", 0), ("K3", "43.0.0", 1), ("K3", "50.0.1", 0), ("K4", "43.0.0", 1)),
    *(("K5", "44.0.0", 1), ("K7", "50.0.1", 1), ("K8", "36.0.0", 0), ("K8", "50.0.1", 1), ("K14", "36.0.0", 1)),
    *(("K16", "45.0.0", 1), ("K19", "44.0.0", 2), ("K19", "50.0.1", 1), ("K22", "36.0.0", 1), ("K24", "31.0.0", 1)),
    *(("K28", "43.0.0", 1), ("K28", "50.0.1", 0), ("K37", "36.0.0", 0), ("K37", "43.0.0", 1), ("K37", "47.0.1", 1)),
    *(("K62", "46.0.1", 1), ("K62", "47.0.1", 0)),
]
"""Defect, release and exit code: 1 where it shows, 2 where the release lacks a function."""


def stored(name: str) -> list[Stored]:
    """The programs of a known defect."""
    found = [load(path) for path in sorted(KNOWN.glob(f"{name}-*.twin"))]
    assert found, name
    return found


@pytest.mark.parametrize(("name", "release", "code"), RUNS)
def test_a_defect_shows_by_the_exit_code(
    tmp_path: Path, require: Callable[[str], None], name: str, release: str, code: int
) -> None:
    require("network")
    one = stored(name)[0]  # the first by name is one of the C API
    path = tmp_path / "a.py"
    path.write_text(script(one.program, one.meta))
    command = [sys.executable, str(path), str(wheels.fetch(release)), str(parse(release).major)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("linked-instances", " = link "),
        ("epoch-ends-callback", "trap:interrupt"),
        ("fuel-ends-everywhere", "trap:fuel"),
        ("engine-fibers", "arg"),
        ("inst-drop", "inst_drop I2"),
        ("modules-drop", "modules_drop S0"),
        ("churn-ways", "churn S0 call"),
        ("pools", "pool_fill S2"),
    ],
)
def test_limits_and_links_are_as_specified(
    tmp_path: Path, require: Callable[[str], None], name: str, shown: str
) -> None:
    """Fuel, epochs, fibers, linked instances, far helpers; what a stopped run did is not asked for."""
    require("network")
    one = load(next((ROOT / "corpus" / "seeds").glob(f"{name}-*.twin")))
    path = tmp_path / "a.py"
    path.write_text(script(one.program, one.meta))
    command = [sys.executable, str(path), str(wheels.fetch("50.0.1")), "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "as specified"), done.stdout + done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["48"], "usage:"),
        (["lib.so", "forty"], "usage:"),
        (["nowhere.so", "48"], "nowhere.so: no such file"),
        ([__file__, "48"], "invalid ELF header"),
    ],
)
def test_what_is_no_defect_is_2(arguments: list[str], words: str) -> None:
    """Wrong arguments, and a file that is no library."""
    command = [sys.executable, str(ROOT / "docs" / "findings" / "K14.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_those_in_the_documentation_are_up_to_date(path: Path) -> None:
    written = path.read_text()
    assert written in [script(one.program, one.meta) for one in stored(path.stem)]
