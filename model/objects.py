"""Structs, arrays and exceptions in the model: their making, their types, and what fits where (semantics.md 1.3, 3.2).

Shared by the rules of host operations and by the interpreter of Wasm bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twinheap.model.entities import Func, Obj, Ref, Stored
from twinheap.model.kit import BOTTOMS, ObjectType
from twinheap.model.layout import TYPES, object_bytes

if TYPE_CHECKING:
    from twinheap.model.state import Store
    from twinheap.model.world import World

NUMBER_OF: Final = {kind: {made.name: at for at, made in enumerate(types)} for kind, types in TYPES.items()}
"""The number of each object type by kind and name."""


def type_of(obj: Obj) -> ObjectType:
    """The type of a struct, array or exception."""
    return TYPES[obj.kind][obj.type] if isinstance(obj.type, int) else obj.type


def build(w: World, store: Store, kind: str, type_: int | ObjectType, cells: Sequence[Stored]) -> Obj:
    """An object to ask room for, which is not in the store yet. Its number is negative: it has no host value.

    `type_`: the number of a type of the kit, or a type that a body declared.
    """
    w.unnamed -= 1
    obj = Obj(w.unnamed, store.slot, kind, type_)
    made = type_of(obj)
    storages = made.storages * len(cells) if kind == "array" else made.storages
    obj.fill(list(cells), storages, bool(made.references))
    obj.size = object_bytes(w.profile.collector, kind, type_, len(cells))
    store.bounds.mixed = True
    return obj


def is_a(ref: Ref, wanted: str) -> bool:
    """Whether a reference that is not null is of a type below `wanted`, a reference type by name (wasm-ops.md 6.1).

    Names are those of the abstract types and of the object types, by which all modules know them (`declared.py`).
    Extern and any-references are not told apart: a reference seen as the other hierarchy's is asked as what it is seen
    as, so `extern` and `any` take everything.
    """
    if wanted in ("extern", "any"):
        return True
    if wanted in BOTTOMS:
        return False
    if isinstance(ref, Func):
        return wanted in ("func", ref.type)
    if not isinstance(ref, Obj):
        return wanted in ("eq", "i31")
    if ref.kind in ("struct", "array") and wanted == "eq":
        return True
    if ref.kind == wanted:
        return True
    if ref.kind == "extern":
        return False
    made = type_of(ref)
    return wanted == made.name or wanted in made.above
