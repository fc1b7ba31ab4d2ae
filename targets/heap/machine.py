"""The in-tree heap as a machine: programs on its public API, one method per op kind (docs/spec/program-ir.md 8.1)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from typing import Final

from twinheap.model.engines import NUMBER
from twinheap.model.observation import (
    EXN,
    GROW,
    IMMUTABLE,
    OOB,
    OTHER,
    TRAP,
    TYPE,
    UNROOTED,
    canonical_panic,
)
from twinheap.model.ops import ARRAY, EQ, INT_KINDS, STRUCT, Op
from twinheap.targets.heap import (
    I31,
    AnyRef,
    ExternRef,
    GcHeapOutOfMemory,
    Global,
    GrowFailed,
    HeapError,
    HeapPanic,
    HeapType,
    ImmutableField,
    ImmutableGlobal,
    OutOfBounds,
    Rooted,
    Store,
    ThrownException,
    TypeMismatch,
    Unrooted,
)
from twinheap.targets.heap.machine_resources import ResourceOps
from twinheap.targets.heap.machine_slots import TYPES
from twinheap.targets.heap.machine_wasm import WasmOps
from twinheap.targets.heap.wasm_frames import Trap
from twinheap.targets.machine import DONE, NONE, NONNULL, NULL_REF, SKIPPED, Raw, panic
from twinheap.targets.other_thread import OtherThread
from twinheap.targets.wire import WIRE_VERSION, Hello

EXACT: Final = frozenset({"drc", "null"})
"""Collectors whose finalizations and limiter calls are predicted exactly (docs/spec/program-ir.md 8.3 rule 6)."""

RELEASES: Final = {"drc": "42.0.2", "null": "42.0.2", "copying": "48.0.0"}
"""The release of Wasmtime that each collector behaves like."""

_OUTCOMES: Final[dict[type[HeapError], Raw]] = {
    Unrooted: (UNROOTED,),
    TypeMismatch: (TYPE,),
    OutOfBounds: (OOB,),
    ImmutableField: (IMMUTABLE,),
    ImmutableGlobal: (IMMUTABLE,),
    ThrownException: (EXN,),
    GrowFailed: (GROW,),
}

_KINDS: Final[dict[HeapType, Raw]] = {kind: ("ok", (kind.value,)) for kind in HeapType}
_ENGINES: Final = frozenset(NUMBER)  # there is no code to compile nor memory to map: but for limits they are the same
_USES: Final = INT_KINDS["use"].names
_CASTS: Final = {EQ: "as_eqref", STRUCT: "as_struct", ARRAY: "as_array"}


class HeapMachine(WasmOps, ResourceOps):
    """Runs programs on the in-tree heap in this process; `run` for tests, `execute` for the wire.

    `collector`: "drc", "null" or "copying". `defects`: known defects to switch on, as "k1" (see `Store`). `verify`:
    check the heap's invariants after every op. `mutant` only names the build; `mutants.install` plants the bug. Raises
    ValueError for an unknown collector or defect.

    >>> from twinheap.model.builder import Builder
    >>> from twinheap.model.ops import CODE
    >>> b = Builder()
    >>> _ = b.add(CODE["ext_new_owned"], (0, 0)), b.add(CODE["data"], (1,))
    >>> [str(seen) for seen in HeapMachine("drc").run(b.finish())]
    ['ok', 'ok(0, 0)', 'ok', 'ok', 'ok finalized v0']
    """

    def __init__(
        self,
        collector: str = "drc",
        *,
        defects: frozenset[str] = frozenset(),
        verify: bool = False,
        mutant: str | None = None,
    ) -> None:
        super().__init__(collector, defects=defects, verify=verify, exact=collector in EXACT)
        Store(collector, defects=defects)  # the heap itself knows which names it knows
        self._mutant = mutant
        self._other_thread = OtherThread()

    def hello(self) -> Hello:
        """What the handshake says."""
        build = "+".join(["heap", *sorted(self._defects), *([self._mutant] if self._mutant else [])])
        release = RELEASES[self._collector]
        return Hello(WIRE_VERSION, "heap", release, self._collector, self._exact, self.supported, build, _ENGINES)

    def failure(self, error: Exception) -> Raw:
        """The outcome of an op that raised: an error of the heap, its panic, or what only a mutant raises."""
        if isinstance(error, HeapPanic):
            return (canonical_panic(str(error)),)
        if isinstance(error, GcHeapOutOfMemory):
            return self._no_room(error)
        if isinstance(error, Trap):
            return (TRAP + error.code,)
        if isinstance(error, HeapError):
            return _OUTCOMES.get(type(error), (OTHER,))
        return panic(f"{type(error).__name__}: {error}")

    # --- i31, owned roots, conversions

    def op_i31_new(self, op: Op) -> Raw:
        _, at, payload, result = op
        store = self.slots[at]
        self.slots[result] = store, AnyRef.from_i31(store, I31.wrapping_u32(payload))
        return DONE

    def op_i31_new_owned(self, op: Op) -> Raw:
        _, at, payload, result = op
        store = self.slots[at]
        self._keep_owned(store, lambda: AnyRef.from_i31(store, I31.wrapping_u32(payload)), result)
        return DONE

    def op_own(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[2]] = held[0], held[1].to_owned_rooted(held[0])
        return DONE

    def op_lend(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[2]] = held[0], held[1].to_rooted(held[0])
        return DONE

    def op_oclone(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[2]] = held[0], held[1].clone()
        return DONE

    def op_odrop(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        held[1].drop()
        self.slots[op[1]] = None
        return DONE

    def op_owned_drop_thread(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self._other_thread.run(held[1].drop)
        self.slots[op[1]] = None
        return DONE

    def op_conv_any(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[2]] = held[0], AnyRef.convert_extern(*held)
        return DONE

    def op_conv_ext(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[2]] = held[0], ExternRef.convert_any(*held)
        return DONE

    def op_conv_any_owned(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self._keep_owned(held[0], lambda: AnyRef.convert_extern(*held), op[2])
        return DONE

    def op_conv_ext_owned(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self._keep_owned(held[0], lambda: ExternRef.convert_any(*held), op[2])
        return DONE

    def op_cast(self, op: Op) -> Raw:
        _, at, wanted, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        return self._keep(held[0], getattr(held[1], _CASTS[wanted])(held[0]), result)

    # --- reading through handles

    def op_kind(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        store, handle = held
        number = handle.i31(store)
        if number is not None:
            return ("ok", ("i31", number.get_u32()))
        return _KINDS[handle.kind(store)]

    def op_data(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        value = held[1].data(held[0])
        return NONE if value is None else ("ok", (value.id, value.payload))

    def op_data_set(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        box = held[1].data_mut(held[0])
        if box is None:
            return NONE
        box.value.payload = op[2]
        return DONE

    def op_eq(self, op: Op) -> Raw:
        left, right = self.slots[op[1]], self.slots[op[2]]
        if left is None or right is None:
            return SKIPPED
        return ("ok", (Rooted.ref_eq(left[0], left[1], right[1]),))

    # --- raw values

    def op_to_raw(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        raw = held[1].to_raw(held[0])
        self.slots[op[2]] = held[0], raw
        return NONNULL if raw else NULL_REF

    def op_from_raw(self, op: Op) -> Raw:
        _, at, of, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        return self._keep(held[0], TYPES[of].from_raw(*held), result)

    def op_from_raw_owned(self, op: Op) -> Raw:
        _, at, of, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        return self._keep_owned(held[0], lambda: TYPES[of].from_raw(*held), result)

    def op_from_imm(self, op: Op) -> Raw:
        _, at, raw, of, result = op
        store = self.slots[at]
        return self._keep(store, TYPES[of].from_raw(store, raw), result)

    def op_from_imm_owned(self, op: Op) -> Raw:
        _, at, raw, of, result = op
        store = self.slots[at]
        return self._keep_owned(store, lambda: TYPES[of].from_raw(store, raw), result)

    # --- the op that ends the program

    def op_wrong_store(self, op: Op) -> Raw:
        _, at, source, use = op
        held = self.slots[source]
        if held is None:
            return SKIPPED
        store, handle, name = self.slots[at], held[1], _USES[use]
        if name == "data":
            handle.data(store)
        elif name == "to_raw":
            handle.to_raw(store)
        elif name == "own":
            handle.to_owned_rooted(store)
        else:
            Global(store, ExternRef, handle)
        return DONE
