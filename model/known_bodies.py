"""Predicates of the known defects of Wasm code: K3, K4 and K5 (semantics.md 7; wasm-ops.md 6.5, 6.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from twinheap.model.body import CACHED, Tree, forms, parse
from twinheap.model.body_forms import ALLOCATES, EXPRESSIONS
from twinheap.model.ops import OPS, Op
from twinheap.model.profiles import FRAME_CODES, IDENTITY_CODES
from twinheap.model.program import slots_of
from twinheap.model.state import Store

if TYPE_CHECKING:
    from twinheap.model.world import World

_UNMAPPED: Final = {"select": "K3", "array.new_elem": "K4", "array.new_data": "K4"}
_COLLECTS: Final = ALLOCATES | {"gc", "call", "call_ref", "call_indirect"}
_SAME_VALUE: Final = frozenset(
    {"then", "tee", "to_any", "to_extern", "cast", "on_cast", "on_cast_fail"} | {"on_non_null", "as_non_null", "select"}
)
"""Forms that may give the value of an operand, as it lies on the stack."""


@lru_cache(maxsize=CACHED)
def unsafe_in(text: str) -> frozenset[str]:
    """The defects K3 and K4 that a body may meet: a value of theirs waits on the stack while a collection may run.

    >>> unsafe_in("(body (main (drop (struct.new pair (select (get 0) (get 1) (i32 1)) (then (gc) (get 2)))) (get 0)))")
    frozenset({'K3'})
    >>> unsafe_in("(body (main (set 0 (select (get 0) (get 1) (i32 1))) (gc) (get 0)))")
    frozenset()
    """
    found: set[str] = set()
    for form in forms(parse(text)):
        parts = [part for part in form if isinstance(part, tuple)]
        if form[0] in ("then", "main", "func", "body", "do", "block", "repeat", "try"):
            continue  # their parts follow each other, and leave nothing on the stack
        for at, part in enumerate(parts):
            if any(inner[0] in _COLLECTS for later in parts[at + 1 :] for inner in forms(later)):
                found |= _unmapped(part)
    return frozenset(found)


def _unmapped(form: Tree) -> set[str]:
    """The defects of the forms that may give what `form` gives."""
    name = str(form[0])
    found = {_UNMAPPED[name]} if name in _UNMAPPED else set()
    if name in _SAME_VALUE and name in EXPRESSIONS:
        for part in form[-1:] if name == "then" else form[1:]:
            if isinstance(part, tuple):
                found |= _unmapped(part)
    return found


def known_in_bodies(w: World, code: str, op: Op) -> str | None:
    """The known defect of Wasm code that explains a verdict: in a run, or on what an earlier run left behind."""
    unsafe: set[str] = set()
    if OPS[op[0]].name in ("run", "run_exn"):
        unsafe |= unsafe_in(w.bodies[op[2]])
    stores = _stores(w, op)
    for store in stores:
        unsafe |= store.unsafe
    if "K5" in w.profile.defects and code in IDENTITY_CODES and any(store.reused_segments for store in stores):
        return "K5"
    names = sorted(unsafe & w.profile.defects)
    return names[0] if names and code in FRAME_CODES else None


def _stores(w: World, op: Op) -> list[Store]:
    """The stores that an op touches."""
    touched = (w.slots[slot] for _, slot in slots_of(op))
    found = [slot if isinstance(slot, Store) else getattr(slot, "store", None) for slot in touched]
    return [store for store in found if isinstance(store, Store)]
