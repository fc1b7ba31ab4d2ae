"""Engine configurations: under which settings of the runtime a program runs (docs/spec/program-ir.md 8.1, settings).

A program names one by number; executors keep one engine for each that was asked for. None changes what operations
mean, so the judge does not look at it. A target that cannot have one uses the default in its place.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Engine(msgspec.Struct, frozen=True):
    """Settings that are not the runtime's defaults. Sizes in bytes; None leaves the default.

    `optimize`: whether compiled code is optimized. `pooling`: the pooling allocator, with few GC heaps that are used
    again by later stores. `reservation` and `guard`: address space kept for a memory beyond its size, and around it;
    with little of it, heaps move when they grow.
    """

    name: str
    optimize: bool = True
    pooling: bool = False
    reservation: int | None = None
    guard: int | None = None


ENGINES: Final = (
    Engine("default"),
    Engine("unoptimized", optimize=False),
    Engine("pooling", pooling=True),
    Engine("moving", reservation=0, guard=0),
)
"""The configurations, by number."""

POOL_HEAPS: Final = 16
"""GC heaps of a pool: more than the stores of a program, few enough that each is used again at once."""
