"""The cache of releases, with a pip that writes small wheels and can fail in every way a real one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinheap.targets.capi import wheels
from twinheap.targets.capi.releases import MIN_RELEASE, WheelError, choose, spread, supported

FAKE_PIP = """
import os, pathlib, sys, time, zipfile
mode = os.environ.get("FAKE_PIP", "")
with open(os.environ["FAKE_PIP_LOG"], "a") as log:
    log.write(" ".join(sys.argv[1:]) + chr(10))
if mode == "offline":
    sys.exit("WARNING: Retrying (Retry(total=1)) NewConnectionError: Temporary failure in name resolution")
if sys.argv[1] == "index":
    print("wasmtime (43.0.1)")
    print("Available versions: 44.0.0, 43.0.1, 43.0.0, 29.0.0, 28.0.0, 0.9.0")
    sys.exit(0)
if mode == "absent":
    sys.exit("ERROR: Could not find a version that satisfies the requirement (from versions: 29.0.0, 43.0.0)")
dest = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
release = [word for word in sys.argv if word.startswith("wasmtime==")][0].split("==")[1]
wheel = dest / f"wasmtime-{release}-py3-none-manylinux1_x86_64.whl"
if mode == "stuck":
    wheel.write_bytes(b"half a whe")
    time.sleep(60)
time.sleep(float(os.environ.get("FAKE_PIP_SECONDS", "0")))
with zipfile.ZipFile(wheel, "w") as archive:
    if mode != "foreign":
        archive.writestr("wasmtime/linux-x86_64/_libwasmtime.so", f"library {release}" * 1000)
    archive.writestr("wasmtime/__init__.py", "")
if mode == "damaged":
    data = bytearray(wheel.read_bytes())
    data[2000] ^= 1
    wheel.write_bytes(data)
