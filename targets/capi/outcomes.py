"""Canonical outcomes of what Wasmtime says: the C API gives texts and no codes (docs/spec/capi.md 5.2, 5.3)."""

from __future__ import annotations

from typing import Final

from twinheap.model.observation import EXN, GROW, IMMUTABLE, OOB, OOM, OTHER, TRAP, TYPE
from twinheap.targets.machine import Raw

# The class of an error by what its text says; the first that occurs counts (capi.md 5.3).
ERRORS: Final = (
    ("GC heap out of memory", (OOM,)),
    ("immutable", (IMMUTABLE,)),
    ("not mutable", (IMMUTABLE,)),
    ("out of bounds", (OOB,)),
    ("failed to grow", (GROW,)),
    ("type mismatch", (TYPE,)),
    ("not a reference", (TYPE,)),
)
HOST_TRAP: Final = "a callback of the host ends in a trap"
"""The text of the trap that a callback makes."""

# What the text of a trap or error says, whichever of the two it is; the first that occurs counts (capi.md 5.2).
ENDINGS: Final = (
    ("GC heap out of memory", OOM),
    ("greater than the max supported size", OOM),  # of the heap, which was fixed to 32; followed by "too large" in 32
    ("thrown Wasm exception", EXN),
    ("out of bounds table access", TRAP + "table_oob"),
    ("uninitialized element", TRAP + "null_func"),
    ("indirect call type mismatch", TRAP + "bad_sig"),
    ("null reference", TRAP + "null_ref"),
    ("cast failure", TRAP + "cast"),
    ("out of bounds array access", TRAP + "array_oob"),
    ("out of bounds memory access", TRAP + "memory_oob"),
    ("allocation size too large", TRAP + "too_large"),
    ("`unreachable` instruction executed", TRAP + "unreachable"),
    ("call stack exhausted", TRAP + "stack"),
    ("all fuel consumed", TRAP + "fuel"),
    ("wasm trap: interrupt", TRAP + "interrupt"),
    (HOST_TRAP, TRAP + "host"),
)


def failure_of(text: str) -> Raw:
    """The canonical outcome of an error's text.

    >>> failure_of("failed to grow table by `3`"), failure_of("something else")
    (('err:grow',), ('err:other',))
    """
    return next((outcome for part, outcome in ERRORS if part in text), (OTHER,))


def ending_of(text: str) -> Raw | None:
    """How Wasm code ended, by the text of the trap or error; None if it says nothing of that.

    >>> ending_of("wasm trap: cast failure"), ending_of("something else")
    (('trap:cast',), None)
    """
    return next(((ending,) for part, ending in ENDINGS if part in text), None)
