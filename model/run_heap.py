"""What a run of a body does to its store: allocations, writes, uses (semantics.md 1.6, 4; wasm-ops.md 6.1).

An observed out of memory does not say which allocation failed. The first that may have is where the trace is over; from
there on the run goes on in earnest, but every change can be taken back, until it would show. If it changed something
between two allocations, both of which may have failed, the state is not known, and judging ends (`Lost`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twinheap.model.bounds import Load
from twinheap.model.contents import Cell, Instance, SegmentState, Table
from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.holders import closure
from twinheap.model.kit import NUMBERS, ObjectType
from twinheap.model.layout import object_bytes
from twinheap.model.objects import NUMBER_OF, build
from twinheap.model.observation import OOM, TRAP
from twinheap.model.ops import REF_TYPES, RUN_VALUES
from twinheap.model.run_limits import RunLimits
from twinheap.model.run_moments import TOO_LARGE, Moments, OutOfMemory
from twinheap.model.run_trace import Trace
from twinheap.model.state import Store
from twinheap.model.world import Broken, Lost, World

MAX_CELLS: Final = 100_000
"""Elements of one array that the model keeps: larger ones fit only into heaps of many pages."""

I31_AS_ANY: Final = 31
"""The release in which compiled code knows an i31 of type any or eq; one of type extern it knows from 32 on (K24)."""

MAX_NULL_BYTES: Final = 1 << 26  # NULL refuses larger objects (1.3)
MAX_BYTES: Final = 1 << 32


class Trap(Exception):
    """A Wasm trap: its code (docs/bodies.md)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Thrown(Exception):
    """A Wasm exception on its way; it is the store's pending exception."""

    def __init__(self, obj: Obj) -> None:
        super().__init__()
        self.obj = obj


