"""Random operations, checked by the heap's own invariants and a shadow of what must be alive."""

import random

import pytest

from twinheap.targets.heap import (
    ExternRef,
    GcHeapOutOfMemory,
    Global,
    OwnedRooted,
    ParamKind,
    Rooted,
    RootScope,
    Store,
    StoreLimits,
    Table,
    TypedFunc,
)


class Shadow:
    """A store under random use: what each handle must read, and what was finalized."""

    def __init__(self, collector: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.finalized: list[int] = []
        self.store = Store(
            collector, limiter=StoreLimits(memory_size=64 * 1024), on_finalize=self.finalized.append, verify=True
        )
        self.scopes: list[tuple[RootScope, list[tuple[Rooted[ExternRef], int]]]] = []
        self.lifo: list[tuple[Rooted[ExternRef], int]] = []
        self.owned: list[tuple[OwnedRooted[ExternRef], int]] = []
        self.table = Table(self.store, ExternRef, 4)
        self.table_values: list[int | None] = [None] * 4
        self.cell = Global(self.store, ExternRef)
        self.cell_value: int | None = None
        self.made = 0

    def new(self) -> None:
        try:
            self.lifo.append((ExternRef.new(self.store, self.made), self.made))
        except GcHeapOutOfMemory as oom:
            oom.drop()
        self.made += 1

    def new_async(self) -> None:
        future = ExternRef.new_async(self.store, self.made)
        if self.rng.random() < 0.5:
            future.poll()
            self.lifo.append((future.result, self.made))
        else:
            future.cancel()
        self.made += 1

    def enter(self) -> None:
        self.scopes.append((RootScope(self.store), self.lifo))
        self.lifo = list(self.lifo)

    def leave(self) -> None:
        if self.scopes:
            scope, self.lifo = self.scopes.pop()
            scope.close()

    def pick(self):
        return self.rng.choice(self.lifo) if self.lifo else (None, None)

    def own(self) -> None:
        handle, value = self.pick()
        if handle is not None:
            self.owned.append((handle.to_owned_rooted(self.store), value))

    def drop(self) -> None:
        if self.owned:
            self.owned.pop(self.rng.randrange(len(self.owned)))[0].drop()

    def lend(self) -> None:
        if self.owned:
            handle, value = self.rng.choice(self.owned)
            self.lifo.append((handle.to_rooted(self.store), value))

    def raw(self) -> None:
        handle, value = self.pick()
        if handle is not None:
            self.lifo.append((ExternRef.from_raw(self.store, handle.to_raw(self.store)), value))

    def set_slot(self) -> None:
        handle, value = self.pick()
        if self.rng.random() < 0.5:
            self.cell.set(self.store, handle)
            self.cell_value = value
        else:
            at = self.rng.randrange(4)
            self.table.set(self.store, at, handle)
            self.table_values[at] = value

    def copy(self) -> None:
        to, start, count = self.rng.randrange(3), self.rng.randrange(3), self.rng.randrange(3)
        if max(to, start) + count <= 4:
            Table.copy(self.store, self.table, to, self.table, start, count)
            self.table_values[to : to + count] = self.table_values[start : start + count]

    def typed(self) -> None:
        if self.owned:
            handle, value = self.owned.pop(0)
            self.owned.append((TypedFunc(self.store, ParamKind.OWNED, ExternRef).call(self.store, handle), value))

    def gc(self) -> None:
        if self.rng.random() < 0.5:
            self.store.gc()
        else:
            future = self.store.gc_async()
            for _ in range(self.rng.randrange(8)):
                if future.poll():
                    break
            future.cancel()

    def check(self) -> None:
        live = [*self.lifo, *self.owned]
        assert [handle.data(self.store) for handle, _ in live] == [value for _, value in live]
        held = {value for _, value in live} | set(self.table_values) | {self.cell_value}
        assert not held & set(self.finalized)
        assert len(set(self.finalized)) == len(self.finalized)


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
@pytest.mark.parametrize("seed", range(4))
def test_random_programs_keep_every_invariant(collector, seed):
    shadow = Shadow(collector, seed)
    operations = [
        shadow.new,
        shadow.new,
        shadow.new_async,
        shadow.enter,
        shadow.leave,
        shadow.own,
        shadow.drop,
        shadow.lend,
        shadow.raw,
        shadow.set_slot,
        shadow.copy,
        shadow.typed,
        shadow.gc,
    ]
    for _ in range(300):
        shadow.rng.choice(operations)()
        shadow.check()
    while shadow.scopes:
        shadow.leave()
    shadow.store.gc()
    shadow.check()
    if collector != "null":
        held = {value for _, value in (*shadow.lifo, *shadow.owned)} | {*shadow.table_values, shadow.cell_value}
        assert set(range(shadow.made)) - set(shadow.finalized) == held - {None}
    shadow.store.drop()
    assert sorted(shadow.finalized) == list(range(shadow.made))
