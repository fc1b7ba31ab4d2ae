"""The rules on null handles of the C API (docs/spec/capi.md 5.1, 5.4)."""

from __future__ import annotations

from typing import Final

from twinheap.model.observation import IS_NULL, OK, OTHER, Observation, Value
from twinheap.model.ops import NULL_OBJECT_USES, NULL_USES
from twinheap.model.rule import Gives, rule
from twinheap.model.world import World

_GIVES: Final[dict[str, tuple[Value, ...]]] = {
    **dict.fromkeys(("extern_clone", "any_clone", "val_clone"), (IS_NULL,)),
    **dict.fromkeys(("extern_to_raw", "any_to_raw"), (IS_NULL,)),
    "extern_data": (None,),
    **dict.fromkeys(("i31_get_u", "i31_get_s"), (False,)),
}
"""What functions make of a null handle; the others give nothing."""


@rule("null_use", " ".join(f"{OK}/{use}" for use in NULL_USES), Gives.VALUES)
def null_use(w: World, obs: Observation, slot: int, use: int) -> None:
    """A null is cloned to null, has no host data, no payload and the raw value 0; to end it does nothing."""
    w.case = NULL_USES[use]
    w.require_values(obs, _GIVES.get(w.case, ()), "TH105")


@rule("null_object", " ".join(f"{OTHER}/{use}" for use in NULL_OBJECT_USES))
def null_object(w: World, obs: Observation, slot: int, use: int) -> None:
    """Fields, elements and lengths of no object: an error, and nothing is pending or read (5.4: from 47 on; K62)."""
    w.case = NULL_OBJECT_USES[use]
    w.require(obs, OTHER, "a null is no object")
