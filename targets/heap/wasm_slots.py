"""The interpreter of bodies, second part: references, globals, tables, segments (wasm-ops.md 6.1 to 6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twinheap.targets.heap.anyref import AnyRef
from twinheap.targets.heap.errors import OutOfBounds
from twinheap.targets.heap.externref import ExternRef
from twinheap.targets.heap.layout import ARRAY, EQ, EXN, EXTERN, STRUCT
from twinheap.targets.heap.rooted import RootScope
from twinheap.targets.heap.table import Table
from twinheap.targets.heap.values import FunctionRef, Val
from twinheap.targets.heap.wasm_code import Active, Form, first_of
from twinheap.targets.heap.wasm_core import U32, Core
from twinheap.targets.heap.wasm_frames import CAST, TABLE_OOB, Frame, Trap, WasmValue

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

TOPS: Final = frozenset({"extern", "any", "exn"})
KINDS: Final = {"eq": EQ, "struct": STRUCT, "array": ARRAY}
BOTTOMS: Final = frozenset({"none", "noextern", "noexn", "nofunc"})


class Slots(Core):
    """References of any kind, and the places that hold them outside objects."""

    def barrier(self, ref: int) -> int:
        """A reference that enters a frame from where others may drop it: the read barrier of compiled code.

        A constant expression has a root for it instead.
        """
        if ref and self.constant:
            self.store.clone_ref(ref)
            self.store.roots.push(ref)
        elif ref and not ref & 1:
            self.heap.read_barrier(ref)  # mutant w05: pass
        return ref

    # --- references

    def _null(self, form: Form) -> WasmValue:
        return first_of(form[1], self.body.declared)

    def _is_null(self, form: Form) -> Val:
        return Val.i32(not self.eval(form[1]))

    def _ref_eq(self, form: Form) -> Val:
        left, right = self.values(form[1:])
        return Val.i32(left == right)

    def is_a(self, ref: Any, name: str) -> bool:
        """Is a reference that is not null of a type below `name`?"""
        if isinstance(ref, FunctionRef):
            return self._is_function(ref, name)
        if name in TOPS:
            return True
        if name in BOTTOMS:
            return False  # mutant y04: return True
        if ref & 1:
            return name in ("eq", "i31")
        if name in KINDS:
            return self.heap.is_any(ref, KINDS[name])
        if name == "i31" or self.heap.kind(ref) in (EXTERN, EXN):
            return False
        # mutant w06 below: return self.heap.layout_at(ref).type == self.body.types[name]
        return self.heap.layout_at(ref).type.is_subtype(self.body.types[name])

    def _is_function(self, ref: FunctionRef, name: str) -> bool:
        if name not in self.body.types:
            return name == "func"
        target = self.store.functions[ref.number - 1]
        of: object = target.body.helpers[target.helper].type
        return of == self.body.types[name]

    def _test(self, form: Form) -> Val:
        ref = self.eval(form[2])
        return Val.i32(bool(ref) and self.is_a(ref, form[1]))

    def _cast(self, form: Form) -> int:
        ref: int = self.eval(form[2])
        if ref and not self.is_a(ref, form[1]):
            raise Trap(CAST)  # mutant w07: return 0
        return ref

    def _test_null(self, form: Form) -> Val:
        ref = self.eval(form[2])
        return Val.i32(not ref or self.is_a(ref, form[1]))

    def _cast_non_null(self, form: Form) -> int:
        ref: int = self.eval(form[2])
        if not ref or not self.is_a(ref, form[1]):
            raise Trap(CAST)
        return ref

    def _on_cast_null(self, form: Form) -> int:
        ref: int = self.eval(form[2])
        if not ref or self.is_a(ref, form[1]):
            return ref
        other: int = self.eval(form[3])
        return other

    _on_cast_fail_null = _on_cast_null

    def _on_cast(self, form: Form) -> int:
        ref: int = self.eval(form[2])
        if ref and self.is_a(ref, form[1]):
            return ref
        other: int = self.eval(form[3])
        return other

    _on_cast_fail = _on_cast

    def _on_non_null(self, form: Form) -> int:
        ref: int = self.eval(form[1]) or self.eval(form[2])
        return ref

    def _as_non_null(self, form: Form) -> Any:
        return self.not_null(self.eval(form[1]))

    def _to_any(self, form: Form) -> Any:
        return self.eval(form[1])

    _to_extern = _to_any

    # --- globals

    def _cell(self, number: int) -> list[int]:
        """Where a global of the kit, or after those a private one, keeps its reference."""
        shared = self.instance.globals
        return shared[number].cell if number < len(shared) else self.own.globals[number - len(shared)]

    def _global_get(self, form: Form) -> int:
        return self.barrier(self._cell(form[1])[0])

    def _global_set(self, form: Form) -> None:
        ref = self.eval(form[2])
        cell = self._cell(form[1])
        # mutant x01: self.barrier(cell[0])
        # mutant w08 below: cell[0] = ref
        self.heap.write_ref(cell, 0, ref)

    # --- tables

    def _table(self, number: int) -> Any:
        shared = self.instance.tables
        return shared[number] if number < len(shared) else self.own.tables[number - len(shared)]

    def _elements(self, form: Form, place: int) -> list[Any]:
        """The operands of a form that writes into a table; that at `place` becomes an element."""
        number = form[1] - len(self.instance.tables)
        strict = number >= 0 and self.body.tables[number].strict
        depth = len(self.frame.refs)
        for at, part in enumerate(form[2:]):
            self.frame.push(self.given(part, strict and at == place))
        return self.pop(depth)

    def _table_get(self, form: Form) -> int:
        elements, index = self._table(form[1]).elements, self.number(form[2]) & U32
        if index >= len(elements):
            raise Trap(TABLE_OOB)
        return self.barrier(elements[index]) if isinstance(elements[index], int) else elements[index]

    def _table_set(self, form: Form) -> None:
        index, ref = self._elements(form, 1)
        elements = self._table(form[1]).elements
        if index.number & U32 >= len(elements):
            raise Trap(TABLE_OOB)
        if isinstance(ref, FunctionRef):
            elements[index.number & U32] = ref
        else:
            self.heap.write_ref(elements, index.number & U32, ref)

    def _table_size(self, form: Form) -> Val:
        return Val.i32(len(self._table(form[1]).elements))

    def _table_grow(self, form: Form) -> Val:
        ref, delta = self._elements(form, 0)
        return Val.i32(self._table(form[1]).grow_by(self.store, delta.number & U32, ref))

    def _table_fill(self, form: Form) -> None:
        start, ref, count = self._elements(form, 1)
        table, first, length = self._table(form[1]), start.number & U32, count.number & U32
        check_range(first, length, len(table.elements), TABLE_OOB)
        table.write(self.store, range(first, first + length), [ref] * length)

    def _table_copy(self, form: Form) -> None:
        to, start, count = (value.number & U32 for value in self.values(form[3:]))
        target, source = self._table(form[1]), self._table(form[2])
        if isinstance(target, FunctionTable):
            check_range(start, count, len(source.elements), TABLE_OOB)
            check_range(to, count, len(target.elements), TABLE_OOB)
            target.elements[to : to + count] = source.elements[start : start + count]
            return
        try:
            Table.copy(self.store, target, to, source, start, count)
        except OutOfBounds:
            raise Trap(TABLE_OOB) from None

    def _table_init(self, form: Form) -> None:
        to, start, count = (value.number & U32 for value in self.values(form[3:]))
        table, segment = self._table(form[1]), self.segment(form[2])
        check_range(start, count, len(segment), TABLE_OOB)
        check_range(to, count, len(table.elements), TABLE_OOB)
        table.write(self.store, range(to, to + count), segment[start : start + count])

    # --- segments

    def segment(self, number: int) -> list[int]:
        """What a passive segment of the body holds in this instance; nothing once it is dropped."""
        return self.own.segments[number]

    def _elem_drop(self, form: Form) -> None:
        segment = self.segment(form[1])
        for at in range(len(segment)):
            self.heap.write_ref(segment, at, 0)
        segment.clear()  # mutant w09: pass

    # --- instances of bodies

    def instantiate(self, number: int) -> None:
        """Make what the body has of its own, once for each instance (K5 of the original mended)."""
        made = self.instance.bodies.get(number)
        if made is not None:  # mutant w10: if False:
            self.own = made
            return
        self.frame = Frame(())
        self.store.frames.append(self.frame.refs)
        self.constant = True
        try:
            with RootScope(self.store):
                self._make_globals()
            with RootScope(self.store):
                self._make_tables()
                for segment in self.body.segments:
                    with RootScope(self.store):
                        self.own.segments.append(self._segment_of(segment.items))
                for active in self.body.active:
                    with RootScope(self.store):
                        self._write_active(active)
        finally:
            self.constant = False
            self.store.frames.pop()
        self.instance.bodies[number] = self.own  # what a failed attempt has made stays with the store

    def _make_globals(self) -> None:
        for value in self.body.globals:
            cell = [0]
            self.own.globals.append(cell)
            self.store.globals.append(cell)  # mutant w28: pass
            self.heap.write_ref(cell, 0, self.eval(value))  # mutant w29: cell[0] = self.eval(value)

    def _make_tables(self) -> None:
        for declared in self.body.tables:
            ref: Any = self.eval(declared.value)
            if declared.of_functions:
                self.own.tables.append(FunctionTable([ref] * declared.minimum, declared.maximum))
                continue
            of = ExternRef if declared.type == "extern" else AnyRef
            made: Table[Any] = Table(self.store, of, declared.minimum, maximum=declared.maximum)
            self.own.tables.append(made)
            made.write(self.store, range(declared.minimum), [ref] * declared.minimum)

    def _write_active(self, active: Active) -> None:
        """Items are made and written one by one; none is of a segment that does not fit (6.2)."""
        table = self._table(active.table)
        check_range(active.start, len(active.items), len(table.elements), TABLE_OOB)
        for at, item in enumerate(active.items, active.start):
            # mutant w30 below: table.elements[at] = self.eval(item)
            table.write(self.store, range(at, at + 1), [self.eval(item)])

    def _segment_of(self, items: tuple[Form, ...]) -> list[int]:
        """A segment's references: roots while it is not dropped, like those of a table."""
        segment = [0] * len(items)
        self.store.segments.append(segment)
        for at, item in enumerate(items):
            self.heap.write_ref(segment, at, self.eval(item))
        return segment


class FunctionTable:
    """A private table of references to functions, which are no roots."""

    __slots__ = ("elements", "maximum")

    def __init__(self, elements: list[FunctionRef], maximum: int) -> None:
        self.elements = elements
        self.maximum = maximum

    def write(self, store: Store, places: range, refs: list[FunctionRef]) -> None:
        """Puts references there, which exist."""
        self.elements[places.start : places.stop] = refs

    def grow_by(self, store: Store, delta: int, ref: FunctionRef) -> int:
        """More elements: how many there were, or -1 if there would be too many."""
        length = len(self.elements)
        if length + delta > self.maximum:
            return -1
        self.elements += [ref] * delta
        return length


def check_range(start: int, count: int, length: int, code: str) -> None:
    """Trap unless all of these elements exist."""
    if start + count > length:
        raise Trap(code)
