"""Typed functions: the four ways a reference crosses into Wasm and back (`docs/spec/semantics.md` 3.3)."""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic

from twinheap.targets.heap.anyref import AnyRef
from twinheap.targets.heap.errors import TypeMismatch
from twinheap.targets.heap.handle import Handle, T
from twinheap.targets.heap.i31 import I31
from twinheap.targets.heap.layout import ARRAY, STRUCT
from twinheap.targets.heap.rooted import OwnedRooted, Rooted, RootScope, make_rooted
from twinheap.targets.heap.slots import fits
from twinheap.targets.heap.types import HeapObjectType
from twinheap.targets.heap.wasm_frames import CAST, Trap

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

FOREIGN_ARGUMENT: Final = "attempt to pass cross-`Store` value to Wasm as function argument"
FOREIGN_RESULT: Final = "host function attempted to return cross-`Store` value to Wasm"


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


class _Typed(Generic[T]):
    """A parameter or result of type `heap_type`: its conversions."""

    __slots__ = ("heap_type", "kind", "store_id")

    def __init__(self, store: "Store", kind: ParamKind, heap_type: type[T]) -> None:
        self.store_id = store.id
        self.kind = kind
        self.heap_type = heap_type

    def _check(self, store: "Store", value: Handle[Any] | None, foreign: str) -> None:
        """Null, the types that the host language knows, and the store: all before the root is looked at."""
        if value is None:
            if not self.kind.nullable:
                raise TypeMismatch(f"type mismatch with parameters: `{self.kind.value}` is never null")
        elif isinstance(value, OwnedRooted) is not self.kind.owned or not fits(value.heap_type, self.heap_type):
            raise TypeMismatch(f"type mismatch with parameters: expected `{self.kind.value}`, found {value!r}")
        elif not value.comes_from_same_store(store):
            raise TypeMismatch(foreign)

    def _store(self, store: "Store", value: Handle[Any] | None) -> int:
        """Host to Wasm: the raw value, exposed. An owned handle goes by value."""
        if value is None:
            return 0
        ref = value._ref(store)
        if not ref & 1:
            store.require_heap().expose(ref)
        if isinstance(value, OwnedRooted):
            value.drop()
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


class HostFunc(_Typed[T]):
    """A host function that Wasm can call, with a result of type `heap_type`, and a parameter of that type or none.

    `function` gets the parameter. What it gives back goes by value.
    """

    __slots__ = ("function",)

    def __init__(
        self,
        store: "Store",
        kind: ParamKind,
        heap_type: type[T],
        function: Callable[[Rooted[T] | OwnedRooted[T] | None], Handle[Any] | None],
    ) -> None:
        super().__init__(store, kind, heap_type)
        self.function = function

    def called(self, store: "Store", raw: int) -> int:
        """Wasm calls it: what is rooted meanwhile is in a scope of its own (section 2.2 a).

        Raises `TypeMismatch` for a result of another store, `Unrooted` for one that is stale.
        """
        scope = RootScope(store)
        try:
            result = self.function(self._load(store, raw))
            self._check(store, result, FOREIGN_RESULT)
            # mutant t31 below: return 0 if result is None else result._ref(store)
            return self._store(store, result)
        finally:
            scope.close()


class TypedFunc(_Typed[T]):
    """A function of Wasm with one parameter and one result of type `heap_type`: the identity, or by way of the host.

    `concrete`: the type that both really have, which the host can only check while it calls. `through`: the function
    calls it with its parameter, and gives what comes out of it.

    >>> from twinheap.targets.heap import ExternRef, ParamKind, Store, TypedFunc
    >>> store = Store("drc")
    >>> identity = TypedFunc(store, ParamKind.OPTION_ROOTED, ExternRef)
    >>> identity.call(store, ExternRef.new(store, 5)).data(store), identity.call(store, None)
    (5, None)
    """

    __slots__ = ("concrete", "through")

    def __init__(
        self,
        store: "Store",
        kind: ParamKind,
        heap_type: type[T],
        *,
        concrete: HeapObjectType | None = None,
        through: HostFunc[T] | None = None,
    ) -> None:
        super().__init__(store, kind, heap_type)
        self.concrete = concrete
        self.through = through

    def call(self, store: "Store", argument: Handle[Any] | None) -> Rooted[T] | OwnedRooted[T] | None:
        """Pass a value to Wasm and take one back: a new root for it.

        Owned kinds take an `OwnedRooted` by value: it is dropped by the call. No scope is opened:
        a `Rooted` result belongs to the caller's.

        Raises `TypeMismatch` (null where none is allowed, another type or kind of handle, another
        store's handle), `Unrooted`, `Trap` if the host function's result is not `concrete`.
        """
        self._check(store, argument, FOREIGN_ARGUMENT)
        if argument is not None and not self._is_concrete(store, argument._ref(store)):
            raise TypeMismatch(f"type mismatch: expected {self.concrete}, found another type")
        return self._finish(store, self._store(store, argument))

    def call_without(self, store: "Store") -> Rooted[T] | OwnedRooted[T] | None:
        """The same where function and host function have no parameter."""
        return self._finish(store, 0)

    def _check(self, store: "Store", value: Handle[Any] | None, foreign: str) -> None:
        if self.concrete is None or value is None:
            super()._check(store, value, foreign)
        elif isinstance(value, OwnedRooted) is not self.kind.owned or not fits(value.heap_type, AnyRef):
            raise TypeMismatch(f"type mismatch with parameters: expected `{self.kind.value}`, found {value!r}")
        elif not value.comes_from_same_store(store):
            raise TypeMismatch(foreign)

    def _finish(self, store: "Store", raw: int) -> Rooted[T] | OwnedRooted[T] | None:
        if self.through is not None:
            raw = self.through.called(store, raw)
            if raw and not self._is_concrete(store, raw):
                raise Trap(CAST)
        result = self._load(store, raw)
        if store.verifying:
            store.verify()
        return result

    def _is_concrete(self, store: "Store", ref: int) -> bool:
        if self.concrete is None:
            return True
        heap = store.heap
        if ref & 1 or heap is None or not (heap.is_any(ref, STRUCT) or heap.is_any(ref, ARRAY)):
            return False
        return heap.layout_at(ref).type.is_subtype(self.concrete)  # mutant t32: return True


class I31Func:
    """The same for an i31, which is no reference to the host: it crosses as the integer that it is."""

    __slots__ = ("nullable", "through")

    def __init__(self, *, nullable: bool, through: Callable[[I31 | None], I31 | None] | None = None) -> None:
        self.nullable = nullable
        self.through = through

    def call(self, argument: I31 | None) -> I31 | None:
        """Pass an integer to Wasm and take one back. Raises `TypeMismatch` for null where none is allowed."""
        raw = self._store(argument)
        if self.through is not None:
            raw = self._store(self.through(self._load(raw)))
        return self._load(raw)

    def _store(self, value: I31 | None) -> int:
        if value is None:
            if not self.nullable:
                raise TypeMismatch("type mismatch with parameters: an i31 is never null")
            return 0
        return value.raw

    @staticmethod
    def _load(raw: int) -> I31 | None:
        return I31.from_raw(raw) if raw else None
