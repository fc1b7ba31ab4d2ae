"""The seeds: valid as they stand, canonical, named after their content, every op kind among them."""

from __future__ import annotations

from importlib.resources import files

import pytest

from twinheap.model.ops import OPS
from twinheap.model.text import SUFFIX, digest, dumps, loads

SEEDS = {entry.name: entry.read_text() for entry in files("twinheap.corpus").joinpath("seeds").iterdir()
         if entry.name.endswith(SUFFIX)}  # fmt: skip
LEAST = 60
MOST_LINES = 60


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_seed_is_canonical_and_named_after_its_content(name: str) -> None:
    parsed = loads(SEEDS[name])
    assert dumps(parsed.program, parsed.meta) == SEEDS[name]
    assert name.removesuffix(SUFFIX).endswith("-" + digest(parsed.program)[:8])
    assert parsed.meta["note"]
    assert len(parsed.program) <= MOST_LINES


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len({digest(loads(text).program) for text in SEEDS.values()}) == len(SEEDS) >= LEAST


def test_every_op_kind_is_among_them() -> None:
    seen = {op[0] for text in SEEDS.values() for op in loads(text).program.ops}
    assert {spec.name for spec in OPS if spec.code not in seen} == set()
