"""The interpreter of bodies, third part: what all objects share, and structs (`docs/spec/wasm-ops.md` 6.4)."""

from __future__ import annotations

from twinheap.targets.heap import objects, space
from twinheap.targets.heap.errors import AllocationTooLarge
from twinheap.targets.heap.future import run_to_end
from twinheap.targets.heap.null import NullHeap
from twinheap.targets.heap.object_layout import FieldLayout, ObjectLayout, StructLayout
from twinheap.targets.heap.types import FUNCTIONS, Storage
from twinheap.targets.heap.values import FunctionRef, Val
from twinheap.targets.heap.wasm_code import NO_FUNCTION, NUMBERS, Form
from twinheap.targets.heap.wasm_frames import TOO_LARGE, Trap, WasmValue
from twinheap.targets.heap.wasm_slots import Slots


class Objects(Slots):
    """Making, reading and writing structs and arrays. Operands wait in the frame while room is made."""

    def allocate(self, form: Form, layout: ObjectLayout, size: int, by_host: bool = False) -> int:
        """Room with a header, for a form whose operands are there. `by_host`: not by compiled code.

        Raises `GcHeapOutOfMemory`; traps where the original does (section 1.5).
        """
        self.safepoint(form)
        # mutant x03: self.store.gc()
        try:
            if isinstance(self.heap, NullHeap) and not self.constant and not by_host:
                return self._bump(self.heap, layout, size)
            return run_to_end(objects.place(self.store, self.heap, layout, size))
        except AllocationTooLarge:
            raise Trap(TOO_LARGE) from None

    def _bump(self, heap: NullHeap, layout: ObjectLayout, size: int) -> int:
        """NULL, from Wasm: asks for what is missing, and out of memory is a trap."""
        index = heap.type_index(layout.type)
        ref = heap.alloc_object(layout.kind, index, size)
        if not ref:
            run_to_end(space.make_space(self.store, heap, heap.shortfall(size), reserved=0))
            ref = heap.alloc_object(layout.kind, index, size)
        if not ref:
            raise AllocationTooLarge  # mutant w03: raise MemoryError
        return ref

    def bits(self, field: FieldLayout, value: WasmValue) -> int:
        """How a new object holds a value, of which it is one more holder."""
        if isinstance(value, Val):
            return value.number & field.mask
        if value:
            self.heap.clone_ref(value)  # mutant w11: pass
        return value

    def read(self, ref: int, field: FieldLayout, offset: int) -> WasmValue:
        """What an object holds at an offset, on its way into the frame."""
        of = field.type.element_type
        found: int = field.codec.unpack_from(self.heap.data, ref + offset)[0]
        if isinstance(of, Storage):
            return Val.from_storage(of, found)
        # mutant y05 below: return self.barrier(found)
        return FunctionRef.of(found) if of.heap_type in FUNCTIONS else self.barrier(found)

    def write(self, ref: int, field: FieldLayout, offset: int, value: WasmValue) -> None:
        """Replace what an object holds at an offset."""
        if isinstance(value, Val):
            field.codec.pack_into(self.heap.data, ref + offset, value.number & field.mask)
        else:
            # mutant w24 below: self.heap.words[(ref + offset) >> 2] = value
            self.heap.write_ref(self.heap.words, (ref + offset) >> 2, value)

    def adopted(self, ref: int) -> int:
        """A new object, whose one count is the list's; that of a constant expression is a root's."""
        if self.constant:
            self.store.roots.push(ref)
        else:
            self.heap.adopt(ref)
        return ref

    # --- structs

    def _struct_layout(self, name: str) -> StructLayout:
        layout = self.heap.layout(self.body.types[name])
        assert isinstance(layout, StructLayout)
        return layout

    def _struct_new(self, form: Form) -> int:
        depth = self.push_given(form[2:], self.body.never_null(form[1]))
        layout = self._struct_layout(form[1])
        ref = self.allocate(form, layout, layout.size)
        return self._filled(ref, layout, self.pop(depth))

    def _struct_new_default(self, form: Form) -> int:
        layout = self._struct_layout(form[1])
        ref = self.allocate(form, layout, layout.size)
        return self._filled(ref, layout, [first_value(field) for field in layout.fields])

    def _filled(self, ref: int, layout: StructLayout, values: list[WasmValue]) -> int:
        bits = [self.bits(field, value) for field, value in zip(layout.fields, values, strict=True)]
        layout.packer.pack_into(self.heap.data, ref + self.heap.header.header_bytes, *bits)
        return self.adopted(ref)

    def _struct_get(self, form: Form) -> WasmValue:
        ref = self.not_null(self.eval(form[3]))
        field = self._struct_layout(form[1]).fields[form[2]]
        return self.read(ref, field, field.offset)

    def _struct_get_s(self, form: Form) -> Val:
        return signed(self._struct_layout(form[1]).fields[form[2]], self._struct_get(form))

    def _struct_set(self, form: Form) -> None:
        ref, value = self.pop(self.push_given(form[3:], (False, self.body.never_null(form[1])[form[2]])))
        field = self._struct_layout(form[1]).fields[form[2]]
        self.write(self.not_null(ref), field, field.offset, value)


def signed(field: FieldLayout, value: WasmValue) -> Val:
    """What a packed field holds, with its sign."""
    assert isinstance(value, Val)
    half = (field.mask + 1) >> 1
    return Val.i32((value.number & field.mask ^ half) - half)


def first_value(field: FieldLayout) -> WasmValue:
    """What a field is at first."""
    of = field.type.element_type
    if isinstance(of, Storage):
        return NUMBERS[of.unpacked.value]
    return NO_FUNCTION if of.heap_type in FUNCTIONS else 0
