"""SIGKILL in the middle of runs: an executor's costs nothing, and the run's own leaves whole findings and nobody."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from twinheap.fuzz.record import Finding
from twinheap.fuzz.store import FindingStore, read_program

KILLS = 20
PROGRAMS = 25_000
"""Programs of a run whose executors are killed: it must outlast the kills on a fast machine too."""
PATIENCE = 2.0
"""Seconds after which no process of a killed run may be left."""
FIRST = 40.0
"""Seconds to wait for the first finding of a run: 2 on an idle machine, and a busy one must be storing, too."""
ENOUGH = 600.0
"""Seconds for a run of 50 programs that shrinks what it finds: some 10 on an idle machine; only a hang takes longer."""

MARK = "TWINHEAP_KILL_TEST"
"""Set in a run's environment, which all of its processes inherit."""

TWINHEAP = [sys.executable, "-P", "-m", "twinheap"]


def start(folder: Path, mark: str, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, MARK: mark}
    with open(folder / f"{mark}.err", "wb") as err:
        return subprocess.Popen([*TWINHEAP, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=err)


def marked(mark: str, command: bytes = b"") -> list[int]:
    """The living processes of a run, those with `command` in their command line."""
    found = []
    wanted = f"{MARK}={mark}".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:  # it has just ended; of a zombie the environment is empty
            continue
        if wanted in environment and command in line:
            found.append(int(name))
    return found


def written(pid: int) -> int:
    """Bytes that a process has written."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


def known_run(folder: Path, name: str, kills: int) -> dict[str, Any]:
    """The report of a run that meets a known defect, some of whose executors are killed.

    Only those that have answered since they greeted: one that is killed again and again while it runs a long program
    alone, as on a busy machine, is rightly reported.
    """
    words = [
        "run",
        "heap,defects=k1",
        "--expect",
        "K1",
        "--profile",
        "small",
        "--programs",
        str(PROGRAMS),
        "--seed",
        "1",
        "--workers",
        "2",
    ]
    process = start(folder, name, *words, "--findings", name, "--json", f"{name}.json")
    dice, killed = random.Random(1), 0
    greeted: dict[int, int] = {}
    while killed < kills and process.poll() is None:
        said = {pid: count for pid in marked(name, b"heap.executor") if (count := written(pid))}
        executors = [pid for pid, count in said.items() if count > greeted.setdefault(pid, count)]
        if executors:
            os.kill(dice.choice(executors), signal.SIGKILL)
            killed += 1
        time.sleep(0.1 + 0.15 * dice.random())
    assert process.wait(200) == 0, (folder / f"{name}.err").read_text()
    assert killed == kills
    report: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return report


def test_killed_executors_lose_nothing(tmp_path: Path) -> None:
    quiet, killed = known_run(tmp_path, "quiet", 0), known_run(tmp_path, "killed", KILLS)
    assert killed["restarts"] > quiet["restarts"]
    for key in ("programs", "ops", "outcomes", "expected", "findings", "behaviours", "distinct"):
        assert killed[key] == quiet[key], key
    names = [sorted(path.name for path, _ in FindingStore(tmp_path / name)) for name in ("quiet", "killed")]
    assert names[0] == names[1] != []


@pytest.mark.timeout(20 * 60)
def test_a_killed_run_leaves_whole_findings_and_nobody(tmp_path: Path) -> None:
    dice, stored = random.Random(2), 0
    # Planted bugs that show at once and shrink at once, so that findings are being stored when the kill comes.
    words = ["run", "heap,mutant=m05", "heap,mutant=t16", "heap,mutant=t06", "--workers", "2", "--max-time", "60s"]
    for seed in range(KILLS):
        mark = f"{os.getpid()}-{seed}"
        folder = tmp_path / f"findings{seed}"
        process = start(tmp_path, mark, *words, "--seed", str(seed), "--findings", folder.name)
        deadline = time.monotonic() + FIRST
        while not any(folder.glob("*")) and time.monotonic() < deadline:  # the first finding is just being stored
            time.sleep(0.002)
        time.sleep(0.3 * dice.random() ** 2)
        process.kill()
        process.wait()
        deadline = time.monotonic() + PATIENCE
        while (left := marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left
        check_stored(folder)
        stored += len(list(FindingStore(folder)))
    assert stored
    last = ["--seed", "0", "--findings", "findings0", "--programs", "50"]
    assert start(tmp_path, "last", *words[:2], *last).wait(ENOUGH) == 1
    check_stored(tmp_path / "findings0")


def check_stored(folder: Path) -> None:
    """Every record and every program is whole, and every record's programs are there."""
    for _, finding in FindingStore(folder):
        assert isinstance(finding, Finding)
        for name in (finding.program, finding.original, *finding.before):
            read_program(folder / name)
    for path in folder.glob("[!.]*.twin"):
        read_program(path)
