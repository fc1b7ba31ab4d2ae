"""Preconditions of typed calls and of comparisons of roots and references (docs/spec/semantics.md 2.2, 3.3).

As `preconditions_slots`, in the same table.
"""

# ruff: noqa: D103 -- each function is named after its op, and the module says what all of them do.
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinheap.model.kit import HIERARCHY
from twinheap.model.ops import ANY, ARRAY, EQ, EXN, EXTERN, INT_KINDS, NULL, REF_TYPES, STRUCT, WASM_TYPES
from twinheap.model.preconditions_slots import TABLE, precondition

if TYPE_CHECKING:
    from twinheap.model.builder import Builder, Outs, Slot

HOST_TYPE: Final = (EXTERN, ANY, EQ, STRUCT, ARRAY, EXN, STRUCT, STRUCT, ARRAY, ARRAY)
"""For each of `WASM_TYPES` the static type of the host's handles: there is none for object types."""

ABOVE: Final = {
    EXTERN: (EXTERN,),
    ANY: (ANY,),
    EQ: (ANY, EQ),
    STRUCT: (ANY, EQ, STRUCT),
    ARRAY: (ANY, EQ, ARRAY),
    EXN: (EXN,),
}
"""The static types that a handle of each is one of."""

_GIVE: Final = INT_KINDS["way"].names.index("give")


def _typed(b: Builder, store: int, nullable: int, handle: int, kind: str) -> tuple[int, Slot | None] | None:
    """A place that can call, and the argument: None for a null reference."""
    if not b.ready(store) or b.stores[store].limiter:  # a synchronous call needs a synchronous store
        return None
    if handle == NULL:  # without `nullable` the host language has no null of that type
        return (store, None) if nullable else None
    slot = b.usable(handle, kind)  # a handle of another store is an ordinary type error here (semantics 2.1)
    return (store, slot) if slot else None


def may_pass(way: int, type_: int, to: int) -> bool:
    """Whether a handle of a static type can be passed in a way to a type: object types are checked when it is."""
    if way == _GIVE:
        return type_ == HOST_TYPE[to]
    if to < len(REF_TYPES):
        return to in ABOVE[type_]
    return HIERARCHY[REF_TYPES[type_]] == "any"


def _pass(b: Builder, store: int, way: int, to: int, nullable: int, handle: int, kind: str) -> Outs | None:
    found = _typed(b, store, nullable, handle, kind)
    if found is None or (found[1] and not may_pass(way, found[1].type, to)):
        return None
    b.collect_point(store)
    return (b.new(kind, store, HOST_TYPE[to]),)


TABLE["typed_pass"] = lambda b, store, way, to, nullable, handle: _pass(b, store, way, to, nullable, handle, "L")
TABLE["typed_pass_owned"] = lambda b, store, way, to, nullable, owned: _pass(b, store, way, to, nullable, owned, "O")


def _call(b: Builder, store: int, nullable: int, handle: int, kind: str) -> Outs | None:
    found = _typed(b, store, nullable, handle, kind)
    if found is None or (found[1] and found[1].type != EXTERN):
        return None
    b.collect_point(store)
    return (b.new(kind, store, EXTERN),)


TABLE["typed_call"] = lambda b, store, nullable, handle: _call(b, store, nullable, handle, "L")
TABLE["typed_call_owned"] = lambda b, store, nullable, owned: _call(b, store, nullable, owned, "O")


@precondition
def typed_i31(b: Builder, store: int, way: int, nullable: int, i31: int) -> Outs | None:
    if not b.ready(store) or b.stores[store].limiter or (i31 == NULL and not nullable):
        return None
    b.collect_point(store)
    return ()


@precondition
def matches(b: Builder, handle: int, type_: int) -> Outs | None:
    """Handles of structs and arrays are only asked for object types of their kind; others for any type below any."""
    slot = b.usable(handle, "LO")
    if not slot or hierarchy(HOST_TYPE[type_]) != "any" or hierarchy(slot.type) != "any":
        return None
    wide = slot.type in (ANY, EQ)
    return () if wide or (type_ >= len(REF_TYPES) and HOST_TYPE[type_] == slot.type) else None


# --- comparisons


def hierarchy(type_: int) -> str:
    return HIERARCHY[REF_TYPES[type_]]


def _refs(b: Builder, left: int, right: int) -> Outs | None:
    one, two = b.usable(left, "LO"), b.usable(right, "LO")
    if not one or not two or one.store != two.store:
        return None
    return () if hierarchy(one.type) == hierarchy(two.type) else None


TABLE["ref_eq"] = TABLE["ref_hash"] = _refs


def _roots(b: Builder, left: int, right: int, kinds: str) -> Outs | None:
    """Comparisons of roots look at no store: they are possible with handles of several, and after their end."""
    if not all(0 <= at < len(b.slots) and b.slots[at].kind in kinds and b.slots[at].alive for at in (left, right)):
        return None
    return () if hierarchy(b.slots[left].type) == hierarchy(b.slots[right].type) else None


TABLE["rooted_eq"] = lambda b, left, right: _roots(b, left, right, "L")
TABLE["rooted_hash"] = lambda b, left, right: _roots(b, left, right, "LO")

assert len(HOST_TYPE) == len(WASM_TYPES)
