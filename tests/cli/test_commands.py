"""What the commands print and return when all is well, and when something is found."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from twinheap.cli import COMMANDS

LEAK = """twinheap program 1
code: TH202
targets: heap,mutant=m20
O1 = ext_new_owned S0 v0
W2 = to_raw O1
W3 = to_raw O1
odrop O1
"""

HELP = """\
usage: twinheap [-h] [--version] COMMAND ...

Look for bugs in how WebAssembly runtimes root and collect references.

positional arguments:
  COMMAND
    run           look for divergences, bounded in time; for CI
    fuzz          look for divergences until time is up or Ctrl-C
    replay        replay stored programs: FIXED, FAILED or ERROR
    shrink        the smallest program with the same verdict
    show          a program as text, timeline, script or modules
    bisect        first bad and first good release of a program
    corpus        stored programs: ls, add, min
    explain       what a verdict code or a known defect means
    targets       what can be tested here, and what each target supports
    leaks         does the process grow while a program is repeated?
    check-executor
                  does an executor speak the wire?
    wheels        Wasmtime releases in the cache: ls, fetch, rm
    rust          executors on Wasmtime's Rust API: build, ls
    bench         measure the search itself

options:
  -h, --help      show this help message and exit
  --version       show program's version number and exit

Exit codes: 0 nothing new wrong; 1 a divergence that is no known defect; 2
usage or environment.
"""


def test_help(twinheap) -> None:  # type: ignore[no-untyped-def]
    assert twinheap("--help") == (0, HELP, "")
    assert twinheap() == (2, HELP, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, twinheap) -> None:  # type: ignore[no-untyped-def]
    outcome = twinheap(command, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"usage: twinheap {command}")


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from twinheap.cli import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass\n"
    code += "print(*sorted({'rich', 'msgspec', 'hypothesis', 'twinheap.model'} & set(sys.modules)), 'end')"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "end"


def test_a_run_that_finds_nothing(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    words = ("run", "heap", "heap,collector=copying", "--programs", "100", "--seed", "7", "--json", "r.json")
    outcome = twinheap(*words)
    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == "heap, heap,collector=copying"
    assert lines[1].startswith("seed 7, profile default, ")
    assert lines[-1] == "nothing new"
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["version"], report["programs"], report["findings"], report["expected"]) == (1, 100, [], [])
    assert report["ops"] > 1000
    told = " ".join(outcome.out.split())
    assert "missed: " + ", ".join(report["behaviours"]["missed"]) in told
    assert all(len(line) <= 80 for line in lines if "/" in line and "," in line)
    assert not (tmp_path / ".twinheap").exists()


def test_a_run_that_finds_something(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    words = ("run", "heap,mutant=m20", "heap", "--programs", "200", "--seed", "1", "--json", "r.json")
    outcome = twinheap(*words)
    assert outcome.code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    finding = next(entry for entry in report["findings"] if entry["code"] == "TH202")
    assert (finding["target"], finding["known"], finding["flaky"]) == ("heap,mutant=m20", None, False)
    assert finding["ops"] <= 5 < finding["original_ops"]
    path = finding["program"]
    assert f"Reproduce with: twinheap replay {path}" in outcome.out
    assert f"Minimize with: twinheap shrink {path}" in outcome.out
    assert "as specified on heap" in outcome.out
    replayed = twinheap("replay", path, "--json", "-")
    assert replayed.code == 1
    assert replayed.err.startswith(f"FAILED  {path}  on heap,mutant=m20  TH202: ")
    assert json.loads(replayed.out)["findings"][0]["status"] == "FAILED"
    fixed = twinheap("replay", path, "--target", "heap")
    assert (fixed.code, fixed.out) == (0, f"FIXED   {path}  on heap\n")


def test_known_defects_set_no_exit_code_unless_strict(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    words = ("run", "heap,defects=k1", "--expect", "K1", "--profile", "small", "--programs", "300", "--seed", "1")
    outcome = twinheap(*words, "--json", "-")
    assert outcome.code == 0
    assert json.loads(outcome.out)["expected"][0]["defect"] == "K1"
    assert "known defect K1: TH202" in outcome.err
    assert twinheap(*words, "--strict").code == 1


def test_settings_and_their_order(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "pyproject.toml").write_text('[tool.twinheap]\ntargets = ["heap"]\nprograms = 40\nseed = 5\n')
    assert json.loads(twinheap("run", "--json", "-").out)["programs"] == 40
    assert json.loads(twinheap("run", "--json", "-", TWINHEAP_PROGRAMS="20").out)["programs"] == 20
    report = json.loads(twinheap("run", "--json", "-", "--programs", "10", TWINHEAP_PROGRAMS="20").out)
    assert (report["programs"], report["seed"]) == (10, 5)
    assert report["targets"] == ["heap"]


def test_replay_goes_on_after_a_damaged_file(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.twin").write_text("twinheap program 1\nbroken\n")
    (tmp_path / "b.twin").write_text("twinheap program 1\ntargets: heap\nO1 = ext_new_owned S0 v0\n")
    outcome = twinheap("replay", ".", "--json", "r.json")
    assert outcome.code == 2
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["ERROR", "FIXED"]
    entries = json.loads((tmp_path / "r.json").read_text())["findings"]
    assert sorted(entry["status"] for entry in entries) == ["ERROR", "FIXED"]


def test_records_are_compared_with_what_is_recorded(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    known = tmp_path / "known"
    known.mkdir()
    (known / "a.twin").write_text(LEAK.replace("m20\n", "m20\nfixed: heap\n"))
    outcome = twinheap("replay", "known")
    assert outcome.code == 0
    assert outcome.out.count("as recorded") == 2
    (known / "b.twin").write_text(LEAK.replace("heap,mutant=m20", "heap"))
    outcome = twinheap("replay", "known")
    assert outcome.code == 1
    assert "recorded: FAILED" in outcome.out


def test_shrink_and_show(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.twin").write_text(LEAK + "O4 = ext_new_owned S0 v1\nkind O4\ngc S0\n")
    outcome = twinheap("shrink", "a.twin")
    assert outcome.code == 0
    assert "7 ops -> 4 in" in outcome.out
    assert twinheap("replay", "a.min.twin").code == 1
    shown = twinheap("show", "a.min.twin")
    assert shown.code == 0
    assert "<-- TH202: allowed finalized v0" in shown.out
    assert twinheap("show", "a.min.twin", "--as", "text").out == (tmp_path / "a.min.twin").read_text()
    assert twinheap("shrink", "a.min.twin", "--target", "heap").code == 2


EVERYTHING = """twinheap program 1
S0: limit=none limiter=plain engine=pooling
B0: (body (main (see (get 0)) (note (i32 7)) (clear) (gc) (cb (to_extern (struct.new pair (new) (get 2))))))
B1: (body (main (local exn) (try (catch_ref one 0 4) (throw one (pass (new)))) (see (to_extern (get 2))) (get 0)))
I1 = inst S0
G2 = inst_global I1 0
T3 = inst_table I1 1
O4 = ext_new_owned S0 v0
global_set G2 O4
O5 = struct_new S0 nums 7 null null null null owned
struct_get_number O5 3
O6 = array_new S0 externs 3 0 O4 owned
O7 = array_get O6 2 extern owned
array_set O6 1 null
O8 = exn_new S0 two O6 O4 owned
throw O8
O9 = exn_take S0 owned
table_set T3 0 O6
call I1 0 v1 O4 null O6 5:
  O10 = arg owned
  kind O10
  O11 = ext_new_owned S0 v9
  ret O11
