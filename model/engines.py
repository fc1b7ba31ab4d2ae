"""Engine configurations: under which settings of the runtime a program runs (docs/spec/program-ir.md 8.1, settings).

A program names one by number; executors keep one engine for each that was asked for, and say in the handshake which
they can have. But for limits on a run (`fuel`, `epochs`), none changes what operations mean, so the judge does not look
at them. `view` replaces one that a target cannot have by the default.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Engine(msgspec.Struct, frozen=True):
    """Settings that are not the runtime's defaults. Sizes in bytes; None leaves the default.

    `optimize`: whether compiled code is optimized. `pooling`: the pooling allocator, with few GC heaps that are used
    again by later stores. `reservation` and `guard`: address space kept for a memory beyond its size, and around it;
    with little of it, heaps move when they grow. `pulley`: code for Pulley, the runtime's interpreter. `single_pass`:
    the fast register allocator. `explicit`: what hardware would trap on is checked in code; tables are filled at once,
    and errors carry no backtraces, where that can be chosen. `fuel`, `epochs`: code counts what it does, or looks at a
    clock, and can be stopped by that (`set_fuel`, `set_epoch_deadline`). `fibers`: runs have a stack of their own.
    """

    name: str
    optimize: bool = True
    pooling: bool = False
    reservation: int | None = None
    guard: int | None = None
    pulley: bool = False
    single_pass: bool = False
    explicit: bool = False
    fuel: bool = False
    epochs: bool = False
    fibers: bool = False
    share: int = 1
    """Weight among the configurations that a random program may have, the default's aside."""

    @property
    def limits_runs(self) -> bool:
        """Whether a run may be stopped at a check point (docs/bodies.md)."""
        return self.fuel or self.epochs


ENGINES: Final = (
    Engine("default", share=0),
    Engine("unoptimized", optimize=False),
    Engine("pooling", pooling=True, share=2),
    Engine("moving", reservation=0, guard=0, share=2),
    Engine("pulley", pulley=True, share=2),
    Engine("single_pass", single_pass=True),
    Engine("explicit", guard=0, explicit=True),
    Engine("fuel", fuel=True, share=4),
    Engine("epochs", epochs=True, share=3),
    Engine("fibers", fibers=True),
)
"""The configurations, by number. Names and numbers are never reused."""

DEFAULT: Final = 0
"""The number of the configuration that every target has."""

NUMBER: Final[dict[str, int]] = {engine.name: number for number, engine in enumerate(ENGINES)}
"""The number of each configuration, by name."""

POOL_HEAPS: Final = 16
"""GC heaps of a pool: more than the stores of a program, few enough that each is used again at once."""

POOL_MEMORIES: Final = POOL_HEAPS + 2
"""Memories of a pool, of which each heap has one: at first heaps are missing, and memories if any should be lost."""

POOL_TRIED: Final = POOL_HEAPS + 2
"""Stores with heaps that `pool_fill` asks for at most: an engine without a pool has room for all of them."""


def feature(number: int) -> str:
    """How the set of what a target supports, op kinds by name, says that it has a configuration.

    >>> feature(2)
    'engine=pooling'
    """
    return f"engine={ENGINES[number].name}"


FEATURES: Final = frozenset(map(feature, range(1, len(ENGINES))))
"""The features of all configurations but the default."""
