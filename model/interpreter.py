"""Bodies run in the model: control, calls and exceptions (docs/bodies.md; wasm-ops.md 6.1, 6.5).

The tree of a body is evaluated as it stands, operands from left to right; `interpreter_forms.py` holds the other forms.
Values are None (null), an int (a number, or the payload of an i31), or an `Obj`; types were checked (`body_types.py`).
Frames are no holders: what only they know may be finalized, unless it is used later.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Final

from twinheap.model.body import Tree, forms
from twinheap.model.body_env import MAX_INVOKED, Active, Env, Global, PrivateTable, Segment
from twinheap.model.body_forms import ALLOCATES, CATCHES, NUMBER_TYPES, TAG_TYPES
from twinheap.model.body_live import Live, Lives
from twinheap.model.body_types import type_of
from twinheap.model.contents import BodyState, Cell, Instance, SegmentState, Table
from twinheap.model.entities import Func, Obj, Ref, Stored
from twinheap.model.objects import is_a
from twinheap.model.objects import type_of as object_type
from twinheap.model.run_heap import Heap, Thrown, Trap
from twinheap.model.run_limits import BULK
from twinheap.model.run_moments import OutOfMemory
from twinheap.model.world import Lost

MAX_STEPS: Final = 200_000
"""Forms that one run may evaluate: beyond it the model would be slower than the target."""

Form = Callable[["Machine", Tree], Stored]
FORMS: Final[dict[str, Form]] = {}
"""How each form is evaluated; statements give None."""


def form(*names: str) -> Callable[[Form], Form]:
    """Registers the evaluation of forms."""

    def register(function: Form) -> Form:
        for name in names:
            FORMS[name] = function
        return function

    return register


class _Branch(Exception):
    """A `br`: how many blocks it still leaves."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth


class _Return(Exception):
    """A `return` with its value, or a tail call with its function and arguments."""

    def __init__(self, value: Stored = None, of: Func | None = None, args: tuple[Stored, ...] = ()) -> None:
        super().__init__()
        self.value, self.of, self.args = value, of, args


