"""Which bodies can be run in exact mode: those whose every effect has a known moment (docs/spec/program-ir.md 8.3)."""

from __future__ import annotations

from functools import lru_cache

from twinheap.model.body import CACHED
from twinheap.model.body_live import lives_of
from twinheap.model.profiles import Profile


def predictable(text: str, profile: Profile) -> bool:
    """Whether a body does nothing whose moment is not known. Elsewhere a run makes its store portable."""
    return _clear(text)


@lru_cache(maxsize=CACHED)
def _clear(text: str) -> bool:
    lives = lives_of(text)
    env = lives.env
    return lives.clear and not (env.tables or env.globals or env.segments or env.active)
