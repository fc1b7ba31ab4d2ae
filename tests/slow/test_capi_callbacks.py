"""Callbacks through the C API: seeds, and random programs, on releases of every shape."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.ops import CALLS
from twinheap.model.text import loads
from twinheap.model.view import view
from twinheap.targets.registry import parse

RELEASES = ["31.0.0", "36.0.0", "43.0.0", "50.0.1"]
NEWEST = "50.0.1"
SEEDS = [
    entry.read_text()
    for entry in files("twinheap.corpus").joinpath("seeds").iterdir()
    if entry.name.startswith("callback-")
]


@pytest.mark.parametrize("release", RELEASES)
def test_the_seeds_run(require: Callable[[str], None], release: str) -> None:
    require("network")
    target = Differ(release, parse(f"capi@{release}").executor())
    try:
        views = [(at, view(loads(text).program, target.supported)) for at, text in enumerate(SEEDS)]
        target.send(views)
        for judged in target.receive():
            assert [verdict for verdict in judged.verdicts if verdict.known is None] == []
    finally:
        target.runner.close()


def test_random_programs_agree(require: Callable[[str], None]) -> None:
    require("network")
    target = Differ(NEWEST, parse(f"capi@{NEWEST}").executor())
    try:
        made = [generate(78, at, PROFILES["bodies"], target.supported) for at in range(300)]
        target.send([(at, view(one, target.supported)) for at, one in enumerate(made)])
        judged = target.receive()
    finally:
        target.runner.close()
    assert sum(op[0] in CALLS for one in judged for op in one.program.ops) > 50
    assert [verdict for one in judged for verdict in one.verdicts if verdict.known is None] == []
