"""Predicates of known defects: which panics, deaths and hangs one explains (program-ir.md 8.3 rule 5)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from twinheap.model.contents import Cell, Raw, Table
from twinheap.model.entities import Obj, Ref
from twinheap.model.known_bodies import NO_INDEX, died_in_body, known_in_bodies
from twinheap.model.observation import HANG, Observation
from twinheap.model.ops import ANY, EXTERN, NULL_OBJECT_USES, OPS, Op
from twinheap.model.program import slots_of
from twinheap.model.roots import CastHandle, LifoHandle, OwnedRoot, Stale
from twinheap.model.state import Store

if TYPE_CHECKING:
    from twinheap.model.world import World

NO_HEAP: Final = "before it has been allocated"
"""The panic text of K6."""

NO_TYPE: Final = "should have concrete types"
"""In the panic texts of K11 where the handle of a struct or array denotes an externref."""

NO_KIND: Final = "no other kinds of `"
"""In the panic texts of K11 where the handle of an any or eq reference denotes an exception."""

SHARED: Final = "inner.index.is_lifo()"
"""The debug assertion that says K11, in a build that checks it."""

NO_FIT: Final = (
    *("const expr should be valid", "should be a valid const expr", "const expression should be valid"),
    "not yet implemented: eqref",
)
"""In the panic texts of K27: a segment, global or table makes an object with null fields, or with ones of type eq."""

NO_CAPACITY: Final = "capacity overflow"
"""The panic text of K45."""

UNROOTED: Final = "has been unrooted"
"""In the panic text of K17."""

K6_NARROW: Final = 37
"""From this release on only raw conversions show K6, before all that touches such a reference (spec-errata.md)."""

_WRITES: Final = frozenset({"global_set", "table_set", "table_fill", "table_copy"})

_FIELD_WRITES: Final = frozenset({"struct_set", "array_set"})

_CONVERSIONS: Final = ("conv_ext", "conv_any")
"""The ops that convert to a hierarchy, by how they begin."""

_RAW_CONVERSIONS: Final = frozenset({"to_raw", "conv_any", "conv_any_owned", "eq", "kind"})
"""Ops that are, or on the C API contain, a conversion of an externref to a raw value."""


def known_panic(w: World, op: Op, obs: Observation) -> str | None:
    """The known defect that explains a panic."""
    if found := died_in_body(w, op, obs.outcome):
        return found
    if "K27" in w.profile.defects and any(text in obs.outcome for text in NO_FIT):
        return "K27"
    if found := known_in_bodies(w, "TH403" if obs.outcome == HANG else "TH401", op):
        return found
    found = _known_api_panic(w, op, obs)
    if found is not None:
        return found if found in w.profile.defects else None
    if "K6" in w.profile.defects and NO_HEAP in obs.outcome and _i31_without_heap(w, op):
        return "K6"
    if "K16" in w.profile.defects and NO_INDEX in obs.outcome and _overwrites_i31(w, op):
        return "K16"
    if "K23" in w.profile.defects and NO_HEAP in obs.outcome and _makes_i31(w, OPS[op[0]].name, op, ANY):
        return "K23"
    return "K9" if "K9" in w.profile.defects and obs.outcome != HANG and _uses_thrown(w, op) else None


def _known_api_panic(w: World, op: Op, obs: Observation) -> str | None:
    """The defect of the host's functions that a panic looks like."""
    name = OPS[op[0]].name
    if name == "array_new_huge":
        return "K10"
    if name == "null_object":
        kind = NULL_OBJECT_USES[op[2]].partition("_")[0]
        return "K62" if kind in ("struct", "array") and f"non-null {kind}ref required" in obs.outcome else None
    if name == "table_grow_huge" and NO_CAPACITY in obs.outcome:
        return "K45"
    if name == "gc_for" and NO_HEAP in obs.outcome:
        store = w.slots[op[1]]
        return "K13" if isinstance(store, Store) and not store.heap else None
    if name == "table_grow" and UNROOTED in obs.outcome:
        return "K17"
    if name == "cast" and SHARED in obs.outcome:
        return "K11" if isinstance(w.slots[op[1]], OwnedRoot) else None
    casts = [holder for _, slot in slots_of(op) if isinstance(holder := w.slots[slot], CastHandle)]
    if NO_INDEX in obs.outcome:
        return "K11" if casts else None
    reused = NO_TYPE in obs.outcome or NO_KIND in obs.outcome
    return "K11" if reused and any(not cast.root.tokens for cast in casts) else None


def _i31_without_heap(w: World, op: Op) -> bool:
    """K6: an i31 seen as extern, in a store without heap."""
    name = OPS[op[0]].name
    wide = w.profile.release[0] < K6_NARROW
    if wide and _makes_i31(w, name, op, EXTERN):
        return True
    return (wide or name in _RAW_CONVERSIONS) and any(_extern_i31(w, slot) for _, slot in slots_of(op))


def _overwrites_i31(w: World, op: Op) -> bool:
    """K16: a write to a global, table, struct or array that holds an i31, in a store with heap."""
    if OPS[op[0]].name in _FIELD_WRITES:
        handle = w.slots[op[1]]
        obj = handle.ref() if isinstance(handle, LifoHandle | OwnedRoot | CastHandle) else None
        return isinstance(obj, Obj) and op[2] < len(obj.cells) and type(obj.cells[op[2]]) is int
    holder = w.slots[op[1]] if OPS[op[0]].name in _WRITES else None
    refs = [holder.ref] if isinstance(holder, Cell) else holder.refs if isinstance(holder, Table) else []
    return isinstance(holder, Cell | Table) and holder.store.heap and any(type(ref) is int for ref in refs)


def _makes_i31(w: World, name: str, op: Op, of: int) -> bool:
    """Whether the op makes a reference of hierarchy `of` of the raw value of an i31, in a store without heap."""
    if name.startswith("from_imm"):
        store = w.slots[op[1]]
        return bool(op[2]) and op[3] == of and isinstance(store, Store) and not store.heap
    holder = w.slots[op[1]] if len(op) > 1 else None
    if name.startswith("from_raw") and isinstance(holder, Raw):
        return op[2] == of and type(holder.ref) is int and not holder.store.heap
    if name.startswith(_CONVERSIONS[of]) and isinstance(holder, LifoHandle | OwnedRoot | CastHandle):
        return type(holder.ref()) is int and not holder.store.heap
    return False


def _extern_i31(w: World, slot: int) -> bool:
    """Whether a slot is an externref handle, global or table that holds an i31, in a store without heap."""
    holder = w.slots[slot]
    refs: Collection[Ref | Stale]
    if isinstance(holder, LifoHandle | OwnedRoot | CastHandle):
        refs, type_ = (holder.ref(),), w.types[slot]
    elif isinstance(holder, Cell):
        refs, type_ = (holder.ref,), holder.type
    elif isinstance(holder, Table):
        refs, type_ = holder.refs, holder.type
    else:
        return False
    return type_ == EXTERN and not holder.store.heap and any(type(ref) is int for ref in refs)


def _uses_thrown(w: World, op: Op) -> bool:
    """K9: an op on a store in which an exception that the host threw was freed under its holder's hands."""
    touched = (w.slots[slot] for _, slot in slots_of(op))
    stores = [slot if isinstance(slot, Store) else getattr(slot, "store", None) for slot in touched]
    return any(isinstance(store, Store) and "K9" in store.unsafe for store in stores or [w.acting])
