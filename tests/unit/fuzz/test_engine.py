"""The engine: one seed, any workers; known defects; interruption; memory."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinheap.fuzz import engine
from twinheap.fuzz.engine import Engine, Run
from twinheap.fuzz.events import Ended, Event, FindingMade, Progress, Started, Summary, Warned
from twinheap.fuzz.interruption import delayed, ended_by_term
from twinheap.fuzz.messages import Setup, Suspect, TriageJob
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.oracle import Opener
from twinheap.fuzz.store import FindingStore, StoreError
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.targets.registry import TargetError

Faked = Callable[..., Opener]
DATA = CODE["data"]


def lies(runner: Any, program: Program, seen: list[Observation]) -> None:
    """Every third `data` of a program gives another value."""
    for at in [at for at, op in enumerate(program.all_ops) if op[0] == DATA][2::3]:
        if seen[at].outcome == "ok" and seen[at].values[0] is not None:
            seen[at] = Observation("ok", (100_000, 0))


def run(opener: Opener, **options: Any) -> tuple[Summary, list[Event]]:
    events: list[Event] = []
    setup = Setup(seed=options.pop("seed", 1), targets=options.pop("targets", ("fake",)), profile="small")
    return Engine(Run(setup=setup, **options), opener, events.append).run(), events


def told(summary: Summary) -> list[tuple[str, str, int, int]]:
    return [(m.finding.signature, m.text, m.finding.number, m.finding.ops) for m in summary.findings]


def test_finds_shrinks_signs_and_stores(faked: Faked, tmp_path: Path) -> None:
    summary, events = run(faked(lies), programs=150, folder=tmp_path)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert summary.statistics.programs == 150
    assert summary.statistics.ops == sum(
        count for (op, outcome), count in summary.statistics.outcomes.items() if outcome != "skip" and op != "end"
    )
    assert summary.findings
    assert summary.failures > len(summary.findings)
    signatures = [made.finding.signature for made in summary.findings]
    assert len(set(signatures)) == len(signatures)
    assert {made.finding.code for made in summary.findings} == {"TH101"}
    assert min(made.finding.ops for made in summary.findings) == 4  # a handle, and three times its data
    stored = [entry for _, entry in FindingStore(tmp_path)]
    assert len(stored) == len(signatures)


def test_findings_that_cannot_be_stored_are_still_told(
    faked: Faked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise StoreError(f"{path}: No space left on device")

    monkeypatch.setattr("twinheap.fuzz.store.write_atomically", refuse)
    summary, events = run(faked(lies), programs=150, folder=tmp_path)
    assert summary.findings
    assert summary.findings[0].path is None
    assert [event for event in events if isinstance(event, Warned) and "could not be stored" in event.text]


def test_the_same_seed_gives_the_same_findings(faked: Faked) -> None:
    assert told(run(faked(lies), programs=150)[0]) == told(run(faked(lies), programs=150)[0])
    assert told(run(faked(lies), programs=150, seed=2)[0]) != told(run(faked(lies), programs=150)[0])


@pytest.mark.parametrize("target", ["heap,mutant=m20", "heap"])
def test_workers_change_nothing(target: str) -> None:
    runs = [run(opener_for(), programs=200, workers=workers, targets=(target,))[0] for workers in (1, 2)]
    assert told(runs[0]) == told(runs[1])
    assert bool(runs[0].findings) == (target != "heap")
    one, two = runs[0].statistics, runs[1].statistics
    assert (one.outcomes, one.behaviours, one.sketch.distinct) == (two.outcomes, two.behaviours, two.sketch.distinct)


def test_known_defects_are_counted_and_reported_once() -> None:
    opener = opener_for(frozenset({"K1"}))
    summary, events = run(opener, programs=400, targets=("heap,defects=k1",))
    [first] = summary.expected
    assert first.expected
    assert (first.finding.known, first.finding.code) == ("K1", "TH202")
    assert summary.statistics.known["K1"] >= 1
    assert not [made for made in summary.findings if made.finding.code == "TH202"]
    assert [event for event in events if isinstance(event, FindingMade) and event.expected] == [first]


def test_known_defects_are_shrunk_for_a_short_time_if_strict_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    def ask(suspect: Suspect, start: int, seconds: float | None) -> TriageJob:
        asked.append(seconds)
        return TriageJob(suspect, start, seconds)

    monkeypatch.setattr(engine, "TriageJob", ask)
    run(opener_for(frozenset({"K1"})), programs=400, targets=("heap,defects=k1",), strict=True)
    assert set(asked) == {engine.KNOWN_SECONDS}


def test_strict_makes_findings_of_known_defects() -> None:
    opener = opener_for(frozenset({"K1"}))
    summary, _ = run(opener, programs=400, targets=("heap,defects=k1",), strict=True)
    assert not summary.expected
    assert "K1" in {made.finding.known for made in summary.findings}


def test_interruption_keeps_what_was_found(faked: Faked, tmp_path: Path) -> None:
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, FindingMade):
            raise KeyboardInterrupt

    setup = Setup(seed=1, targets=("fake",), profile="small")
    summary = Engine(Run(setup=setup, programs=10_000, folder=tmp_path), faked(lies), listen_once(listen)).run()
    assert summary.findings
    assert summary.statistics.programs < 10_000
    assert isinstance(events[-1], Ended)
    assert events[-1].interrupted
    assert list(FindingStore(tmp_path))


def test_interruption_while_targets_start_ends_with_a_summary(faked: Faked) -> None:
    def interrupted(name: str) -> Any:
        raise KeyboardInterrupt

    summary, events = run(interrupted, programs=100)
    assert summary.statistics.programs == 0
    assert isinstance(events[-1], Ended)
    assert events[-1].interrupted


def test_what_ends_a_run_waits_while_findings_are_kept(faked: Faked, tmp_path: Path) -> None:
    """The second Ctrl-C comes while the first one's findings are stored and told."""
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, FindingMade | Ended):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM if isinstance(event, Ended) else signal.SIGINT)

    setup = Setup(seed=1, targets=("fake",), profile="small")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has none
    try:
        summary = Engine(Run(setup=setup, programs=10_000, folder=tmp_path), faked(lies), listen).run()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert summary.statistics.programs < 10_000
    assert isinstance(events[-1], Ended)
    assert len(list(FindingStore(tmp_path))) == len(summary.findings) >= 1


