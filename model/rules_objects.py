"""Rules for making structs, arrays and chains by the host (semantics.md 1.5, 3.2; which of several errors: 7)."""

from __future__ import annotations

from collections.abc import Sequence

from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.kit import ARRAYS, STRUCTS, Field, stored_number
from twinheap.model.layout import TYPES
from twinheap.model.objects import NUMBER_OF, build
from twinheap.model.observation import OK, OOM, OTHER, UNROOTED, Observation
from twinheap.model.ops import ARRAY, EXN, NULL, STRUCT
from twinheap.model.roots import Handle, OwnedRoot, Stale
from twinheap.model.rule import Gives, rule
from twinheap.model.rules_memory import (
    add_object,
    add_owned,
    begin_allocation,
    check_growth,
    check_needed,
    has_heap,
    may_fit,
    must_fit,
    place,
)
from twinheap.model.rules_roots import own_in_scope, store_at
from twinheap.model.state import Store
from twinheap.model.world import Broken, World, unsure

STATIC: dict[str, int] = {"struct": STRUCT, "array": ARRAY, "exn": EXN}
"""The static type of a handle to each kind."""

MADE = (
    "ok/first ok/heap err:oom/full err:type/mismatch err:unrooted/stale err:other/async-limiter err:other/no-heap "
    "skip/empty"
)


def rooted(store: Store, ref: Ref, form: int, counted: bool = False) -> Handle:
    """A new root: LIFO in the current scope, or owned, by the `form` operand."""
    return own_in_scope(store, ref, counted) if form else store.root(ref, counted)


def synchronous(w: World, obs: Observation, store: Store) -> bool:
    """Step A: whether the store lets a synchronous op allocate; else only the error is right (1.5)."""
    if store.limiter:
        w.case = "async-limiter"
        w.require(obs, OTHER, "an async limiter needs the async form (1.5 A)")
    return not store.limiter


class Request:
    """An object that the host asks for: what goes into its fields, and where the handle goes.

    `values`: operand slots of its reference fields, in order. `times`: how often all of that is there: an array of one
    value is one field many times.
    """

    def __init__(self, kind: str, type_: int, fields: Sequence[Field], values: Sequence[int], times: int = 1) -> None:
        self.kind = kind
        self.type = type_
        self.fields = fields
        self.values = values
        self.times = times

    def checked(self, w: World, obs: Observation) -> bool:
        """Whether all values fit; else only the type error is right, from the first that does not."""
        storages = [field.storage for field in self.fields if field.is_reference]
        return all(w.check_fits(obs, slot, storage) for slot, storage in zip(self.values, storages, strict=False))

    @property
    def count(self) -> int:
        """How many fields there are."""
        return len(self.fields) * self.times

    def cells(self, w: World, obs: Observation, number: int) -> tuple[list[Stored], int | None]:
        """What the fields hold, and how many were written before the first stale handle, if there is one."""
        cells: list[Stored] = []
        stale: int | None = None
        slots = iter(self.values)
        for at, field in enumerate(self.fields):
            if not field.is_reference:
                cells.append(stored_number(field.storage, number))
                continue
            slot = next(slots)
            ref = None if slot == NULL else w.handle(slot).ref()
            gone = isinstance(ref, Stale) or (slot != NULL and unsure(w.handle(slot)) and obs.outcome == UNROOTED)
            if gone and stale is None:
                stale = at
            cells.append(None if isinstance(ref, Stale) else ref)
        return cells * self.times, stale


def new_object(w: World, obs: Observation, store: Store, asked: Request, number: int, form: int, result: int) -> None:
    """Heap creation and types are over: room, then roots, then the object and its root (1.5, 3.2, 7)."""
    cells, stale = asked.cells(w, obs, number)
    obj = build(w, store, asked.kind, asked.type, cells)
    fits = place(store, obj)
    if obs.outcome == OOM:
        w.case = "full"
        must_fit(store, fits, obj)
        check_needed(store, obs, obj)
        return
    if fits is not None:
        may_fit(store, fits)
    if stale is not None:
        w.case = "stale"
        w.require(obs, UNROOTED, "the root of a field's value is gone")
        store.give_back(obj, obj.cells[:stale])
        return
    w.require(obs, OK, "there is room, and the values are good")
    add_object(w, store, obj)
    w.put(result, rooted(store, obj, form, counted=True), STATIC[asked.kind])
    check_growth(store)


def new_with_fields(w: World, obs: Observation, slot: int, asked: Request, number: int, form: int, result: int) -> None:
    """A struct or an exception: its fields are checked before there is a heap (3.2)."""
    if w.empty(obs, *asked.values):
        return
    store = store_at(w, slot)
    if not synchronous(w, obs, store) or not asked.checked(w, obs):
        return
    w.collects(store)
    w.case = "heap" if store.heap else "first"
    if has_heap(w, obs, store):
        new_object(w, obs, store, asked, number, form, result)


