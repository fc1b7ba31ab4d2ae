"""Executors that misbehave on purpose: whatever they do is named, and no program's result is lost."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from twinheap.model.builder import Builder
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.targets import executor as executor_module
from twinheap.targets.child import Child, Trouble
from twinheap.targets.executor import Executor, ExecutorError, Ran
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.wire import OP_NAMES, ExecutorHello, Hello, frame

SCRIPT = Path(__file__).parents[1] / "unit" / "targets" / "misbehaving.py"
CULPRIT, OP = 3, 4
"""The program and the op at which the executor misbehaves."""
OP_TIMEOUT = 30.0
HANG_TIMEOUT = 1.5
"""Seconds; far more than any op here takes, so that only real hangs count, on a busy machine too."""


def program(pairs: int) -> Program:
    """`pairs` times a new externref and a look at it."""
    builder = Builder()
    for _ in range(pairs):
        outs = builder.add(CODE["ext_new_owned"], (0, builder.next_value))
        assert outs is not None
        builder.add(CODE["data"], (outs[0],))
    return builder.finish()


HELLO = Hello(1, "heap", "42.0.2", "drc", True, frozenset(OP_NAMES))
PROGRAMS = [program(3 + at) for at in range(7)]
GOOD = [HeapMachine("drc").run(one) for one in PROGRAMS]


def command(mode: str, once: Path | None = None) -> list[str]:
    tail = [] if once is None else [str(once)]
    return [sys.executable, "-P", str(SCRIPT), mode, str(CULPRIT), str(OP), *tail]


def run(mode: str, once: Path | None = None, **settings: float) -> list[Ran]:
    op_timeout = HANG_TIMEOUT if mode in ("hang", "stop") else OP_TIMEOUT
    limits = {"op_timeout": op_timeout, "memory_limit": 256 << 20, **settings}
    with Executor(command(mode, once), **limits) as executor:  # type: ignore[arg-type]
        return executor.run(PROGRAMS)


def assert_others_are_whole(ran: list[Ran]) -> None:
    assert [one.number for one in ran] == list(range(len(PROGRAMS)))
    for one, good in zip(ran, GOOD, strict=True):
        if one.number != CULPRIT:
            assert (one.ended, one.observations) == (None, good)


@pytest.mark.parametrize(
    ("mode", "ended", "outcome"),
    [
        ("segv", "dead", "dead:SIGSEGV"),
        ("exit0", "dead", "dead:exit 0"),
        ("exit7", "dead", "dead:exit 7"),
        ("panic", "panic", "panic:object used with wrong store"),
        ("hang", "hang", "hang"),
        ("stop", "hang", "hang"),
        ("grow", "memory", "dead:memory over 256 MiB"),
        ("grandchild", "dead", "dead:exit 1"),
    ],
)
def test_end_in_an_op_is_the_last_observation(mode: str, ended: str, outcome: str) -> None:
    ran = run(mode)
    culprit = ran[CULPRIT]
    assert (culprit.ended, culprit.op, culprit.flaky) == (ended, OP, False)
    assert culprit.observations[:-1] == GOOD[CULPRIT][:OP]
    assert culprit.observations[-1].outcome == outcome
    assert_others_are_whole(ran)


def test_garbage_right_behind_whole_frames_is_said_after_them_at_once() -> None:
    whole = frame(ExecutorHello(HELLO))
    script = f"import os, time; os.write(1, {whole + b'Hello, world'!r}); time.sleep(60)"
    child = Child([sys.executable, "-P", "-c", script], os.environ, 1 << 30)
    try:
        assert child.next_answer(OP_TIMEOUT) == ExecutorHello(HELLO)
        with pytest.raises(Trouble, match="garbage"):  # not a hang, after a patience that no test waits for
            child.next_answer(600.0)
    finally:
        child.close()


def test_a_panic_keeps_standard_error() -> None:
    assert "src/store.rs:12:3" in run("panic")[CULPRIT].stderr


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("garbage", "garbage"),
        ("no-message", "not a message"),
        ("half-frame", "in the middle of a frame"),
        ("close", "closed its output"),
        ("error", "out of paper"),
        ("second-hello", "a second handshake"),
        ("too-many", "observations for"),
        ("too-few", "the last is no panic"),
        ("bad-outcome", "'fine' is no canonical outcome"),
        ("bad-value", "finalized a value"),
        ("bad-type", "not a message"),
        ("bad-shape", "not a message"),
    ],
)
def test_what_breaks_the_protocol_is_said(mode: str, words: str) -> None:
    ran = run(mode)
    culprit = ran[CULPRIT]
    assert (culprit.ended, culprit.flaky) == ("protocol", False)
    assert words in culprit.detail
    assert_others_are_whole(ran)


def test_an_exception_of_the_machine_is_a_panic_of_the_program() -> None:
    # Raised outside any op's handler, it is the executor's own trouble.
    culprit = run("raise")[CULPRIT]
    assert culprit.ended == "protocol"
    assert "LookupError: lost" in culprit.detail
    assert "Traceback" in culprit.stderr


@pytest.mark.parametrize(("mode", "ended"), [("segv", "dead"), ("hang", "hang"), ("bad-outcome", "protocol")])
def test_what_does_not_repeat_is_flaky(mode: str, ended: str, tmp_path: Path) -> None:
    ran = run(mode, tmp_path / "once")
    culprit = ran[CULPRIT]
    assert (culprit.ended, culprit.flaky) == (ended, True)
    if ended != "protocol":
        assert culprit.observations[:-1] == GOOD[CULPRIT][:OP]
    assert_others_are_whole(ran)


def test_an_end_that_moves_to_the_ops_before_is_taken_from_there(tmp_path: Path) -> None:
    ran = run("wander", tmp_path / "times")
    culprit = ran[CULPRIT]
    assert (culprit.ended, culprit.op, culprit.flaky) == ("dead", OP - 1, True)
    assert [one.outcome for one in culprit.observations] == ["ok"] * (OP - 1) + ["dead:SIGSEGV"]
    assert culprit.observations[:-1] == GOOD[CULPRIT][: OP - 1]
    assert_others_are_whole(ran)


def test_chatter_on_both_streams_harms_nothing() -> None:
    ran = run("chatty")
    assert [one.observations for one in ran] == GOOD


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("old-wire", "wire version 2"),
        ("no-hello", "before its handshake"),
        ("not-me", "exit 4; it wrote: not today"),
    ],
)
def test_a_bad_start_is_an_error(mode: str, words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        Executor(command(mode)).start()


def test_a_silent_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "HELLO_TIMEOUT", 0.5)
    with pytest.raises(ExecutorError, match=r"no handshake within 0\.5 s"):
        Executor(command("silent")).start()


@pytest.mark.parametrize("wrong", [["/nowhere/executor"], ["/etc/passwd"]])
def test_a_command_that_cannot_start_is_an_error(wrong: list[str]) -> None:
    with pytest.raises(ExecutorError, match="cannot start"):
        Executor(wrong).start()


def test_batches_under_way_survive_the_death_of_an_earlier_one() -> None:
    numbered = [(number, PROGRAMS[number % len(PROGRAMS)]) for number in range(3 * len(PROGRAMS))]
    size = len(PROGRAMS)
    with Executor(command("segv"), op_timeout=OP_TIMEOUT) as executor:
        executor.send(numbered[:size])
        executor.send(numbered[size : 2 * size])
        first = executor.receive()
        executor.send(numbered[2 * size :])
        others = [*executor.receive(), *executor.receive()]
    assert first[CULPRIT].ended == "dead"
    assert [one.number for one in others] == list(range(size, 3 * size))
    assert [one.observations for one in others] == GOOD * 2


def test_kill_9_loses_nothing() -> None:
    with Executor([sys.executable, "-P", "-m", "twinheap.targets.heap.executor"]) as executor:
        for _ in range(3):
            executor.send(enumerate(PROGRAMS * 20))
            os.kill(executor.pid, signal.SIGKILL)
            ran = executor.receive()
            assert [one.observations for one in ran if not one.ended] == [
                good for one, good in zip(ran, GOOD * 20, strict=True) if not one.ended
            ]
            # Killed from outside, at most the one that was running says so, and that it does not repeat.
            assert all(one.flaky and one.observations[-1].outcome == "dead:SIGKILL" for one in ran if one.ended)
            assert sum(one.ended is not None for one in ran) <= 1
