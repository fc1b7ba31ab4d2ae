"""The planted bugs: table, directives, and that each one shows (docs/spec/verification.md 10)."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from twinheap.targets.heap import mutants

FEWEST = 120


def test_every_entry_has_a_directive_and_every_directive_an_entry():
    found = Counter(name for path in mutants.sources() for name in mutants.directives(path.read_text()))
    assert set(found) == set(mutants.MUTANTS)


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_how_many_there_are_is_said(name):
    text = (Path(__file__).resolve().parents[3] / name).read_text()
    assert re.findall(r"(\d+) planted bugs", text) == [str(len(mutants.MUTANTS))]


def test_the_table_names_all_of_the_specification():
    numbers = [mutant.number for mutant in mutants.MUTANTS.values() if mutant.number is not None]
    assert set(numbers) == set(range(1, 41))
    assert len(numbers) == len(set(numbers))
    assert len(mutants.MUTANTS) >= FEWEST
    for name, mutant in mutants.MUTANTS.items():
        assert mutant.name == name
        assert mutant.collectors
        assert mutant.killer
        assert mutant.number is None or name == f"m{mutant.number:02}"


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_mutated_sources_differ_compile_and_keep_their_lines(name):
    changed = 0
    for path in mutants.sources():
        source = path.read_text()
        mutated = mutants.rewrite(source, name)
        compile(mutated, str(path), "exec")
        assert len(mutated.splitlines()) == len(source.splitlines())
        changed += mutated != source.rstrip("\n")
    assert changed


def test_rewriting_replaces_adds_and_reaches_below():
    source = (
        "if x:\n    a = 1  # mutant z01: a = 2\n    # mutant z01: b = 3\n    # mutant z01 below: c = 4\n\n    c = 5\n"
    )
    mutated = "if x:\n    a = 2\n    b = 3\n    # mutant z01 below: c = 4\n\n    c = 4"
    assert mutants.rewrite(source, "z01") == mutated
    assert mutants.rewrite(source, "z02") == source.rstrip("\n")


def test_unknown_and_late_mutants_are_refused():
    with pytest.raises(ValueError, match="unknown mutant 'm99'"):
        mutants.install("m99")
    from twinheap.targets.heap import errors

    assert errors
    with pytest.raises(RuntimeError, match="comes too late"):
        mutants.install("m01")


def test_every_mutant_shows_in_its_killer():
    script = Path(__file__).with_name("heap_killers.py")
    result = subprocess.run([sys.executable, "-P", script], capture_output=True, text=True, timeout=240, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
