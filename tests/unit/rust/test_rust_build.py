"""Building executors, with a cargo that is played by a script: what is laid out, kept, and said when it fails."""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

import pytest

from twinheap.cli import main
from twinheap.targets.rust import build as building
from twinheap.targets.rust import cache
from twinheap.targets.rust.flavour import Flavour, RustError

CARGO = """#!/bin/sh
assertions=$CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS
echo "$@ RUSTFLAGS=$RUSTFLAGS ASSERTIONS=$assertions FLAVOUR=$TWINHEAP_FLAVOUR BUILD=$TWINHEAP_BUILD" >> "$CALLS"
if [ "$1" = info ]; then echo "version: 47.0.4 (latest 50.0.1)"; exit 0; fi
echo "   Compiling wasmtime v1.2.3" >&2
if [ -n "$BREAK" ]; then echo "error: no such crate" >&2; exit 101; fi
mkdir -p "$CARGO_TARGET_DIR/release"
grep '^version = "=' Cargo.toml > "$CARGO_TARGET_DIR/release/twinheap-executor"
chmod +x "$CARGO_TARGET_DIR/release/twinheap-executor"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file into which the played cargo writes how it was called; cache and PATH are the test's own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "cargo"
    script.write_text(CARGO, encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("RUSTFLAGS", raising=False)
    return tmp_path / "calls"


def count(calls: Path) -> int:
    return len(calls.read_text(encoding="utf-8").splitlines()) if calls.exists() else 0


def test_a_release_is_built_once(calls: Path) -> None:
    told: list[str] = []
    binary = building.build("45.0.0", progress=told.append)
    assert binary.read_text(encoding="utf-8") == 'version = "=45.0.0"\n'
    assert os.access(binary, os.X_OK)
    assert "minutes" in told[0]
    assert building.build("45.0.0") == binary
    assert count(calls) == 1
    assert [entry.flavour for entry in cache.entries().values()] == [Flavour("45.0.0")]


def test_only_the_default_release_has_its_dependencies_locked(calls: Path) -> None:
    building.build()
    building.build("45.0.0")
    first, second = calls.read_text(encoding="utf-8").splitlines()
    assert first.startswith("build --release --locked")
    assert second.startswith("build --release RUSTFLAGS")
    assert not (cache.root() / "build" / "45.0.0" / "Cargo.lock").exists()


def test_flavours_have_executors_of_their_own(calls: Path) -> None:
    found = {building.build("48.0.2"), building.build("48.0.2", zeal=True)}
    found.add(building.build("48.0.2", debug_assertions=True))
    assert len(found) == 3
    plain, zeal, assertions = calls.read_text(encoding="utf-8").splitlines()
    assert "RUSTFLAGS= ASSERTIONS= FLAVOUR=48.0.2 " in plain
    assert "RUSTFLAGS=--cfg gc_zeal" in zeal
    assert "BUILD=zeal executor-" in zeal
    assert "ASSERTIONS=true FLAVOUR=48.0.2-assertions BUILD=assertions executor-" in assertions


def test_the_build_script_of_one_release_does_not_answer_for_another(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    building.build("48.0.2")
    script = cache.root() / "build" / "48.0.2" / "build.rs"

    def again() -> bool:
        """Whether cargo would run the build script of 48.0.2 now, having had an answer meanwhile."""
        os.utime(script, (0, 0))
        building.build("48.0.2")
        return script.stat().st_mtime > 0

    sources = cache.crate()
    monkeypatch.setattr(cache, "crate", lambda: {**sources, "src/more.rs": b"// more\n"})
    assert not again()
    building.build("45.0.0")
    monkeypatch.setattr(cache, "crate", lambda: {**sources, "src/more.rs": b"// yet more\n"})
    assert again()
    assert count(calls) == 4


def test_other_sources_are_built_beside(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkouts share a cache: what one builds takes nothing away from a run of the other."""
    first = building.build()
    sources = cache.crate()
    monkeypatch.setattr(cache, "crate", lambda: {**sources, "src/more.rs": b"// more\n"})
    changed = building.build()
    assert count(calls) == 2
    assert (cache.root() / "build" / "42.0.2" / "src" / "more.rs").exists()
    monkeypatch.setattr(cache, "crate", lambda: sources)
    assert building.build() == first != changed
    assert changed.exists()
    assert count(calls) == 2


