"""The executors of Wasmtime's C API, fed with the same frames: what the native one saves (`pipeline.py --executors`).

Programs of about 50 and of about 500 ops, with Wasm bodies as in a usual run, whose compilation costs both the same,
and without. Both are measured in turns.
"""

from __future__ import annotations

import statistics
from typing import Any, Final

import msgspec
from measures import Bare

from twinheap.fuzz.opening import opener_for
from twinheap.fuzz.profiles import profile_named

LENGTHS: Final = {50: (45, 65), 500: (480, 560)}
"""Ops of a program -> what the generator aims at."""
PROFILES: Final = ("host", "default")
_NATIVE: Final = "capi,via=native"
_PYTHON: Final = "capi,via=ctypes"


def compared(rounds: int, programs: int) -> dict[str, Any]:
    """Ratios and rates in ops a second; `programs` of the shorter length a round, and as many ops of the longer."""
    ratios: dict[str, float] = {}
    rates: dict[str, float] = {}
    differ = opener_for()(_PYTHON)
    differ.close()
    for name in PROFILES:
        for length, aim in LENGTHS.items():
            profile = msgspec.structs.replace(profile_named(name), ops=aim)
            pair = {target: Bare(target, differ.hello, profile) for target in (_NATIVE, _PYTHON)}
            found = [_round(pair, programs * min(LENGTHS) // length, seed) for seed in range(1, rounds + 1)]
            for one in pair.values():
                one.close()
            title = f"{name}, {length} ops"
            rates |= {f"{title}: {target}": statistics.median(one[target] for one in found) for target in pair}
            ratios[f"{title}: native / ctypes"] = statistics.median(one[_NATIVE] / one[_PYTHON] for one in found)
            print(f"{title}: {ratios[f'{title}: native / ctypes']:.2f} x", flush=True)
    return {"ratios": ratios, "rates": rates}


def _round(pair: dict[str, Bare], programs: int, seed: int) -> dict[str, float]:
    """The rate of each."""
    ops = pair[_NATIVE].sent(programs, seed)
    return {target: one.measure(programs, seed, ops).rate for target, one in pair.items()}
