"""Random graphs of structs, arrays and exceptions, checked by the invariants and by a shadow of who holds what."""

import random

import pytest

from twinheap.targets.heap import (
    ANYREF,
    EXTERNREF,
    ArrayRef,
    ArrayType,
    ExnRef,
    ExternRef,
    FieldType,
    GcHeapOutOfMemory,
    RootScope,
    Storage,
    Store,
    StoreLimits,
    StructRef,
    StructType,
    Tag,
    TagType,
    ThrownException,
    Val,
)

NODE = StructType([FieldType(Storage.I8), FieldType(EXTERNREF), FieldType(ANYREF)])
LIST = ArrayType(FieldType(ANYREF))
PLACES = 6


class Node:
    """What a struct or array must hold: its value, and its children by place."""

    def __init__(self, value: int | None, children: list["Node | None"]) -> None:
        self.value = value
        self.children = children

    def reach(self, seen: dict["Node", None]) -> None:
        if self not in seen:
            seen[self] = None
            for child in self.children:
                if child is not None:
                    child.reach(seen)


class Graph:
    """A store whose objects only owned roots and the pending exception hold between two operations."""

    def __init__(self, collector: str, seed: int) -> None:
        self.rng = random.Random(seed)
        self.finalized: list[int] = []
        self.store = Store(
            collector, limiter=StoreLimits(memory_size=64 * 1024), on_finalize=self.finalized.append, verify=True
        )
        self.tag = Tag(self.store, TagType([ANYREF]))
        self.held: list[tuple[object, Node]] = []
        self.pending: Node | None = None
        self.made = 0

    def pick(self):
        return self.rng.choice(self.held) if self.held and self.rng.random() < 0.8 else (None, None)

    def keep(self, handle, node: Node) -> None:
        self.held.append((handle.to_owned_rooted(self.store), node))
        if len(self.held) > PLACES:
            self.held.pop(self.rng.randrange(PLACES))[0].drop()

    def new_struct(self) -> None:
        child, child_node = self.pick()
        number = self.made
        value = ExternRef.new(self.store, number)
        self.made += 1
        handle = StructRef.new(self.store, NODE, [Val.i32(number), value, child])
        self.keep(handle.to_anyref(), Node(number, [child_node]))

    def new_array(self) -> None:
        chosen = [self.pick() for _ in range(self.rng.randrange(5))]
        if self.rng.random() < 0.3:
            chosen = [self.pick()] * self.rng.randrange(1000)
            handle = ArrayRef.new(self.store, LIST, chosen[0][0] if chosen else None, len(chosen))
        else:
            handle = ArrayRef.new_fixed(self.store, LIST, [child for child, _ in chosen])
        self.keep(handle.to_anyref(), Node(None, [node for _, node in chosen]))

    def write(self) -> None:
        handle, node = self.pick()
        child, child_node = self.pick()
        if handle is None or not node.children:
            return
        place = self.rng.randrange(len(node.children))
        node.children[place] = child_node
        if handle.is_struct(self.store):
            handle.unwrap_struct(self.store).set_field(self.store, 2, child)
        else:
            handle.unwrap_array(self.store).set(self.store, place, child)

    def copy(self) -> None:
        handle, node = self.pick()
        length = 0 if node is None else len(node.children)
        if length < 2 or handle.is_struct(self.store):
            return
        array = handle.unwrap_array(self.store)
        count = self.rng.randrange(length)
        to, start = self.rng.randrange(length - count), self.rng.randrange(length - count)
        ArrayRef.copy(self.store, array, to, array, start, count)
        node.children[to : to + count] = node.children[start : start + count]

    def throw(self) -> None:
        child, node = self.pick()
        exn = ExnRef.new(self.store, self.tag, [child])
        with pytest.raises(ThrownException):
            self.store.throw(exn)
        self.pending = node

    def take(self) -> None:
        exn = self.store.take_pending_exception()
        if exn is not None and self.pending is not None:
            self.keep(exn.field(self.store, 0), self.pending)
        self.pending = None

    def step(self) -> None:
        operation = self.rng.choice(
            [self.new_struct, self.new_struct, self.new_array, self.write, self.copy, self.throw, self.take]
        )
        with RootScope(self.store):
            try:
                operation()
            except GcHeapOutOfMemory as oom:
                oom.drop()
        if self.rng.random() < 0.15:
            self.store.gc()

    def reachable(self) -> dict[Node, None]:
        seen: dict[Node, None] = {}
        for _, node in self.held:
            node.reach(seen)
        if self.pending is not None:
            self.pending.reach(seen)
        return seen

    def check(self) -> None:
        with RootScope(self.store):
            for handle, node in self.held:
                if handle.is_struct(self.store):
                    number, value, _ = handle.unwrap_struct(self.store).fields(self.store)
                    assert (number.number, value.data(self.store)) == (node.value & 0xFF, node.value)
                else:
                    assert handle.unwrap_array(self.store).len(self.store) == len(node.children)
        live = {node.value for node in self.reachable()}
        assert not live & set(self.finalized)
        assert len(self.finalized) == len(set(self.finalized))


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
@pytest.mark.parametrize("seed", range(3))
def test_random_graphs_keep_every_invariant(collector, seed):
    graph = Graph(collector, seed)
    for _ in range(60):
        graph.step()
        graph.check()
    graph.store.gc()
    graph.check()
    if collector == "copying":
        live = {node.value for node in graph.reachable()} - {None}
        assert len(graph.finalized) >= graph.made - len(live)
    graph.store.drop()
    assert set(range(graph.made)) <= set(graph.finalized)
