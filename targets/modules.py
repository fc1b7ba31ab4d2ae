"""Bodies as Wasm modules in the binary format, made once each (docs/bodies.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from twinheap.model.engines import ENGINES
from twinheap.model.program import Program, engines_of
from twinheap.model.wat import far_module, module

CACHED: Final = 4096  # modules kept, a few hundred bytes each: those of recent programs, shrinking included


@lru_cache(maxsize=CACHED)
def module_of(text: str, counted: bool = False) -> bytes:
    """The module of a body: its WAT turned to binary by the newest wheel, which the project depends on.

    `counted`: one that counts the check points it passes.
    """
    return binary(module(text, counted))


def modules_of(program: Program) -> tuple[tuple[str, bytes, bytes], ...]:
    """For each body its text, its module, and that of its far helpers, b"" if it has none (docs/wire.md)."""
    counted = any(ENGINES[number].limits_runs for number in engines_of(program))
    return tuple((text, module_of(text, counted), far_module_of(text, counted)) for text in program.config.bodies)


@lru_cache(maxsize=CACHED)
def far_module_of(text: str, counted: bool = False) -> bytes:
    """The module of the far helpers of a body, b"" if it has none."""
    far = far_module(text, counted)
    return b"" if far is None else binary(far)


def binary(text: str) -> bytes:
    """A module's text in the binary format."""
    import wasmtime  # only where there is Wasm: it loads a shared library

    return bytes(wasmtime.wat2wasm(text))
