"""Replaying, timelines, bisection and the corpus, on the in-tree heap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from twinheap.cli.replay import line_of
from twinheap.fuzz.bisect import Bisected, bisect, family_of, keep
from twinheap.fuzz.corpus import add, minimize
from twinheap.fuzz.engine import Engine, Run
from twinheap.fuzz.messages import Setup
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.oracle import Opener, Seen
from twinheap.fuzz.record import Finding
from twinheap.fuzz.replay import (
    Replayed,
    Shared,
    Status,
    Stored,
    chosen,
    inexpressible,
    load,
    replay,
    replay_all,
    stored_in,
)
from twinheap.fuzz.signature import Identity
from twinheap.fuzz.store import FindingStore, StoreError
from twinheap.fuzz.timeline import timeline
from twinheap.model.codes import Verdict
from twinheap.model.observation import Observation
from twinheap.model.program import Program
from twinheap.model.text import loads

Faked = Callable[..., Opener]

LEAK = "O1 = ext_new_owned S0 v0\nW2 = to_raw O1\nW3 = to_raw O1\nodrop O1\n"


def write(path: Path, body: str = LEAK, **meta: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("twinheap program 1\n" + "".join(f"{key}: {value}\n" for key, value in meta.items()) + body)
    return path


def statuses(path: Path, override: list[str] | None = None) -> list[tuple[str, str, bool]]:
    results = replay_all(load(path), override or [], ["heap"], opener_for())
    return [(one.target, one.status, one.as_recorded) for one in results]


def test_a_finding_is_replayed_on_its_target_or_another(tmp_path: Path) -> None:
    path = write(tmp_path / "a.twin", code="TH202", targets="heap,mutant=m20")
    assert statuses(path) == [("heap,mutant=m20", "FAILED", False)]
    assert statuses(path, ["heap"]) == [("heap", "FIXED", False)]
    assert statuses(write(tmp_path / "b.twin")) == [("heap", "FIXED", False)]
    assert statuses(path, ["heap,mutant=none"])[0][1] == "ERROR"


def test_a_record_says_what_is_to_come_out(tmp_path: Path) -> None:
    path = write(tmp_path / "known" / "a.twin", code="TH202", targets="heap,mutant=m20", fixed="heap")
    assert statuses(path) == [("heap,mutant=m20", "FAILED", True), ("heap", "FIXED", True)]
    wrong = write(tmp_path / "known" / "b.twin", code="TH101", targets="heap,mutant=m20 heap")
    assert statuses(wrong) == [("heap,mutant=m20", "FAILED", False), ("heap", "FIXED", False)]


def test_a_target_that_this_machine_lacks_is_one_error_and_the_others_are_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TWINHEAP_CACHE", str(tmp_path / "cache"))
    targets = "rust@48.0.2 heap,mutant=m20"
    path = write(tmp_path / "known" / "a.twin", code="TH202", targets=targets, fixed="rust@45.0.0 heap")
    results = list(replay_all(load(path), [], ["heap"], opener_for()))
    assert [(one.target, one.status, one.expected) for one in results] == [
        ("rust@48.0.2", "ERROR", "FAILED"),
        ("heap,mutant=m20", "FAILED", "FAILED"),
        ("rust@45.0.0", "ERROR", "FIXED"),
        ("heap", "FIXED", "FIXED"),
    ]
    assert "cargo is not on the PATH" in results[0].detail
    assert "\n" not in line_of(results[0])


def test_programs_share_an_executor_until_one_fails(faked: Faked, tmp_path: Path) -> None:
    def grows_old(runner: Any, program: Program, seen: list[Observation]) -> None:
        if len(program.ops) > 2 and (len(program.ops) > 3 or len(runner.seen) > 1):
            seen[0] = Observation("null")

    starts = [0]
    opener, shared = faked(grows_old, starts), Shared()
    small, old, bad = "O1 = ext_new_owned S0 v0\nodrop O1\n", "gc S0\n", "gc S0\ngc S0\n"
    bodies = [small, small, small + old, small + bad, small, small]
    stored = [load(write(tmp_path / f"{n}.twin", body)) for n, body in enumerate(bodies)]
    results = [replay(one, "fake", opener, shared=shared).status for one in stored]
    shared.close()
    assert results == ["FIXED", "FIXED", "FIXED", "FAILED", "FIXED", "FIXED"]
    # The third fails in the executor of the others, and not in its own; the fourth fails in its own too.
    assert starts == [4]


def test_what_a_target_cannot_express_is_an_error(tmp_path: Path) -> None:
    body = "O1, X2 = ext_new_owned S0 v0\nscope S0:\n  L3 = lend O1\noom_take X2\n"
    program = loads("twinheap program 1\n" + body).program
    supported = frozenset({"ext_new_owned", "odrop", "gc", "sync", "store_drop"})
    assert inexpressible(program, supported) == ["oom_take"]
    assert inexpressible(program, supported | {"oom_take"}) == []


def test_folders_leave_out_what_comes_with_a_finding(tmp_path: Path) -> None:
    for name in ("TH1-a.twin", "TH1-original-b.twin", "TH1-before-c.twin", "sub/d.twin", "x.json"):
        write(tmp_path / name)
    assert [path.name for path in stored_in(tmp_path)] == ["d.twin", "TH1-a.twin"]
    with pytest.raises(StoreError):
        load(tmp_path / "absent.twin")


def test_an_unreadable_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # for root nothing is unreadable
    with pytest.raises(StoreError, match=r": Permission denied$"):
        list(stored_in(tmp_path))


def test_the_timeline_stands_beside_the_model(tmp_path: Path) -> None:
    differ = opener_for()("heap,mutant=m20")
    try:
        rows = timeline(loads("twinheap program 1\n" + LEAK).program, differ)
    finally:
        differ.close()
    assert [row.line for row in rows][:2] == ["O1 = ext_new_owned S0 v0", "W2 = to_raw O1"]
    assert [row.implicit for row in rows] == [False] * 4 + [True] * 3
    [bad] = [row for row in rows if row.verdicts]
    assert (bad.line, bad.verdicts[0].code) == ("gc S0", "TH202")
    assert all(row.state for row in rows[:4])


CALLS = """twinheap program 1
B0: (body (main (if (get 3) (do (drop (cb (get 0))))) (get 0)))
I1 = inst S0
call I1 0 v1 null null null 1:
  O2 = ext_new_owned S0 v9
  call I1 0 v10 null null null 0:
    gc S0
  L3 = arg lifo
