"""The table of verdict codes and the page made from it."""

from __future__ import annotations

from pathlib import Path

from twinheap.model.codes import CODES, markdown


def test_the_page_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "codes.md"
    assert page.read_text() == markdown(), (
        'run: python -c "from twinheap.model.codes import markdown; print(markdown())"'
    )


def test_codes_are_in_order_and_of_known_groups() -> None:
    assert list(CODES) == sorted(CODES)
    assert {code[:3] for code in CODES} <= {"TH1", "TH2", "TH3", "TH4", "TH5", "TH6"}
