"""The supervised child as a process: no deadlock, no orphan, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from twinheap.fuzz.generate import generate
from twinheap.model.builder import Builder
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.targets.executor import Executor
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.registry import parse
from twinheap.targets.wire import WireError

HEAP = [sys.executable, "-P", "-m", "twinheap.targets.heap.executor"]
GONE_WITHIN = 2.0
"""Seconds after which no child may be left."""


def padded(count: int) -> Program:
    builder = Builder()
    for _ in range(count):
        builder.add(CODE["sync"], (0,))
    return builder.finish()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    limit = time.monotonic() + GONE_WITHIN
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < limit, f"still there: {left}"
        time.sleep(0.02)


def test_results_are_those_of_the_machine_in_process() -> None:
    programs = [generate(3, number) for number in range(200)]
    machine = HeapMachine("drc")
    with parse("heap").executor() as executor:
        assert {op for op in executor.supported if not op.startswith("engine=")} == machine.supported
        ran = executor.run(programs)
    assert [one.number for one in ran] == list(range(200))
    assert [one.observations for one in ran] == [machine.run(program) for program in programs]


def test_batches_larger_than_the_pipes_do_not_deadlock() -> None:
    program = padded(3000)
    numbered = [(number, program) for number in range(600)]  # 7 MB there, 5 MB back, both pipes hold 1 MiB
    with Executor(HEAP) as executor:
        executor.send(numbered)
        executor.send(numbered)
        executor.send(numbered[:1])
        sizes = [len(executor.receive()) for _ in range(3)]
    assert sizes == [600, 600, 1]


def test_the_next_batch_runs_while_the_last_one_is_judged() -> None:
    program = padded(5000)
    with Executor(HEAP) as executor:
        executor.send([(0, program)])
        executor.send([(number, program) for number in range(1, 20)])
        executor.receive()
        time.sleep(1)  # judging; the child does the second batch meanwhile
        started = time.monotonic()
        executor.receive()
        assert time.monotonic() - started < 0.5


def test_an_empty_batch_has_an_empty_result() -> None:
    with Executor(HEAP) as executor:
        assert executor.run([]) == []
        assert len(executor.run([padded(1)])) == 1


def test_a_batch_over_the_frame_limit_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinheap.targets.wire.MAX_FRAME", 10_000)
    with Executor(HEAP) as executor:
        with pytest.raises(WireError, match="send fewer programs"):
            executor.run([padded(9000)] * 2)
        assert len(executor.run([padded(1)])) == 1


def test_two_programs_of_a_batch_need_two_numbers() -> None:
    with Executor(HEAP) as executor, pytest.raises(ValueError, match="same number"):
        executor.send([(1, padded(1)), (1, padded(1))])


def test_closing_ends_the_childs_own_children_too() -> None:
    script = "import os, sys, time; os.fork() or time.sleep(600); os.execv(sys.argv[1], sys.argv[1:])"
    executor = Executor([sys.executable, "-c", script, *HEAP])
    group = executor.pid
    members = [int(name) for name in os.listdir("/proc") if name.isdigit() and group_of(int(name)) == group]
    executor.close()
    assert len(members) == 2
    wait_until_gone(members)


def group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_closing_twice_and_starting_again() -> None:
    executor = Executor(HEAP)
    first = executor.pid
    executor.close()
    executor.close()
    wait_until_gone([first])
    assert len(executor.run([padded(1)])) == 1
    assert executor.pid != first
    executor.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_restarts_leak_no_files() -> None:
    with Executor(HEAP) as executor:
        executor.run([padded(1)])
        before = open_files()
        for _ in range(5):
            executor.send([(0, padded(1))])
            os.kill(executor.pid, signal.SIGKILL)
            assert [one.ended for one in executor.receive()] == [None]
        assert open_files() == before
        assert executor.restarts >= 1


PARENT = textwrap.dedent(
    """
    import sys, time
    from twinheap.model.builder import Builder
    from twinheap.model.ops import CODE
    from twinheap.targets.registry import parse
    builder = Builder()
    for _ in range(9000):
        builder.add(CODE["sync"], (0,))
    program = builder.finish()
    executors = [parse(name).executor() for name in sys.argv[1:]]
    for executor in executors:
        executor.start()
        executor.send([(number, program) for number in range(2000)])
    print(*[executor.pid for executor in executors], flush=True)
    for executor in executors:
        executor.receive()
    time.sleep(60)
    """
)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_child_outlives_a_parent_killed_in_a_run(how: signal.Signals, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn.py"  # neither reads its input nor asks for a signal
    stubborn.write_text(
        "import msgspec, sys, time\n"
        "hello = {'wire': 1, 'runtime': 'x', 'release': '', 'collector': 'drc', 'exact': False, 'ops': []}\n"
        "body = msgspec.msgpack.encode(['hello', hello])\n"
        "sys.stdout.buffer.write(len(body).to_bytes(4, 'little') + body)\n"
        "sys.stdout.flush()\n"
        "time.sleep(600)\n"
    )
    targets = ["heap", "heap,collector=copying", f"exec,cmd={sys.executable} {stubborn}"]
    command = [sys.executable, "-P", "-c", PARENT, *targets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == len(targets)
        assert all(is_alive(pid) for pid in pids)
        parent.send_signal(how)
        parent.wait(10)
        wait_until_gone(pids)


def test_an_executor_ends_with_its_input() -> None:
    done = subprocess.run(HEAP, input=b"", timeout=20, check=False, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"")


def test_half_a_frame_from_the_parent_is_reported() -> None:
    done = subprocess.run(HEAP, input=b"\x09\0\0\0\x92", timeout=20, check=False, capture_output=True)
    assert done.returncode == 3
    assert b"stopped 5 bytes into a frame" in done.stdout
    assert b"Traceback" in done.stderr


def test_an_unknown_option_is_a_usage_error() -> None:
    done = subprocess.run([*HEAP, "--colour", "red"], timeout=20, check=False, capture_output=True)
    assert done.returncode == 2


def test_a_mutant_is_planted_in_the_child_only() -> None:
    builder = Builder()
    builder.add(CODE["scope"], (0,))
    builder.add(CODE["ext_new"], (0, 0))
    builder.add(CODE["end"], ())
    program = builder.finish()
    with parse("heap,mutant=m01").executor() as executor:
        assert executor.hello.build == "heap+m01"
        (mutated,) = executor.run([program])
    assert mutated.observations[2].finalized == ()
    assert HeapMachine("drc").run(program)[2].finalized == (0,)