def with_fields(kind: str, type_: int, values: Sequence[int]) -> Request:
    """The request for a struct or an exception; operands that its type does not use are left out."""
    made = TYPES[kind][type_]
    return Request(kind, type_, made.fields, values[: len(made.references)])


@rule("struct_new", MADE)
def struct_new(
    w: World, obs: Observation, slot: int, type_: int, number: int, v0: int, v1: int, v2: int, v3: int, *rest: int
) -> None:
    """References from the operands in the order of the fields, the number in every numeric field."""
    new_with_fields(w, obs, slot, with_fields("struct", type_, (v0, v1, v2, v3)), number, *rest)


def _array(w: World, obs: Observation, slot: int, asked: Request, number: int, form: int, result: int) -> None:
    """Elements are checked when there is a heap, and without elements nobody looks at a value (3.2)."""
    if w.empty(obs, *asked.values):
        return
    store = store_at(w, slot)
    if not synchronous(w, obs, store):
        return
    w.collects(store)
    case = "heap" if store.heap else "first"
    if not has_heap(w, obs, store):
        return
    late = w.profile.elements_late
    if (late and obs.outcome == OOM) or asked.checked(w, obs):
        w.case = case
        new_object(w, obs, store, asked, number, form, result)
    elif late and w.case == "mismatch":
        lost = build(w, store, asked.kind, asked.type, [None] * asked.count)
        lost.misfit = True
        store.add(lost)


@rule("array_new", MADE)
def array_new(
    w: World, obs: Observation, slot: int, type_: int, length: int, number: int, value: int, *rest: int
) -> None:
    """`length` times the same element."""
    field = ARRAYS[type_].fields[0]
    if w.empty(obs, value):
        return
    values = (value,) if field.is_reference and length else ()
    _array(w, obs, slot, Request("array", type_, (field,) if length else (), values, length), number, *rest)


@rule("array_new_huge", "err:other/first err:other/heap err:other/no-heap err:other/async-limiter")
def array_new_huge(w: World, obs: Observation, slot: int, length: int) -> None:
    """So many numbers of 8 bytes that 32 bits cannot say their size: an error, once there is a heap (1.3, 1.5; K10)."""
    store = store_at(w, slot)
    if not synchronous(w, obs, store):
        return
    case, unknown = "heap" if store.heap else "first", store.maybe_heap
    if has_heap(w, obs, store):
        w.case = case
        w.require(obs, OTHER, f"there is no heap for {length} elements")
    store.maybe_heap = unknown  # it is an error with a heap, too


@rule("array_new_fixed", MADE)
def array_new_fixed(
    w: World, obs: Observation, slot: int, type_: int, number: int, v0: int, v1: int, v2: int, *rest: int
) -> None:
    """Three elements: the operands, or three times the number."""
    field = ARRAYS[type_].fields[0]
    values = (v0, v1, v2) if field.is_reference else ()
    _array(w, obs, slot, Request("array", type_, (field,) * 3, values), number, *rest)


# --- bulk

NODE = NUMBER_OF["struct"]["node"]
"""The struct type of chains: the next node, and an extern."""


@rule("chain", "ok/all ok/some ok/none ok/async-limiter ok/no-heap", Gives.VALUES)
def chain(w: World, obs: Observation, slot: int, count: int, result: int) -> None:
    """`count` structs, tail first, up to the first out of memory; how many were made, and the last one owned.

    Each step, in a scope of its own: a `node` of (the one before, or null; null), then an owned root for it, then,
    outside the scope, the owned root of the one before is dropped. Without any the slot stays empty.
    """
    store = store_at(w, slot)
    w.collects(store)
    number = obs.values[0] if len(obs.values) == 1 else None
    if obs.outcome != OK or type(number) is not int or not 0 <= number <= count:
        raise Broken("TH109", f"ok: a number up to {count}")
    w.case = "all" if number == count else "some" if number else "none"
    if store.limiter or not begin_allocation(store, number > 0):
        w.case = "async-limiter" if store.limiter else "no-heap"
        if number:
            raise Broken("TH106", "none: the limiter does not let it happen (1.5 A, B)")
        return
    head: OwnedRoot | None = None
    for _ in range(number):
        obj = _node(w, store, head)
        if store.counts:
            may_fit(store, store.counts.alloc(obj))
        before, head = head, add_owned(w, store, obj)
        if before:
            store.drop_token(before)
    if head:
        w.put(result, head, STRUCT)
        check_growth(store)
    if number < count:
        refused = _node(w, store, head)
        must_fit(store, place(store, refused), refused)


def _node(w: World, store: Store, before: OwnedRoot | None) -> Obj:
    held = before.ref() if before else None
    assert not isinstance(held, Stale)
    assert STRUCTS[NODE].references == (0, 1)
    return build(w, store, "struct", NODE, (held, None))
