"""The shrinker, with oracles that need no target."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from twinheap.fuzz.edits import weight
from twinheap.fuzz.shrink import Check, shrink
from twinheap.model.builder import Builder
from twinheap.model.ops import CODE, OPS
from twinheap.model.program import Config, Program
from twinheap.model.text import dumps, loads


def noise(seed: int, count: int) -> Builder:
    """A builder with `count` random ops on store 0."""
    rng = random.Random(seed)
    b = Builder(Config(limit=65536))
    for _ in range(count):
        handles = [s for s in (*b.pools["O"], *b.pools["L"]) if b.slots[s].alive]
        choice = rng.randrange(6)
        if choice == 0 or not handles:
            b.add(CODE["ext_new_owned"], (0, b.next_value), keep=rng.random() < 0.3)
        elif choice == 1:
            b.add(CODE["scope"], (0,)) if rng.random() < 0.5 else b.add(CODE["end"], ())
        elif choice == 2:
            b.add(CODE["ext_new"], (0, b.next_value))
        else:
            b.add(CODE[("to_raw", "data", "kind")[choice - 3]], (rng.choice(handles),))
    return b


def names(program: Program) -> list[str]:
    return [OPS[op[0]].name for op in program.ops]


def checking(one: Callable[[Program], bool], asked: list[int] | None = None) -> Check:
    def check(programs: Sequence[Program]) -> list[bool]:
        if asked is not None:
            asked.append(len(programs))
        return [one(program) for program in programs]

    return check


def k1(program: Program) -> bool:
    """Like the known defect K1: an owned handle exposed twice and then dropped."""
    raws: dict[int, int] = {}
    for op in program.ops:
        if op[0] == CODE["to_raw"]:
            raws[op[1]] = raws.get(op[1], 0) + 1
        elif op[0] == CODE["odrop"] and raws.get(op[1], 0) >= 2:
            return True
    return False


@pytest.mark.parametrize("seed", range(5))
def test_reaches_the_hand_written_minimum_of_k1(seed: int) -> None:
    b = noise(seed, 60)
    b.add(CODE["scope"], (0,))
    handle, _ = b.add(CODE["ext_new_owned"], (0, b.next_value)) or (0, 0)
    b.add(CODE["to_raw"], (handle,))
    b.add(CODE["kind"], (handle,))
    b.add(CODE["to_raw"], (handle,))
    b.add(CODE["odrop"], (handle,))
    program = b.finish()
    shrunk = shrink(program, checking(k1))
    assert not shrunk.exhausted
    assert names(shrunk.program) == ["ext_new_owned", "to_raw", "to_raw", "odrop"]
    assert shrunk.program.config == Config()


def test_is_deterministic() -> None:
    program = noise(7, 80).finish()

    def one(candidate: Program) -> bool:
        return names(candidate).count("to_raw") >= 2 and "scope" in names(candidate)

    runs = [shrink(program, checking(one)) for _ in range(2)]
    assert runs[0].program == runs[1].program
    assert runs[0].candidates == runs[1].candidates
    assert sorted(names(runs[0].program)) == ["end", "ext_new_owned", "scope", "to_raw", "to_raw"]


def test_integers_go_to_the_smallest_that_fails() -> None:
    text = "twinheap program 1\nF1 = fill S0 9000 v0\nfree F1 last\nI = i31_new S0 77\n".replace("I =", "L5 =")
    program = loads(text).program

    def one(candidate: Program) -> bool:
        return any(op[0] == CODE["fill"] and op[2] >= 2048 for op in candidate.ops) and "i31_new" in names(candidate)

    shrunk = shrink(program, checking(one)).program
    assert dumps(shrunk).splitlines()[1:] == ["F1 = fill S0 2048 v0", "L2 = i31_new S0 0"]


def test_extra_stores_scopes_and_errors_go() -> None:
    text = (
        "twinheap program 1\nS0: limit=65536 limiter=plain\nS1 = store_new 131072 plain\n"
        "scope S1:\n  O2, X3 = ext_new_owned S1 v0\n  L4 = lend O2\n  data L4\n"
    )

    def one(candidate: Program) -> bool:
        return "data" in names(candidate)

    shrunk = shrink(loads(text).program, checking(one)).program
    assert dumps(shrunk).splitlines()[1:] == ["O1 = ext_new_owned S0 v0", "data O1"]


def test_budgets_end_it_with_what_was_found() -> None:
    program = noise(3, 200).finish()
    asked: list[int] = []
    shrunk = shrink(program, checking(lambda p: "to_raw" in names(p), asked), max_candidates=10)
    assert shrunk.exhausted
    assert sum(asked) == shrunk.candidates <= 10 + 16
    assert weight(shrunk.program) <= weight(program)

    ticks = iter(range(10_000))
    timed = shrink(program, checking(lambda p: True), max_seconds=2, clock=lambda: float(next(ticks)))
    assert timed.exhausted


def test_what_cannot_shrink_is_given_back() -> None:
    program = noise(5, 20).finish()
    assert shrink(program, checking(lambda p: False)).program == program
