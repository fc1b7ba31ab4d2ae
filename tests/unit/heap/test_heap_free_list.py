"""Placement of 42.0.2: first fit by address, split, merge at once (docs/spec/semantics.md 1.4)."""

import random

from twinheap.targets.heap.free_list import GRANULE, FreeList


def blocks(free_list: FreeList) -> list[tuple[int, int]]:
    return list(zip(free_list.starts, free_list.lengths, strict=True))


def full_of(size: int, capacity: int = 65536) -> tuple[FreeList, list[int]]:
    free_list = FreeList()
    free_list.add_capacity(capacity)
    taken = []
    while start := free_list.alloc(size):
        taken.append(start)
    return free_list, taken


def test_a_fresh_page_holds_2047_externrefs_from_index_16():
    free_list, taken = full_of(32)
    assert len(taken) == 2047
    assert taken[0] == GRANULE
    assert blocks(free_list) == [(65520, 16)]


def test_freeing_every_other_block_refuses_twice_the_size_but_not_the_size():
    free_list, taken = full_of(32)
    for start in taken[::2]:
        free_list.free(start, 32)
    assert free_list.alloc(64) == 0
    assert free_list.alloc(32) == taken[0]


def test_the_lowest_block_that_fits_is_taken():
    free_list, taken = full_of(32)
    free_list.free(taken[10], 32)
    free_list.free(taken[4], 32)
    free_list.free(taken[5], 32)
    assert free_list.alloc(48) == taken[4]
    assert free_list.alloc(32) == taken[10]
    assert free_list.alloc(16) == taken[5] + 16


def test_freed_blocks_merge_with_both_neighbours():
    free_list, taken = full_of(32)
    for start in (taken[0], taken[2], taken[1]):
        free_list.free(start, 32)
    assert blocks(free_list) == [(16, 96), (65520, 16)]


def test_growth_merges_with_a_free_tail():
    free_list, _ = full_of(32)
    free_list.add_capacity(65536)
    assert blocks(free_list) == [(65520, 16 + 65536)]
    assert free_list.alloc(32) == 65520


def test_growth_behind_a_full_heap_starts_at_the_old_end():
    free_list = FreeList()
    free_list.add_capacity(65536)
    assert free_list.alloc(65520) == 16
    free_list.add_capacity(65536)
    assert blocks(free_list) == [(65536, 65536)]


def test_random_use_agrees_with_a_bitmap():
    rng = random.Random(5)
    free_list = FreeList()
    free_list.add_capacity(4096)
    used = [True] + [False] * 255
    live: dict[int, int] = {}
    for _ in range(4000):
        if live and rng.random() < 0.5:
            start = rng.choice(list(live))
            size = live.pop(start)
            free_list.free(start, size)
            used[start // 16 : (start + size) // 16] = [False] * (size // 16)
        else:
            size = 16 * rng.randint(1, 12)
            runs = (i for i in range(257 - size // 16) if not any(used[i : i + size // 16]))
            expected = next(runs, 0) * 16
            start = free_list.alloc(size)
            assert start == expected
            if start:
                live[start] = size
                used[start // 16 : (start + size) // 16] = [True] * (size // 16)
        assert sum(free_list.lengths) == 16 * used.count(False)
