"""How fast programs are checked, against two baselines that are measured in the same run.

    python benches/pipeline.py [--rounds 1 --seconds S] [--json FILE] [--memory | --executors]

Programs of 50 and of 500 ops: host operations on the C API and on the Rust API, the usual mix, and Wasm. (a) `bare`:
the same programs, encoded before the clock starts, sent to the same executor, whose answers are read and dropped: what
checking costs on top of executing. (b) `state machine`: a Hypothesis `RuleBasedStateMachine` over the same op kinds
with the same judge on the in-process heap: what somebody would write instead of a fuzzer.
With `--executors`: the native executor of the C API against the one in Python, both bare.

Measurements take turns, and each number is the median of all rounds, so that a machine that is busy for a while does
not change a ratio. Ops are those executed: skipped ones and closing `end`s are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from executors import LENGTHS, compared
from measures import PROFILE, Bare, Checked, Measured, state_machine
from memory import resident
from msgspec.structs import replace

from twinheap.fuzz.profiles import Profile, profile_named

TARGETS = {
    "heap": ("heap,collector=drc", PROFILE, 50),
    "capi": ("capi", PROFILE, 50),
    "capi host": ("capi", "host", 50),
    "capi host 500": ("capi", "host", 500),
    "rust host": ("rust@42.0.2,collector=drc", "host", 50),
    "rust host 500": ("rust@42.0.2,collector=drc", "host", 500),
    "capi wasm": ("capi", "wasm", 50),
    "capi wasm 500": ("capi", "wasm", 500),
    "capi bodies": ("capi", "bodies", 50),
}
"""Name in the results -> target, what the programs are made of, their ops: `bodies.py` says more about bodies."""
MACHINE = "heap state machine"
LONG = 500


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Checked ops a second, and what they are to be compared with.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--programs", type=int, default=1500, help="programs per measurement (default: 1500)")
    parser.add_argument("--examples", type=int, default=50, help="programs of the state machine a round (default: 50)")
    parser.add_argument("--steps", type=int, default=50, help="steps of a program of the state machine (default: 50)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="at most so long a measurement (default: all)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="measure only this one; repeatable")
    parser.add_argument("--memory", action="store_true", help="measure resident memory instead, at both numbers")
    parser.add_argument("--executors", action="store_true", help="compare the executors of the C API instead")
    parser.add_argument("--memory-target", default="capi", help="the target of --memory (default: capi, the fastest)")
    parser.add_argument("--memory-programs", type=int, nargs=2, default=[20_000, 200_000], metavar=("FEW", "MANY"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write ratios and rates there, too")
    return parser.parse_args()


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Ratios and rates."""
    names = options.target or list(TARGETS)
    profiles = {name: _profile(name) for name in names}
    checked = {name: Checked(TARGETS[name][0], profiles[name]) for name in names}
    bare = {name: Bare(TARGETS[name][0], checked[name].hello, profiles[name]) for name in names}
    rounds: list[dict[str, Measured]] = []
    for at in range(1, options.rounds + 1):
        rounds.append(_round(options, at, checked, bare))
        shown = "   ".join(f"{name} {measured.rate:,.0f}" for name, measured in rounds[-1].items())
        print(f"round {at} of {options.rounds}, ops/s:   {shown}", flush=True)
    for one in (*checked.values(), *bare.values()):
        one.close()
    _warn(checked)
    ratios = {}
    for name in names:
        ratios[f"{name} checked / {name} bare"] = _ratio(rounds, f"{name} checked", f"{name} bare")
        machine = f"{MACHINE} {LONG}" if TARGETS[name][2] == LONG else MACHINE
        ratios[f"{name} checked / {machine}"] = _ratio(rounds, f"{name} checked", machine)
        ratios[f"{name}: share of the time in which the executor is idle"] = statistics.median(
            one[f"{name} checked"].idle for one in rounds
        )
        ratios[f"{name}: CPU time of the parent / of the executor"] = statistics.median(
            one[f"{name} checked"].parent / one[f"{name} checked"].executor for one in rounds
        )
    rates = {name: statistics.median(one[name].rate for one in rounds) for name in rounds[0]}
    return {"ratios": ratios, "rates": rates}


def _round(
    options: argparse.Namespace, seed: int, checked: dict[str, Checked], bare: dict[str, Bare]
) -> dict[str, Measured]:
    found = {}
    for name in checked:
        wanted = options.programs * options.steps // TARGETS[name][2]
        one = found[f"{name} checked"] = checked[name].measure(wanted, seed, options.seconds)
        found[f"{name} bare"] = bare[name].measure(one.programs, seed, one.ops)
    found[MACHINE] = state_machine(options.examples, options.steps)
    if any(TARGETS[name][2] == LONG for name in checked):
        found[f"{MACHINE} {LONG}"] = state_machine(max(1, options.examples // 10), LONG)
    return found


def _profile(name: str) -> Profile:
    """What the programs of a measurement are made of."""
    _, profile, length = TARGETS[name]
    made = profile_named(profile)
    return made if length == min(LENGTHS) else replace(made, ops=LENGTHS[length])


def _ratio(rounds: list[dict[str, Measured]], one: str, other: str) -> float:
    """The median over rounds of the ratio within a round: both were measured under the same load."""
    return statistics.median(found[one].rate / found[other].rate for found in rounds)


def _warn(checked: dict[str, Checked]) -> None:
    for name, one in checked.items():
        if one.failures:
            print(f"{name}: {one.failures} divergences: the numbers are those of a wrong target", file=sys.stderr)


def main() -> None:
    """Measures, prints, writes."""
    options = arguments()
    if options.executors:
        result: dict[str, Any] = compared(options.rounds, options.programs)
    elif options.memory:
        result = {"ratios": {}, "rates": {}, "memory": resident(options)}
    else:
        result = speed(options)
    if result["rates"]:
        print()
        for name, rate in result["rates"].items():
            print(f"{rate:14,.0f} ops/s  {name}")
        print()
        for name, ratio in result["ratios"].items():
            print(f"{ratio:14.2f} x      {name}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
