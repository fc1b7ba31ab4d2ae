"""Exact mode with structs and arrays: sizes, growth, cascades (semantics.md 1.3, 1.5, 1.6, K7, K12)."""

from __future__ import annotations

import pytest

from twinheap.model.entities import PAGE, Obj
from twinheap.model.layout import block, needed, object_bytes
from twinheap.model.objects import build
from twinheap.model.ops import UNLIMITED
from twinheap.model.profiles import Profile
from twinheap.model.program import Config, Program
from twinheap.model.rules_memory import add_object, begin_allocation
from twinheap.model.state import Store
from twinheap.model.world import World

SIZES = [
    ("drc", "struct", 0, 0, 32, 32),  # 24 + 4, at 8
    ("drc", "struct", 3, 0, 48, 48),  # i8 extern i64 extern: 24, 28, 32, 40
    ("drc", "array", 0, 10, 68, 80),
    ("drc", "array", 4, 1, 40, 48),  # its elements are at 32
    ("drc", "exn", 0, 0, 40, 48),
    ("null", "struct", 0, 0, 16, 16),
    ("null", "array", 3, 1, 13, 16),
    ("null", "exn", 2, 0, 16, 16),
    ("copying", "struct", 5, 0, 32, 32),  # room for a forwarding reference
]


def _world(collector: str, *defects: str, limit: int = UNLIMITED) -> tuple[World, Store]:
    profile = Profile("heap", (0, 0, 0), collector, collector != "copying", frozenset(defects))
    world = World(Program(Config(limit), (), (), 1, 0), profile)
    return world, world.stores[0]


@pytest.mark.parametrize(("collector", "kind", "type_", "length", "size", "rounded"), SIZES)
def test_the_size_of_an_object(collector: str, kind: str, type_: int, length: int, size: int, rounded: int) -> None:
    world, store = _world(collector)
    cells = [None] * (length if kind == "array" else 4)
    obj = build(world, store, kind, type_, cells)
    assert object_bytes(collector, kind, type_, len(cells) if kind == "array" else 0) == obj.size == size
    assert block(collector, obj) == rounded
    assert needed(collector, obj) == (2 * size if collector == "copying" else size)


@pytest.mark.parametrize(
    ("length", "defects", "calls", "fits"),
    [
        (16373, (), [(0, 0), (0, PAGE)], True),
        (16374, (), [(0, 0), (0, 2 * PAGE)], True),
        (16374, ("K7",), [(0, 0), (0, PAGE)], False),
    ],
)
def test_an_empty_heap_grows_by_the_reserved_bytes_too(
    length: int, defects: tuple[str, ...], calls: list[tuple[int, int]], fits: bool
) -> None:
    world, store = _world("drc", *defects)
    begin_allocation(store)
    assert store.counts
    assert store.counts.alloc(build(world, store, "array", 0, [None] * length)) is fits
    assert store.counts.take()[1] == calls


def _made(world: World, store: Store, obj: Obj) -> Obj:
    assert store.counts
    assert store.counts.alloc(obj)
    add_object(world, store, obj)
    return obj


def test_a_long_chain_dies_at_once_with_what_it_holds() -> None:
    world, store = _world("drc")
    assert store.counts
    begin_allocation(store)
    held = _made(world, store, Obj(0, 0))
    store.enter()
    store.root(held, counted=True)
    tail: Obj | None = None
    for _ in range(5000):
        node = _made(world, store, build(world, store, "struct", 6, [tail, held]))
        if tail:
            store.counts.dec(tail)  # its own root: from now on only the next node holds it
        tail = node
    store.exit()
    assert store.counts.take()[0] == []
    store.counts.dec(tail)
    assert store.counts.take()[0] == [0]
    assert store.counts.space.place(store.counts.space.size - 16), "all blocks are free and merged"


@pytest.mark.parametrize(("defects", "count"), [((), 1), (("K12",), 2)])
def test_a_failed_initialization_gives_its_block_back_and_its_counts(defects: tuple[str, ...], count: int) -> None:
    world, store = _world("drc", *defects)
    assert store.counts
    begin_allocation(store)
    held = _made(world, store, Obj(0, 0))
    store.root(held, counted=True)
    failed = build(world, store, "struct", 2, [held, None])
    assert store.counts.alloc(failed)
    store.give_back(failed, [held])
    assert held.count == count
    assert store.counts.space.place(32) == failed.address
