"""The bodies of programs: compiling one costs as much as hundreds of ops.

So programs that come after one another draw their bodies from one pool, and each runs its few bodies several times;
executors keep what they compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from twinheap.fuzz.bodies import random_body
from twinheap.fuzz.kit_bodies import CALLING_BODIES, KIT_BODIES
from twinheap.model.body import features_of
from twinheap.model.engines import DEFAULT

SHARED: Final = 8  # consecutive programs that draw from one
POOL: Final = 5  # bodies in it
KIT: Final = 0.4  # share of them that are of the kit
CALLING: Final = 0.55  # share of pools with bodies that call back
SIZES: Final = (4, 8, 12, 12, 12, 16, 24, 30)
MIX: Final = 0xD1B54A32D192ED03  # spreads (seed, pool) pairs over all seeds, otherwise than programs


class Pool(NamedTuple):
    """What consecutive programs share: bodies, and the engine configuration.

    Code is compiled for one engine: if each program drew its own, bodies would be compiled twice as often, or more.
    """

    bodies: tuple[str, ...]
    lot: float  # below a profile's share of engines it is one of those; both from 0 to 1, which is left out
    place: float  # where among them

    def engine(self, share: float, engines: Sequence[int]) -> int:
        """The engine configuration of all its programs; `engines` as often as each should be drawn."""
        return engines[int(self.place * len(engines))] if engines and self.lot < share else DEFAULT

    def some(self, rng: Random) -> tuple[str, ...]:
        """The bodies of a program: one to three."""
        return tuple(dict.fromkeys(rng.choices(self.bodies, k=rng.choice((1, 2, 2, 3)))))


@lru_cache(maxsize=64)
def pool_of(seed: int, number: int, exceptions: bool, callbacks: bool) -> Pool:
    """Pool `number` of the run with `seed`. `exceptions`, `callbacks`: whether bodies may use them."""
    rng = Random(seed * MIX + number)
    kit = [text for text in KIT_BODIES if exceptions or not features_of(text)]
    calls = callbacks and rng.random() < CALLING
    calling = [text for text in CALLING_BODIES if exceptions or not features_of(text)]
    bodies = tuple(
        rng.choice(calling if calls and rng.random() < 0.5 else kit)
        if rng.random() < KIT
        else random_body(lambda: rng.getrandbits(8), exceptions, rng.choice(SIZES), calls)
        for _ in range(POOL)
    )
    return Pool(bodies, rng.random(), rng.random())
