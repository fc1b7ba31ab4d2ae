"""Typed calls: the four ways a reference crosses into Wasm and back (`docs/spec/semantics.md` 3.3)."""

import enum
from typing import TYPE_CHECKING, Any, Final, Generic

from twinheap.targets.heap.errors import TypeMismatch
from twinheap.targets.heap.handle import Handle, T
from twinheap.targets.heap.rooted import OwnedRooted, Rooted, RootScope, make_rooted
from twinheap.targets.heap.slots import fits

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

FOREIGN_ARGUMENT: Final = "attempt to pass cross-`Store` value to Wasm as function argument"


class ParamKind(enum.Enum):
    """How a typed function takes its parameter and gives its result."""

    ROOTED = "Rooted<T>"
    OPTION_ROOTED = "Option<Rooted<T>>"
    OWNED = "OwnedRooted<T>"
    OPTION_OWNED = "Option<OwnedRooted<T>>"

    @property
    def nullable(self) -> bool:
        """May the value be None?"""
        return self in (ParamKind.OPTION_ROOTED, ParamKind.OPTION_OWNED)

    @property
    def owned(self) -> bool:
        """Does it travel as an owned root?"""
        return self in (ParamKind.OWNED, ParamKind.OPTION_OWNED)


class TypedFunc(Generic[T]):
    """The identity function of Wasm, with one parameter and one result of type `heap_type`.

    >>> from twinheap.targets.heap import ExternRef, ParamKind, Store, TypedFunc
    >>> store = Store("drc")
    >>> identity = TypedFunc(store, ParamKind.OPTION_ROOTED, ExternRef)
    >>> identity.call(store, ExternRef.new(store, 5)).data(store), identity.call(store, None)
    (5, None)
    """

    __slots__ = ("heap_type", "kind", "store_id")

    def __init__(self, store: "Store", kind: ParamKind, heap_type: type[T]) -> None:
        self.store_id = store.id
        self.kind = kind
        self.heap_type = heap_type

    def call(self, store: "Store", argument: Handle[Any] | None) -> Rooted[T] | OwnedRooted[T] | None:
        """Pass a value to Wasm and take it back: a new root for the same reference.

        Owned kinds take an `OwnedRooted` by value: it is dropped by the call. No scope is opened:
        a `Rooted` result belongs to the caller's.

        Raises `TypeMismatch` (null where none is allowed, another type or kind of handle, another
        store's handle), `Unrooted`.
        """
        raw = self._store(store, argument)
        result = self._load(store, raw)
        if store.verifying:
            store.verify()
        return result

    def _store(self, store: "Store", argument: Handle[Any] | None) -> int:
        """Host to Wasm: the raw value, exposed."""
        if argument is None:
            if not self.kind.nullable:
                raise TypeMismatch(f"type mismatch with parameters: `{self.kind.value}` is never null")
            return 0
        if isinstance(argument, OwnedRooted) is not self.kind.owned or not fits(argument.heap_type, self.heap_type):
            raise TypeMismatch(f"type mismatch with parameters: expected `{self.kind.value}`, found {argument!r}")
        if not argument.comes_from_same_store(store):
            raise TypeMismatch(FOREIGN_ARGUMENT)
        ref = argument._ref(store)
        if not ref & 1:
            store.require_heap().expose(ref)
        if isinstance(argument, OwnedRooted):
            argument.drop()
            # mutant t18: store.clone_ref(ref)
        return ref

    def _load(self, store: "Store", raw: int) -> Rooted[T] | OwnedRooted[T] | None:
        """Wasm to host: a LIFO root in the current scope, or one owned root and nothing else."""
        if not raw:
            return None  # mutant t05: return make_rooted(store, 1, self.heap_type)
        store.clone_ref(raw)
        if not self.kind.owned:
            return make_rooted(store, raw, self.heap_type)
        scope = RootScope(store)
        owned = make_rooted(store, raw, self.heap_type).to_owned_rooted(store)
        scope.close()  # mutant t04: pass
        return owned