class Machine:
    """One run of a body. `variables` and `operands`: those of the function on top."""

    def __init__(self, env: Env, instance: Instance, heap: Heap) -> None:
        self.env = env
        self.host = instance  # of the run
        self.home = instance  # of the body whose code runs
        self.instance = instance  # of the function on top
        self.heap = heap
        self.own = BodyState()
        self.unsure = False  # whether the body is instantiated, if the run ends out of memory
        self.variables: list[Stored] = []
        self.operands: list[Stored] = []
        self.scope = env.scope()
        self.function = env.main  # the one on top
        self.steps = 0
        heap.on_top = lambda: [*self.variables, *self.operands]
        self.at: Tree = ()  # the form that is performed, whose operands are there
        self.lives: Lives | None = None  # what frames need behind each form: in exact mode, and where a run is watched
        self.live: Live | None = None  # that of the function on top
        heap.moments.top = self.needed

    def needed(self) -> list[Stored]:
        """With `lives`: the values that the function on top still needs behind the form that is performed."""
        if self.live is None:
            return self.operands  # of constant expressions
        frame = [*self.variables, *self.operands]
        return [frame[place] for place in self.live.behind[id(self.at)] if place < len(frame)]

    def run(self, body: int, args: tuple[Stored, ...], ready: Callable[[], None] = lambda: None) -> Ref:
        """Calls `main`. Raises Trap, Thrown, OutOfMemory, Stopped; Broken and Lost.

        `ready` is called when the body is instantiated, and may raise what it likes.
        """
        try:
            self.instantiate(body)
            ready()
            self.enter(args)
            self.heap.limits.begin(self.own, self.heap.show)
            result = self.call(None, args)
            self.heap.limits.over()
        except RecursionError:
            raise Lost from None
        self.heap.use(result)
        return result

    def enter(self, args: tuple[Stored, ...]) -> None:
        """The host calls `main`: its references are exposed in turn (3.3)."""
        for ref in args[:-1]:
            self.heap.store.expose(ref)

    def instantiate(self, body: int) -> None:
        """Private globals, passive segments, active ones (once for each instance, K5). Raises as `run` does."""
        found = self.instance.bodies.get(body)
        if found is not None:
            self.own = found
            return
        self.instance.bodies[body] = self.own
        self.heap.constant = True
        try:
            with self.heap.moments.rooting(()):
                for each in self.env.globals:
                    self._own_global(each)
            with self.heap.moments.rooting(()):
                for declared in self.env.tables:
                    self._own_table(declared)
                for segment in self.env.segments:
                    with self.heap.moments.rooting(()):
                        self._own_segment(segment)
                for active in self.env.active:
                    with self.heap.moments.rooting(()):
                        self._write(active)
        except (Trap, OutOfMemory):
            self._abandon(body)
            raise
        finally:
            self.heap.constant = False
        self.unsure = bool(self.heap.candidates)

    def _own_global(self, declared: Global) -> None:
        ref = self.value(declared.value)
        self.own.globals.append(Cell(self.heap.store, 0, declared.mutable, ref))
        self.heap.store.write(None, ref)

    def _own_table(self, declared: PrivateTable) -> None:
        ref = self.value(declared.value)
        self.own.tables.append(Table(self.heap.store, 0, declared.maximum, [ref] * declared.minimum))
        for _ in range(declared.minimum):
            self.heap.store.write(None, ref)

    def _own_segment(self, segment: Segment) -> None:
        """What a passive segment holds, or will hold once it is used: then only the model does until then (K5)."""
        late = self.heap.w.profile.segments_late
        state = SegmentState([])
        self.own.segments.append(state)
        self.heap.pretending = late
        for item in segment.items:
            ref = self.value(item)
            state.refs.append(ref)
            if late:
                self.heap.store.hold(ref)
            else:
                self.heap.store.write(None, ref)
        self.heap.pretending = False
        if late and any(type(ref) is Obj for ref in state.refs):
            self.heap.store.unmade = True

    def _write(self, active: Active) -> None:
        """Items are made and written one by one, or all are made first: which, shows only out of memory.

        In exact mode one by one, and none if they do not fit, as 42.0.2 does it.
        """
        table = self.instance.tables[active.table]
        if active.index + len(active.items) > len(table.refs):
            for item in () if self.heap.store.counts else active.items:
                self.value(item)
            raise Trap("table_oob")
        for at, item in enumerate(active.items, active.index):
            ref = self.value(item)
            self.initialized([ref], kept=False)
            self.heap.set_element(table, at, ref)

    def out_of_memory(self, body: int) -> None:
        """The run ended so, perhaps while the body was instantiated: then the next run does that again."""
        if self.unsure:
            self._abandon(body)

    def _abandon(self, body: int) -> None:
        """The body is not instantiated; what it made may stay for ever."""
        del self.instance.bodies[body]
        store = self.heap.store
        store.abandon([*self.heap.loose.values()])
        lists = [*(own.refs for own in self.own.segments), *(own.refs for own in self.own.tables)]
        for ref in [*(cell.ref for cell in self.own.globals), *(ref for refs in lists for ref in refs)]:
            store.let_go(ref)

    def cell(self, number: int) -> Cell:
        """A global of the kit, or a private one of the body."""
        shared = self.instance.globals
        return shared[number] if number < len(shared) else self.own.globals[number - len(shared)]

    def table(self, number: int) -> Table:
        """A table of the kit, or a private one of the body."""
        shared = self.instance.tables
        return shared[number] if number < len(shared) else self.own.tables[number - len(shared)]

    def call(self, helper: int | None, args: tuple[Stored, ...], of: Func | None = None) -> Stored:
        """Runs a helper or `main`, or the function of a reference, and those that it calls in its place."""
        return self.perform(helper, args, of, self.needed() if self.live else [])

    def perform(self, helper: int | None, args: tuple[Stored, ...], of: Func | None, waiting: list[Stored]) -> Stored:
        """As `call`. `waiting`: with `lives`, what its caller needs behind it."""
        live = self.live
        while True:
            before = self.variables, self.operands, self.scope, self.instance, self.function
            outside = self.env, self.home, self.own
            if of is not None:
                self.env, self.home, self.own, helper = of.env, of.home, of.own, of.helper
            function = self.env.main if helper is None else self.env.functions[helper]
            self.instance = self.home.source if function.far else self.home
            self.heap.frames.append([*self.variables, *self.operands])
            if self.lives:
                self.heap.moments.below.append(waiting)
                self.live = self.lives.main if helper is None else self.lives.helpers[helper]
            zeros = [0 if name in NUMBER_TYPES else None for name in function.locals]
            self.variables, self.operands, self.scope = [*args, *zeros], [], self.env.scope(helper)
            self.function = function
            try:
                self.heap.limits.point(self.own)
                if function is self.env.main:
                    self.own.invoked = 0
                result: Stored = None
                for part in function.parts:
                    result = self.value(part)
                return given(result, function.strict_result) if function.result else None
            except _Return as left:
                if left.of is None:
                    return given(left.value, function.strict_result)
                of, args = left.of, left.args
            finally:
                self.variables, self.operands, self.scope, self.instance, self.function = before
                self.env, self.home, self.own = outside
                self.heap.frames.pop()
                self.live = live
                if self.lives:
                    self.heap.moments.below.pop()

    def reference(self, helper: int) -> Func:
        """A reference to a helper of the body whose code runs."""
        declared = self.env.functions[helper]
        types = self.env.types
        type_ = types.identity(declared.type) if declared.type else types.of_function(*declared.words)
        return Func(self.env, self.home, self.own, helper, type_)

    def invoked(self, tree: Tree) -> tuple[Func, tuple[Stored, ...]]:
        """The function and the arguments of a call by reference. Raises Trap."""
        self.own.invoked += 1
        if self.own.invoked > MAX_INVOKED:
            raise Trap("unreachable")
        *args, of = self.operands_of(tree, 2)
        if not isinstance(of, Func):
            raise Trap("null_ref")
        return of, tuple(args)

    def value(self, tree: Tree) -> Stored:
        """Evaluates a form."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Lost
        self.at = tree
        return FORMS[tree[0]](self, tree)  # type: ignore[index]  # the first part of a form is its name

    def operands_of(self, tree: Tree, start: int = 1, strict: Container[int] = ()) -> list[Stored]:
        """The values of a form's parts from `start` on. Raises Trap for null in the places, from 0, of `strict`."""
        waiting = self.operands
        mark = len(waiting)
        for at, part in enumerate(tree[start:]) if strict else ():
            waiting.append(given(self.value(part), at in strict))  # type: ignore[arg-type]
        for part in () if strict else tree[start:]:  # nearly always
            waiting.append(self.value(part))  # type: ignore[arg-type]
        values = waiting[mark:]
        del waiting[mark:]
        self.at = tree
        if tree[0] in BULK:
            self.heap.limits.bulk(tree, self.env.types)
        return values

    def handling(self, tree: Tree) -> None:
        """An exception came out of the body of the `try` that `tree` is, and is handled there."""

    def arguments(self, tree: Tree) -> tuple[Stored, ...]:
        """The arguments of a call, of which some may have to be there."""
        return tuple(self.operands_of(tree, 2, self.env.functions[int(tree[1])].strict))  # type: ignore[arg-type]

    def assign(self, variable: int, value: Stored) -> None:
        """Another value for a variable. Raises Trap for null where that cannot be."""
        self.variables[variable] = given(value, variable in self.function.strict)

    def is_a(self, ref: Ref, tree: Tree) -> bool:
        """Whether a reference that is not null is of the type that a form names."""
        return is_a(ref, self.env.types.identity(str(tree[1])))

    def type_of(self, tree: Tree) -> str:
        """The type of an expression of the function on top."""
        return type_of(tree, self.scope)

    def used_segment(self, number: int) -> None:
        """Items of a segment are used: where they are evaluated each time, those that allocate are others (K5)."""
        segment = self.own.segments[number]
        if segment.used and any(map(_allocates, self.env.segments[number].items)):
            self.heap.store.reused_segments = True
        segment.used = True

    def used_item(self, number: int, at: int) -> None:
        """An item is used: where that makes it, it takes room now, and there may be none. Its value stays the first."""
        item = self.env.segments[number].items[at]
        if self.heap.w.profile.segments_late and _allocates(item):
            self.value(item)

    def rerooted(self, refs: Sequence[Stored], storage: str, kept: bool = False) -> None:
        """The runtime made roots of raw values of a storage type. `kept`: a segment holds them in the model."""

    def initialized(self, refs: Sequence[Ref], kept: bool) -> None:
        """The runtime is about to initialize elements of a table."""

    def filled(self, index: int, count: int) -> None:
        """A part of an array is about to be filled."""

    def block(self, parts: Tree) -> None:
        """Statements in order."""
        for part in parts:
            self.value(part)  # type: ignore[arg-type]


