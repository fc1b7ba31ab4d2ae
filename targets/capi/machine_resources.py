"""Resources: whether the process grows while handles are made and dropped (docs/spec/semantics.md 2.3)."""

# ruff: noqa: D102 -- each method is named after its op, and the op table says what that does.
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from twinheap.model.ops import INT_KINDS, Op
from twinheap.targets.capi.limits import StoreState
from twinheap.targets.capi.machine_slots import SlotOps
from twinheap.targets.capi.valtypes import RefType
from twinheap.targets.machine import Raw

_CHURNS: Final = INT_KINDS["churn"].names
_COLLECT_EVERY: Final = 256  # externrefs: their host data is released by collections


_FIELDS: Final = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo2(ctypes.Structure):
    """struct mallinfo2 of malloc.h: how much of the C heap is in use."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def bytes_in_use() -> int:
    """What malloc has handed out and not got back, mapped blocks included."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = _Mallinfo2
    info = function()
    return int(info.uordblks + info.hblkhd)


class ResourceOps(SlotOps):
    """The op `churn`."""

    def op_churn(self, op: Op) -> Raw:
        _, at, what, count = op
        store: StoreState = self.slots[at]
        api, context = self._api, store.context
        root, spare = api.memory.take_any(), api.memory.take_any()
        extern = api.memory.take_extern()
        api.anyref_from_i31(context, 1, root)
        step = self._step(_CHURNS[what], context, root, spare, extern)
        grown = 0
        for half in (count - count // 2, count // 2):  # the first warms up
            start = bytes_in_use()
            for at in range(half):
                step(at)
            if _CHURNS[what] == "extern":
                api.gc(context)
            grown = bytes_in_use() - start
        api.anyref_unroot(context, root)
        for address in (root, spare):
            api.memory.give_any(address)
        api.memory.give_extern(extern)
        return ("ok", (max(grown, 0),))

    def _step(self, what: str, context: int, root: int, spare: int, extern: int) -> Callable[[int], Any]:
        """One handle made and dropped."""
        api = self._api
        if what == "i31":

            def i31(at: int) -> None:
                api.anyref_from_i31(context, at, spare)
                api.anyref_unroot(context, spare)

            return i31
        if what == "clone":

            def clone(_: int) -> None:
                api.anyref_clone(context, root, spare)
                api.anyref_unroot(context, spare)

            return clone
        if what == "global":
            item = api.memory.take_item()
            api.global_new(context, RefType.ANYREF, True, root, item)

            def read(_: int) -> None:
                api.global_get(context, item, spare)
                api.anyref_unroot(context, spare)

            return read

        def made(at: int) -> None:
            if api.externref_plain(context, extern):
                api.externref_unroot(context, extern)
            if at % _COLLECT_EVERY == _COLLECT_EVERY - 1:
                api.gc(context)

        return made
