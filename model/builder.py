"""The resolver: turns ops into a `Program`, once, without running anything.

It knows what can be known statically (which slots exist, of what type, in which store, dropped or not) and enforces
every precondition of docs/spec/program-ir.md 8.1 by *dropping* the op. So generators, mutators, decoders and shrinkers
never repair anything: they offer ops, and what comes out is a valid program.

An op on a slot whose producer gave nothing at run time is not the resolver's business: it yields `skip`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.model.ops import CODE, END, INT_KINDS, MAX_OPS, MAX_VALUES, NULL, OPS, SLOT_KINDS, Op
from twinheap.model.preconditions import PRECONDITIONS
from twinheap.model.program import Config, Program

Outs = tuple[int, ...]
_CLOSING: Final = frozenset({END, CODE["cancel"]})  # taken beyond MAX_OPS: what is open has to be closed


class Slot:
    """What is statically known of a slot."""

    __slots__ = ("alive", "epoch", "kind", "store", "type", "value")

    def __init__(self, kind: str, store: int, type_: int, epoch: int, value: int) -> None:
        self.kind = kind
        self.store = store
        self.type = type_  # static reference type of handles, globals and tables
        self.alive = True  # not dropped, consumed or closed
        self.epoch = epoch  # of a raw value: the collection epoch of its store when it was made
        self.value = value  # of an error: the host value in it; of a table: whether nothing bounds it


class StoreState:
    """What is statically known of a store: its engine, collection epoch, pending future, scopes, limiter, answers."""

    __slots__ = ("answer", "engine", "epoch", "limiter", "pending", "scopes")

    def __init__(self, limiter: int, engine: int) -> None:
        self.engine = engine  # the number of its configuration
        self.epoch = 0  # raised at each point where a collection may run; raw values expire then
        self.pending = NULL  # the one open future (slot), while which other ops on the store are dropped
        self.scopes = 0
        self.limiter = limiter
        self.answer = 0  # what `set_limiter` chose last

    @property
    def synchronous(self) -> bool:
        """Whether Wasm can be run in it: a limiter that waits refuses that, and one that refuses all, instances."""
        return not self.limiter and not self.answer


class Builder:
    """Takes ops one by one and drops the impossible ones.

    `config`: settings of store 0. Public for generators: `slots` (static knowledge per slot), `pools` (slot numbers by
    kind, in order), `next_value`, `taken` (values back in the host's hands), `brackets` (stores of the open
    brackets), `callbacks` (which of them are calls).

    >>> b = Builder()
    >>> b.add(CODE["ext_new_owned"], (0, 0))
    (1, -1)
    >>> b.add(CODE["odrop"], (1,)), b.add(CODE["odrop"], (1,))
    ((), None)
    >>> len(b.finish())
    2
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.ops: list[Op] = []
        self.slots: list[Slot] = []
        self.stores: dict[int, StoreState] = {}
        self.pools: dict[str, list[int]] = {kind: [] for kind in SLOT_KINDS}
        self.next_value = 0
        self.taken: set[int] = set()
        self.brackets: list[int] = []
        self.callbacks: list[int] = []  # places among the brackets of those that are calls
        self.returned = (NULL, NULL)  # where the op after a call stands, and the call's store
        self.closed = False
        self.new_store(self.config.limiter, self.config.engine)

    def add(self, code: int, operands: Sequence[int], keep: bool = False) -> Outs | None:
        """Offers one op; returns its results, or None if it was dropped.

        `keep`: whether an out-of-memory error is kept in a slot (else it is dropped at once, with its value).
        """
        if self.closed or (len(self.ops) >= MAX_OPS and code not in _CLOSING):
            return None
        self.keep = keep
        outs = PRECONDITIONS[code](self, *operands)
        if outs is not None:
            self.ops.append((code, *operands, *outs))
        return outs

    def finish(self) -> Program:
        """Closes open scopes and futures, appends the implicit tail, and gives the program."""
        closed, self.closed = self.closed, False  # brackets are closed even after the op that ends the program
        while self.brackets:
            self.add(END, ())
        self.closed = closed
        tail_at = len(self.ops)
        if not self.closed:
            for store in [s for s in self.pools["S"] if self.slots[s].alive]:
                self._close_store(store)
        ops = tuple(self.ops)
        return Program(self.config, ops[:tail_at], ops[tail_at:], len(self.slots), self.next_value)

    def _close_store(self, store: int) -> None:
        state = self.stores[store]
        append = self.ops.append
        if state.pending != NULL:
            append((CODE["cancel"], state.pending))
        if state.limiter:  # a synchronous collection is refused there (semantics 1.5 A)
            pending = self.new("P", store)
            append((CODE["gc_async"], store, pending))
            append((CODE["poll"], pending, 0))
        else:
            append((CODE["gc"], store))
        append((CODE["sync"], store))
        append((CODE["store_drop"], store))

    def new(self, kind: str, store: int, type_: int = 0, value: int = NULL) -> int:
        """Defines the next slot."""
        slot = len(self.slots)
        self.slots.append(Slot(kind, store, type_, self.stores[store].epoch, value))
        self.pools[kind].append(slot)
        return slot

    def new_store(self, limiter: int, engine: int) -> int:
        """Defines the next slot as a store."""
        slot = len(self.slots)
        self.stores[slot] = StoreState(limiter, engine)
        return self.new("S", slot)

    def close(self, slot: int) -> None:
        """Marks `slot` dropped, consumed or closed."""
        self.slots[slot].alive = False

    def ready(self, store: int) -> bool:
        """Whether `store` is a store that can be used now: not dropped, no future pending."""
        return (
            0 <= store < len(self.slots)
            and self.slots[store].kind == "S"
            and self.slots[store].alive
            and self.stores[store].pending == NULL
        )

    def usable(self, slot: int, kinds: str) -> Slot | None:
        """The slot, if it is of one of `kinds`, alive, and its store can be used now."""
        if not 0 <= slot < len(self.slots):
            return None
        found = self.slots[slot]
        if found.kind in kinds and found.alive and self.ready(found.store):
            return found
        return None

    def fresh(self, value: int, count: int = 1) -> bool:
        """Takes `count` host values from `value` on: fresh ones, or one that is back in the host's hands."""
        if value == self.next_value and self.next_value + count <= MAX_VALUES:
            self.next_value += count
            return True
        if count == 1 and value in self.taken:
            self.taken.discard(value)
            return True
        return False

    def collect_point(self, store: int) -> None:
        """A collection may run here: raw values of `store` expire (semantics 3.4)."""
        self.stores[store].epoch += 1


def int_ok(code: int, operands: Sequence[int]) -> bool:
    """Whether the plain-integer operands of an op from outside are within their kinds."""
    return all(
        param.kind not in INT_KINDS or INT_KINDS[param.kind].holds(value)
        for param, value in zip(OPS[code].params, operands, strict=True)
    )
