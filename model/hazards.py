"""Where a run really meets a known defect of Wasm code (docs/findings.md; semantics.md 7).

A body may hold the forms of a defect and never come to harm. `Watched` runs a body as `Machine` does, and looks: which
values wait on the stack when a collection may run, which frames are inside a `try`, how often a loop turns. What it
sees ends in `Store.harm`, after which verdicts on that store may be the defect's doing. It changes nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Final

from twinheap.model.body import Tree, forms
from twinheap.model.body_env import Env, env_of
from twinheap.model.body_forms import NUMBER_TYPES
from twinheap.model.body_live import CALLS, lives_of
from twinheap.model.contents import Instance
from twinheap.model.entities import Func, Obj, Ref, Stored
from twinheap.model.interpreter import Machine, given
from twinheap.model.kit import KIT_GLOBALS, hierarchy
from twinheap.model.known_bodies import UNMAPPED, fixed_functions, may_hurt, reached_by, unmapped, unsafe_in
from twinheap.model.known_waiting import WRITES, overtaken, rewritten, tried, written_by
from twinheap.model.predictable import predictable
from twinheap.model.run_heap import Heap
from twinheap.model.run_limits import BULK

_BUILDS: Final = frozenset({"struct.new", "array.new", "array.new_fixed"})
"""What makes an object of operands in constant expressions."""


class _Frame:
    """What is known of a frame beside its values."""

    __slots__ = (
        "bare",
        "forgotten",
        "looped",
        "operands",
        "reads",
        "risky",
        "tried",
        "variables",
    )

    def __init__(self, variables: list[Stored], operands: list[Stored]) -> None:
        self.variables = variables
        self.operands = operands
        self.bare: set[int] = set()  # the operands that no stack map shows (K3, K4)
        self.forgotten: set[int] = set()  # variables whose values of now no stack map knows (K34)
        self.tried: list[Tree] = []  # each `try` that it is in
        self.risky: set[int] = set()  # objects in variables that these write, at a collection (K51)
        self.looped: int | None = None  # how many collections there had been when its outermost loop began
        self.reads: dict[int, int] = {}  # and when it read a constant first


class Watched(Machine):
    """One run of a body on a release with defects of Wasm code."""

    def __init__(self, env: Env, instance: Instance, heap: Heap) -> None:
        super().__init__(env, instance, heap)
        self.store = heap.store
        self.waiting: list[tuple[Collection[str], Obj, bool]] = []
        """Operands that stack maps may lack, with the defects, and whether they certainly do."""
        self.unlisted: dict[int, tuple[frozenset[str], bool]] = {}
        """What a collection passed by that no stack map showed: why, and whether nothing held it then."""
        self.marking = False  # something was taken off the list, whether or not another holder keeps it
        self.collections = 0
        self.under: list[_Frame] = []  # the frames below the top, and the one on top
        self.declaring = False
        self.moves = self.store.profile.collector == "copying"
        self.merging = False  # a variable that branches write may be lost (K35)
        heap.watcher = self.collected
        self.store.watchers.append(heap.watcher)

    # --- collections

    def collected(self) -> None:
        """A collection may run: what no stack map shows is let go by the list of what frames know."""
        self.collections += 1
        self._stale()
        if self.declaring and self.moves:  # an item of a segment may wait for later ones
            self.store.harm("K50")
        for names, obj, certain in self.waiting:
            self._unlist(obj, names, certain)
        for frame in self.under:
            lost = (*frame.operands, *frame.variables) if frame.tried else frame.variables if self.merging else ()
            for held in lost:
                if type(held) is Obj:
                    names = [*(["K28"] if frame.tried else []), *(["K35"] if self.merging else [])]
                    self._unlist(held, names, not self.merging)
            for at in {at for form in frame.tried for at in tried(form)}:
                held = frame.variables[at]
                if type(held) is Obj and (self.moves or not (held.held or held in self.heap.args)):
                    frame.risky.add(held.value)
                    self.store.forget_exactness()  # whether a stack map shows it is not known for certain
            for at in frame.forgotten:
                held = frame.variables[at]
                if type(held) is Obj:
                    self._unlist(held, ["K34"], False)

    def _stale(self) -> None:
        """What stack maps show at a collection is used by it, also where its block has been given to another object."""
        if self.unlisted or self.marking:
            every = [ref for frame in self.under for ref in (*frame.variables, *frame.operands)]
            for held in self.heap.moments.roots() if self.lives else every:
                if type(held) is Obj:
                    self._used(held)
                    if held.off and not held.marked:
                        held.marked = held.off
                        self.store.marked.append(held)
                        self.store.forget_exactness()  # it outlives one sweep more, once it is in the list again

    def needed(self) -> list[Stored]:
        """As `Machine.needed`, without what no stack map shows: a call inside a `try` has none at all (K28)."""
        if not self.live or not self.under:
            return super().needed()
        frame = self.under[-1]
        if frame.tried and "K28" in self.store.profile.defects and self.at[0] in CALLS - {"throw"}:
            return []
        places = self.live.behind[id(self.at)]
        first, held = len(self.variables), [*self.variables, *self.operands]
        return [held[place] for place in places if place < len(held) and place - first not in frame.bare]

    def _unlist(self, obj: Obj, names: Collection[str], certain: bool) -> None:
        """The object lives as long as it has a holder; the arguments' are those of the call, which lasts.

        An object that moves is lost in any case: the frame has its old place. `certain`: it is gone from the list for
        sure, unless something else shows it.
        """
        if here := self.store.profile.defects.intersection(names):
            obj.off = min(here, key=lambda name: int(name[1:]))
            self.marking = True
        if names and (self.moves or obj not in self.heap.args):
            before, lost = self.unlisted.get(obj.value, (frozenset(), False))
            self.unlisted[obj.value] = before.union(names), lost or self.moves or not obj.held
        if not certain:
            self.store.forget_exactness()

    def _used(self, obj: Obj) -> None:
        """A frame uses an object that it may have lost."""
        names, lost = self.unlisted.get(obj.value, (frozenset(), False))
        if lost or not obj.held:
            for name in names:
                self.store.harm(name)

    # --- evaluation

    def perform(self, helper: int | None, args: tuple[Stored, ...], of: Func | None, waiting: list[Stored]) -> Stored:
        """As `Machine.perform`, with a frame beside its values."""
        self.under.append(_Frame([], []))
        try:
            return super().perform(helper, args, of, waiting)
        finally:
            self.under.pop()

    def instantiate(self, body: int) -> None:
        """As `Machine.instantiate`, in which expressions are constant."""
        self.declaring = True
        try:
            super().instantiate(body)
        finally:
            self.declaring = False

    def value(self, tree: Tree) -> Stored:
        """Evaluates a form."""
        self.at = tree
        waiting = len(self.waiting)
        frame = self.under[-1] if self.under else None
        if frame is not None and frame.variables is not self.variables:
            frame.variables, frame.operands = self.variables, self.operands
            frame.forgotten = {at for at in rewritten(self.function.parts) if at < len(self.function.params)}
        name = tree[0]
        try:
            if name == "try" and frame is not None:
                frame.tried.append(tree)
                try:
                    return super().value(tree)
                finally:
                    frame.tried.pop()
            if name == "repeat" and frame is not None:
                self._repeat(tree, frame)
                return None
            value = super().value(tree)
        finally:
            del self.waiting[waiting:]
        if name in WRITES and frame is not None:
            frame.forgotten.difference_update(written_by(tree))
        if type(value) is Obj:
            self._given(tree, value, frame)
        return value

    def operands_of(self, tree: Tree, start: int = 1, strict: Container[int] = ()) -> list[Stored]:
        """The values of a form's parts; those that no stack map would hold wait under watch."""
        mark = len(self.operands)
        late = overtaken(tree)
        bare = self.under[-1].bare if self.under else set()
        for at, part in enumerate(tree[start:], start):
            value = given(self.value(part), at - start in strict)  # type: ignore[arg-type]
            self.operands.append(value)
            if type(value) is Obj:
                lacks = _is_bare(part) and bool(unmapped(part) & self.store.profile.defects)  # type: ignore[arg-type]
                if lacks:
                    bare.add(len(self.operands) - 1)
                names = unmapped(part) | (late.get(at) or frozenset())
                if names:
                    self.waiting.append((names, value, lacks and at not in late))
        values = self.operands[mark:]
        shown = {value for at, value in enumerate(values, mark) if at not in bare}
        self.heap.moments.unshown = {value for value in values if type(value) is Obj and value not in shown}
        bare.difference_update(range(mark, len(self.operands)))
        del self.operands[mark:]
        self.at = tree
        if tree[0] in BULK:
            self.heap.limits.bulk(tree, self.env.types)
        for value in values if self.unlisted else ():
            if type(value) is Obj:
                self._used(value)
        return values

    def _given(self, tree: Tree, obj: Obj, frame: _Frame | None) -> None:
        """A form gave an object."""
        name = tree[0]
        if name == "get":
            self._used(obj)
        elif name == "global.get":
            if frame is not None:
                self._constant(int(tree[1]), frame)  # type: ignore[arg-type]
        elif name in ("struct.new", "struct.new_default") and not self.env.types.objects[str(tree[1])].fields:
            self.store.small = "K25" in self.store.profile.defects
        if self.declaring and name in _BUILDS:
            for cell, storage in zip(obj.cells, obj.storages, strict=False):
                self.rerooted([cell], storage)

    def handling(self, tree: Tree) -> None:
        """The handler has the variables that the body writes as they were before the call that threw (K51)."""
        frame = self.under[-1]
        for at in tried(tree):
            held = self.variables[at]
            if type(held) is Obj and held.value in frame.risky:
                names, _ = self.unlisted.get(held.value, (frozenset(), False))
                self.unlisted[held.value] = names | {"K51"}, True
                self.store.forget_exactness()

    # --- loops and constants (K31, K32)

    def _repeat(self, tree: Tree, frame: _Frame) -> None:
        self.steps += 1
        before = frame.looped
        if "K63" in self.store.profile.defects and self._looks_at_null(tree):
            self.store.harm("K63")
        frame.looped = self.collections if before is None else before
        try:
            for turn in range(int(tree[1])):  # type: ignore[arg-type]
                if turn == 1 and self._shares(tree):
                    self.store.harm("K31")
                self.heap.limits.point(self.own)
                frame.forgotten |= rewritten(tree[2:])
                self.block(tree[2:])
        finally:
            frame.looped = before

    def _looks_at_null(self, loop: Tree) -> bool:
        """Whether a loop may look at a function, where there is none, before it begins (K63)."""
        functions = fixed_functions(loop, frozenset(self.env.types.functions))
        return any(form[0] == "null" or self.variables[int(form[1])] is None for form in functions)  # type: ignore[arg-type]

    def _shares(self, loop: Tree) -> bool:
        """Whether a loop defines a reference that may live on behind it, while another one lives through it."""
        types = self.scope.variables
        defined = {at for form in forms(loop) for at in written_by(form) if types[at] not in NUMBER_TYPES}
        read = {int(form[1]) for form in forms(loop) if form[0] == "get"}  # type: ignore[arg-type]
        through = {at for at in read if types[at] not in NUMBER_TYPES}
        waits = any(type(held) is Obj for held in self.operands)
        return bool(defined) and (waits or len(through | defined) > 1)

    def _constant(self, number: int, frame: _Frame) -> None:
        """A constant of the body is read: after a collection, compiled code may take what it read before (K32)."""
        own = number - len(KIT_GLOBALS)
        if own < 0 or self.own.globals[own].mutable:
            return
        first = frame.reads.setdefault(number, self.collections)
        if min(first, self.collections if frame.looped is None else frame.looped) < self.collections:
            self.store.harm("K32")

    # --- what the runtime does wrong with references that it is given

    def rerooted(self, refs: Sequence[Stored], storage: str, kept: bool = False) -> None:
        """References of raw values: those below any lose a count (K15), and a segment holds nothing (K5)."""
        if hierarchy(storage) == "any":
            for ref in refs:
                self.store.uncount(ref, "K15", 2 if kept else 1)

    def initialized(self, refs: Sequence[Ref], kept: bool) -> None:
        """References written to a table: they gain no count (K33). `kept`: by a segment, which is no holder (K5)."""
        for ref in refs:
            self.store.uncount(ref, "K33", 2 if kept else 1)

    def filled(self, index: int, count: int) -> None:
        """`array.fill` writes as many elements as there are before the first one (K26)."""
        if index != count:
            self.store.harm("K26")


def _is_bare(form: Tree) -> bool:
    """Whether a form gives just the value that the compiler forgot to mark as a reference (K3, K4)."""
    while form[0] in ("to_any", "to_extern"):
        form = form[1]  # type: ignore[assignment]
    return form[0] in UNMAPPED


def machine_for(text: str, instance: Instance, heap: Heap) -> Machine:
    """What runs a body: with a watch, if the release has a defect that the body may meet."""
    counts, profile = heap.store.counts is not None, heap.w.profile
    reached = reached_by(text, heap.w.bodies)
    watched = any(may_hurt(each, profile) for each in reached)
    # What stack maps show of a predictable body is known in portable mode, too.
    lives = lives_of(text) if (watched or counts) and predictable(text, profile) else None
    if counts and lives is None:
        heap.store.forget_exactness()
    machine = (Watched if watched else Machine)(lives.env if lives else env_of(text), instance, heap)
    machine.lives = lives
    if isinstance(machine, Watched):
        machine.merging = any("K35" in unsafe_in(each) & profile.defects for each in reached)
    return machine
