"""The interpreter of bodies, fourth part: arrays (`docs/spec/wasm-ops.md` 6.4)."""

from __future__ import annotations

from typing import Any, Final

from twinheap.targets.heap.arrayref import ArrayRef, ArrayView
from twinheap.targets.heap.object_layout import ArrayLayout
from twinheap.targets.heap.rooted import RootScope, make_rooted
from twinheap.targets.heap.types import FUNCTIONS, RefType
from twinheap.targets.heap.values import FunctionRef, Val
from twinheap.targets.heap.wasm_code import Form
from twinheap.targets.heap.wasm_core import U32
from twinheap.targets.heap.wasm_frames import ARRAY_OOB, MEMORY_OOB, TABLE_OOB, WasmValue
from twinheap.targets.heap.wasm_objects import Objects, first_value, signed
from twinheap.targets.heap.wasm_slots import check_range

DATA: Final = bytes(range(64))
"""The data segment of every body."""


class Arrays(Objects):
    """Everything that Wasm does with arrays."""

    def _array_layout(self, name: str) -> ArrayLayout:
        layout = self.heap.layout(self.body.types[name])
        assert isinstance(layout, ArrayLayout)
        return layout

    def _array(self, form: Form, layout: ArrayLayout, length: int, by_host: bool = False) -> int:
        """Room for an array of so many elements, none of them written."""
        ref = self.allocate(form, layout, layout.size_for_len(length), by_host)
        self.heap.words[(ref + layout.length_offset) >> 2] = length
        return ref

    def _write_elements(self, ref: int, layout: ArrayLayout, values: list[WasmValue]) -> int:
        element = layout.element
        data = b"".join([element.codec.pack(self.bits(element, value)) for value in values])
        self.heap.data[ref + layout.base_size : ref + layout.base_size + len(data)] = data
        return self.adopted(ref)

    def _array_new(self, form: Form) -> int:
        depth = self.push_given(form[2:], (self.body.never_null(form[1])[0], False))
        layout, length = self._array_layout(form[1]), self.frame.number_at(depth + 1) & U32
        ref = self._array(form, layout, length)
        value = self.pop(depth)[0]
        return self._repeated(ref, layout, value, length)

    def _array_new_default(self, form: Form) -> int:
        layout, length = self._array_layout(form[1]), self.number(form[2]) & U32
        return self._repeated(self._array(form, layout, length), layout, first_value(layout.element), length)

    def _repeated(self, ref: int, layout: ArrayLayout, value: WasmValue, length: int) -> int:
        element = layout.element
        data = element.codec.pack(value.number & element.mask if isinstance(value, Val) else value) * length
        if length and not isinstance(value, Val) and value:
            self.heap.clone_ref(value, length)  # mutant w25: self.heap.clone_ref(value)
        self.heap.data[ref + layout.base_size : ref + layout.base_size + len(data)] = data
        return self.adopted(ref)

    def _array_new_fixed(self, form: Form) -> int:
        depth = self.push_given(form[2:], self.body.never_null(form[1]) * (len(form) - 2))
        layout = self._array_layout(form[1])
        ref = self._array(form, layout, len(form) - 2)
        return self._write_elements(ref, layout, self.pop(depth))

    def _array_new_elem(self, form: Form) -> int:
        start, count = (value.number & U32 for value in self.values(form[3:]))
        segment, layout = self.segment(form[2]), self._array_layout(form[1])
        check_range(start, count, len(segment), TABLE_OOB)
        with RootScope(self.store):
            fresh = self._array(form, layout, count, by_host=True)
            ref = self._write_elements(fresh, layout, list(segment[start : start + count]))
            self._root(ref)
        return ref

    def _array_new_data(self, form: Form) -> int:
        start, count = (value.number & U32 for value in self.values(form[2:]))
        layout = self._array_layout(form[1])
        check_range(start, count * layout.element_bytes, len(DATA), MEMORY_OOB)
        ref = self._array(form, layout, count, by_host=True)
        self._copy_data(ref + layout.base_size, start, count * layout.element_bytes)
        return self.adopted(ref)

    def _copy_data(self, at: int, start: int, size: int) -> None:
        self.heap.data[at : at + size] = DATA[start : start + size]

    def _view(self, ref: int) -> ArrayView:
        return ArrayView(self.heap, self.not_null(ref))

    def _array_len(self, form: Form) -> Val:
        return Val.i32(self._view(self.eval(form[1])).length)

    def _array_get(self, form: Form) -> WasmValue:
        ref, index = self.values(form[2:])
        view = self._view(ref)
        # mutant w26 below: check_range(index.number & U32, 0, view.length, ARRAY_OOB)
        check_range(index.number & U32, 1, view.length, ARRAY_OOB)
        return self.read(ref, view.layout.element, view.layout.size_for_len(index.number & U32))

    def _array_get_s(self, form: Form) -> Val:
        return signed(self._array_layout(form[1]).element, self._array_get(form))

    def _stored(self, form: Form, count: int) -> list[Any]:
        """The operands of a form whose third one becomes an element."""
        never = self.body.never_null(form[1])[0]
        return self.pop(self.push_given(form[2:], [never and at == 2 for at in range(count)]))

    def _array_set(self, form: Form) -> None:
        ref, index, value = self._stored(form, 3)
        self._fill(ref, index.number & U32, value, 1)

    def _array_fill(self, form: Form) -> None:
        ref, start, value, count = self._stored(form, 4)
        self._fill(ref, start.number & U32, value, count.number & U32)

    def _fill(self, ref: int, start: int, value: WasmValue, count: int) -> None:
        view = self._view(ref)
        check_range(start, count, view.length, ARRAY_OOB)
        for index in range(start, start + count):
            self.write(ref, view.layout.element, view.layout.size_for_len(index), value)

    def _root(self, ref: int) -> None:
        """A LIFO root, as the library functions make them, in the scope that they opened."""
        self.store.clone_ref(ref)
        make_rooted(self.store, ref, ArrayRef)

    def _array_copy(self, form: Form) -> None:
        target, to, source, start, count = self.values(form[3:])
        self._copy(self._view(target), to.number & U32, self._view(source), start.number & U32, count.number & U32)

    def _copy(self, target: ArrayView, to: int, source: ArrayView, start: int, count: int) -> None:
        """In a scope of its own, which holds both arrays and all that was read until the end (section 6.4)."""
        element, origin = target.layout.element, source.layout.element
        with RootScope(self.store):
            self._root(target.ref)
            self._root(source.ref)
            check_range(start, count, source.length, ARRAY_OOB)
            check_range(to, count, target.length, ARRAY_OOB)
            # mutant w12 below: for offset in range(count):
            for offset in range(count) if start > to else range(count - 1, -1, -1):
                at = source.ref + source.layout.size_for_len(start + offset)
                found: int = origin.codec.unpack_from(self.heap.data, at)[0]
                value: Any = found
                kind = origin.type.element_type
                if not isinstance(kind, RefType):
                    value = Val(kind, found)
                elif kind.heap_type in FUNCTIONS:
                    value = FunctionRef.of(found)
                elif found:
                    self._root(found)
                self.write(target.ref, element, target.layout.size_for_len(to + offset), value)

    def _array_init_elem(self, form: Form) -> None:
        ref, *numbers = self.values(form[3:])
        to, start, count = (value.number & U32 for value in numbers)
        view, segment = self._view(ref), self.segment(form[2])
        with RootScope(self.store):
            self._root(ref)
            check_range(to, count, view.length, ARRAY_OOB)
            check_range(start, count, len(segment), TABLE_OOB)
            for offset in range(count):
                place = view.layout.size_for_len(to + offset)
                self.write(ref, view.layout.element, place, segment[start + offset])

    def _array_init_data(self, form: Form) -> None:
        ref, *numbers = self.values(form[2:])
        to, start, count = (value.number & U32 for value in numbers)
        view = self._view(ref)
        check_range(to, count, view.length, ARRAY_OOB)
        size = count * view.layout.element_bytes
        check_range(start, size, len(DATA), MEMORY_OOB)
        self._copy_data(ref + view.layout.size_for_len(to), start, size)
