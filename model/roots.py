"""Roots: LIFO handles with generations, owned handles with liveness tokens (docs/spec/semantics.md 2.1 to 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twinheap.model.entities import Ref

if TYPE_CHECKING:
    from twinheap.model.state import Store

FIRST_MARK: Final = 8  # high-water mark of the liveness list before the first trim (2.3)


class Stale:
    """What a handle whose root is gone gives instead of a reference: E_UNROOTED."""


STALE: Final = Stale()


class LifoHandle:
    """A `Rooted`: (generation, index) into the LIFO vector of its store (2.2). Several handles may share an entry."""

    __slots__ = ("generation", "index", "store")

    def __init__(self, store: Store, generation: int, index: int) -> None:
        self.store = store
        self.generation = generation
        self.index = index

    def ref(self) -> Ref | Stale:
        """The reference, or `STALE`: valid iff the index is in range and the stored generation is the handle's."""
        roots = self.store.lifo
        if self.index < len(roots):
            generation, ref = roots[self.index]
            if generation == self.generation:
                return ref
        return STALE


class OwnedRoot:
    """The shared state of an `OwnedRooted` and its clones (2.3).

    `tokens`: how many handles are alive. `trimmed`: the root was released by a trim. `ref` is never stale for a handle
    that was not dropped.
    """

    __slots__ = ("_ref", "store", "tokens", "trimmed")

    def __init__(self, store: Store, ref: Ref) -> None:
        self.store = store
        self._ref = ref
        self.tokens = 1
        self.trimmed = False

    def ref(self) -> Ref | Stale:
        """The reference."""
        return self._ref


class CastHandle:
    """A `Rooted` made by an `as_*` form through an owned handle: it shares the owned root and has no token (3.2).

    Fixed behaviour (K11): once the owned root was dropped and trimmed it is stale for ever. Between the last drop and
    the trim both answers are right, except in exact mode, where the trim's moment is known.
    """

    __slots__ = ("root", "store")

    def __init__(self, root: OwnedRoot) -> None:
        self.root = root
        self.store = root.store

    def ref(self) -> Ref | Stale:
        """The reference, or `STALE` once the root was trimmed."""
        return STALE if self.root.trimmed else self.root.ref()

    @property
    def unsure(self) -> bool:
        """Whether the root may or may not have been trimmed by now."""
        return not self.root.tokens and not self.root.trimmed and not self.store.exact


Handle = LifoHandle | OwnedRoot | CastHandle
