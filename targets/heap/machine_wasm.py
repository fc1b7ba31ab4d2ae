"""The in-tree heap as a machine: instances, and runs of bodies (docs/bodies.md)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twinheap.model.kit import SHARES
from twinheap.model.observation import EXN, OK, PASSED, STOPPED, TRAP
from twinheap.model.ops import CODE, RUN_VALUES, Op
from twinheap.targets.heap import (
    ExternRef,
    GcHeapOutOfMemory,
    OwnedRooted,
    Rooted,
    RootScope,
    Store,
    ThrownException,
)
from twinheap.targets.heap.machine_exceptions import ExceptionOps
from twinheap.targets.heap.machine_slots import MISSING
from twinheap.targets.heap.machine_values import HostValue
from twinheap.targets.heap.wasm_code import forget_modules
from twinheap.targets.heap.wasm_frames import Trap
from twinheap.targets.heap.wasm_host import HostFunctions
from twinheap.targets.heap.wasm_instance import Instance
from twinheap.targets.heap.wasm_run import interpreter
from twinheap.targets.machine import DONE, NONNULL, NULL_REF, SKIPPED, THROWS, TRAPS, Callback, Over, Raw
from twinheap.targets.wire import MAX_OBSERVED, WireProgram

RESULT: Final = CODE["result"]
HOST: Final = "host"
"""The code of a trap that a callback makes."""


class WasmOps(ExceptionOps):
    """The ops of the group wasm."""

    _returned: tuple[Store, OwnedRooted[ExternRef] | None] | None = None

    def begin(self, program: WireProgram) -> Sequence[Any]:
        self._bodies = [body.text for body in program.bodies]
        self._returned = None
        return super().begin(program)

    def op_inst(self, op: Op) -> Raw:
        _, at, result = op
        store = self.slots[at]
        self.slots[result] = store, Instance(store)
        return DONE

    def op_link(self, op: Op) -> Raw:
        _, at, shares, result = op
        held = self.slots[at]
        if held is None:
            return SKIPPED
        store, source = held
        self.slots[result] = store, Instance(store, source, tuple(SHARES.values())[shares])
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

    def op_inst_drop(self, op: Op) -> Raw:
        held = self.slots[op[1]]
        if held is None:
            return SKIPPED
        self.slots[op[1]] = None
        held[1].close()
        return DONE

    def op_modules_drop(self, op: Op) -> Raw:
        forget_modules(self.slots[op[1]])
        return DONE

    def op_run(self, op: Op) -> Raw:
        _, at, body, first, a, b, c, selector, form, result = op
        held = self.slots[at]
        handles = [self._value(slot) for slot in (a, b, c)]
        if held is None or any(handle is MISSING for handle in handles):
            return SKIPPED
        store, instance = held
        host = self._host(instance, first)
        return self._ended(
            host, lambda: self._make(store, self._code(instance, body, host, handles, selector), form, result)
        )

    op_run_exn = op_run

    def _code(
        self, instance: Instance, body: int, host: HostFunctions, handles: list[Any], selector: int
    ) -> Callable[[], Rooted[ExternRef] | None]:
        """A run of a body, which is instantiated when the run begins."""
        return lambda: interpreter(instance, self._bodies[body], body, host).run(handles, selector)

    def _ended(self, host: HostFunctions, run: Callable[[], Raw]) -> Raw:
        """The observation of a run: what it shows, and how it ended."""
        try:
            seen = run()
            return (seen[0], (*_kept(host), *seen[1]))
        except Trap as trap:
            ending = TRAP + trap.code
            passed = (f"{PASSED}{host.passed}",) if ending in STOPPED else ()
            return (ending, (*_kept(host), *passed))
        except ThrownException:
            return (EXN, _kept(host))
        except GcHeapOutOfMemory as oom:
            oom.drop()
            return self._no_room(oom, _kept(host))

    # --- callbacks

    def op_call(self, op: Op) -> Raw:
        _, at, body, first, a, b, c, selector = op
        call = self._called()
        held = self.slots[at]
        handles = [self._value(slot) for slot in (a, b, c)]
        self._returned = None
        if held is None or any(handle is MISSING for handle in handles):
            return SKIPPED
        store, instance = held
        host = self._host(instance, first)
        host.callback = lambda arg: self._ran(call, host, store, arg)
        kept: OwnedRooted[ExternRef] | None = None

        def run() -> Raw:
            nonlocal kept
            with RootScope(store):  # owned arguments need roots of the call's own: the callback may drop them
                lent = [each.to_rooted(store) if isinstance(each, OwnedRooted) else each for each in handles]
                rooted = self._code(instance, body, host, lent, selector)()
                if rooted is None:
                    return NULL_REF
                kept = rooted.to_owned_rooted(store)
                return NONNULL

        try:
            seen = self._ended(host, run)
        except Over:
            seen = (TRAP + HOST, _kept(host))
        self._effects[:0] = host.earlier
        if seen[0] == OK:
            self._returned = store, kept
            if call.end + 1 >= len(self._ops) or self._ops[call.end + 1][0] != RESULT:
                self._take_returned()
        return seen

    op_call_exn = op_call

    def _ran(
        self, call: Callback, host: HostFunctions, store: Store, arg: Rooted[ExternRef] | None
    ) -> Rooted[ExternRef] | None:
        """The callback of a call, in a scope of its own, which its `end` leaves. What it returns."""
        host.earlier += self._effects
        self._effects.clear()
        host.known = 0
        call.store, call.arg = store, arg
        scope, depth = RootScope(store), len(self._scopes)
        self._scopes.append(scope)
        self._call_back(call)
        while len(self._scopes) > depth:  # of a part of a program
            self._scopes.pop().close()
        if self._over:
            raise Over
        given = call.returns
        if given is None:
            returned = None
        else:
            returned = given.to_rooted(store)
            given.drop()
        if call.ending == TRAPS:
            raise Trap(HOST)
        if call.ending == THROWS:
            self._throw(call)
        return returned

    def _throw(self, call: Callback) -> None:
        """What the callback throws, or what is pending; nothing if there is neither."""
        if call.exn is not None:
            rooted = call.exn.to_rooted(call.store)
            call.exn.drop()
            call.store.throw(rooted)
        if call.store.has_pending_exception():
            raise ThrownException

    def _take_returned(self) -> tuple[Store, OwnedRooted[ExternRef] | None] | None:
        """What the call returned that was closed last, if it returned; its root is dropped."""
        taken, self._returned = self._returned, None
        if taken and taken[1]:
            taken[1].drop()
        return taken

    def op_arg(self, op: Op) -> Raw:
        _, form, result = op
        call = self._calls[-1]
        return self._again(call.store, call.arg and call.arg.to_owned_rooted(call.store), form, result)

    def _again(self, store: Store, owned: OwnedRooted[ExternRef] | None, form: int, result: int) -> Raw:
        """Keeps another root for what is rooted already, in the form that is wanted."""
        if owned is None:
            return NULL_REF
        if form:
            return self._keep(store, owned, result)
        rooted = owned.to_rooted(store)
        owned.drop()
        return self._keep(store, rooted, result)

    def op_ret(self, op: Op) -> Raw:
        value = self._value(op[1])
        if value is MISSING:
            return SKIPPED
        call = self._calls[-1]
        owned = self._owned(call.store, value)
        if call.returns is not None:
            call.returns.drop()
        call.returns = owned
        return DONE

    @staticmethod
    def _owned(store: Store, value: Any) -> OwnedRooted[Any] | None:
        """Another root for an operand, which is the machine's own."""
        if value is None:
            return None
        return value.clone() if isinstance(value, OwnedRooted) else value.to_owned_rooted(store)

    def op_raise(self, op: Op) -> Raw:
        return self._ends(TRAPS, None)

    def op_raise_exn(self, op: Op) -> Raw:
        value = self._value(op[1])
        if value is MISSING:
            return SKIPPED
        return self._ends(THROWS, self._owned(self._calls[-1].store, value))

    def _ends(self, ending: str, exn: OwnedRooted[Any] | None) -> Raw:
        call = self._calls[-1]
        if call.exn is not None:
            call.exn.drop()
        call.ending, call.exn = ending, exn
        return DONE

    def op_result(self, op: Op) -> Raw:
        _, form, result = op
        taken, self._returned = self._returned, None
        return SKIPPED if taken is None else self._again(*taken, form, result)

    def _host(self, instance: Instance, first: int) -> HostFunctions:
        """The host's functions for one run, with its values; those that are not taken stay with the host."""

        def finalized() -> list[int]:
            seen = [each.id for each in self._effects[host.known :] if type(each) is not tuple]
            host.known = len(self._effects)
            return seen

        values = [HostValue(value) for value in range(first, first + RUN_VALUES)]
        host = HostFunctions(instance, values, lambda value: value.id, finalized)
        return host


def _kept(host: HostFunctions) -> tuple[Any, ...]:
    """The trace, without what an observation has no room for beside the result (docs/bodies.md)."""
    return tuple(host.trace[: MAX_OBSERVED - 1])
