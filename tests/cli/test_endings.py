"""Commands that are ended from outside: what they say, and that nobody is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BEGUN = 6  # seconds of CPU time for all processes of a run, which load what they need in half of it
SOON = 20  # seconds for processes that have nothing to do but to end
PATIENCE = 120  # seconds for what takes a few where nothing else runs


def heed_interrupts() -> None:
    """What a job in the background ignores, its children do too: `make test &` would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_prints_the_summary_and_leaves_nobody_behind(workers: str, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "twinheap", "fuzz", "heap", "--seed", "1", "--workers", workers]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_interrupts
    )
    children = at_work(process.pid, int(workers))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "interrupted; every finding is kept" in out
    assert out.rstrip().endswith("nothing new")
    wait_for_the_end_of(children)


def test_term_ends_a_search_as_ctrl_c_does(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "twinheap", "fuzz", "heap", "--seed", "1", "--workers", "1", "--json", "r"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    children = at_work(process.pid, 1)
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "interrupted; every finding is kept" in out
    assert json.loads((tmp_path / "r").read_text())["programs"] > 0
    wait_for_the_end_of(children)


@pytest.mark.parametrize("place", ["twinheap.cli", "twinheap.fuzz.pool"])
def test_ctrl_c_while_it_starts_is_told_in_a_line(place: str, tmp_path: Path) -> None:
    """`place`: the module that is being loaded, the command line's own or one of the search."""
    code = f"""
import signal, sys
from importlib.abc import MetaPathFinder
class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {place!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["twinheap", "fuzz", "heap"]
from twinheap.__main__ import main
sys.exit(main())
"""
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=heed_interrupts)
    assert done.returncode == 2
    assert done.stderr.startswith("twinheap: ")
    assert "interrupted" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_kill_leaves_nobody_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "twinheap", "fuzz", "heap", "--seed", "1", "--workers", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    children = at_work(process.pid, 4)
    process.kill()
    process.wait()
    wait_for_the_end_of(children)


def at_work(pid: int, count: int) -> list[int]:
    """The `count` processes that a run starts, once programs are run: by CPU time, since a machine may be busy."""
    deadline = time.monotonic() + PATIENCE
    while len(children := descendants(pid)) < count or sum(map(cpu_seconds, [pid, *children])) < BEGUN:
        assert time.monotonic() < deadline, children
        time.sleep(0.05)
    return children


def cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # it ended since it was listed
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def wait_for_the_end_of(pids: list[int]) -> None:
    deadline = time.monotonic() + SOON
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, pids
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
