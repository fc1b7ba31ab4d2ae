"""The package as its users see it: names, versions, entry points, data files."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys

import pytest

import twinheap
from twinheap.cli import main


def run_twinheap(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -P -m twinheap``."""
    command = [sys.executable, "-P", "-m", "twinheap", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_version_is_the_one_of_the_distribution() -> None:
    assert twinheap.__version__ == importlib.metadata.version("twinheap")


@pytest.mark.parametrize("name", ["fuzz", "heap", "model", "targets"])
def test_public_module_is_loaded_on_first_use(name: str) -> None:
    assert name in dir(twinheap)
    module = getattr(twinheap, name)
    assert module.__name__.startswith("twinheap.")
    assert getattr(twinheap, name) is module


def test_heap_is_the_in_tree_heap() -> None:
    assert twinheap.heap.__name__ == "twinheap.targets.heap"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = twinheap.nothing


def test_all_names_exist() -> None:
    for name in twinheap.__all__:
        assert hasattr(twinheap, name)


def test_typed_marker_is_installed() -> None:
    assert importlib.resources.files("twinheap").joinpath("py.typed").is_file()


@pytest.mark.parametrize("folder", ["known", "mutants", "seeds"])
def test_corpus_is_installed(folder: str) -> None:
    assert any(importlib.resources.files("twinheap.corpus").joinpath(folder).iterdir())


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("console_scripts", "twinheap", "twinheap.__main__:main"),
        ("pytest11", "twinheap", "twinheap.pytest_plugin"),
    ],
)
def test_entry_point(group: str, name: str, value: str) -> None:
    (entry,) = importlib.metadata.entry_points(group=group, name=name)
    assert entry.value == value
    entry.load()


def test_module_runs_like_the_command() -> None:
    answer = run_twinheap("--version")
    assert (answer.returncode, answer.stdout) == (0, f"twinheap {twinheap.__version__}\n")


def test_unknown_option_is_a_usage_error() -> None:
    assert run_twinheap("--no-such-option").returncode == 2


def test_main_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert twinheap.__version__ in capsys.readouterr().out
