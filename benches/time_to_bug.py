"""How long a run needs to find each of eight known defects of old releases, against two plain generators.

    python benches/time_to_bug.py [--seeds 5] [--cap 180] [--only K1,K3] [--generator twinheap] [--json FILE]

Ours is the generator of `twinheap fuzz` in one process, without hints; the time is when a failure that shows the defect
came up (shrinking apart). Beside it Hypothesis and byte programs as Atheris decodes them, drawn at random, drive the
same executor with the same judge. A defect that was not met counts as the cap. One run counts for all defects of its
release.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from twinheap.fuzz.budget import BLOCK
from twinheap.fuzz.differ import Differ
from twinheap.fuzz.generate import generate
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.strategies import programs
from twinheap.model.bytecode import decode
from twinheap.model.program import Program
from twinheap.model.view import view

DEFECTS: Final = {
    "K1": "43.0.0",
    "K2": "43.0.0",
    "K3": "43.0.0",
    "K4": "43.0.0",
    "K5": "44.0.0",
    "K20": "31.0.0",
    "K14": "36.0.0",
    "K21": "36.0.0",
}
"""Defect -> the release on which it is hunted (docs/findings.md)."""

BASELINE_SEEDS: Final = 2
BYTES: Final = 400  # of a random byte program: about as many ops as ours have


class _Over(Exception):
    """The cap is reached, or everything was found."""


class Hunt:
    """One run of one generator on one release: when each wanted defect was first met, and after how many programs."""

    def __init__(self, release: str, wanted: set[str], cap: float) -> None:
        self.differ: Differ = opener_for(frozenset())(f"capi@{release}")
        self.wanted, self.cap = wanted, cap
        self.met: dict[str, tuple[float, int]] = {}
        self.count = 0
        self.started = time.monotonic()

    def check(self, batch: list[Program]) -> None:
        """Judges a batch. Raises _Over when there is nothing left to do."""
        supported = self.differ.supported
        for judged in self.differ.run([view(program, supported) for program in batch]):
            self.count += 1
            for verdict in judged.verdicts:
                if verdict.known in self.wanted:
                    self.met.setdefault(verdict.known, (time.monotonic() - self.started, self.count))
        if self.wanted <= self.met.keys() or time.monotonic() - self.started > self.cap:
            raise _Over


def ours(hunt: Hunt, start: int) -> None:
    """The random engine of `twinheap fuzz`, in one process."""
    numbers = iter(range(10**9))
    while True:
        batch = [next(numbers) for _ in range(BLOCK)]
        hunt.check([generate(start, number, supported=hunt.differ.supported) for number in batch])


def from_hypothesis(hunt: Hunt, start: int) -> None:
    """Hypothesis, one example at a time, as a property test would."""

    @seed(start)
    @settings(
        max_examples=10**6,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(supported=hunt.differ.supported))
    def examples(program: Program) -> None:
        hunt.check([program])

    examples()


def from_bytes(hunt: Hunt, start: int) -> None:
    """Random byte programs: what Atheris begins with, and keeps to where the runtime is not instrumented."""
    rng = random.Random(start)
    while True:
        hunt.check([decode(rng.randbytes(BYTES)) for _ in range(BLOCK)])


GENERATORS: Final[dict[str, Callable[[Hunt, int], None]]] = {
    "twinheap": ours,
    "hypothesis": from_hypothesis,
    "atheris": from_bytes,
}


def measure(options: argparse.Namespace) -> Iterator[tuple[str, str, list[tuple[float, int]]]]:
    """(generator, defect, time and programs per seed)."""
    wanted = set(options.only.split(",")) if options.only else set(DEFECTS)
    for name in options.generator or GENERATORS:
        generator = GENERATORS[name]
        seeds = options.seeds if name == "twinheap" else BASELINE_SEEDS
        for release in sorted({DEFECTS[defect] for defect in wanted}):
            here = {defect for defect in wanted if DEFECTS[defect] == release}
            runs = [_run(generator, release, here, options.cap, at) for at in range(1, seeds + 1)]
            for defect in sorted(here):
                yield name, defect, [_found(run, defect, options.cap) for run in runs]


def _found(run: Hunt, defect: str, cap: float) -> tuple[float, int]:
    """When a run met a defect; a miss counts as the cap, also if it came up in the batch that the cap ended."""
    seconds, programs = run.met.get(defect, (cap, run.count))
    return (seconds, programs) if seconds < cap else (cap, run.count)


def _run(generator: Callable[[Hunt, int], None], release: str, wanted: set[str], cap: float, start: int) -> Hunt:
    hunt = Hunt(release, wanted, cap)
    try:
        generator(hunt, start)
    except (_Over, BaseExceptionGroup):  # Hypothesis may wrap what a test raised twice
        pass
    finally:
        hunt.differ.close()
    return hunt


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description="Time to the first detection of known defects.")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of our own generator (default: 5)")
    parser.add_argument(
        "--cap", type=float, default=180.0, help="seconds of a run; a miss counts as that (default: 180)"
    )
    parser.add_argument("--only", help="defects, as K1,K3 (default: all eight)")
    parser.add_argument("--generator", action="append", choices=GENERATORS, help="only this one; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write ratios and rates there, too")
    options = parser.parse_args()
    medians: dict[tuple[str, str], float] = {}
    programs: dict[tuple[str, str], float] = {}  # a busy machine makes seconds longer, and not these
    for name, defect, found in measure(options):
        seconds = [one[0] for one in found]
        medians[name, defect] = statistics.median(seconds)
        programs[name, defect] = statistics.median(one[1] for one in found)
        met = sum(one < options.cap for one in seconds)
        print(
            f"{name:10} {defect:4} on {DEFECTS[defect]}: met by {met} of {len(found)} seeds, "
            f"median {medians[name, defect]:.1f} s, worst {max(seconds):.1f} s, "
            f"median programs {programs[name, defect]:,.0f}",
            flush=True,
        )
    rates = {f"{name} {defect} seconds": value for (name, defect), value in medians.items()}
    rates |= {f"{name} {defect} programs": value for (name, defect), value in programs.items()}
    ratios = {
        f"{defect} {other} / twinheap": medians[other, defect] / max(medians["twinheap", defect], 0.001)
        for name, defect in medians
        if name == "twinheap"
        for other in ("hypothesis", "atheris")
        if (other, defect) in medians
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f} x")
    if options.json:
        options.json.write_text(json.dumps({"ratios": ratios, "rates": rates}, indent=2) + "\n")


if __name__ == "__main__":
    main()
