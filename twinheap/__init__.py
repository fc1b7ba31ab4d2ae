"""TwinHeap runs random reference programs on a plain model and on real WebAssembly heaps, and reports divergences.

This package is the front door. It runs on every ``import twinheap.targets...``, also inside the small executor
processes, so it imports nothing by itself: each public name is loaded when it is first asked for (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twinheap import fuzz, model, targets
    from twinheap.fuzz.strategies import programs
    from twinheap.targets import heap

__all__ = ["__version__", "fuzz", "heap", "model", "programs", "targets"]

__version__ = "0.1.0"

_LAZY_MODULES = {
    "fuzz": "twinheap.fuzz",
    "heap": "twinheap.targets.heap",
    "model": "twinheap.model",
    "targets": "twinheap.targets",
}
"""Public name -> module that it stands for."""

_LAZY_OBJECTS = {"programs": "twinheap.fuzz.strategies"}
"""Public name -> module that it is taken from."""


def __getattr__(name: str) -> Any:
    """Load a public name on first use; raise `AttributeError` for any other name."""
    found: Any
    if name in _LAZY_MODULES:
        found = importlib.import_module(_LAZY_MODULES[name])
    elif name in _LAZY_OBJECTS:
        found = getattr(importlib.import_module(_LAZY_OBJECTS[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the lazy names too, so that completion finds them before they are loaded."""
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_OBJECTS})
