"""Where the time of a worker goes: CPU time of each stage between a seed and a verdict, on one target.

    python benches/stages.py [--target heap] [--profile host] [--functions 12]

Each stage is run for all programs before the next one begins, so that its time stands alone; `execute` is the CPU time
of the executor, which runs beside the others. `--functions` shows the hottest functions of each stage under a profiler,
which makes them two to four times slower than they are.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from collections.abc import Callable
from typing import Final, TypeVar

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.generate import generate
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import profile_named
from twinheap.fuzz.worker import collect_rarely
from twinheap.model.judge import judge
from twinheap.model.program import Program
from twinheap.model.view import view
from twinheap.targets.executor import Executor
from twinheap.targets.ran import Ran
from twinheap.targets.wire import check_observations, decode_answer, frame, program_frame

TICKS: Final = os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


class Stages:
    """The stages run so far, with their CPU seconds."""

    def __init__(self, functions: int) -> None:
        self.seconds: dict[str, float] = {}
        self._functions = functions

    def run(self, name: str, stage: Callable[[], T]) -> T:
        """Runs one stage."""
        started = time.process_time()
        result = stage()
        self.seconds[name] = time.process_time() - started
        if self._functions:
            profiler = cProfile.Profile()
            profiler.runcall(stage)
            print(f"--- {name}")
            pstats.Stats(profiler).sort_stats("tottime").print_stats(self._functions)
        return result


def executed(executor: Executor, views: list[Program]) -> tuple[list[Ran], float]:
    """What became of the programs, and the CPU seconds of the executor."""
    before = _cpu(executor.pid)
    ran: list[Ran] = []
    for start in range(0, len(views), BLOCK):
        ran += executor.run(views[start : start + BLOCK])
    return ran, _cpu(executor.pid) - before


def _cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(options: argparse.Namespace) -> None:
    """Runs the stages and prints their times."""
    differ = opener_for()(options.target)
    executor = differ.runner
    assert isinstance(executor, Executor)
    supported, count = differ.supported, options.programs
    profile = profile_named(options.profile)
    collect_rarely()
    stages = Stages(options.functions)
    programs = stages.run("generate", lambda: [generate(1, n, profile, supported) for n in range(count)])
    views = stages.run("view", lambda: [view(program, supported) for program in programs])
    stages.run("encode", lambda: [program_frame(program, n) for n, program in enumerate(views)])
    ran, stages.seconds["execute"] = executed(executor, views)
    bodies = [frame(("result", 0, 0, one.observations))[4:] for one in ran]
    stages.run("decode", lambda: [decode_answer(body) for body in bodies])
    stages.run("check", lambda: [_check(one, program) for one, program in zip(ran, views, strict=True)])
    stages.run("judge", lambda: [judge(v, one.observations, differ.profile) for v, one in zip(views, ran, strict=True)])
    differ.close()
    ops = sum(len(program.all_ops) for program in views)
    print(f"{options.target}: {count} programs of {ops / count:.1f} ops, the implicit tail included")
    total = sum(seconds for name, seconds in stages.seconds.items() if name != "execute")
    for name, seconds in stages.seconds.items():
        share = f"{seconds / total:6.1%}" if name != "execute" else "beside"
        print(f"{name:9}{seconds / count * 1e6:8.1f} us a program{seconds / ops * 1e6:8.2f} us an op  {share}")


def _check(ran: Ran, program: Program) -> None:
    if ran.ended is None:
        check_observations(ran.observations, len(program.all_ops), program.values)


def main() -> None:
    """Reads the options, measures."""
    parser = argparse.ArgumentParser(description="CPU time of each stage of the pipeline.")
    parser.add_argument("--target", default="heap,collector=drc", help="one target (default: heap,collector=drc)")
    parser.add_argument("--profile", default="default", help="what programs are made of (default: default)")
    parser.add_argument("--programs", type=int, default=3000, help="how many programs (default: 3000)")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="show the N hottest functions of each")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
