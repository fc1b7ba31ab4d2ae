"""The bytes that the executor's own tests write: `results_are_the_frames_that_python_reads` in the crate."""

from __future__ import annotations

from pathlib import Path

from twinheap.model.observation import Observation
from twinheap.targets.wire import FrameReader, Result, check_observations, decode_answer

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "wire" / "result.bin"


def test_results_of_the_executor_are_read() -> None:
    reader = FrameReader()
    reader.feed(FIXTURE.read_bytes())
    (body,) = reader.bodies()
    answer = decode_answer(body)
    assert isinstance(answer, Result)
    assert (answer.batch, answer.number) == (7, 3)
    assert answer.observations == (
        Observation("ok"),
        Observation("skip"),
        Observation("ok", ("i31", 0x7FFFFFFF)),
        Observation("ok", (None,)),
        Observation("ok", (True,)),
        Observation("ok", (), (0, 300)),
        Observation("err:oom", (), (), ((0, 0), (0, 65536)), 32),
        Observation("err:oom", (), (), (), 16),
        Observation("panic:object used with wrong store"),
    )
    check_observations(answer.observations, 20, 301)
