"""The C API as a machine: runs of bodies that call back, and what callbacks do (docs/bodies.md)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

from typing import Final

from twinheap.model.observation import NONNULL as IS_NONNULL
from twinheap.model.ops import CODE, NULL, Op
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_wasm import WasmOps
from twinheap.targets.capi.memory import is_null
from twinheap.targets.machine import DONE, NONNULL, NULL_REF, SKIPPED, TRAPS, Callback, Raw

_RESULT: Final = CODE["result"]


class CallOps(WasmOps):
    """The ops around callbacks."""

    def __init__(self, api: CApi) -> None:
        super().__init__(api)
        self._returned: tuple[StoreState, int] | None = None  # by the call closed last: a handle, or 0 for null

    def clean_up(self) -> None:
        self._drop_returned()
        super().clean_up()

    def op_call(self, op: Op) -> Raw:
        _, at, body, value, first, second, third, selector = op
        call = self._called()
        self._drop_returned()
        out = self._api.memory.take_extern()
        instance = self.slots[at]  # whose handle may end in the callback
        seen = self._ran(at, body, value, (first, second, third), selector, out, call)
        self._drop_returned()  # of a call inside
        if seen[0] == "ok" and seen[1][-1] == IS_NONNULL:
            self._returned = instance.store, out
        else:
            self._api.memory.give_extern(out)
            self._returned = (instance.store, 0) if seen[0] == "ok" else None
        if call.end + 1 >= len(self._ops) or self._ops[call.end + 1][0] != _RESULT:
            self._drop_returned()
        return seen

    op_call_exn = op_call

    def op_end(self, op: Op) -> Raw:
        return DONE

    def op_arg(self, op: Op) -> Raw:
        _, _, result = op
        call = self._calls[-1]
        return self._again(call.store, call.arg, result)

    def _again(self, store: StoreState, handle: int, result: int) -> Raw:
        """Another handle for what there is one for."""
        if is_null(handle):
            return NULL_REF
        out = self._out(0, result)
        self._api.externref_clone(store.context, handle, out)
        self.slots[result] = store, out, False
        return NONNULL

    def op_ret(self, op: Op) -> Raw:
        held = self._nulls[0] if op[1] == NULL else self.slots[op[1]] and self.slots[op[1]][1]
        if held is None:
            return SKIPPED
        call = self._calls[-1]
        self._release_return(call)
        if op[1] != NULL:
            call.returns = self._api.memory.take_extern()
            self._api.externref_clone(call.store.context, held, call.returns)
        return DONE

    def op_raise(self, op: Op) -> Raw:
        return self._ends(TRAPS, None)

    def _ends(self, ending: str, exn: int | None) -> Raw:
        """The callback will end so. `exn`: a handle that is the machine's own."""
        call = self._calls[-1]
        self._release_exn(call)
        call.ending, call.exn = ending, exn
        return DONE

    def _release_exn(self, call: Callback) -> None:
        """Lets go of what a callback was to throw: releases without exceptions of the host's have none."""

    def op_result(self, op: Op) -> Raw:
        _, _, result = op
        if self._returned is None:
            return SKIPPED
        store, handle = self._returned
        seen = self._again(store, handle or self._nulls[0], result)
        self._drop_returned()
        return seen

    def _drop_returned(self) -> None:
        """Lets go of what the call returned that was closed last."""
        taken, self._returned = self._returned, None
        if taken and taken[1]:
            self._api.externref_unroot(taken[0].context, taken[1])
            self._api.memory.give_extern(taken[1])
