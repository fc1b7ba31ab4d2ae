"""Where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinheap.settings import DEFAULT_TARGETS, SettingsError, resolve


def test_defaults(tmp_path: Path) -> None:
    settings = resolve({}, environment={}, folder=tmp_path)
    assert settings["targets"] == DEFAULT_TARGETS
    assert (settings["seed"], settings["max_time"], settings["workers"], settings["strict"]) == (None, None, 0, False)


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    (tmp_path / "twinheap.toml").write_text("seed = 1\nmax-time = '2m'\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    settings = resolve({}, environment={}, folder=below)
    assert (settings["seed"], settings["max_time"]) == (1, 120.0)
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.twinheap]\nstrict = true\nexpect = ['k1', 'K6']\n")
    settings = resolve({}, environment={}, folder=below)
    assert (settings["seed"], settings["strict"], settings["expect"]) == (None, True, frozenset({"K1", "K6"}))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("heap capi@43", ("heap", "capi@43")),
        ("heap,collector=null; exec,cmd=./a b", ("heap,collector=null", "exec,cmd=./a b")),
        ("exec,cmd=./a b", ("exec,cmd=./a b",)),
    ],
)
def test_targets_in_one_text(text: str, names: tuple[str, ...], tmp_path: Path) -> None:
    assert resolve({}, environment={"TWINHEAP_TARGETS": text}, folder=tmp_path)["targets"] == names


@pytest.mark.parametrize("name", ["programs", "seed", "workers", "strict", "expect", "max_time"])
def test_bad_values_name_their_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"TWINHEAP_{name.upper()}: bad "):
        resolve({}, environment={f"TWINHEAP_{name.upper()}": "?"}, folder=tmp_path)
