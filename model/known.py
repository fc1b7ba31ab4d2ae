"""Predicates of known defects: which failed verdicts a known defect explains (program-ir.md 8.3 rule 5).

Each is as narrow as what is understood of the defect, since what it takes is counted and passed over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from twinheap.model.bounds import Load
from twinheap.model.contents import Cell, Raw, Table
from twinheap.model.entities import PAGE, Obj, Ref
from twinheap.model.known_bodies import known_in_bodies
from twinheap.model.layout import GRANULE
from twinheap.model.observation import HANG, Observation
from twinheap.model.ops import EXTERN, OPS, Op
from twinheap.model.profiles import CAST_CODES, UNCOUNTED_CODES
from twinheap.model.program import slots_of
from twinheap.model.roots import CastHandle, LifoHandle, OwnedRoot, Stale
from twinheap.model.state import Store

if TYPE_CHECKING:
    from twinheap.model.world import Broken, World

NO_HEAP: Final = "before it has been allocated"
"""The panic text of K6."""

NO_INDEX: Final = "called `Option::unwrap()` on a `None` value"
"""The panic text of K16, where an i31 has no index in the heap, and of K11, where a handle has no token."""

NO_TYPE: Final = "should have concrete types"
"""In the panic texts of K11 where the handle of a struct or array denotes an externref."""

HALF_SIZED: Final = 45
"""The release in which COPYING counts a request in one half only: a first one over half a page may fail (1.5)."""

UNROOTED: Final = "has been unrooted"
"""In the panic text of K17."""

K6_NARROW: Final = 37
"""From this release on only raw conversions show K6, before all that touches such a reference (spec-errata.md)."""

_WRITES: Final = frozenset({"global_set", "table_set", "table_fill", "table_copy"})

_RAW_CONVERSIONS: Final = frozenset({"to_raw", "conv_any", "conv_any_owned", "eq", "kind"})
"""Ops that are, or on the C API contain, a conversion of an externref to a raw value."""


def known_panic(w: World, op: Op, obs: Observation) -> str | None:
    """The known defect that explains a panic."""
    if obs.outcome != HANG and (found := known_in_bodies(w, "TH401", op)):
        return found
    found = _known_api_panic(w, op, obs)
    if found is not None:
        return found if found in w.profile.defects else None
    if "K6" in w.profile.defects and NO_HEAP in obs.outcome and _i31_without_heap(w, op):
        return "K6"
    if "K16" in w.profile.defects and NO_INDEX in obs.outcome and _overwrites_i31(w, op):
        return "K16"
    return "K9" if "K9" in w.profile.defects and obs.outcome != HANG and _uses_thrown(w, op) else None


def _known_api_panic(w: World, op: Op, obs: Observation) -> str | None:
    """The defect of the Rust API that a panic looks like."""
    name = OPS[op[0]].name
    if name == "gc_for" and NO_HEAP in obs.outcome:
        store = w.slots[op[1]]
        return "K13" if isinstance(store, Store) and not store.heap else None
    if name == "table_grow" and UNROOTED in obs.outcome:
        return "K17"
    reused = NO_INDEX in obs.outcome or NO_TYPE in obs.outcome
    if reused and any(isinstance(w.slots[slot], CastHandle) for _, slot in slots_of(op)):
        return "K11"
    return None


def _i31_without_heap(w: World, op: Op) -> bool:
    """K6: an i31 seen as extern, in a store without heap."""
    name = OPS[op[0]].name
    wide = w.profile.release[0] < K6_NARROW
    if wide and _makes_extern_i31(w, name, op):
        return True
    return (wide or name in _RAW_CONVERSIONS) and any(_extern_i31(w, slot) for _, slot in slots_of(op))


def _overwrites_i31(w: World, op: Op) -> bool:
    """K16: a write to a global or table that holds an i31, in a store with heap."""
    holder = w.slots[op[1]] if OPS[op[0]].name in _WRITES else None
    refs = [holder.ref] if isinstance(holder, Cell) else holder.refs if isinstance(holder, Table) else []
    return isinstance(holder, Cell | Table) and holder.store.heap and any(type(ref) is int for ref in refs)


def _makes_extern_i31(w: World, name: str, op: Op) -> bool:
    """Whether the op gives an externref that holds an i31."""
    if name.startswith("from_imm"):
        store = w.slots[op[1]]
        return bool(op[2]) and op[3] == EXTERN and isinstance(store, Store) and not store.heap
    holder = w.slots[op[1]] if len(op) > 1 else None
    if name.startswith("from_raw") and isinstance(holder, Raw):
        return op[2] == EXTERN and type(holder.ref) is int and not holder.store.heap
    if name.startswith("conv_ext") and isinstance(holder, LifoHandle | OwnedRoot | CastHandle):
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


def known_leak(w: World, obj: Obj) -> str | None:
    """The known defect that keeps a dead object: `tainted` (semantics 4.2, K1), or else the mark of another one."""
    if obj.tainted and "K1" in w.profile.defects:
        return "K1"
    if obj.copied and "K18" in w.profile.defects:
        return "K18"
    if obj.halfway and "K12" in w.profile.defects:
        return "K12"
    if obj.misfit and "K29" in w.profile.defects:
        return "K29"
    if obj.taken and "K19" in w.profile.defects:
        return "K19"
    if obj.caught and "K2" in w.profile.defects:
        return "K2"
    return "K14" if obj.tabled and "K14" in w.profile.defects else None


def known_break(w: World, broken: Broken, op: Op) -> str | None:
    """The known defect that explains a broken rule."""
    if found := known_in_bodies(w, broken.code, op):
        return found
    if "K11" in w.profile.defects and broken.code in CAST_CODES and _uses_dropped_cast(w, op):
        return "K11"
    if broken.code == "TH201" and broken.obj is not None and "K15" in w.profile.defects:
        store = w.slots[broken.obj.store]
        assert isinstance(store, Store)
        return "K15" if broken.obj.as_any or store.freed_as_any else None
    if broken.code == "TH501" and "K8" in w.profile.defects:
        return "K8" if not w.acting.heap else None
    if broken.code in UNCOUNTED_CODES and "K9" in w.profile.defects and _store_of(w, broken).thrown:
        return "K9"
    if broken.code == "TH301" and broken.obj is not None:
        if "K7" in w.profile.defects and _just_under_pages(w, w.acting, broken.obj):
            return "K7"
        return _full_of_leaks(w, w.acting, broken.obj)
    return None


def _uses_thrown(w: World, op: Op) -> bool:
    """K9: an op on a store in which the host threw: the exception may have been freed under its holder's hands."""
    touched = (w.slots[slot] for _, slot in slots_of(op))
    stores = [slot if isinstance(slot, Store) else getattr(slot, "store", None) for slot in touched]
    return any(isinstance(store, Store) and store.thrown for store in stores or [w.acting])


