"""Generator profiles: what random programs are made of. Named ones for the command line, and the swarm.

A profile weighs groups of motifs (`motifs.py`); the groups are those of the op table. Swarm testing: no program uses
everything. Each profile makes `VARIANTS` menus in which most groups are off or weigh more, and each program takes one,
so that some programs are nearly all raw values, others nearly all tables, and defects that need many repetitions of
one thing are met as well as those that need two things together.
"""

from __future__ import annotations

from typing import Final

import msgspec

VARIANTS: Final = 128  # menus a profile; enough for every pair of groups, built in under 20 ms

Weights = tuple[tuple[str, float], ...]


class Profile(msgspec.Struct, frozen=True):
    """What random programs are made of. All shares are probabilities per program, from 0 to 1.

    `weights`: factors on groups of motifs, 1 where not named, 0 is off. `ops`: fewest and most ops to aim at.
    `swarm`: share of groups that a menu keeps. `limits`: share of programs whose store 0 has a small limit.
    `full`: share that fill a store to capacity (each costs as much as fifty others). `stores`: share with several
    stores. `limiter`: share whose store 0 has an async limiter. `wrong_store`: share that end in using a handle with
    the wrong store, which on C ends the process. `early`: share that expose an i31 as externref in a store without
    heap, which ends the process of releases with K6 (semantics 3.1). `wasm`: share that run Wasm bodies.
    `tight`: share of those that begin with a store in which hardly anything is free. `churn`: share that begin by
    making and dropping thousands of handles. `engines`: share under an engine configuration other than the default.
    `zeal`: share with a collection between every two steps (`zeal.py`), which take several times as long.
    `code`: share of the motifs of a program
    with bodies that are about them; the others are those of any program.
    """

    name: str
    weights: Weights = ()
    ops: tuple[int, int] = (18, 60)
    swarm: float = 0.65
    limits: float = 0.12
    full: float = 0.022
    stores: float = 0.18
    limiter: float = 0.02
    wrong_store: float = 0.0045
    early: float = 0.002
    wasm: float = 0.45
    tight: float = 0.04
    churn: float = 0.01
    engines: float = 0.35
    zeal: float = 0.02
    code: float = 0.5

    def weight(self, group: str) -> float:
        """The factor on `group`."""
        return dict(self.weights).get(group, 1.0)


DEFAULT: Final = Profile("default")

_SINGLE: Final = 0.1  # what a focused profile leaves of the other groups
_BODIES: Final = (("tables", _SINGLE), ("raw", _SINGLE), ("typed", _SINGLE))
_OBJECTS: Final = (("structs", 6.0), ("arrays", 6.0), ("exceptions", 4.0))

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        DEFAULT,
        Profile("raw", (("raw", 6.0), ("globals", 0.5), ("tables", _SINGLE), ("typed", 0.5)), full=0.01),
        Profile("owned", (("owned", 5.0), ("tables", _SINGLE), ("globals", 0.5), ("raw", 0.5)), full=0.01),
        Profile("scopes", (("scopes", 6.0), ("owned", 0.5), ("tables", _SINGLE)), full=0.01),
        Profile("oom", (("oom", 8.0), ("tables", _SINGLE), ("raw", 0.5)), limits=0.7, full=0.3),
        Profile("tables", (("tables", 8.0), ("globals", 3.0), ("raw", 0.5)), full=0.01),
        Profile("async", (("async", 8.0), ("tables", _SINGLE)), full=0.01, limiter=0.3),
        Profile("objects", (*_OBJECTS, ("tables", 0.5), ("raw", 0.5)), full=0.01, wasm=0.1),
        Profile("wasm", full=0.0, wasm=1.0),
        Profile("bodies", _BODIES, ops=(24, 72), full=0.0, wasm=1.0, code=0.75),
        Profile("small", ops=(3, 14), full=0.01),
        Profile("host", wasm=0.0),
        Profile("zeal", ops=(8, 30), full=0.0, churn=0.0, wasm=0.6, zeal=1.0),
    )
}
"""Every named profile. `host`: programs of host operations only; `bodies`: hardly anything but Wasm; `zeal`:
collections everywhere."""


def profile_named(name: str) -> Profile:
    """The profile `name`. Raises ValueError with the known names."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"unknown generator profile {name!r}; known: {', '.join(PROFILES)}") from None
