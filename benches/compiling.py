"""What bodies have to be compiled for a round of programs, and a loop that compiles them and does nothing else."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from twinheap.fuzz.opening import opener_for
from twinheap.model import interpreter
from twinheap.model.engines import ENGINES
from twinheap.model.observation import SKIP, Observation
from twinheap.model.ops import CODE
from twinheap.model.program import STORE_NEW_IN, Program, results_of
from twinheap.targets import registry
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.engines import configure
from twinheap.targets.capi.library import load
from twinheap.targets.capi.wasm import Wasm
from twinheap.targets.modules import modules_of

RUNS: Final = frozenset(CODE[name] for name in ("run", "run_exn", "call", "call_exn"))
_MADE_FROM: Final = frozenset(CODE[name] for name in ("inst", "link"))
_PARALLEL: Final = "wasmtime_config_parallel_compilation_set"
_BATCH: Final = 32
NO_REFERENCES: Final = frozenset(
    {"do", "then", "block", "br", "br_if", "br_table", "if", "repeat", "return", "unreachable", "note", "gc", "clear"}
    | {"i32", "i64", "f32", "f64", "add", "to_i32", "table.size", "elem.drop", "try"}
)
"""Forms that neither make, move, look at nor drop a reference themselves."""

Body = tuple[int, bytes, bytes]
"""A body as it is compiled: the engine configuration, its module, and that of its far helpers, b"" without them."""


class Executed(NamedTuple):
    """What programs did: runs of bodies, the reference forms that these executed, and the bodies, each once."""

    runs: int
    forms: int
    bodies: frozenset[Body]


def executed(target: str, programs: Sequence[Program]) -> Executed:
    """Runs programs once more, and counts."""
    forms = runs = 0
    plain = dict(interpreter.FORMS)

    def counting(run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            nonlocal forms
            forms += 1
            return run(*arguments)

        return counted

    interpreter.FORMS.update({name: counting(run) for name, run in plain.items() if name not in NO_REFERENCES})
    bodies: set[Body] = set()
    differ = opener_for()(target)
    try:
        for start in range(0, len(programs), _BATCH):
            for judged in differ.run(programs[start : start + _BATCH]):
                seen = judged.ran.observations
                ran = zip(judged.program.all_ops, seen, strict=False)
                runs += sum(op[0] in RUNS and one.outcome != SKIP for op, one in ran)
                bodies.update(_bodies(judged.program, seen))
    finally:
        differ.close()
        interpreter.FORMS.update(plain)
    return Executed(runs, forms, frozenset(bodies))


def _bodies(program: Program, seen: Sequence[Observation]) -> Iterator[Body]:
    """The bodies that a program made instances of, under which engine configuration."""
    modules = modules_of(program)
    engines = {0: program.config.engine}  # of stores, and of instances in them
    for op, one in zip(program.all_ops, seen, strict=False):
        if one.outcome == SKIP:
            continue
        if op[0] in RUNS:
            _, code, far = modules[op[2]]
            yield engines[op[1]], code, far
            continue
        for kind, slot in results_of(op):
            if kind == "S":
                engines[slot] = op[1] if op[0] == STORE_NEW_IN else program.config.engine
            elif op[0] in _MADE_FROM:
                engines[slot] = engines[op[1]]


class Loop:
    """A compiler for each engine configuration and nothing else, in this process.

    Once with functions handed to threads, as Wasmtime does by itself, and once without, as executors have it.
    """

    def __init__(self, target: str) -> None:
        command = registry.parse(target).command
        self._library = load(command[command.index("--library") + 1], None)
        self._compilers: dict[tuple[int, bool], Wasm] = {}

    def _compiler(self, engine: int, parallel: bool) -> Wasm:
        if (engine, parallel) not in self._compilers:

            def configured(config: int) -> None:
                configure(self._library, config, ENGINES[engine])
                self._library.function(_PARALLEL, None, ctypes.c_void_p, ctypes.c_bool)(config, parallel)

            self._compilers[engine, parallel] = Wasm(CApi(self._library, configured), {}, engine)
        return self._compilers[engine, parallel]

    def seconds(self, bodies: Iterable[Body]) -> tuple[float, float]:
        """The time that it takes to compile each body once, and the CPU time: of each, the less of both ways."""
        listed = [(engine, code) for engine, *codes in sorted(bodies) for code in codes if code]
        times = [self._seconds(listed, parallel) for parallel in (True, False)]
        return min(clock for clock, _ in times), min(cpu for _, cpu in times)

    def _seconds(self, codes: Sequence[tuple[int, bytes]], parallel: bool) -> tuple[float, float]:
        compilers = {engine: self._compiler(engine, parallel) for engine, _ in codes}
        started, cpu = time.perf_counter(), time.process_time()
        for engine, code in codes:
            compilers[engine].compile_once(code)
        return time.perf_counter() - started, time.process_time() - cpu