def test_ctrl_c_waits_while_what_it_would_crash_is_loaded() -> None:
    reached = []
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)  # one that could hear the signal in place of this one

    def load() -> None:
        with delayed():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)  # so that it would be heard inside, not after
            reached.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has none
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            load()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        ended.set()
        other.join()
    assert reached


def test_sigterm_is_an_interruption_while_a_search_runs() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_by_term():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def listen_once(listener: Callable[[Event], None]) -> Callable[[Event], None]:
    """Lets the interruption through the first time only, as one Ctrl-C does."""
    done = False

    def listen(event: Event) -> None:
        nonlocal done
        try:
            listener(event)
        except KeyboardInterrupt:
            if done:
                return
            done = True
            raise

    return listen


def test_a_time_budget_ends_the_run(faked: Faked) -> None:
    summary, events = run(faked(), seconds=0.6)
    assert summary.statistics.programs > 0
    assert summary.seconds < 20
    assert [event for event in events if isinstance(event, Progress)]
    assert not summary.findings


STUBBORN = """
import msgspec, sys, time
hello = {'wire': 1, 'runtime': 'x', 'release': '', 'collector': 'drc', 'exact': False, 'ops': []}
body = msgspec.msgpack.encode(['hello', hello])
sys.stdout.buffer.write(len(body).to_bytes(4, 'little') + body)
sys.stdout.flush()
time.sleep(600)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_what_hangs_does_not_outlast_the_grace(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinheap.fuzz.engine.TRIAGE_GRACE", 0.5)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    target = f"exec,cmd={sys.executable} {tmp_path / 'stubborn.py'}"
    summary, events = run(opener_for(), seconds=0.5, workers=workers, targets=(target,))
    assert 1.0 < summary.seconds < 4.0  # one op alone may take 5 s
    assert isinstance(events[-1], Ended)


def test_a_target_that_cannot_be_had_fails_before_anything_runs() -> None:
    with pytest.raises(TargetError):
        run(opener_for(), programs=1, targets=("nonsense",))
