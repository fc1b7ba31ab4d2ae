"""The interpreter of bodies, last part: exceptions, and a run from the host's side (docs/bodies.md)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from twinheap.model.kit import TAGS
from twinheap.targets.heap.errors import ThrownException
from twinheap.targets.heap.exnref import HOST_TAG_INDEX
from twinheap.targets.heap.externref import ExternRef
from twinheap.targets.heap.object_layout import StructLayout
from twinheap.targets.heap.rooted import Rooted, make_rooted
from twinheap.targets.heap.values import Val
from twinheap.targets.heap.wasm_arrays import Arrays
from twinheap.targets.heap.wasm_code import Form, body_of
from twinheap.targets.heap.wasm_frames import NULL_REF, Trap

if TYPE_CHECKING:
    from twinheap.targets.heap.handle import Handle
    from twinheap.targets.heap.wasm_host import HostFunctions
    from twinheap.targets.heap.wasm_instance import Instance

TAG_NUMBERS: Final = {ty.name: number for number, ty in enumerate(TAGS)}
PYTHON_FRAMES: Final = 50_000
"""Recursion that the longest body may need: it has some hundred helpers, each a few dozen forms deep."""


class Interpreter(Arrays):
    """A run of a body's `main` in an instance: `instantiate`, then `run`."""

    def run(self, arguments: list[Handle[Any] | None], selector: int) -> Rooted[ExternRef] | None:
        """Call `main`: its result, as a LIFO root in the caller's scope.

        Raises `Unrooted` for a stale argument; `Trap`; `ThrownException`, and the exception is pending;
        `GcHeapOutOfMemory`.
        """
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, PYTHON_FRAMES))
        try:
            return self._run(arguments, selector)
        finally:
            sys.setrecursionlimit(limit)  # outside of runs a heap that recurses too deeply must show

    def _run(self, arguments: list[Handle[Any] | None], selector: int) -> Rooted[ExternRef] | None:
        raw = [0 if handle is None else handle.to_raw(self.store) for handle in arguments]
        before = self.own.points
        # mutant w34: self.store.globals += [[0] for _ in arguments]
        try:
            result: Any = self.invoke(self.body.main, [*raw, Val.i32(selector)])
        finally:
            self.host.passed = self.own.points - before
        if not result:
            return None
        self.store.clone_ref(result)  # mutant w13: pass
        rooted = make_rooted(self.store, result, ExternRef)
        if self.store.verifying:
            self.store.verify()
        return rooted

    # --- exceptions

    def _exn_layout(self, tag: int) -> StructLayout:
        layout = self.heap.layout(self.instance.tags[tag].ty)
        assert isinstance(layout, StructLayout)
        return layout

    def _throw(self, form: Form) -> None:
        depth = self.push(form[2:])
        number = TAG_NUMBERS[form[1]]
        layout = self._exn_layout(number)
        ref = self.allocate(form, layout, layout.size)
        bits = [self.bits(*pair) for pair in zip(layout.fields, self.pop(depth), strict=True)]
        start = ref + self.heap.header.header_bytes
        layout.packer.pack_into(self.heap.data, start, self.instance.tags[number].instance, HOST_TAG_INDEX, *bits)
        self._raise(self.adopted(ref))

    def _throw_ref(self, form: Form) -> None:
        self._raise(self.not_null(self.eval(form[1])))

    def _raise(self, ref: int) -> None:
        """Make an exception the pending one, in place of one before, which is let go (K2 of the original mended)."""
        if "k2" in self.store.defects:
            self.heap.clone_ref(ref)
            self.store.pending[0] = ref
        else:
            # mutant w14 below: self.store.pending[0] = ref
            self.heap.write_ref(self.store.pending, 0, ref)
        raise ThrownException

    def _try(self, form: Form) -> None:
        depth = len(self.frame.refs)
        try:
            self.run_all(form[2:])
        except ThrownException:
            clause, *places = form[1]
            ref = self.store.pending[0]
            tag = TAG_NUMBERS[str(places.pop(0))] if clause in ("catch", "catch_ref") else -1
            # mutant w22 below: if tag == -2:
            if tag >= 0 and self._tag_of(ref) != self.instance.tags[tag].instance:
                raise
            self.frame.cut(depth)
            self._catch(ref, tag, clause, places)

    def _take(self, place: int, value: Any) -> None:
        if not value and place in self.strict:
            raise Trap(NULL_REF)
        self.frame.set(place, value)

    def _tag_of(self, ref: int) -> int:
        return self.heap.words[(ref + self.heap.header.header_bytes) >> 2]

    def _catch(self, ref: int, tag: int, clause: str, places: list[int]) -> None:
        """The payload into variables, with read barriers; then nothing is pending any more."""
        self.barrier(ref)
        if clause in ("catch", "catch_ref"):
            for field, place in zip(self._exn_layout(tag).fields, places, strict=False):
                # mutant w23 below: self.frame.set(place, self.heap.words[(ref + field.offset) >> 2])
                self._take(place, self.read(ref, field, field.offset))
        if clause in ("catch_ref", "catch_all_ref"):
            self.frame.set(places[-1], ref)
        if "k2" in self.store.defects:
            self.store.pending[0] = 0
        else:
            # mutant w15 below: self.store.pending[0] = 0
            self.heap.write_ref(self.store.pending, 0, 0)


def interpreter(instance: Instance, text: str, number: int, host: HostFunctions) -> Interpreter:
    """A body, instantiated: `number` tells the bodies of an instance apart. Raises what making its segments raises."""
    made = Interpreter(instance, body_of(text), host)
    made.instantiate(number)
    return made