def test_what_nobody_asked_for_in_a_week_is_removed(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = cache.crate()
    old, zeal = building.build("48.0.2"), building.build("48.0.2", zeal=True)

    def change(text: bytes) -> None:
        monkeypatch.setattr(cache, "crate", lambda: {**sources, "src/more.rs": text})
        building.build("48.0.2")

    for binary in (old, zeal):
        os.utime(binary.parent, (0, 0))
    assert building.build("48.0.2") == old  # asked for: it stays
    change(b"// more")
    assert old.exists()
    os.utime(old.parent, (0, 0))
    change(b"// yet more")
    assert not old.exists()
    assert zeal.exists()  # another flavour's business


def test_two_builders_at_once_build_once(calls: Path) -> None:
    threads = [threading.Thread(target=building.build, args=("46.0.0",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(calls) == 1


def test_who_waits_for_another_builder_is_told(calls: Path) -> None:
    told: list[str] = []
    waiting = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        waiting.set()

    with cache.locked():
        thread = threading.Thread(target=building.build, args=("46.0.0",), kwargs={"progress": tell})
        thread.start()
        assert waiting.wait(30)
        assert told == ["another process builds; waiting for it"]
        assert count(calls) == 0
    thread.join()
    assert count(calls) == 1


def test_a_failure_says_what_cargo_says_and_leaves_no_entry(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAK", "1")
    with pytest.raises(RustError, match=r"for Wasmtime 45\.0\.0: no such crate; see .*cargo\.log"):
        building.build("45.0.0")
    assert cache.entries() == {}
    monkeypatch.delenv("BREAK")
    building.build("45.0.0")
    assert count(calls) == 2


def test_a_damaged_entry_is_built_again(calls: Path) -> None:
    binary = building.build()
    binary.write_bytes(b"half")
    assert building.build().read_bytes() != b"half"
    assert count(calls) == 2


def test_a_checkout_is_always_given_to_cargo(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "49.0.0"\n', encoding="utf-8")
    for _ in range(2):
        building.build(path=str(tmp_path))
    assert count(calls) == 2


def test_a_major_version_is_the_newest_one_built_or_to_be_had(calls: Path) -> None:
    assert building.resolve("47") == ["47.0.4"]
    building.build("47.0.0")
    building.build("47.0.2")
    assert building.resolve("47") == ["47.0.2"]
    assert building.resolve("47.0.1") == ["47.0.1"]
    assert building.resolve("46..47") == ["47.0.4", "47.0.2"]


@pytest.mark.parametrize("spec", ["x..y", "47..45", "..", "abc", "41.0.0"])
def test_what_is_no_release_is_refused(spec: str) -> None:
    if spec == "..":
        assert building.majors("..") == range(42, 49)
        return
    with pytest.raises(RustError):
        building.resolve(spec)


def test_without_cargo_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))
    assert main(["rust", "build"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("twinheap: error: the target rust needs a Rust toolchain")
    assert said.count("\n") == 1
    assert main(["rust", "ls"]) == 0


def test_the_command_line_builds_and_lists(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rust", "build", "45.0.0", "--zeal"]) == 0
    assert re.search("/45.0.0-zeal-[0-9a-f]{8}/twinheap-executor", capsys.readouterr().out)
    assert main(["rust", "ls"]) == 0
    assert "Wasmtime 45.0.0, zeal" in capsys.readouterr().out
    assert count(calls) == 1
