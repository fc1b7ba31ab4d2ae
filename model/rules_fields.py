"""Rules for reading and writing the fields of structs and exceptions, and elements (semantics.md 3.2, 7)."""

from __future__ import annotations

from collections.abc import Callable

from twinheap.model.entities import Func, Obj
from twinheap.model.kit import NUMBERS, Field, hierarchy, stored_number
from twinheap.model.objects import type_of
from twinheap.model.observation import ABSENT, IMMUTABLE, OK, OOB, OTHER, TYPE, Observation
from twinheap.model.ops import REF_TYPES
from twinheap.model.roots import Handle, Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_objects import rooted
from twinheap.model.world import World


def opened(w: World, obs: Observation, source: int) -> tuple[Handle, Obj] | None:
    """The object that a handle denotes; None if the slot is empty or the handle stale, and then that was checked."""
    found = w.read(obs, source)
    if found is None:
        w.case = "stale" if w.case == "unsure" else w.case
        return None
    handle, obj = found
    assert isinstance(obj, Obj)
    return handle, obj


def _exists(w: World, obs: Observation, obj: Obj, index: int) -> bool:
    """Whether there is such a field or element; else only the error is right."""
    if index < len(obj.cells):
        return True
    w.case = "range"
    w.require(obs, OOB if obj.kind == "array" else OTHER, f"there are {len(obj.cells)}")
    return False


def _opened_at(w: World, obs: Observation, source: int, index: int) -> tuple[Handle, Obj] | None:
    """As `opened`, for a field or element that is there."""
    found = opened(w, obs, source)
    return found if found and _exists(w, obs, found[1], index) else None


def _get(w: World, obs: Observation, source: int, index: int, type_: int, form: int, result: int) -> None:
    """A new root for a reference; absent, and no root, if the field has no such hierarchy."""
    found = _opened_at(w, obs, source, index)
    if found is None:
        return
    handle, obj = found
    if hierarchy(obj.storages[index]) != REF_TYPES[type_]:
        w.case = "absent"
        w.require_values(obs, (ABSENT,), "TH105")
    elif w.kind_of_null(obs, obj.cells[index]):
        w.put(result, rooted(handle.store, obj.cells[index], form), type_)


_GET = "ok/object ok/i31 ok/null ok/absent err:unrooted/stale skip/empty"
rule("struct_get", f"{_GET} err:other/range", Gives.VALUES)(_get)
rule("exn_get", f"{_GET} err:other/range", Gives.VALUES)(_get)
rule("array_get", f"{_GET} err:oob/range", Gives.VALUES)(_get)


@rule("fields", "ok/none ok/some err:unrooted/stale skip/empty", Gives.VALUES)
def fields(w: World, obs: Observation, source: int) -> None:
    """How many fields or elements, and how many references there are in them: each gets a root in the current scope."""
    found = opened(w, obs, source)
    if found is None:
        return
    handle, obj = found
    refs = [cell for cell, storage in zip(obj.cells, obj.storages, strict=True) if storage not in NUMBERS]
    refs = [ref for ref in refs if ref is not None]
    w.case = "some" if refs else "none"
    w.require_values(obs, (len(obj.cells), len(refs)), "TH109")
    for ref in refs:
        if not isinstance(ref, Func):  # functions need none
            handle.store.root(ref)


def _get_number(w: World, obs: Observation, source: int, index: int) -> None:
    """The number as it was stored (`kit.stored_number`); absent if the field holds a reference."""
    found = _opened_at(w, obs, source, index)
    if found is None:
        return
    _, obj = found
    numeric = obj.storages[index] in NUMBERS
    w.case = "number" if numeric else "absent"
    w.require_values(obs, (obj.cells[index],) if numeric else (ABSENT,), "TH109" if numeric else "TH105")  # type: ignore[arg-type]


rule("struct_get_number", "ok/number ok/absent err:other/range err:unrooted/stale skip/empty", Gives.VALUES)(
    _get_number
)
rule("array_get_number", "ok/number ok/absent err:oob/range err:unrooted/stale skip/empty", Gives.VALUES)(_get_number)


# --- writing


def _writable(w: World, obs: Observation, obj: Obj, index: int, fits: Callable[[Field], bool]) -> bool:
    """Bounds, mutability, type for a struct; mutability, type, bounds for an array (7)."""
    array = obj.kind == "array"
    if not array and not _exists(w, obs, obj, index):
        return False
    field = type_of(obj).fields[0 if array else index]
    if not field.mutable:
        w.case = "const"
        w.require(obs, IMMUTABLE, "the field is immutable")
        return False
    return fits(field) and (not array or _exists(w, obs, obj, index))


def _set(w: World, obs: Observation, source: int, index: int, value: int) -> None:
    """The new value first, then the old one (1.6)."""
    if w.empty(obs, source, value):
        return
    found = opened(w, obs, source)
    if found is None:
        return
    # An object's own type says of what types its fields are, by identity.
    if not _writable(w, obs, found[1], index, lambda field: w.check_fits(obs, value, field.storage, field.nullable)):
        return
    handle, obj = found
    ref = w.checked_value(obs, value)
    if isinstance(ref, Stale):
        w.case = "stale"
        return
    w.require(obs, OK, "the value fits")
    old = obj.cells[index]
    store = handle.store
    store.write_cell(obj, index, ref)
    if store.counts:
        store.counts.inc(ref)
        store.counts.dec(old)


_SET = "ok/object ok/i31 ok/null err:type/mismatch err:immutable/const err:unrooted/stale skip/empty"
rule("struct_set", f"{_SET} err:other/range")(_set)
rule("array_set", f"{_SET} err:oob/range")(_set)


def _set_number(w: World, obs: Observation, source: int, index: int, number: int) -> None:
    """A number into a numeric field; references take none."""
    found = opened(w, obs, source)
    if found is None:
        return
    _, obj = found

    def fits(field: Field) -> bool:
        if field.is_reference:
            w.case = "mismatch"
            w.require(obs, TYPE, "the field holds a reference")
        return not field.is_reference

    if _writable(w, obs, obj, index, fits):
        w.case = "number"
        w.require(obs, OK, "the number fits")
        obj.write(index, stored_number(obj.storages[index], number))


_SET_NUMBER = "ok/number err:type/mismatch err:immutable/const err:unrooted/stale skip/empty"
rule("struct_set_number", f"{_SET_NUMBER} err:other/range")(_set_number)
rule("array_set_number", f"{_SET_NUMBER} err:oob/range")(_set_number)


@rule("array_len", "ok/length err:unrooted/stale skip/empty", Gives.VALUES)
def array_len(w: World, obs: Observation, source: int) -> None:
    """The number of elements."""
    found = opened(w, obs, source)
    if found is not None:
        w.case = "length"
        w.require_values(obs, (len(found[1].cells),), "TH109")
