"""The in-tree heap as a machine: instances, and runs of bodies (docs/bodies.md)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twinheap.model.observation import EXN, TRAP
from twinheap.model.ops import RUN_VALUES, Op
from twinheap.targets.heap import GcHeapOutOfMemory, ThrownException
from twinheap.targets.heap.machine_exceptions import ExceptionOps
from twinheap.targets.heap.machine_slots import MISSING
from twinheap.targets.heap.machine_values import HostValue
from twinheap.targets.heap.wasm_frames import Trap
from twinheap.targets.heap.wasm_host import HostFunctions
from twinheap.targets.heap.wasm_instance import Instance
from twinheap.targets.heap.wasm_run import interpreter
from twinheap.targets.machine import DONE, SKIPPED, Raw
from twinheap.targets.wire import WireProgram


class WasmOps(ExceptionOps):
    """The ops of the group wasm."""

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self._bodies = [text for text, _ in program.bodies]
        return super().begin(program)

    def op_inst(self, op: Op) -> Raw:
        _, at, result = op
        store = self.slots[at]
        self.slots[result] = store, Instance(store)
        return DONE

    def op_inst_global(self, op: Op) -> Raw:
        _, at, which, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        self.slots[result] = held[0], held[1].globals[which]
        return DONE

    def op_inst_table(self, op: Op) -> Raw:
        _, at, which, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        self.slots[result] = held[0], held[1].tables[which]
        return DONE

    def op_run(self, op: Op) -> Raw:
        _, at, body, first, a, b, c, selector, form, result = op
        held = self.slots[at]
        handles = [self._value(slot) for slot in (a, b, c)]
        if held is None or any(handle is MISSING for handle in handles):
            return SKIPPED
        store, instance = held
        host = self._host(instance, first)
        try:
            code = interpreter(instance, self._bodies[body], body, host)
            seen = self._make(store, lambda: code.run(handles, selector), form, result)
            return (seen[0], (*host.trace, *seen[1]))
        except Trap as trap:
            return (TRAP + trap.code, tuple(host.trace))
        except ThrownException:
            return (EXN, tuple(host.trace))
        except GcHeapOutOfMemory as oom:
            oom.drop()
            return self._no_room(oom, tuple(host.trace))

    op_run_exn = op_run

    def _host(self, instance: Instance, first: int) -> HostFunctions:
        """The host's functions for one run, with its values; those that are not taken stay with the host."""
        known = 0

        def finalized() -> list[int]:
            nonlocal known
            seen = [each.id for each in self._effects[known:] if type(each) is not tuple]
            known = len(self._effects)
            return seen

        values = [HostValue(value) for value in range(first, first + RUN_VALUES)]
        return HostFunctions(instance, values, lambda value: value.id, finalized)
