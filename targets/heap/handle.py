"""What all handles share: which store and which root they mean (`docs/spec/semantics.md` 2.1)."""

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from twinheap.targets.heap.errors import SAME_STORE, WRONG_STORE, HeapPanic
from twinheap.targets.heap.i31 import I31
from twinheap.targets.heap.layout import EQ, HeapType

if TYPE_CHECKING:
    from twinheap.targets.heap.rooted import Rooted
    from twinheap.targets.heap.store import Store, StoreId


class GcRef:
    """Base of the reference types that a handle can be typed with; never instantiated."""

    type: ClassVar[HeapType]


T = TypeVar("T", bound=GcRef)
U = TypeVar("U", bound=GcRef)


class Handle(Generic[T]):
    """A root's name: store, generation and packed index; `heap_type` is the static type `T`.

    The name says nothing about where the object lies. It is looked up at every use, and a stale
    one gives `Unrooted`.
    """

    __slots__ = ("generation", "heap_type", "index", "store_id")

    def __init__(self, store_id: "StoreId", generation: int, index: int, heap_type: type[T]) -> None:
        self.store_id = store_id
        self.generation = generation
        self.index = index
        self.heap_type = heap_type

    def _ref(self, store: "Store") -> int:
        """The raw reference of this handle's root."""
        if store.id is not self.store_id:
            raise HeapPanic(WRONG_STORE)  # mutant t07: pass
        return store.roots.lookup(self.index, self.generation)

    def _asserted_ref(self, store: "Store", panic: str = SAME_STORE) -> int:
        """The same, where the original asserts the store first."""
        if store.id is not self.store_id:
            raise HeapPanic(panic)  # mutant t07: pass
        return store.roots.lookup(self.index, self.generation)

    def _cast(self, heap_type: type[U]) -> "Rooted[U]":
        """A handle of another type that shares this root entry (section 3.2)."""
        raise NotImplementedError

    def comes_from_same_store(self, store: "Store") -> bool:
        """Does this handle belong to `store`?"""
        return store.id is self.store_id

    def kind(self, store: "Store") -> HeapType:
        """What the reference is, whatever the handle's type: `I31`, or the kind of its object.

        Raises `Unrooted`; panics with another store's handle.
        """
        ref = self._ref(store)
        return HeapType.I31 if ref & 1 else store.require_heap().heap_type(ref)

    def i31(self, store: "Store") -> I31 | None:
        """The integer if the reference is an i31, else None. Raises `Unrooted`."""
        ref = self._ref(store)
        return I31.from_raw(ref) if ref & 1 else None  # mutant t17: return I31.from_raw(ref)

    def is_kind(self, store: "Store", general: int) -> bool:
        """Is the reference an object of kind `general` or below? An i31 counts as `eq`. Raises `Unrooted`."""
        ref = self._ref(store)
        return general & EQ == general if ref & 1 else store.require_heap().is_any(ref, general)

    def to_raw(self, store: "Store") -> int:
        """The raw 32-bit value, for Wasm (sections 3.1, 3.4): consume it before anything can collect.

        Under DRC the object is exposed: the OASR list holds it until the next collection.
        Raises `Unrooted`. An i31 needs no heap (with defect K6, as externref, it panics without one).
        """
        ref = self._ref(store)
        if not ref & 1:
            store.require_heap().expose(ref)
        # mutant t25 below: elif store.heap is None and self.heap_type.type is HeapType.EXTERN:
        elif store.heap is None and self.heap_type.type is HeapType.EXTERN and "k6" in store.defects:
            store.require_heap()
        if store.verifying:
            store.verify()
        return ref

    def ref_hash(self, store: "Store") -> int:
        """A hash of the reference's identity: equal for `ref_eq` handles until the next collection."""
        return hash(self._ref(store))

    def rooted_hash(self) -> int:
        """A hash of the handle itself."""
        return hash((self.store_id, self.generation, self.index))

    @staticmethod
    def ref_eq(store: "Store", a: "Handle[Any]", b: "Handle[Any]") -> bool:
        """Do two handles denote the same object, or i31s of the same payload (section 2.2)?

        Works across kinds of roots and of handles. Raises `Unrooted` if either is stale; panics
        with another store's handle.
        """
        return a._ref(store) == b._ref(store)  # mutant t29: return a.index == b.index

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{self.heap_type.__name__}](generation={self.generation}, index={self.index:#x})"
