"""Stored programs as tests: collected only when asked for, passed when the record is right."""

from __future__ import annotations

from pathlib import Path

import pytest

import twinheap.pytest_corpus  # with what it needs: an inner run forgets what it alone imported
from twinheap.model.text import dumps, loads

pytest_plugins = ["pytester"]

assert twinheap.pytest_corpus.COMPANIONS

SEED = """twinheap program 1
O1 = ext_new_owned S0 v0
odrop O1
gc S0
"""

MUTANT = "heap,mutant=m01"


def stored(folder: Path, name: str, **meta: str) -> Path:
    """A program file with these header lines."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.twin"
    path.write_text(dumps(loads(SEED).program, meta))
    return path


def test_files_are_left_alone_unless_asked_for(pytester: pytest.Pytester) -> None:
    stored(pytester.path / "seeds", "seed")
    assert pytester.runpytest().ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("how", ["option", "setting", "by name"])
def test_a_seed_is_a_test_on_each_target(pytester: pytest.Pytester, how: str) -> None:
    path = stored(pytester.path / "seeds", "seed")
    if how == "setting":
        pytester.makeini("[pytest]\ntwinheap_corpus = true\n")
    result = pytester.runpytest("-v", *{"option": ["--twinheap-corpus"], "by name": [str(path)]}.get(how, []))
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*seed.twin::heap,collector=copying PASSED*"])


def test_a_seed_that_fails_is_reported_like_a_test(pytester: pytest.Pytester) -> None:
    stored(pytester.path / "seeds", "seed")
    result = pytester.runpytest("--twinheap-corpus", "--twinheap-target", MUTANT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*seed.twin?heap,mutant=m01?*", "TH202 leaked on heap,mutant=m01", "*<-- TH202"])
    result.stdout.no_fnmatch_line("*runtest*")


def test_a_record_must_fail_where_it_says_and_pass_where_it_says(pytester: pytest.Pytester) -> None:
    stored(pytester.path / "known", "K0", code="TH202", targets=MUTANT, fixed="heap")
    pytester.runpytest("--twinheap-corpus").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("meta", "line"),
    [
        ({"targets": "heap"}, "K0.twin on heap: recorded as FAILED with TH202, and now FIXED"),
        (
            {"targets": MUTANT, "code": "TH101"},
            f"K0.twin on {MUTANT}: recorded as FAILED with TH101, and now FAILED with TH202: *",
        ),
        (
            {"targets": "heap,mutant=m02", "fixed": MUTANT},
            f"K0.twin on {MUTANT}: recorded as FIXED, and now FAILED with TH202: *",
        ),
    ],
)
def test_a_record_with_another_status_fails(pytester: pytest.Pytester, meta: dict[str, str], line: str) -> None:
    stored(pytester.path / "known", "K0", **({"code": "TH202"} | meta))
    result = pytester.runpytest("--twinheap-corpus")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([line])


def test_a_record_on_a_chosen_target(pytester: pytest.Pytester) -> None:
    stored(pytester.path / "known", "K0", code="TH202", targets=MUTANT)
    arguments = ["--twinheap-corpus", "--twinheap-target", MUTANT, "--twinheap-target", "heap"]
    pytester.runpytest(*arguments).assert_outcomes(passed=2)


def test_a_finding_must_be_fixed(pytester: pytest.Pytester) -> None:
    stored(pytester.path / "findings", "TH202-x", role="shrunk", code="TH202", targets=MUTANT)
    stored(pytester.path / "findings", "TH202-x-original-y", role="original", code="TH202", targets=MUTANT)
    result = pytester.runpytest("--twinheap-corpus")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"TH202-x.twin on {MUTANT}: recorded as FIXED, and now FAILED with TH202: *"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("not a program", "*bad.twin: line 1: no TwinHeap program*"),
        ("twinheap program 99\n", "*bad.twin: line 1: program format 99 is not 1*"),
        ("twinheap program 1\ntargets: hepa\n", "*unknown target 'hepa'*"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_in_one_line(pytester: pytest.Pytester, text: str, line: str) -> None:
    path = pytester.path / "known" / "bad.twin"
    path.parent.mkdir()
    path.write_text(text)
    result = pytester.runpytest("--twinheap-corpus")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([line])
    assert path.read_text() == text
