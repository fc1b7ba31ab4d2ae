"""What the start of an executor costs, and how much of that modules of the kit are that a cache on disk would spare.

    python benches/start.py [C_RELEASE [RUST_RELEASE]]

Prints, in milliseconds: for each executor of the release that is built, the time to its first answer, to its first
instance and to the same once more; then, on the C library in this process, what compiling the modules of the kit takes
and what reading them back from their serialized form does. The ratio of the last two is what a cache could gain, the
share of the start what that would be worth.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from twinheap.fuzz.opening import opener_for
from twinheap.model.text import loads
from twinheap.model.wat import kit_module, types_module
from twinheap.targets.capi import wheels
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import ByteVec, load
from twinheap.targets.capi.wasm import EXCEPTIONS_FROM
from twinheap.targets.modules import binary
from twinheap.targets.registry import TargetError

ROUNDS: Final = 7
"""Of each measurement; the fastest counts, which other work on the machine disturbs least."""

NEWEST: Final = ("50.0.1", "48.0.2")
"""The releases that are measured unless others are named: of the C API, and of the Rust one."""
FIRST = "twinheap program 1\ngc S0\n"
INSTANCE = "twinheap program 1\nI1 = inst S0\n"


def fastest(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return 1000 * min(taken)


def start_of(target: str) -> list[float]:
    """Milliseconds to an executor's first answer, to its first instance, and to another one."""
    first, instance = loads(FIRST).program, loads(INSTANCE).program
    best: list[float] = []
    for _ in range(ROUNDS):
        marks = [time.perf_counter()]
        differ = opener_for()(target)
        for program in (first, instance, instance):
            differ.run([program])
            marks.append(time.perf_counter())
        differ.close()
        taken = [1000 * (after - before) for before, after in pairwise(marks)]
        best = [min(pair) for pair in zip(best, taken, strict=True)] if best else taken
    return best


def modules_of(release: str) -> tuple[float, float]:
    """Milliseconds to compile the modules of the kit, and to read them back from their serialized form."""
    library = load(wheels.fetch(release), release)
    api, out = CApi(library), ctypes.c_void_p()
    read = library.function("wasmtime_module_deserialize", ctypes.c_void_p, *[ctypes.c_void_p] * 4)
    compiled = loaded = 0.0
    for text in (kit_module(api.shape.major >= EXCEPTIONS_FROM), types_module()):
        code, stored = binary(text), ByteVec()

        def compile_it(code: bytes = code) -> None:
            assert not library.bound("wasmtime_module_new")(api.engine, code, len(code), ctypes.addressof(out))

        compiled += fastest(compile_it)
        assert not library.bound("wasmtime_module_serialize")(out.value, ctypes.addressof(stored))

        def read_it(stored: ByteVec = stored) -> None:
            assert not read(api.engine, stored.data, stored.size, ctypes.addressof(out))

        loaded += fastest(read_it)
    return compiled, loaded


def main() -> None:
    """Prints the table."""
    release, rust = [*sys.argv[1:], *NEWEST[len(sys.argv) - 1 :]]
    for target in (f"capi@{release},via=native", f"capi@{release},via=ctypes", f"rust@{rust}"):
        try:
            start, first, again = start_of(target)
        except TargetError as error:
            print(f"{target:28} {error}")
            continue
        print(f"{target:28} start {start:6.1f}   first instance {first:6.2f}   another {again:6.2f}")
    compiled, loaded = modules_of(release)
    print(
        f"modules of the kit           compiled {compiled:.2f}   read back {loaded:.2f}   ({compiled / loaded:.0f} : 1)"
    )


if __name__ == "__main__":
    main()