@form("do")
def _do(m: Machine, tree: Tree) -> None:
    m.block(tree[1:])


@form("then")
def _then(m: Machine, tree: Tree) -> Stored:
    m.block(tree[1:-1])
    return m.value(tree[-1])  # type: ignore[arg-type]


@form("block")
def _block(m: Machine, tree: Tree) -> None:
    mark = len(m.operands)
    try:
        m.block(tree[1:])
    except _Branch as branch:
        if branch.depth:
            raise _Branch(branch.depth - 1) from None
        del m.operands[mark:]


@form("br")
def _br(_m: Machine, tree: Tree) -> None:
    raise _Branch(int(tree[1]))  # type: ignore[arg-type]


@form("br_if")
def _br_if(m: Machine, tree: Tree) -> None:
    if m.value(tree[2]):  # type: ignore[arg-type]
        raise _Branch(int(tree[1]))  # type: ignore[arg-type]


@form("br_on_null")
def _br_on_null(m: Machine, tree: Tree) -> None:
    if m.value(tree[2]) is None:  # type: ignore[arg-type]
        raise _Branch(int(tree[1]))  # type: ignore[arg-type]


@form("br_table")
def _br_table(m: Machine, tree: Tree) -> None:
    index = unsigned(m.value(tree[1]))  # type: ignore[arg-type]
    raise _Branch(int(tree[min(index + 2, len(tree) - 1)]))  # type: ignore[arg-type]


