"""Every mistake of a user gets one clear line and exit code 2, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = "twinheap program 1\nO1 = ext_new_owned S0 v0\nodrop O1\n"

CASES = {
    "no such command": (["rnu"], "invalid choice: 'rnu'"),
    "no such option": (["run", "--sede", "1"], "unrecognized arguments: --sede"),
    "unknown target": (["run", "hepa"], "unknown target 'hepa': choose heap, capi, rust or exec"),
    "unknown collector": (["run", "heap,collector=x"], "the heap has no collector 'x': choose drc, null or copying"),
    "unknown mutant": (["run", "heap,mutant=m99"], "the heap has no mutant 'm99': choose one of"),
    "unknown target option": (["run", "-t", "heap,foo=1"], "the target heap has no option 'foo'"),
    "unknown profile": (["run", "heap", "--profile", "x"], "unknown generator profile 'x'; known: default"),
    "bad duration": (["run", "heap", "--max-time", "soon"], "--max-time: bad duration 'soon': write 20s, 5m, 6h"),
    "bad number": (["run", "heap", "--programs", "many"], "--programs: bad number 'many': write a whole number"),
    "no programs": (["run", "heap", "--programs", "0"], "--programs: bad number 0"),
    "bad seed": (["run", "heap", "--seed", "-1"], "--seed: bad number '-1'"),
    "bad workers": (["run", "heap", "--workers", "lots"], "--workers: bad number of workers 'lots': write auto"),
    "bad defect": (["run", "heap", "--expect", "bug"], "--expect: bad known defect 'BUG': choose of K1, K2, K3"),
    "unknown defect": (["run", "heap", "--expect", "K99"], "--expect: bad known defect 'K99': choose of K1"),
    "negative duration": (["run", "heap", "--max-time", "-5s"], "bad duration '-5s': it must be more than nothing"),
    "quoted executor": (
        ["check-executor", "./absent 'a b'"],
        "error: cannot start ./absent: No such file or directory",
    ),
    "half a quote": (["check-executor", "./absent 'a"], "cannot be taken apart: No closing quotation"),
    "no ELF": (["run", "capi,lib=good.twin"], "good.twin cannot be loaded"),
    "findings in a file": (["run", "heap", "--findings", "good.twin"], "good.twin: "),
    "findings below a file": (["fuzz", "heap", "--findings", "good.twin/x/y"], "good.twin is no folder"),
    "findings in proc": (["run", "heap", "--findings", "/proc/x"], "/proc/x: no files can be written there"),
    "findings too long": (["run", "heap", "--findings", "x" * 300], "File name too long"),
    "bench findings": (["bench", "mutants", "--findings", "/proc/x"], "/proc/x: no files can be written there"),
    "output of shrink": (["shrink", "good.twin", "-o", "empty"], "empty: it is a folder"),
    "dead executor": (["run", "-t", "exec,cmd=false"], "the executor ended before its handshake"),
    "no executor": (["run", "-t", "exec,cmd=./absent"], "cannot start ./absent"),
    "no library": (["run", "-t", "capi,lib=/absent.so"], "there is no library /absent.so"),
    "bad release": (["run", "capi@banana"], "banana"),
    "too old": (["run", "capi@12.0.0"], "12"),
    "no program": (["replay", "absent.twin"], "absent.twin: No such file or directory"),
    "no programs in a folder": (["replay", "empty"], "no programs (*.twin) in empty"),
    "corrupt program": (["shrink", "corrupt.twin"], "corrupt.twin: line 2: unknown op 'frobnicate'"),
    "misspelt op": (["show", "misspelt.twin"], "did you mean"),
    "foreign version": (["show", "foreign.twin", "--as", "text"], "program format 9 is not 1"),
    "no text": (["show", "binary.twin"], "binary.twin: no text: not a TwinHeap program"),
    "a folder as program": (["show", "empty"], "empty: Is a directory"),
    "no such form": (["show", "good.twin", "--as", "pascal"], "invalid choice: 'pascal'"),
    "not for C": (["show", "scoped.twin", "--as", "python"], "the C API cannot express"),
    "two engines": (["show", "engines.twin", "--as", "python"], "a script has one engine, and store_new_in needs"),
    "unknown code": (["explain", "TH999"], "unknown code 'TH999'"),
    "nothing to add": (["corpus", "add"], "name the programs to add"),
    "no corpus": (["corpus", "min"], "there is no folder corpus here"),
    "no command": (["check-executor"], "name the executor's command"),
    "no release": (["wheels", "fetch"], "name the releases"),
    "not in the cache": (["wheels", "rm", "29.9.9"], "release 29.9.9 is not in the cache"),
    "unknown bench": (["bench", "speed"], "invalid choice: 'speed'"),
    "unknown mutant of bench": (["bench", "mutants", "--only", "m01,zz"], "unknown mutant 'zz'"),
    "bad control": (["bench", "mutants", "--control", "x"], "--control: bad number 'x'"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.twin").write_text(GOOD)
    (tmp_path / "corrupt.twin").write_text("twinheap program 1\nfrobnicate S0\n")
    (tmp_path / "misspelt.twin").write_text("twinheap program 1\nO1 = ext_new_ownd S0 v0\n")
    (tmp_path / "foreign.twin").write_text("twinheap program 9\n")
    (tmp_path / "binary.twin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "scoped.twin").write_text("twinheap program 1\nL1 = ext_new S0 v0\nL2 = typed_call S0 nonnull L1\n")
    (tmp_path / "engines.twin").write_text("twinheap program 1\nS1 = store_new_in moving none plain\n")
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line(name: str, folder: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    words, text = CASES[name]
    outcome = twinheap(*words)
    assert outcome.code == 2
    told = outcome.err + (outcome.out if words[0] == "replay" else "")
    assert text in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1, told


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"TWINHEAP_MAX_TIME": "soon"}, "TWINHEAP_MAX_TIME: bad duration 'soon'"),
        ({"TWINHEAP_TARGETS": "hepa"}, "unknown target 'hepa'"),
        ({"TWINHEAP_STRICT": "perhaps"}, "TWINHEAP_STRICT: bad switch 'perhaps'"),
    ],
)
def test_bad_environment(environment: dict[str, str], text: str, twinheap) -> None:  # type: ignore[no-untyped-def]
    outcome = twinheap("run", **environment)
    assert (outcome.code, outcome.out) == (2, "")
    assert text in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("colour = 1", "unknown setting 'colour'; known: targets"),
        ("max-time = 'soon'", "max-time: bad duration"),
        ("= 3", "twinheap.toml"),
    ],
)
def test_bad_settings_file(content: str, text: str, tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "twinheap.toml").write_text(content)
    outcome = twinheap("run")
    assert outcome.code == 2
    assert text in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        outcome = twinheap("replay", "closed")
    finally:
        closed.chmod(0o755)
    assert outcome.code == 2
    assert "closed: Permission denied" in outcome.err


JSON_COMMANDS = {
    "run": ["run", "heap"],
    "fuzz": ["fuzz", "heap"],
    "replay": ["replay", "good.twin"],
    "bench": ["bench", "mutants"],
    "bisect": ["bisect", "good.twin"],
    "targets": ["targets", "heap"],
}


@pytest.mark.parametrize("command", JSON_COMMANDS)
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("empty", "it is a folder"),
        ("absent/y.json", "there is no folder absent"),
        ("good.twin/y.json", "there is no folder good.twin"),
    ],
)
def test_results_that_cannot_be_written(command: str, path: str, text: str, folder: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    outcome = twinheap(*JSON_COMMANDS[command], "--json", path)
    assert outcome == (2, "", f"twinheap: error: {path}: {text}" + (": name a file\n" if path == "empty" else "\n"))


@pytest.mark.parametrize("words", [["--json", "-"], ["--json", "/dev/full"], []])
def test_a_full_disk_is_one_line(words: list[str], folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "twinheap", "replay", "good.twin", "-t", "heap", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    *lines, error = done.stderr.splitlines()
    assert error.startswith("twinheap: error: ")
    assert lines == (["FIXED   good.twin  on heap"] if words[1:] == ["-"] else [])  # told beside the JSON
    assert "No space left on device" in done.stderr
