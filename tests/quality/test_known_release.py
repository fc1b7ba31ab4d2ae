"""A run on a release with a known defect meets it, shrinks it, and stays green; on the newest release it is fixed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from twinheap.fuzz.engine import Engine, Run
from twinheap.fuzz.events import Event, Summary
from twinheap.fuzz.messages import Setup
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.replay import load, replay

BAD = "capi@43.0.0"
GOOD = "capi"
SEED = 1
PROGRAMS = 2000
"""Programs of the run: a second's work, a hundred times what K1 needs."""
MAX_OPS = 6
"""Ops of the shrunk program: make, expose twice, drop, collect, and one to spare."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("findings")


@pytest.fixture(scope="module")
def summary(folder: Path, require: Callable[[str], None]) -> Summary:
    """What a run on the bad release came to."""
    require("network")
    run = Run(setup=Setup(seed=SEED, targets=(BAD,), profile="host"), programs=PROGRAMS, folder=folder)

    def listener(event: Event) -> None:
        """Nobody watches."""

    return Engine(run, opener_for(), listener).run()


def test_k1_is_met_and_shrunk(summary: Summary) -> None:
    (met,) = (one for one in summary.expected if one.finding.known == "K1")
    assert met.finding.code == "TH202"
    assert met.finding.ops <= MAX_OPS, met.text
    assert summary.statistics.known["K1"] > 1, "the rest of its meetings are counted"


def test_known_defects_are_no_findings(summary: Summary) -> None:
    assert summary.findings == []
    assert summary.statistics.programs == PROGRAMS


def test_the_stored_program_fails_there_and_is_fixed_in_the_newest_release(summary: Summary) -> None:
    (met,) = (one for one in summary.expected if one.finding.known == "K1")
    assert met.path is not None
    stored = load(met.path)
    assert replay(stored, BAD, opener_for()).status == "FAILED"
    assert replay(stored, GOOD, opener_for()).status == "FIXED"
