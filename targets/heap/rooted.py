"""The two kinds of handles, and the scopes that end one of them (`docs/spec/semantics.md` 2.2, 2.3)."""

from typing import TYPE_CHECKING, Any, Self

from twinheap.targets.heap.access import Access
from twinheap.targets.heap.errors import HeapPanic
from twinheap.targets.heap.handle import Handle, T, U
from twinheap.targets.heap.roots import Liveness

if TYPE_CHECKING:
    from twinheap.targets.heap.anyref import AnyRef, EqRef
    from twinheap.targets.heap.arrayref import ArrayRef
    from twinheap.targets.heap.store import Store, StoreId
    from twinheap.targets.heap.structref import StructRef


class Rooted(Access[T]):
    """A handle to a LIFO root: valid until the scope it was made in is left.

    Outside every scope it lives as long as the store. The object may be rooted many times; each
    root is independent. Copies of the handle name the same root.
    """

    __slots__ = ()

    def _cast(self, heap_type: type[U]) -> "Rooted[U]":
        return Rooted(self.store_id, self.generation, self.index, heap_type)

    def to_anyref(self: "Rooted[EqRef] | Rooted[StructRef] | Rooted[ArrayRef]") -> "Rooted[AnyRef]":
        """The same root as an anyref: an up-cast makes no new root."""
        from twinheap.targets.heap.anyref import AnyRef

        return self._cast(AnyRef)

    def to_eqref(self: "Rooted[StructRef] | Rooted[ArrayRef]") -> "Rooted[EqRef]":
        """The same root as an eqref: an up-cast makes no new root."""
        from twinheap.targets.heap.anyref import EqRef

        return self._cast(EqRef)

    def to_owned_rooted(self, store: "Store") -> "OwnedRooted[T]":
        """An owned root for the same object, independent of this one.

        Trims lazily first, so finalizers may run. Raises `Unrooted`; panics with another store.
        """
        ref = self._ref(store)
        store.clone_ref(ref)  # mutant m09: pass
        owned = make_owned(store, ref, self.heap_type)
        if store.verifying:
            store.verify()
        return owned

    @staticmethod
    def rooted_eq(a: "Handle[Any]", b: "Handle[Any]") -> bool:
        """Do two handles name the same root? Says nothing about the objects, needs no store."""
        # mutant t33 below: return a.store_id is b.store_id and a.index == b.index
        return a.store_id is b.store_id and a.generation == b.generation and a.index == b.index


class OwnedRooted(Access[T]):
    """A handle to an owned root, which lives until its last clone is dropped.

    Python does not say when an object dies, so say `drop`, or use the handle as a context manager;
    a handle that merely becomes unreachable counts as dropped too. Neither `clone` nor `drop`
    touches the store: they work after its end and on any thread. The root is released by the
    next trim.

    >>> from twinheap.targets.heap import ExternRef, RootScope, Store
    >>> store = Store("drc", on_finalize=print)
    >>> with RootScope(store):
    ...     owned = ExternRef.new(store, "kept").to_owned_rooted(store)
    >>> owned.data(store)
    'kept'
    >>> owned.drop()
    >>> store.gc()
    kept
    """

    __slots__ = ("_token",)

    def __init__(self, store_id: "StoreId", serial: int, index: int, heap_type: type[T], token: Liveness) -> None:
        super().__init__(store_id, serial, index, heap_type)
        self._token: Liveness | None = token

    def _ref(self, store: "Store") -> int:
        if self._token is None:
            raise HeapPanic("an OwnedRooted was used after it was dropped")
        return super()._ref(store)

    def _cast(self, heap_type: type[U]) -> Rooted[U]:
        # Without a token of its own the cast lasts as long as the root: its serial tells when that is over.
        return Rooted(self.store_id, self.generation, self.index, heap_type)

    def _up_cast(self, heap_type: type[U]) -> "OwnedRooted[U]":
        if self._token is None:
            raise HeapPanic("an OwnedRooted was used after it was dropped")
        token, self._token = self._token, None
        return OwnedRooted(self.store_id, self.generation, self.index, heap_type, token)

    def to_anyref(self: "OwnedRooted[EqRef] | OwnedRooted[StructRef] | OwnedRooted[ArrayRef]") -> "OwnedRooted[AnyRef]":
        """The same owned root as an anyref. The handle goes by value: it is dropped."""
        from twinheap.targets.heap.anyref import AnyRef

        return self._up_cast(AnyRef)

    def to_eqref(self: "OwnedRooted[StructRef] | OwnedRooted[ArrayRef]") -> "OwnedRooted[EqRef]":
        """The same owned root as an eqref. The handle goes by value: it is dropped."""
        from twinheap.targets.heap.anyref import EqRef

        return self._up_cast(EqRef)

    @property
    def is_dropped(self) -> bool:
        """Was this very clone dropped?"""
        return self._token is None

    def to_rooted(self, store: "Store") -> Rooted[T]:
        """A new LIFO root in the current scope. Panics with another store."""
        ref = self._ref(store)
        store.clone_ref(ref)  # mutant m18: pass
        rooted = make_rooted(store, ref, self.heap_type)
        if store.verifying:
            store.verify()
        return rooted

    def clone(self) -> "OwnedRooted[T]":
        """Another handle to the same owned root."""
        if self._token is None:
            raise HeapPanic("an OwnedRooted was used after it was dropped")
        token = self._token  # mutant m10: token = Liveness()
        return OwnedRooted(self.store_id, self.generation, self.index, self.heap_type, token)

    def drop(self) -> None:
        """Let go of the root. A second call does nothing."""
        # mutant m11: self._token.released = True
        # mutant m16: self._token.released = True
        self._token = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


def make_rooted(store: "Store", ref: int, heap_type: type[T]) -> Rooted[T]:
    """A LIFO root that takes over one count of `ref`."""
    roots = store.roots
    return Rooted(store.id, roots.generation, roots.push(ref), heap_type)


def make_owned(store: "Store", ref: int, heap_type: type[T]) -> OwnedRooted[T]:
    """An owned root that takes over one count of `ref`, after a lazy trim."""
    store.trim()
    index, serial, token = store.roots.add_owned(ref)
    return OwnedRooted(store.id, serial, index, heap_type, token)


class RootScope:
    """A rooting scope: opened when made, left by `close` or at the end of a `with` block.

    Leaving drops the LIFO roots made since, oldest first, and under DRC their finalizers run
    right then. Scopes must nest; an inner scope that is never closed merges into the outer one.

    >>> from twinheap.targets.heap import ExternRef, Store, Unrooted
    >>> store = Store("drc")
    >>> with RootScope(store):
    ...     short_lived = ExternRef.new(store, 1)
    >>> try:
    ...     short_lived.data(store)
    ... except Unrooted as error:
    ...     print(error)
    attempted to use a garbage-collected object that has been unrooted
    """

    __slots__ = ("_depth", "_open", "store")

    def __init__(self, store: "Store") -> None:
        self.store = store
        self._open = True
        self._depth = len(store.roots.scopes)
        store.roots.scopes.append(len(store.roots.lifo_refs))

    def close(self) -> None:
        """Leave the scope. A second call, or one after the outer scope was left, does nothing."""
        roots = self.store.roots
        if not self._open or self._depth >= len(roots.scopes):
            return
        self._open = False
        mark = roots.scopes[self._depth]
        del roots.scopes[self._depth :]
        roots.exit_scope(mark, self.store.heap)
        if self.store.verifying:
            self.store.verify()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
