"""What bodies cost: how fast they are compiled and run while they are checked, against a loop that only compiles them.

    python benches/bodies.py [--target capi] [--workers 2] [--programs 600] [--rounds 3] [--seconds S] [--json FILE]

Each worker is the whole pipeline (generate, view, WAT to binary, compile, run, judge): a process that makes and judges,
and its executor. `fuzz` takes a worker a core, since with one both processes have to take the same time to keep two
cores busy, and they do not: so two pipelines run side by side here, on programs of their own, and are summed.
`--workers 1` shows how far one alone comes.

`compiled`: bodies a second. A body counts once for each worker and engine configuration that it ran under, and not if
the worker's executor has it from an earlier round. `only`: the same modules, already in binary form, compiled one after
another under the same configurations in this process by the same library, and nothing else. `runs`: runs of bodies a
second; `reference ops`: the forms on references that a run executes, as the model counts them, on average; `known` runs
that the model loses are left out. `core-ms`: CPU time of all processes.
On a busy machine seconds say little: `of CPU time` is what two free cores would take, half of the sum of all processes'
CPU time, but no less than that of the busiest one.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from compiling import Body, Executed, Loop, executed
from measures import WARM_UP, Checked, Measured

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import profile_named
from twinheap.model.program import Program
from twinheap.model.view import view

PROFILE: Final = "bodies"
CORES: Final = 2
"""Of the machine that is meant."""


def programs_of(count: int, seed: int, supported: frozenset[str]) -> list[Program]:
    """The programs that `Checked.measure` runs."""
    profile = profile_named(PROFILE)
    return [view(generate(seed, number, profile, supported), supported) for number in range(count)]


class Worker:
    """One pipeline in a process of its own. Its seeds are its own, too: no two workers run the same programs."""

    def __init__(self, options: argparse.Namespace) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, options.target), daemon=True)
        self._process.start()
        self._target = options.target
        self.supported: frozenset[str] = self._pipe.recv()  # it is warm now
        self._compiled: set[Body] = set(self._executed(WARM_UP * BLOCK, 0).bodies)

    def start(self, programs: int, seed: int, seconds: float) -> None:
        """Begins a round."""
        self._pipe.send((programs, seed, seconds))

    def finish(self) -> Measured:
        """The end of it."""
        measured: Measured = self._pipe.recv()
        return measured

    def did(self, measured: Measured, seed: int) -> tuple[Executed, set[Body]]:
        """What that round did, and the bodies that it compiled."""
        did = self._executed(measured.programs, seed)
        new = set(did.bodies - self._compiled)
        self._compiled |= new
        return did, new

    def _executed(self, programs: int, seed: int) -> Executed:
        return executed(self._target, programs_of(programs, seed, self.supported))

    def close(self) -> None:
        """Ends the process."""
        self._pipe.send(None)
        self._process.join()


def _work(pipe: Connection, target: str) -> None:
    checked = Checked(target, profile_named(PROFILE))
    pipe.send(checked.supported)
    while (job := pipe.recv()) is not None:
        programs, seed, seconds = job
        pipe.send(checked.measure(programs, seed, seconds))
    checked.close()


def one_round(options: argparse.Namespace, number: int, workers: list[Worker], loop: Loop) -> dict[str, float]:
    """Rates of one round, all workers together."""
    seeds = [1 + number * len(workers) + at for at in range(len(workers))]
    for worker, seed in zip(workers, seeds, strict=True):
        worker.start(options.programs, seed, options.seconds)
    measured = [worker.finish() for worker in workers]
    did = [worker.did(one, seed) for worker, one, seed in zip(workers, measured, seeds, strict=True)]
    bodies = [len(new) for _, new in did]
    times = [loop.seconds(new) for _, new in did]
    alone, compiling = (sum(column) for column in zip(*times, strict=True))
    runs, forms = sum(one.runs for one, _ in did), sum(one.forms for one, _ in did)
    cpu = [used for one in measured for used in (one.parent, one.executor)]
    free = max(sum(cpu) / CORES, *cpu)
    made = sum(count / one.seconds for count, one in zip(bodies, measured, strict=True))
    return {
        "bodies compiled a second": made,
        "bodies a second, compiled only": sum(bodies) / alone,
        "runs a second": sum(each.runs / one.seconds for (each, _), one in zip(did, measured, strict=True)),
        "reference ops a run": forms / max(runs, 1),
        "runs a body": runs / sum(bodies),
        "core-ms a body": 1e3 * sum(cpu) / sum(bodies),
        "core-ms a body, compiled only": 1e3 * compiling / sum(bodies),
        "runs a second of CPU time": runs / free,
        "CPU time of the parents / of the executors": sum(cpu[::2]) / sum(cpu[1::2]),
        "share of the time in which parents have no core": sum(one.waited / one.seconds for one in measured)
        / len(measured),
        "compiled / compiled only": made * alone / sum(bodies),
        "compiled / compiled only, of CPU time": compiling / free,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Rates and ratios."""
    workers, loop = [Worker(options) for _ in range(options.workers)], Loop(options.target)
    rounds: list[dict[str, float]] = []
    for number in range(options.rounds):
        one = one_round(options, number, workers, loop)
        if math.isnan(one["core-ms a body"]):
            print("an executor was started anew, whose CPU time is lost: this round does not count", flush=True)
            continue
        rounds.append(one)
        print("   ".join(f"{name} {value:,.2f}" for name, value in rounds[-1].items()), flush=True)
    for worker in workers:
        worker.close()
    if not rounds:
        raise SystemExit("no round counts: try again, or another target")
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    names = ("compiled / compiled only", "compiled / compiled only, of CPU time")
    ratios = {f"{options.target} bodies {name}": medians.pop(name) for name in names}
    return {"ratios": ratios, "rates": medians}


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description="What bodies cost.")
    parser.add_argument("--target", default="capi", help="a release of the C API (default: capi)")
    parser.add_argument("--workers", type=int, default=CORES, help=f"pipelines side by side (default: {CORES})")
    parser.add_argument("--programs", type=int, default=600, help="programs of a worker a round (default: 600)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default: 3)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="at most so long a round (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write ratios and rates there, too")
    options = parser.parse_args()
    result = measure(options)
    for name, value in (*result["rates"].items(), *result["ratios"].items()):
        print(f"{value:12,.2f}  {name}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