def _store_of(w: World, broken: Broken) -> Store:
    """The store that a broken rule is about."""
    store = w.acting if broken.obj is None else w.slots[broken.obj.store]
    assert isinstance(store, Store)
    return store


def _just_under_pages(w: World, store: Store, obj: Obj) -> bool:
    """K7: the first request of an empty heap, of whole pages but for the bytes that are never handed out (1.5)."""
    if w.profile.collector != "copying":
        return store.empty and not store.block(obj) % PAGE
    if w.profile.release[0] == HALF_SIZED:
        return not store.made and store.block(obj) > PAGE // 2 - GRANULE["copying"]
    return store.empty and not store.block(obj) % (PAGE // 2)


def _uses_dropped_cast(w: World, op: Op) -> bool:
    """K11: a handle made by a cast through an owned root whose last handle is gone."""
    holders = [w.slots[slot] for _, slot in slots_of(op)]
    return any(isinstance(holder, CastHandle) and not holder.root.tokens for holder in holders)


def _full_of_leaks(w: World, store: Store, obj: Obj) -> str | None:
    """Leaked objects make a heap full too early: if with them, and not without, `obj` does not fit."""
    kept = [(known_leak(w, leak), store.block(leak)) for leak in (*store.dead.values(), *store.leaked.values())]
    leaks = [(name, size) for name, size in kept if name is not None]
    live = store.live
    load = Load(live.objects + len(leaks), live.bytes + sum(size for _, size in leaks))
    return min(leaks)[0] if leaks and not store.must_fit(obj, load) else None
