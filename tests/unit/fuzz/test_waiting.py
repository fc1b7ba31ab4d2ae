"""Failures that wait to be shrunk: shares while the time runs, and the order of kinds."""

from __future__ import annotations

from twinheap.fuzz.messages import Suspect, TriageJob
from twinheap.fuzz.signature import Identity
from twinheap.fuzz.waiting import Waiting
from twinheap.model.codes import Verdict


def job(number: int, known: str | None) -> TriageJob:
    identity = Identity("TH202", known, "gc", "")
    return TriageJob(Suspect(number, 0, identity, Verdict("TH202", 0, "", "", known)), 0)


def test_what_was_never_shrunk_goes_first() -> None:
    waiting = Waiting(4)
    for number, known in enumerate(["K1", "K1", "K2"]):
        waiting.add(job(number, known))
    begun = [waiting.begin(None) for _ in range(4)]
    assert [one and one.suspect.number for one in begun] == [0, 2, 1, None]


def test_a_running_search_keeps_half_of_the_workers() -> None:
    waiting = Waiting(2)
    for number in range(3):
        waiting.add(job(number, None))
    first = waiting.begin(100.0)
    assert first is not None
    assert waiting.begin(100.0) is None
    waiting.done(first.suspect)
    assert waiting.begin(100.0) is not None
    assert waiting.begin(None) is not None  # the time is over, or there is no bound


def test_a_single_worker_shrinks_for_a_share_of_the_time() -> None:
    waiting = Waiting(0)
    for number in range(2):
        waiting.add(job(number, None))
    first = waiting.begin(1.0)
    assert first is not None
    waiting.done(first.suspect)
    assert waiting.begin(-1.0) is None
