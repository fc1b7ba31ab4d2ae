"""What bodies cost: how fast they are compiled and run while they are checked, against a loop that only compiles them.

    python benches/bodies.py [--target capi] [--programs 600] [--rounds 3] [--seconds S] [--json FILE]

`compiled`: distinct bodies a second in the whole pipeline of one worker (generate, view, WAT to binary, compile, run,
judge). `loop`: the same modules, already in binary form, compiled one after another in this process by the same
library, and nothing else. `runs`: runs of bodies a second in the pipeline; `reference ops`: the forms on references
that a run executes, as the model counts them, on average; `known` runs that the model loses are left out.
`idle`: shares of the time in which a process had nothing to do; where the parent is not idle, what is missing on the
clock is the time in which it had no core.
On a busy machine seconds say little: `of CPU time` divides by the CPU seconds of the busier one of the two processes,
which is what two free cores would take, and the loop's bodies by its own.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from measures import Checked

from twinheap.fuzz.generate import generate
from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import profile_named
from twinheap.model import interpreter
from twinheap.model.observation import SKIP
from twinheap.model.ops import CODE
from twinheap.model.program import Program
from twinheap.model.view import view
from twinheap.targets import registry
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import load
from twinheap.targets.capi.wasm import Wasm
from twinheap.targets.modules import module_of

PROFILE: Final = "bodies"
RUNS: Final = frozenset(CODE[name] for name in ("run", "run_exn", "call", "call_exn"))
NO_REFERENCES: Final = frozenset(
    {"do", "then", "block", "br", "br_if", "br_table", "if", "repeat", "return", "unreachable", "note", "gc", "clear"}
    | {"i32", "i64", "f32", "f64", "add", "to_i32", "table.size", "elem.drop", "try"}
)
"""Forms that neither make, move, look at nor drop a reference themselves."""


def programs_of(count: int, seed: int, supported: frozenset[str]) -> list[Program]:
    """The programs that `Checked.measure` runs."""
    profile = profile_named(PROFILE)
    return [view(generate(seed, number, profile, supported), supported) for number in range(count)]


def reference_ops(target: str, programs: list[Program]) -> tuple[int, float]:
    """How many runs were executed, and the reference forms that one executes on average."""
    count = runs = 0
    plain = dict(interpreter.FORMS)

    def counting(run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            return run(*arguments)

        return counted

    interpreter.FORMS.update({name: counting(run) for name, run in plain.items() if name not in NO_REFERENCES})
    differ = opener_for()(target)
    try:
        for start in range(0, len(programs), 32):
            for judged in differ.run(programs[start : start + 32]):
                seen = zip(judged.program.all_ops, judged.ran.observations, strict=False)
                runs += sum(op[0] in RUNS and one.outcome != SKIP for op, one in seen)
    finally:
        differ.close()
        interpreter.FORMS.update(plain)
    return runs, count / max(runs, 1)


class Loop:
    """A compiler and nothing else, in this process."""

    def __init__(self, target: str) -> None:
        command = registry.parse(target).command
        self._wasm = Wasm(CApi(load(command[command.index("--library") + 1], None)), {})

    def seconds(self, modules: list[bytes]) -> tuple[float, float]:
        """The time that it takes to compile each module once, and the CPU time."""
        started, cpu = time.perf_counter(), time.process_time()
        for code in modules:
            self._wasm.compile_once(code)
        return time.perf_counter() - started, time.process_time() - cpu


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Rates and ratios."""
    checked, loop = Checked(options.target, profile_named(PROFILE)), Loop(options.target)
    rounds: list[dict[str, float]] = []
    for seed in range(1, options.rounds + 1):
        measured = checked.measure(options.programs, seed, options.seconds)
        seconds, busy = measured.seconds, max(measured.parent, measured.executor)
        idle = max(0.0, 1 - (measured.parent + measured.waited) / seconds)
        programs = programs_of(measured.programs, seed, checked.supported)
        modules = [module_of(text) for text in dict.fromkeys(text for one in programs for text in one.config.bodies)]
        alone, compiling = loop.seconds(modules)
        runs, forms = reference_ops(options.target, programs)
        rounds.append(
            {
                "bodies compiled a second": len(modules) / seconds,
                "bodies a second, compiled only": len(modules) / alone,
                "runs a second": runs / seconds,
                "reference ops a run": forms,
                "runs a body": runs / len(modules),
                "runs a second of CPU time": runs / busy,
                "CPU time of the parent / of the executor": measured.parent / measured.executor,
                "share of the time in which the parent is idle": idle,
                "share of the time in which the executor is idle": measured.idle,
                "share of the time in which the parent has no core": measured.waited / seconds,
                "compiled / compiled only": alone / seconds,
                "compiled / compiled only, of CPU time": compiling / busy,
            }
        )
        print("   ".join(f"{name} {value:,.2f}" for name, value in rounds[-1].items()), flush=True)
    checked.close()
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    names = ("compiled / compiled only", "compiled / compiled only, of CPU time")
    ratios = {f"{options.target} bodies {name}": medians.pop(name) for name in names}
    return {"ratios": ratios, "rates": medians}


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description="What bodies cost.")
    parser.add_argument("--target", default="capi", help="a release of the C API (default: capi)")
    parser.add_argument("--programs", type=int, default=600, help="programs a round (default: 600)")
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