class Heap:
    """The store of a run as its code sees it.

    `frames`: the variables and operands of the functions on the stack, `on_top` those of the last one.
    """

    def __init__(self, w: World, instance: Instance, trace: Trace, first: int, args: Sequence[Ref]) -> None:
        self.w = w
        self.store: Store = instance.store
        self.trace = trace
        self.args = args  # the call's own scope holds them to its end
        self.values = iter(range(first, first + RUN_VALUES))
        self.frames: list[list[Stored]] = []
        self.on_top: Callable[[], list[Stored]] = list
        outcome = trace.obs.outcome
        self.failing = outcome == OOM or (w.profile.collector == "null" and outcome == TRAP + TOO_LARGE)
        self.undo: list[tuple[bool, Callable[[], object]]] | None = None
        self.excused = False  # an allocation that may have failed need not have fitted
        self.candidates: list[Obj] = []
        self.loose: dict[int, Obj] = {}  # made here, or written while nothing held them
        self.watcher: Callable[[], None] | None = None  # told of collections
        self.callback: Callable[[Ref], Ref] | None = None  # what the host does when it is called back first
        self.limits = RunLimits(self.store, trace)
        self.called = False  # it was: what frames know may be gone
        self.moments = Moments(w, self.store, trace)
        self.pretending = False  # what is allocated is only made when it is used (K5)
        self.constant = False  # a constant expression is evaluated: by the runtime, which has roots for all (2.2)
        self.store.runs.append(self.needed)

    # --- out of memory (1.5; program-ir.md 8.3 rule 4)

    def _may_fail(self, obj: Obj, by_host: bool) -> None:
        """An allocation: it may collect; and if the run ended out of memory, it may be the one that failed.

        `by_host`: not by compiled code, but by the runtime, as the host's are.
        """
        if self.pretending:
            return
        if self.store.counts:
            self.moments.place(obj, by_host)
            return
        if self.failing or self.store.fills(obj):
            self.store.collected()
        if not self.failing or not self.trace.over:
            return
        if self._changed:
            raise Lost
        self.undo = []
        self.candidates.append(obj)
        self.excused = self.excused or not self.store.must_fit(obj, self._live(obj))

    @property
    def _changed(self) -> bool:
        return any(effect for effect, _ in self.undo or ())

    def needed(self) -> list[Stored]:
        """What the run may still need, whether or not something holds it: frames, arguments."""
        return [*self.args, *self.on_top(), *(cell for frame in self.frames for cell in frame)]

    def _live(self, obj: Obj) -> Load:
        """What no collection can free: what is held, and what frames and `obj` may still need."""
        self.store.runs.append(lambda: [*obj.cells, *self.moments.operands])
        live = self.store.most_live
        self.store.runs.pop()
        return live

    def show(self) -> None:
        """From here on what happens would show: it was an allocation before that failed, or the run was stopped."""
        if self.trace.over:
            self.limits.over()
        if self.undo is None:
            return
        undo, self.undo = self.undo, None
        for _, back in reversed(undo):
            back()
        failed = self._failed()
        if not self.excused:
            raise Broken("TH301", f"ok: {self.store.live.objects} objects are live, and one more fits", failed)
        self.store.refused(failed)
        if self.w.profile.collector == "null":
            self._litter()
        raise OutOfMemory

    def _litter(self) -> None:
        """Objects that may or may not have been made before the one that failed; nothing holds them."""
        for obj in self.candidates:
            if obj.kind != "extern":
                self.loose.pop(obj.value, None)
                self.store.remove(obj)
                self.store.may_be_left(obj)

    def _failed(self) -> Obj:
        """Which allocation failed: its value, if it has one, is dropped with the error (4.4), and is the last to be.

        Values before it were made, whether or not they are gone by now. Where nothing tells, judging ends: also where
        it was not the last allocation, since a collection for a later one drops what no frame needs any more.
        """
        values = [obj for obj in self.candidates if obj.kind == "extern"]
        dropped = [obj for obj in values if obj.value in self.trace.obs.finalized]
        if not dropped:
            if values and (len(self.candidates) > 1 or self.w.profile.collector == "null"):
                raise Lost
            self.w.rejected.extend(obj.value for obj in values)
            return self.candidates[-1]
        if dropped[-1] is not self.candidates[-1] and self.w.profile.collector != "null":
            raise Lost
        self.w.rejected.extend(obj.value for obj in dropped)
        for obj in (*dropped, *values[values.index(dropped[-1]) + 1 :]):
            obj.finalized = True  # also for what holds it in vain
            if obj.value in self.store.objects:
                self._forget(obj)
        return dropped[-1]

    def _change(self, effect: bool, back: Callable[[], object]) -> None:
        self.limits.changes += effect
        if self.undo is not None:
            self.undo.append((effect, back))

    # --- allocation

    def alloc(
        self,
        kind: str,
        of: str | ObjectType,
        cells: Sequence[Stored],
        by_host: bool = False,
        operands: Sequence[Stored] | None = None,
    ) -> Obj:
        """A fresh struct, array or exception, which is listed at birth (1.6). `of`: as `Types.made` gives it.

        `operands`: what the frame holds for it meanwhile, if not its cells.
        """
        if self.w.early or self.called:
            for cell in dict.fromkeys(cells):  # an array may have the same one many times
                self.use(cell)
        obj = build(self.w, self.store, kind, _type(kind, of), cells)
        for at, cell in enumerate(obj.cells if "K24" in self.w.profile.defects else ()):
            self._count(cell, obj.storages[at])
        by_host = by_host or self.constant
        held = cells if operands is None else operands
        self.moments.making(() if by_host else held)
        self._may_fail(obj, by_host)
        self.moments.made(cells)
        if self.store.counts and not self.pretending:
            self.store.counts.born(obj, listed=not self.constant)
        self.limits.changes += self.w.profile.collector == "null"  # where nothing is reclaimed, it takes room for ever
        self.store.add(obj)
        made = self.store.wasm_made
        self.store.wasm_made = Load(made.objects + 1, made.bytes + self.store.block(obj))
        if self.constant:
            self.store.read_barrier(obj, counted=False)
            self._root(obj, counted=True)
        else:
            self.read(obj)
        self.loose[obj.value] = obj
        return obj

    def array_of(self, of: str | ObjectType, length: int, cell: Stored) -> Obj:
        """A fresh array of one value: lengths are unsigned, and some are too large for any heap (6.4)."""
        size = object_bytes(self.w.profile.collector, "array", _type("array", of), length)
        null = self.w.profile.collector == "null"
        if size >= MAX_BYTES or (null and size >= MAX_NULL_BYTES):
            if not null:
                self.show()
            elif self._changed:
                raise Lost
            raise Trap(TOO_LARGE)
        if length > MAX_CELLS:
            raise Lost
        return self.alloc("array", of, [cell] * length, operands=[cell])  # also of none, which writes it nowhere

    def new(self) -> Obj | None:
        """The host function `new`: an externref with the next value; exposed, since a host function gives it."""
        value = next(self.values, None)
        if value is None:
            return None
        obj = Obj(value, self.store.slot)
        self._may_fail(obj, by_host=True)
        self.w.objects[value] = obj
        self.store.add(obj)
        self.limits.changes += 1
        self._change(False, lambda: self._forget(obj))
        self.store.expose(obj)  # while its root has the first count, which is then given back: one is left
        return obj

    def call_back(self, ref: Ref) -> Ref:
        """The host function `cb`: the first one runs the callback, others give back what they get."""
        callback, self.callback = self.callback, None
        store = self.store
        store.enter()
        try:
            if ref is not None:
                store.root(ref)
            if callback:
                self.called = True
                self.moments.called_back()
                ref = callback(ref)
            store.expose(ref)
        finally:
            store.exit()
        return ref

    def _forget(self, obj: Obj) -> None:
        self.store.remove(obj)
        del self.w.objects[obj.value]

    def _root(self, ref: Stored, counted: bool = False) -> None:
        """Exact mode: a root in the current scope, for what a constant expression makes or reads."""
        if self.store.counts and not self.pretending and ref is not None:
            self.store.root(ref, counted)

    # --- uses

    def read(self, ref: Stored, storage: str = "exn") -> None:
        """A Wasm read barrier: the reference is listed, without taint (1.6). `storage`: the type of the slot."""
        self._count(ref, storage)
        self.store.read_barrier(ref, counted=not self.constant)
        if self.constant:
            self._root(ref)

    def _count(self, ref: Stored, storage: str) -> None:
        """K24: where compiled code takes an i31 for an object, it counts in whatever lies at that index."""
        if type(ref) is not int or storage in NUMBERS:
            return
        if self.w.profile.release[0] < I31_AS_ANY or storage == "extern":
            self.store.harm("K24")

    def use(self, ref: Stored) -> None:
        """A frame's value is stored, seen, passed or returned: it, and what it holds, must not be finalized (4.4)."""
        if type(ref) is not Obj or not (self.w.early or self.called):
            return
        for obj in closure([ref]):
            if obj.finalized:
                raise Broken("TH201", f"v{obj.value} is live: a frame still uses it", obj)

    def close(self) -> None:
        """The run is over, and what only its frames knew is dead: but not what a cycle of such objects holds (4.2)."""
        self.store.runs.remove(self.needed)
        self.on_top = list
        self.moments.close()
        if self.watcher:
            self.store.watchers.remove(self.watcher)
        loose = [obj for obj in self.loose.values() if not obj.held]
        for obj in loose:
            self.store.hold(obj)
        for obj in loose:
            self.store.let_go(obj)

    # --- writes

    def set_global(self, cell: Cell, new: Ref) -> None:
        """A write to a global."""
        self.use(new)
        old, cell.ref = cell.ref, new
        for ref in (new, old):
            self._count(ref, REF_TYPES[cell.type])
        self.store.write(old, new)
        self._change(True, lambda: self.set_global(cell, old))

    def set_element(self, table: Table, at: int, new: Ref) -> None:
        """A write to a table."""
        self.use(new)
        old, table.refs[at] = table.refs[at], new
        for ref in (new, old):
            self._count(ref, REF_TYPES[table.type])
        self.store.write(old, new)
        self._change(True, lambda: self.set_element(table, at, old))

    def grow(self, table: Table, delta: int, ref: Ref) -> None:
        """New elements at the end of a table."""
        for _ in range(delta):
            self.use(ref)
            self.store.write(None, ref)
            table.refs.append(ref)
        self._change(bool(delta), lambda: self._shrink(table, delta))

    def _shrink(self, table: Table, delta: int) -> None:
        for _ in range(delta):
            self.store.write(table.refs.pop(), None)

    def set_cell(self, obj: Obj, at: int, new: Stored) -> None:
        """A write to a field or element. Into what only frames know it changes nothing that lasts, but for a cycle."""
        self.use(new)
        old = obj.cells[at]
        for cell in (new, old):
            self._count(cell, obj.storages[at])
        self._change(obj.held or self._closes(obj, new), lambda: self.store.write_cell(obj, at, old))
        self.store.write_cell(obj, at, new)
        if self.store.counts:
            self.store.counts.inc(new)
            self.store.counts.dec(old)
        if not obj.held:
            self.loose[obj.value] = obj

    def set_numbers(self, obj: Obj, start: int, new: Sequence[Stored]) -> None:
        """Writes to numeric elements, as `set_cell` does one by one: nothing is held, whoever holds the array."""
        old = obj.write_numbers(start, new)
        self._change(obj.held and bool(new), lambda: obj.write_numbers(start, old))
        if new and not obj.held:
            self.loose[obj.value] = obj

    def _closes(self, obj: Obj, new: Stored) -> bool:
        """Whether `obj` will hold itself, by way of `new`: under DRC it stays then, with all that it holds (4.2)."""
        return self.undo is not None and self.w.profile.collector == "drc" and obj in closure([new])

    def drop_segment(self, segment: SegmentState) -> None:
        """The segment is empty from now on, and holds nothing."""
        refs, segment.refs = segment.refs, []
        for ref in refs:
            self.store.let_go(ref)
            if self.store.counts and not self.w.profile.segments_late:
                self.store.counts.dec(ref)
        self._change(bool(refs), lambda: self._refill(segment, refs))

    def _refill(self, segment: SegmentState, refs: list[Ref]) -> None:
        segment.refs = refs
        for ref in refs:
            self.store.hold(ref)

    def throw(self, obj: Obj) -> None:
        """The exception becomes the pending one, and the one before is let go: without its count on <= 45 (K2)."""
        self.use(obj)
        self._pend(obj)

    def caught(self, obj: Obj) -> None:
        """The pending slot is emptied: without its count on <= 45 (K2)."""
        obj.caught = True
        if self.store.counts and not self.store.counts.k2:
            self.store.counts.read(obj)  # it goes from the slot to the frame
        self._pend(None)

    def _pend(self, new: Ref) -> None:
        old = self.store.exception
        if type(old) is Obj and new is not None:
            old.caught = True
        self.store.pend(new)
        self._change(True, lambda: self._pend(old))


def _type(kind: str, of: str | ObjectType) -> int | ObjectType:
    """The number of a type of the kit, or the type itself that a body declared."""
    return of if isinstance(of, ObjectType) else NUMBER_OF[kind][of]
