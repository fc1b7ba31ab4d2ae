"""Every stored program of a known defect, on every target that its record names: it fails and is fixed as recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.replay import Shared, expectations, load, replay

KNOWN = Path(__file__).parents[2] / "corpus" / "known"
RELEASES = 8
"""Releases of the C API that the records must name at the least: a defect of one alone says little of the others."""
TIMEOUT = 600
"""Seconds for one program; the first on a release fetches its wheel."""

PROGRAMS = sorted(KNOWN.glob("*.twin"))


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    """Executors that programs leave to each other."""
    left = Shared()
    yield left
    left.close()


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_as_recorded(
    path: Path, shared: Shared, require: Callable[[str], None], is_built: Callable[[str], bool]
) -> None:
    require("network")
    stored = load(path)
    due = [(name, status) for name, status in expectations(stored) if not name.startswith("rust") or is_built(name)]
    if not due:
        pytest.skip("needs executors of the Rust API, which take minutes to build: see `twinheap rust build`")
    for target, expected in due:
        seen = replay(stored, target, opener_for(), expected, shared)
        assert seen.as_recorded, (target, seen.status, seen.verdict, seen.detail)


def test_the_records_name_many_releases() -> None:
    named = {target for path in PROGRAMS for target, _ in expectations(load(path)) if target.startswith("capi@")}
    assert len(named) >= RELEASES
