"""Bodies as Wasm modules in the binary format, made once each (docs/bodies.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from twinheap.model.wat import far_module, module

CACHED: Final = 4096  # modules kept, a few hundred bytes each: those of recent programs, shrinking included


@lru_cache(maxsize=CACHED)
def module_of(text: str) -> bytes:
    """The module of a body: its WAT turned to binary by the newest wheel, which the project depends on."""
    return binary(module(text))


@lru_cache(maxsize=CACHED)
def modules_of(text: str) -> tuple[bytes, ...]:
    """The modules of a body: its own, and that of its far helpers if it has some."""
    far = far_module(text)
    return (module_of(text),) if far is None else (module_of(text), binary(far))


def binary(text: str) -> bytes:
    """A module's text in the binary format."""
    import wasmtime  # only where there is Wasm: it loads a shared library

    return bytes(wasmtime.wat2wasm(text))
