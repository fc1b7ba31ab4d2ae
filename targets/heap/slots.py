"""Globals, and the checks that every value passes on its way into a slot (`docs/spec/wasm-ops.md` 6.3)."""

from typing import TYPE_CHECKING, Any, Final, Generic

from twinheap.targets.heap.errors import WRONG_STORE, HeapPanic, ImmutableGlobal, TypeMismatch
from twinheap.targets.heap.handle import GcRef, Handle, T
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.rooted import Rooted, make_rooted
from twinheap.targets.heap.types import RefType
from twinheap.targets.heap.values import ensure_matches

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

SET_CONTEXT: Final = "type mismatch: attempt to set global to value of wrong type"
EQ_TYPES: Final = frozenset({HeapType.EQ, HeapType.I31, HeapType.STRUCT, HeapType.ARRAY})
ANY_TYPES: Final = EQ_TYPES | {HeapType.ANY}
NARROW: Final = EQ_TYPES - {HeapType.I31}  # slots for which the object has to be looked at


def fits(value: type[GcRef], slot: type[GcRef]) -> bool:
    """May a handle typed `value` go where `slot` is wanted, by the subtyping of heap types?"""
    if slot.type is HeapType.ANY:
        return value.type in ANY_TYPES
    if slot.type is HeapType.EQ:
        return value.type in EQ_TYPES
    return value.type is slot.type


def slot_value(store: "Store", handle: Handle[Any] | None, slot_type: type[GcRef], context: str, foreign: str) -> int:
    """The raw reference to store for a handle, or 0 for null; adds no count.

    Raises `TypeMismatch` with the text `context`, caused by `foreign` if the handle is another
    store's; then `Unrooted`. A slot of a type below `any` takes what the object is, whatever the
    handle's type; a stale handle is a mismatch there.
    """
    if handle is None:
        return 0
    if not handle.comes_from_same_store(store):
        raise TypeMismatch(context) from TypeMismatch(foreign)
    if slot_type.type in NARROW and handle.heap_type.type in ANY_TYPES:
        ensure_matches(store, handle, RefType(slot_type.type), context)
    elif not fits(handle.heap_type, slot_type):
        raise TypeMismatch(context) from TypeMismatch(
            f"expected `{slot_type.type.value}ref`, found `{handle.heap_type.type.value}ref`"
        )
    return handle._ref(store)


def read_slot(store: "Store", slots: list[int], index: int, heap_type: type[T]) -> Rooted[T] | None:
    """A new LIFO root for what a slot holds; None for null."""
    ref = slots[index]
    if not ref:
        return None
    store.clone_ref(ref)  # mutant t03: pass
    rooted = make_rooted(store, ref, heap_type)
    if store.verifying:
        store.verify()
    return rooted


class Global(Generic[T]):
    """A global of references, of the host or of an instance: a root as long as the store lives.

    `heap_type` is the type of its handles; the slot is nullable, None stands for null.

    >>> from twinheap.targets.heap import ExternRef, Global, RootScope, Store
    >>> store = Store("drc", on_finalize=lambda value: print("dropped", value))
    >>> with RootScope(store):
    ...     current = Global(store, ExternRef, ExternRef.new(store, 1))
    >>> current.get(store).data(store)
    1
    >>> with RootScope(store):
    ...     current.set(store, ExternRef.new(store, 2))
    >>> current.get(store).data(store)
    2
    """

    __slots__ = ("_cell", "heap_type", "mutable", "store_id")

    def __init__(
        self, store: "Store", heap_type: type[T], init: Handle[Any] | None = None, *, mutable: bool = True
    ) -> None:
        ref = slot_value(store, init, heap_type, SET_CONTEXT, "value used with wrong store")
        self.store_id = store.id
        self.heap_type = heap_type
        self.mutable = mutable
        self._cell = [0]
        store.globals.append(self._cell)
        store.write_slot(self._cell, 0, ref)
        if store.verifying:
            store.verify()

    def get(self, store: "Store") -> Rooted[T] | None:
        """The value, as a new LIFO root; None for null. Panics with another store."""
        if store.id is not self.store_id:
            raise HeapPanic(WRONG_STORE)
        return read_slot(store, self._cell, 0, self.heap_type)

    def set(self, store: "Store", value: Handle[Any] | None) -> None:
        """Replace the value; the old one may be finalized right here.

        Raises `ImmutableGlobal`, then `TypeMismatch` (wrong type or another store's handle), then
        `Unrooted`. Panics with another store's global.
        """
        if store.id is not self.store_id:
            raise HeapPanic(WRONG_STORE)
        if not self.mutable:
            raise ImmutableGlobal  # mutant t12: pass
        ref = slot_value(store, value, self.heap_type, SET_CONTEXT, "value used with wrong store")
        store.write_slot(self._cell, 0, ref)
        if store.verifying:
            store.verify()