W4 = to_raw O2
odrop O2
gc S0
gc S0
"""
"""A callback with a call in it whose callback is not called."""


@pytest.mark.parametrize(("target", "last"), [("heap", True), ("heap,mutant=m01", False)])
def test_the_models_states_stand_beside_the_ops_of_callbacks(target: str, last: bool) -> None:
    differ = opener_for()(target)
    try:
        rows = timeline(loads(CALLS).program, differ)
    finally:
        differ.close()
    states = [(row.line.split(" = ")[-1].split()[0], row.state) for row in rows[:10]]
    assert states == [
        *(("inst", "first"), ("call", "null"), ("ext_new_owned", "heap"), ("call", "null")),
        *(("gc", ""), ("end", ""), ("arg", "null"), ("end", "none"), ("to_raw", "owned"), ("odrop", "last")),
    ]
    assert all(row.judged for row in rows[:10])
    assert rows[-1].judged is last  # nothing is said of what comes after a divergence
    assert last or [row.judged for row in rows].index(False) > next(at for at, row in enumerate(rows) if row.verdicts)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(("first", "last"), [(0, 9), (3, 7), (4, 4), (0, 2), (8, 9)])
def test_bisection_finds_both_borders(first: int, last: int, everything: bool) -> None:
    releases = [f"{n}.0.0" for n in range(10)]
    stored = Stored(Path("x"), loads("twinheap program 1\n").program, {}, [])
    tried: list[str] = []

    def one(release: str) -> Replayed:
        tried.append(release)
        status: Status = "FAILED" if first <= int(release[0]) <= last else "FIXED"
        return Replayed(stored, release, status)

    result = bisect(releases, one, everything)
    assert result.first_bad == releases[first]
    assert result.first_good == (releases[last + 1] if last < 9 else None)
    assert len(tried) == len(set(tried))
    assert len(tried) == 10 or not everything


Failures = list[tuple[str, str | None] | None]


def bisected_over(failures: Failures, everything: bool, **meta: str) -> Bisected:
    """Bisection of a program stored with `meta` over releases 0, 1, ... that show these failures, None: none."""
    stored = Stored(Path("x"), loads("twinheap program 1\n").program, meta, [])

    def one(release: str) -> Replayed:
        failure = failures[int(release.split(".")[0])]
        if failure is None:
            return Replayed(stored, release, "FIXED")
        return Replayed(stored, release, "FAILED", Verdict(failure[0], 0, "", "", failure[1]))

    return bisect([f"{n}.0.0" for n in range(len(failures))], one, everything)


@pytest.mark.parametrize("everything", [False, True])
def test_bisection_does_not_take_one_known_defect_for_another(everything: bool) -> None:
    """Releases 2 to 4 have what the program is stored for; before, another defect hides whether they do."""
    failures: Failures = [("TH202", "K22")] * 2 + [("TH401", "K34"), ("TH403", "K34"), ("TH401", "K34"), None]
    result = bisected_over(failures, everything, known="K34", code="TH401")
    assert (result.first_bad, result.first_good) == ("2.0.0", "5.0.0")
    assert result.releases["0.0.0"] == "other"
    assert result.others["0.0.0"] == "TH202 (K22)"
    assert str(result).startswith("first bad 2.0.0, first good 5.0.0; 0.0.0: another failure, TH202 (K22)")


@pytest.mark.parametrize("everything", [False, True])
def test_bisection_does_not_take_one_code_for_another(everything: bool) -> None:
    """A leak in releases 3 to 5, which a known defect of 2 and a panic of 6 and 7 look like."""
    leak: tuple[str, str | None] = ("TH202", None)
    failures: Failures = [None, None, ("TH202", "K1"), leak, leak, leak, ("TH401", None), ("TH401", None), None, None]
    result = bisected_over(failures, everything, code="TH202")
    assert (result.first_bad, result.first_good) == ("3.0.0", "8.0.0")
    assert set(result.others) >= {"2.0.0", "6.0.0", "7.0.0"}
    assert set(bisected_over(failures, everything).releases.values()) == {"good", "bad"}  # without a code: any failure


def test_a_known_defect_where_the_profile_lacks_it_is_still_the_same() -> None:
    result = bisected_over([None, ("TH202", None), ("TH202", "K1"), None], True, code="TH202", known="K1")
    assert (result.first_bad, result.first_good, result.others) == ("1.0.0", "3.0.0", {})


def test_replaying_prefers_the_defect_that_is_stored() -> None:
    one, two, three = Verdict("TH202", 3, "", "", "K1"), Verdict("TH202", 4, "", "", "K22"), Verdict("TH401", 5, "", "")
    seen = Seen([(Identity(verdict.code, verdict.known, "", ""), verdict) for verdict in (one, two, three)])
    assert chosen(seen, "TH202", "K22") is two
    assert chosen(seen, "TH202") is one
    assert chosen(seen, "TH401", "K22") is two  # a known defect is told by its name, whatever its code
    assert chosen(seen, "TH301") is three
    assert chosen(Seen([]), "TH202", "K1") is None


def test_bisection_without_a_bad_release() -> None:
    stored = Stored(Path("x"), loads("twinheap program 1\n").program, {}, [])
    result = bisect(["1.0.0", "2.0.0"], lambda release: Replayed(stored, release, "FIXED"), False)
    assert (result.first_bad, result.first_good) == (None, None)


def test_the_corpus_takes_each_program_once_and_drops_what_adds_nothing(tmp_path: Path) -> None:
    one = load(write(tmp_path / "in" / "a.twin"))
    path, new = add(one, tmp_path / "seeds")
    assert new
    assert add(one, tmp_path / "seeds") == (path, False)
    two = load(write(tmp_path / "in" / "b.twin", "O1 = ext_new_owned S0 v0\nodrop O1\n"))
    three = load(write(tmp_path / "in" / "c.twin", "O5 = ext_new_owned S0 v0\nodrop O5\ngc S0\ngc S0\n"))
    bug = load(write(tmp_path / "in" / "d.twin", LEAK + "gc S0\n", signature="TH202-1"))
    same = load(write(tmp_path / "in" / "e.twin", LEAK, signature="TH202-1"))
    differ = opener_for()("heap")
    try:
        kept = minimize([(stored.path, stored) for stored in (one, two, three, bug, same)], [differ])
    finally:
        differ.close()
    assert two.path in kept.keep
    assert same.path in kept.keep
    assert bug.path in kept.drop
    assert replay(one, "heap", opener_for()).status == "FIXED"


def test_a_program_is_not_replayed_on_another_engine_than_its_own() -> None:
    program = loads("twinheap program 1\nS0: engine=pulley\nS1 = store_new_in fuel none plain\n").program
    everything = frozenset({"gc", "sync", "store_drop", "store_new_in"})
    assert inexpressible(program, everything) == ["engine=pulley", "engine=fuel"]
    assert inexpressible(program, everything | {"engine=pulley", "engine=fuel"}) == []


def test_a_finding_that_lost_some_lines_is_not_just_fixed(tmp_path: Path) -> None:
    setup = Setup(seed=1, targets=("heap,mutant=m20",), profile="small")
    Engine(Run(setup=setup, programs=200, folder=tmp_path), opener_for(), lambda event: None).run()
    path = min(stored_in(tmp_path))
    assert replay(load(path), "heap", opener_for()).detail == ""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    cut = replay(load(path), "heap", opener_for())
    assert (cut.status, "edited or damaged" in cut.detail) == ("FIXED", True)
    other = write(tmp_path / "K1-0123456789abcdef.twin", code="TH202")
    assert replay(load(other), "heap", opener_for()).detail == ""


def test_bisection_is_kept_with_the_finding_but_not_with_records(tmp_path: Path) -> None:
    result = Bisected({"45.0.0": "bad", "46.0.1": "good"}, "45.0.0", "46.0.1")
    line = "rust,collector=copying: first bad 45.0.0, first good 46.0.1"
    setup = Setup(seed=1, targets=("heap,mutant=m20",), profile="small")
    Engine(Run(setup=setup, programs=200, folder=tmp_path / "f"), opener_for(), lambda event: None).run()
    (record, before), *others = FindingStore(tmp_path / "f")
    assert isinstance(before, Finding)
    keep(load(tmp_path / "f" / before.program), "rust,collector=copying", result)
    after = FindingStore(tmp_path / "f").read(record)
    assert after == msgspec.structs.replace(before, bisected=line, releases=result.releases)
    stored = load(tmp_path / "f" / before.program)
    assert stored.meta["bisected"] == line
    assert stored.meta["signature"] == before.signature
    assert list(FindingStore(tmp_path / "f"))[1:] == others
    known = write(tmp_path / "known" / "a.twin", targets="heap,mutant=m20")
    text = known.read_text()
    keep(load(known), "capi", result)
    assert known.read_text() == text


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        (["rust@48.0.2,zeal=1,collector=null"], "rust@45.0.0,zeal=1,collector=null"),
        (["heap", "capi,via=ctypes"], "capi@45.0.0,via=ctypes"),
        (["capi,lib=/x,release=44.0.0"], "capi@45.0.0"),
        (["heap | rust"], "heap | rust@45.0.0"),
        (["exec,cmd=./capi a"], "capi@45.0.0"),
        ([], "capi@45.0.0"),
    ],
)
def test_whose_releases_are_bisected(targets: list[str], name: str) -> None:
    assert family_of(targets).at("45.0.0") == name
