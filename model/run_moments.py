"""Exact mode inside a run: what frames need, marks of the trace, where there is no room (semantics.md 1.5, 4.3).

All of it is nothing in a store that is judged portably, and a store may become so in the midst of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Final

from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.layout import needed
from twinheap.model.observation import OOM, TRAP
from twinheap.model.run_trace import Trace
from twinheap.model.state import Store
from twinheap.model.world import Broken, World

TOO_LARGE: Final = "too_large"


class OutOfMemory(Exception):
    """The observed out of memory, which happened where it may."""


class Moments:
    """One run. `below`: what the frames below the top need behind what they called; `top`: what the top one needs.

    `operands`: of the allocation that compiled code is at. `unshown`: of the operands that were taken last, those that
    no stack map shows (K3, K4).
    """

    def __init__(self, w: World, store: Store, trace: Trace) -> None:
        self.w = w
        self.store = store
        self.trace = trace
        self.below: list[list[Stored]] = []
        self.top: Callable[[], list[Stored]] = list
        self.unshown: set[Obj] = set()
        self.operands: Sequence[Stored] = ()
        self._marked = 0  # how many finalizations the trace has told
        self._before: tuple[list[int], list[tuple[int, int]]] = [], []  # what came before the callback
        if store.counts:
            store.counts.frames.append(self.roots)

    def roots(self) -> list[Stored]:
        """What a collection finds in the frames of this run (wasm-ops.md 6.1)."""
        return [*chain.from_iterable(self.below), *self.top(), *self.operands]

    @contextmanager
    def making(self, operands: Sequence[Stored], cells: Sequence[Stored]) -> Iterator[None]:
        """Compiled code allocates an object with `operands` at hand, and then writes `cells` into it."""
        self.operands = [operand for operand in operands if operand not in self.unshown]
        yield
        self.operands = ()
        if self.store.counts and self.store.counts.counting and any(type(c) is Obj and not c.count for c in cells):
            for name in ("K3", "K4"):  # it was freed for that object, and is used now
                self.store.harm(name)

    # --- the trace

    def point(self) -> None:
        """A point of the trace with an entry: what was finalized since the last point has its marks here."""
        if self.store.counts:
            self.silent_point()
            self.trace.unmarked()
        else:
            self.trace.marks()

    def silent_point(self) -> None:
        """A point without an entry: it cannot be told which of the marks that follow are of the next one."""
        if self.store.counts:
            gone = self.store.counts.finalized
            self._marked, gone = len(gone), gone[self._marked :]
            self.trace.marks_exactly(sorted(gone))

    def called_back(self) -> None:
        """The callback begins: what happens in its ops belongs to them."""
        if self.store.counts:
            self._before, self._marked = self.store.counts.take(), 0

    def close(self) -> None:
        """The run is over."""
        counts = self.store.counts
        if counts:
            counts.frames.remove(self.roots)
            counts.finalized[:0], counts.calls[:0] = self._before

    # --- allocations

    def place(self, obj: Obj, by_host: bool) -> None:
        """An allocation fits, or it is known that it does not. `by_host`: not by compiled code. Raises OutOfMemory."""
        counts = self.store.counts
        assert counts
        if counts.alloc(obj, inline=not by_host):
            return
        null = self.w.profile.collector == "null" and not by_host
        outcome = TRAP + TOO_LARGE if null else OOM
        if not self.trace.over or self.trace.obs.outcome != outcome:
            raise Broken("TH303", f"{outcome}: there is no room", obj)
        wanted = needed(self.w.profile.collector, obj)
        if not null and self.trace.obs.needed != wanted:
            raise Broken("TH305", f"{wanted} bytes needed, not {self.trace.obs.needed}")
        self.store.refused(obj)
        if obj.kind == "extern":
            self.w.rejected.append(obj.value)
        raise OutOfMemory

    @contextmanager
    def rooting(self, refs: Sequence[Ref]) -> Iterator[Callable[[Stored], None]]:
        """A scope of the runtime's own, with roots for `refs`, and for what it is told (2.2 d)."""
        if not self.store.counts:
            yield lambda _ref: None
            return
        self.store.enter()
        try:
            for ref in refs:
                self.store.root(ref)
            yield self._root
        finally:
            self.store.exit()

    def _root(self, ref: Stored) -> None:
        if ref is not None:
            self.store.root(ref)