@form("if")
def _if(m: Machine, tree: Tree) -> None:
    if m.value(tree[1]):  # type: ignore[arg-type]
        m.value(tree[2])  # type: ignore[arg-type]
    elif len(tree) > 3:
        m.value(tree[3])  # type: ignore[arg-type]


@form("if_else")
def _if_else(m: Machine, tree: Tree) -> Stored:
    return m.value(tree[2] if m.value(tree[1]) else tree[3])  # type: ignore[arg-type]


@form("repeat")
def _repeat(m: Machine, tree: Tree) -> None:
    for _ in range(int(tree[1])):  # type: ignore[arg-type]
        m.heap.limits.point(m.own)
        m.block(tree[2:])


@form("return")
def _return(m: Machine, tree: Tree) -> None:
    raise _Return(m.value(tree[1]) if len(tree) > 1 else None)  # type: ignore[arg-type]


@form("call", "call_ref", "call_indirect")
def _call(m: Machine, tree: Tree) -> Stored:
    return m.call(int(tree[1]), m.arguments(tree))  # type: ignore[arg-type]


@form("tail", "tail_ref", "tail_indirect")
def _tail(m: Machine, tree: Tree) -> None:
    args = m.arguments(tree)
    raise _Return(of=m.reference(int(tree[1])), args=args)  # type: ignore[arg-type]


@form("ref.func")
def _ref_func(m: Machine, tree: Tree) -> Stored:
    return m.reference(int(tree[1]))  # type: ignore[arg-type]


@form("invoke")
def _invoke(m: Machine, tree: Tree) -> Stored:
    of, args = m.invoked(tree)
    return m.call(None, args, of)


@form("tail_invoke")
def _tail_invoke(m: Machine, tree: Tree) -> None:
    of, args = m.invoked(tree)
    raise _Return(of=of, args=args)


@form("throw")
def _throw(m: Machine, tree: Tree) -> None:
    obj = m.heap.alloc("exn", str(tree[1]), m.operands_of(tree, 2))
    obj.tags = m.instance.tags
    m.heap.throw(obj)
    raise Thrown(obj)


@form("throw_ref")
def _throw_ref(m: Machine, tree: Tree) -> None:
    obj = m.value(tree[1])  # type: ignore[arg-type]
    if not isinstance(obj, Obj):
        raise Trap("null_ref")
    m.heap.throw(obj)
    raise Thrown(obj)


@form("try")
def _try(m: Machine, tree: Tree) -> None:
    clause: Tree = tree[1]  # type: ignore[assignment]
    tagged, taken = CATCHES[str(clause[0])]
    mark, frame = len(m.operands), m.variables
    try:
        m.block(tree[2:])
    except Thrown as thrown:
        obj = thrown.obj
        if tagged and (obj.tags is not m.instance.tags or object_type(obj) is not TAG_TYPES[str(clause[1])]):
            raise
        assert m.variables is frame
        del m.operands[mark:]
        m.heap.caught(obj)
        m.handling(tree)
        given: list[Stored] = [*obj.cells] if tagged else []
        for ref in given:
            m.heap.read(ref)
        targets = clause[2:] if tagged else clause[1:]
        for target, ref in zip(targets, [*given, obj] if taken else given, strict=True):
            m.assign(int(target), ref)  # type: ignore[arg-type]


def _allocates(item: Tree) -> bool:
    """Whether an item of a segment makes an object."""
    return any(part[0] in ALLOCATES for part in forms(item))


def given(value: Stored, strict: bool) -> Stored:
    """A value that goes where null may not. Raises Trap."""
    if strict and value is None:
        raise Trap("null_ref")
    return value


def unsigned(number: Stored) -> int:
    """An i32 as an unsigned number: indexes, lengths and counts are."""
    assert isinstance(number, int)
    return number & 0xFFFFFFFF
