"""Frames and messages: round trips, bytes as documented, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinheap.model.builder import Builder
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE
from twinheap.model.program import Config, Program
from twinheap.targets import wire
from twinheap.targets.check import check_frames
from twinheap.targets.wire import (
    MAX_OBSERVED,
    Batch,
    Error,
    ExecutorHello,
    FrameReader,
    Hello,
    ParentHello,
    Request,
    Result,
    WireError,
    WireProgram,
    batch_frame,
    check_observations,
    decode_answer,
    decode_order,
    frame,
    program_frame,
)

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "wire"


def program() -> Program:
    builder = Builder()
    builder.add(CODE["ext_new_owned"], (0, 0))
    builder.add(CODE["odrop"], (1,))
    return builder.finish()


def documented_frames() -> list[bytes]:
    """The byte examples of docs/wire.md: indented lines of hexadecimal numbers, up to the first wide gap."""
    blocks: list[bytes] = []
    inside = False
    for line in (ROOT / "docs" / "wire.md").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"    ((?:[0-9a-f]{2} )+) {2,}", line):
            if not inside:
                blocks.append(b"")
            blocks[-1] += bytes.fromhex(match[1])
            inside = True
        else:
            inside = False
    return blocks


def test_documented_bytes_are_what_is_sent() -> None:
    result = ("result", 7, 3, [("ok",), ("ok",), ("ok", (), [0]), ("ok",), ("ok",)])
    assert documented_frames() == [
        frame(Error("no")),
        batch_frame(7, [program_frame(program(), 3)]),
        frame(result),
    ]


def test_a_batch_comes_out_as_it_went_in() -> None:
    one = Builder(Config(65536, 1)).finish()
    data = batch_frame(300, [program_frame(program(), 4294967295), program_frame(one, 0)])
    order = decode_order(data[4:])
    assert order == Batch(
        300,
        [
            WireProgram(4294967295, -1, 0, 2, 1, program().all_ops),
            WireProgram(0, 65536, 1, one.slots, one.values, one.all_ops),
        ],
    )


def test_part_of_a_program_can_be_sent() -> None:
    order = decode_order(batch_frame(0, [program_frame(program(), 1, program().all_ops[:1])])[4:])
    assert isinstance(order, Batch)
    assert order.programs[0].ops == program().all_ops[:1]


@pytest.mark.parametrize("message", [ParentHello(Request(1, ["gc"], None)), ParentHello(Request(1, [], "/x"))])
def test_orders_round_trip(message: ParentHello) -> None:
    assert decode_order(frame(message)[4:]) == message


@pytest.mark.parametrize(
    "message",
    [
        ExecutorHello(Hello(1, "heap", "42.0.2", "drc", True, frozenset({"gc", "sync"}), "x")),
        ExecutorHello(Hello(1, "mine", "", "drc", False, frozenset({"gc"}), "x", frozenset({"default", "pulley"}))),
        Result(1, 2, (Observation("ok", (1, "null", None, True), (5,), ((0, 65536),), 32),)),
        Error("out of paper"),
    ],
)
def test_answers_round_trip(message: ExecutorHello | Result | Error) -> None:
    assert decode_answer(frame(message)[4:]) == message


def test_a_handshake_says_which_engine_configurations_there_are() -> None:
    said = {"wire": 1, "runtime": "mine", "release": "", "collector": "drc", "exact": False, "ops": ["gc"]}
    plain = decode_answer(frame(("hello", said))[4:])
    more = decode_answer(frame(("hello", said | {"engines": ["default", "pulley", "one of tomorrow"]}))[4:])
    assert isinstance(plain, ExecutorHello)
    assert isinstance(more, ExecutorHello)
    assert plain.body.supported == {"gc"}
    assert more.body.supported == {"gc", "engine=default", "engine=pulley"}


def test_trailing_fields_of_observations_may_be_left_out() -> None:
    answer = decode_answer(frame(("result", 0, 0, [["ok"], ["ok", [1]], ["ok", [], [2]]]))[4:])
    assert answer == Result(0, 0, (Observation("ok"), Observation("ok", (1,)), Observation("ok", (), (2,))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x92\xa5error\xa1\xff",
        b"\x94\xa6result\x00\x00\xdd\xff\xff\xff\xff",
        b"\x92\xa4what\x00",
        b"\x80",
        b"\x05",
        frame(("result", 0, 0, [("ok", 5)]))[4:],
        frame(("result", 0, "one", []))[4:],
        frame(("hello", {"wire": 1}))[4:],
    ],
)
@pytest.mark.parametrize("decode", [decode_answer, decode_order])
def test_what_is_no_message_is_a_wire_error(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(WireError, match="not a message of"):
        decode(body)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_a_wire_error(body: bytes) -> None:
    for decode in (decode_answer, decode_order):
        try:
            decode(body)
        except WireError as error:
            assert "\n" not in str(error)  # noqa: PT017 -- not raising is as good


@given(st.lists(st.binary(max_size=20)), st.data())
def test_frames_are_found_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(len(body).to_bytes(4, "little") + body for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader = FrameReader()
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:stop])
        found += reader.bodies()
    assert found == bodies
    assert reader.rest == 0


def test_a_length_over_the_limit_is_garbage_after_what_came_before() -> None:
    reader = FrameReader()
    reader.feed(b"\x01\0\0\0\x05Hello, world")
    assert reader.bodies() == [b"\x05"]
    with pytest.raises(WireError, match="garbage"):
        reader.bodies()


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME", 100)
    with pytest.raises(WireError, match="send fewer programs"):
        batch_frame(0, [bytes(101)])


OK = Observation("ok")


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ((OK, OK, OK), "3 observations for 2 ops"),
        ((OK,), "the last is no panic"),
        ((), "the last is no panic"),
        ((OK, Observation("fine")), "op 1: 'fine' is no canonical outcome"),
        ((OK, Observation("panic:" + "x" * 1000)), "is no canonical outcome"),
        ((OK, Observation("ok", (), (3,))), "none of the program's 3"),
        ((OK, Observation("ok", (), (-1,))), "none of the program's 3"),
        ((OK, Observation("ok", tuple(range(MAX_OBSERVED + 1)))), f"{MAX_OBSERVED + 1} values"),
        ((OK, Observation("ok", ("x" * 1000,))), "1000 characters"),
    ],
)
def test_wrong_observations_are_refused(seen: tuple[Observation, ...], words: str) -> None:
    with pytest.raises(WireError, match=words):
        check_observations(seen, 2, 3)


@pytest.mark.parametrize("seen", [(OK, OK), (Observation("panic:boom"),), (OK, Observation("skip", (), (0, 2)))])
def test_right_observations_are_taken(seen: tuple[Observation, ...]) -> None:
    check_observations(seen, 2, 3)


@pytest.mark.parametrize("name", sorted(check_frames()))
def test_fixtures_are_the_frames_that_checks_send(name: str) -> None:
    # Written once and kept: executors in other languages are tested against these files.
    stored = (FIXTURES / f"{name}.bin").read_bytes()
    if name == "hello":  # later versions append op kinds
        stored_ops = msgspec.msgpack.decode(stored[4:])[1]["ops"]
        assert tuple(stored_ops) == wire.OP_NAMES[: len(stored_ops)]
    else:
        assert stored == check_frames()[name]
