"""Which bodies can be run in exact mode: those whose every effect has a known moment (docs/spec/program-ir.md 8.3)."""

from __future__ import annotations

from functools import lru_cache

from twinheap.model.body import CACHED, forms, invokes
from twinheap.model.body_forms import ALLOCATES
from twinheap.model.body_live import lives_of
from twinheap.model.profiles import Profile


def predictable(text: str, profile: Profile) -> bool:
    """Whether a body does nothing whose moment is not known. Elsewhere a run makes its store portable."""
    return lives_of(text).clear and not invokes(text) and not (profile.segments_late and _makes_items(text))


@lru_cache(maxsize=CACHED)
def _makes_items(text: str) -> bool:
    """Whether an item of a passive segment makes an object: it is another one at each use (K5)."""
    segments = lives_of(text).env.segments
    return any(form[0] in ALLOCATES for segment in segments for item in segment.items for form in forms(item))