"""
FETCH = "import sys; from twinheap.targets.capi import wheels; print(wheels.fetch(sys.argv[1]))"
PATIENCE = 30
"""Seconds for what takes a fraction of one on an idle machine."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a fake pip, which child processes see too; returns the folder of the entries."""
    package = tmp_path / "fake" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE_PIP)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("FAKE_PIP_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wheels"


def downloads(cache: Path) -> int:
    log = cache.parent.parent / "log"
    return sum(line.startswith("download") for line in log.read_text().splitlines()) if log.exists() else 0


def entries(cache: Path) -> list[str]:
    """Everything a reader could take for an entry, and every leftover."""
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert wheels.cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("TWINHEAP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert wheels.cache_dir() == tmp_path / "twinheap"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert wheels.cache_dir() == Path.home() / ".cache" / "twinheap"


def test_fetch_stores_only_the_library_and_asks_once(cache: Path) -> None:
    told: list[str] = []
    path = wheels.fetch("43.0.0", told.append)
    assert path.read_bytes() == b"library 43.0.0" * 1000
    assert wheels.fetch("43.0.0", told.append) == path
    assert told == ["fetching Wasmtime 43.0.0 from PyPI"]
    assert downloads(cache) == 1
    assert entries(cache) == ["43.0.0"]
    assert wheels.installed() == ["43.0.0"]


def test_a_major_version_is_the_newest_of_its_releases(cache: Path) -> None:
    assert wheels.available() == ["29.0.0", "43.0.0", "43.0.1", "44.0.0"]
    assert wheels.resolve("43") == "43.0.1"
    assert wheels.resolve("43.0.0") == "43.0.0"
    assert wheels.fetch("43").parent == cache / "43.0.1"
    assert wheels.expand("all") == ["29.0.0", "43.0.1", "44.0.0"]
    assert wheels.expand("30..43") == ["43.0.1"]
    assert wheels.expand("43..") == ["43.0.1", "44.0.0"]
    assert wheels.expand("43.0.0") == ["43.0.0"]


def test_without_network_the_cache_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    wheels.fetch("43.0.0")
    monkeypatch.setenv("FAKE_PIP", "offline")
    assert wheels.resolve("43") == "43.0.0"
    assert wheels.expand("all") == ["43.0.0"]
    assert wheels.fetch("43.0.0").is_file()
    for call in (lambda: wheels.resolve("44"), lambda: wheels.fetch("44.0.0"), wheels.available):
        with pytest.raises(WheelError, match=r"^PyPI cannot be reached: check the network[^\n]*$"):
            call()


@pytest.mark.parametrize("spec", ["28", "28.0.0", "0.40.0"])
def test_releases_before_the_oldest_are_refused(spec: str) -> None:
    with pytest.raises(WheelError, match=f"too old: releases from {MIN_RELEASE} on"):
        wheels.resolve(spec)
    with pytest.raises(WheelError, match="too old"):
        wheels.fetch(spec)


def test_unknown_releases_say_what_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WheelError, match=r"no Wasmtime 99 on PyPI: 29 to 44\.0\.0 exist"):
        wheels.resolve("99")
    with pytest.raises(WheelError, match="not a Wasmtime release"):
        wheels.resolve("latest")
    with pytest.raises(WheelError, match=r"no Wasmtime release on PyPI is in '60\.\.70'"):
        wheels.expand("60..70")
    monkeypatch.setenv("FAKE_PIP", "absent")
    with pytest.raises(WheelError, match=r"PyPI has no Wasmtime 43\.9\.0"):
        wheels.fetch("43.9.0")


def test_a_bad_download_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode, words in (("damaged", "is damaged: try again"), ("foreign", "contains no wasmtime/linux")):
        monkeypatch.setenv("FAKE_PIP", mode)
        with pytest.raises(WheelError, match=words):
            wheels.fetch("43.0.0")
        assert entries(cache) == []
    monkeypatch.delenv("FAKE_PIP")
    assert wheels.fetch("43.0.0").is_file()


@pytest.mark.parametrize("harm", ["flip", "cut", "no library", "no record", "bad record"])
def test_a_damaged_entry_is_fetched_again(cache: Path, harm: str) -> None:
    path = wheels.fetch("43.0.0")
    record = path.with_name("record.json")
    good = path.read_bytes()
    match harm:
        case "flip":
            path.write_bytes(b"L" + good[1:])
        case "cut":
            path.write_bytes(good[:-1])
        case "no library":
            path.unlink()
        case "no record":
            record.unlink()
        case _:
            record.write_text("{")
    assert wheels.fetch("43.0.0").read_bytes() == good
    assert downloads(cache) == 2
    assert entries(cache) == ["43.0.0"]


def test_two_processes_at_once_download_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PIP_SECONDS", "0.5")
    command = [sys.executable, "-P", "-c", FETCH, "43.0.0"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = {process.communicate(timeout=PATIENCE)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert paths == {str(cache / "43.0.0" / "libwasmtime.so")}
    assert downloads(cache) == 1


def test_a_killed_download_is_never_visible_and_does_not_block(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PIP", "stuck")
    # A session of its own, so that the process and its pip can be killed together.
    command = [sys.executable, "-P", "-c", FETCH, "43.0.0"]
    victim = subprocess.Popen(command, start_new_session=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not list(cache.glob(".43.0.0.*.part/*.whl")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert wheels.installed() == []
    finally:
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
    monkeypatch.delenv("FAKE_PIP")
    assert wheels.fetch("43.0.0").is_file()
    assert entries(cache) == ["43.0.0"]


def test_remove(cache: Path) -> None:
    assert wheels.installed() == []
    assert not wheels.remove("43.0.0")
    wheels.fetch("43.0.0")
    assert wheels.remove("43.0.0")
    assert entries(cache) == []


def test_an_unusable_cache_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "file"))
    with pytest.raises(WheelError, match=r"cache folder .* cannot be used .*: set TWINHEAP_CACHE"):
        wheels.fetch("43.0.0")


def test_another_platform_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(WheelError, match=r"needs Linux on x86-64, and this is linux on aarch64"):
        wheels.fetch("43.0.0")


def test_names_are_ordered_as_versions_and_never_prereleases() -> None:
    assert supported(["100.0.0", "30.0.0", "51.0.0rc1", "9.0"]) == ["30.0.0", "100.0.0"]
    assert choose("30", ["30.0.2", "30.0.10"]) == "30.0.10"
    assert spread("all", ["30.0.2", "100.0.0", "30.0.10"]) == ["30.0.10", "100.0.0"]