O12 = result owned
data O12
O13 = run_exn I1 1 v10 O4 O4 O5 5 owned
churn S0 clone 100
"""


def test_show_tells_the_settings_and_the_bodies(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.twin").write_text(EVERYTHING)
    lines = twinheap("show", "a.twin", "--target", "heap").out.splitlines()
    assert lines[0].startswith("heap (heap ")
    assert lines[1:4] == EVERYTHING.splitlines()[1:4]
    assert lines[4].split() == ["program", "target", "model"]


def test_show_as_wat_gives_the_modules(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.twin").write_text(EVERYTHING)
    shown = twinheap("show", "a.twin", "--as", "wat")
    heads = [line for line in shown.out.splitlines() if line.startswith((";;", "(module"))]
    assert heads == [";; kit", "(module", ";; B0", "(module", ";; B1", "(module"]
    assert '(export "tag0")' in shown.out.split(";; B0")[0]
    assert '(import "host" "see"' in shown.out.split(";; B0")[1]
    (tmp_path / "a.twin").write_text(LEAK)
    assert (twinheap("show", "a.twin", "--as", "wat").code, twinheap("show", "a.twin", "--as", "wat").err) == (
        2,
        "twinheap: error: a.twin: it has no Wasm code\n",
    )


def as_script(tmp_path: Path, twinheap, program: str) -> subprocess.CompletedProcess[str]:  # type: ignore[no-untyped-def]
    """What the program's script did, run on the installed wheel."""
    (tmp_path / "a.twin").write_text(program)
    script = twinheap("show", "a.twin", "--as", "python")
    assert script.code == 0, script.err
    assert "twinheap" not in script.out
    (tmp_path / "a.py").write_text(script.out)
    command = [sys.executable, "a.py"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def test_show_as_python_runs_without_twinheap(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    done = as_script(tmp_path, twinheap, LEAK)
    assert done.returncode == 0
    assert "finalized v0" in done.stdout
    assert done.stdout.endswith("as specified\n")


def test_show_as_python_does_wasm_and_objects(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    done = as_script(tmp_path, twinheap, EVERYTHING)
    assert "data O12                                           ok(9, 0)" in done.stdout, done.stderr
    assert done.stdout.endswith("as specified\n"), done.stdout
    assert done.returncode == 0


def test_explain_targets_corpus_and_wheels(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    assert "TH201: finalized while live" in twinheap("explain", "TH201").out
    assert "K1: " in twinheap("explain", "k1").out
    assert "see docs/spec/semantics.md 7." in twinheap("explain", "K1").out
    defect = twinheap("explain", "K14").out
    assert "(from 29.0.0 on, fixed in 37.0.0)" in defect
    assert "see docs/findings.md." in defect
    assert "A program that fails so on capi@" in defect
    assert len(twinheap("explain").out.splitlines()) > 20
    targets = twinheap("targets", "heap")
    assert targets.code == 0
    assert "scope                 native" in targets.out
    (tmp_path / "a.twin").write_text(LEAK)
    assert "/known/" in twinheap("corpus", "ls").out  # the one in the package
    (tmp_path / "mine").mkdir()
    assert " -> mine/TH202-" in twinheap("corpus", "add", "a.twin", "mine").out
    assert twinheap("corpus", "add", "a.twin").code == 0
    assert twinheap("corpus", "ls").out.endswith("1 programs\n")
    assert "1 programs kept, 0 to drop" in twinheap("corpus", "min", "--dry-run", "-t", "heap").out
    assert "1 programs kept, 0 to drop" in twinheap("corpus", "min", "--dry-run", "mine", "-t", "heap").out
    assert "1 programs kept, 0 to drop" in twinheap("corpus", "min", "-t", "heap", "--dry-run", "mine").out
    assert "unrecognized arguments: --wet" in twinheap("corpus", "min", "--wet", "mine").err
    assert twinheap("wheels", "ls").code == 0


def test_check_executor(twinheap) -> None:  # type: ignore[no-untyped-def]
    good = twinheap("check-executor", sys.executable, "-P", "-m", "twinheap.targets.heap.executor")
    assert good.code == 0
    assert "all is well" in good.out
    quoted = twinheap("check-executor", f"{sys.executable} -P -m twinheap.targets.heap.executor")
    assert (quoted.code, quoted.out) == (0, good.out)
    bad = twinheap("check-executor", sys.executable, "-P", "-m", "twinheap.targets.heap.executor", "--mutant", "m09")
    assert bad.code == 1
    assert "TH201" in bad.out


def test_bench_mutants(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    outcome = twinheap("bench", "mutants", "--only", "m01,m20", "--seeds", "1", "--control", "60", "--json", "r.json")
    assert outcome.code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert [(one["name"], one["seed"], one["killed"]) for one in report["mutants"]] == [
        ("m01", 1, True),
        ("m20", 1, True),
    ]
    assert all(one["ops"] <= 5 for one in report["mutants"])
    assert report["control"] == {"programs": 60, "findings": 0, "interrupted": False}
    words = ("bench", "mutants", "--only", "m20", "--seeds", "1", "--programs", "1", "--control", "0", "--json", "-")
    survived = twinheap(*words)
    assert survived.code == 1
    assert not json.loads(survived.out)["mutants"][0]["killed"]
    assert "m20 seed 1 drc      SURVIVED 1 programs" in survived.err


def test_bisect_is_stored_and_shown(tmp_path: Path, require: Callable[[str], None], twinheap) -> None:  # type: ignore[no-untyped-def]
    require("network")
    release = importlib.metadata.version("wasmtime")
    (tmp_path / "a.twin").write_text("twinheap program 1\ntargets: heap\nO1 = ext_new_owned S0 v0\nodrop O1\n")
    outcome = twinheap("bisect", "a.twin", "--releases", f"{release}", "--json", "-")
    assert outcome.code == 0
    assert outcome.err.splitlines() == [f"{release:10} good", "first bad:  none", "first good: none"]
    [entry] = json.loads(outcome.out)["findings"]
    assert (entry["target"], entry["releases"]) == ("capi", {release: "good"})
    assert "bisected: capi: first bad none, first good none\n" in (tmp_path / "a.twin").read_text()
    shown = twinheap("show", "a.twin").out.splitlines()
    assert shown[1] == "bisected: capi: first bad none, first good none"


def test_targets_counts_what_runs_met(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    reports = []
    for name, words in (("a", ["heap", "--seed", "1"]), ("b", ["heap", "--seed", "2"]), ("two", ["heap", "capi"])):
        assert twinheap("run", *words, "--programs", "40", "--json", name).code == 0
        reports.append(json.loads((tmp_path / name).read_text()))
    shown = twinheap("targets", "--runs", "a", "b", "--json", "c.json")
    assert shown.code == 0
    [counted] = json.loads((tmp_path / "c.json").read_text())["targets"]
    assert (counted["name"], counted["programs"]) == ("heap", 80)
    for op in ("ext_new_owned", "throw", "table_copy"):
        both: Counter[str] = Counter()
        for report in reports[:2]:
            both.update(report["outcomes"][op])
        counts = counted["counts"][op]
        assert counts["executed"] == both.total() - both["skip"] > 0
        assert (counts["ok"], counts["failed"]) == (both["ok"], counts["executed"] - both["ok"])
        assert 0 <= counts["failures_met"] <= counts["failures"]
        words = next(line.split() for line in shown.out.splitlines() if line.startswith(op + " "))
        assert words[1:4] == [str(counts[key]) for key in ("executed", "ok", "failed")]
    missed = [set(report["behaviours"]["missed"]) for report in reports[:2]]
    assert set(counted["missed"]) == missed[0] & missed[1] < missed[0]
    assert f"{len(counted['missed'])} of {counted['ways']} ways were not met" in shown.out
    together = twinheap("targets", "--runs", "two")
    assert together == (2, "", "twinheap: error: two: the counts of several targets are one in it: run each alone\n")
    assert "not what twinheap run --json writes" in twinheap("targets", "--runs", "c.json").err
    live = twinheap("targets", "heap,collector=null", "--count", "1s", "--workers", "1", "--json", "-")
    assert json.loads(live.out)["targets"][0]["counts"]["store_new"]["executed"] > 0
    assert "1: heap,collector=null  heap 42.0.2, null: " in live.err


def test_add_makes_the_folder_that_is_named_last(tmp_path: Path, twinheap) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.twin").write_text(LEAK)
    added = twinheap("corpus", "add", "a.twin", "mine/new")
    assert added.code == 0
    assert len(list((tmp_path / "mine/new").iterdir())) == 1
    absent = twinheap("corpus", "add", "a.twin", "b.twin")
    assert absent == (2, "", "twinheap: error: b.twin: No such file or directory\n")
    assert not (tmp_path / "corpus").exists()


def test_leaks(twinheap, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "one.twin").write_text("twinheap program 1\nO1 = ext_new_owned S0 v0\n")
    outcome = twinheap("leaks", "-t", "heap", "--repeats", "50", "one.twin")
    assert outcome == (0, "0 of 1 programs leak on heap\n", "")
    assert twinheap("leaks", "--repeats", "0").code == 2
    assert "unknown generator profile" in twinheap("leaks", "-t", "heap", "--profile", "no").err
