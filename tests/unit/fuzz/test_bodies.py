"""Random bodies and those of the kit: valid, small, about everything, the same whoever asks."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest
import wasmtime

from twinheap.fuzz.bodies import random_body
from twinheap.fuzz.generate import generate
from twinheap.fuzz.kit_bodies import CALLING_BODIES, KIT_BODIES
from twinheap.fuzz.profiles import PROFILES
from twinheap.fuzz.wasm_pool import SHARED
from twinheap.model.body import Tree, dumps, features_of, forms, parse
from twinheap.model.body_types import EXPRESSIONS, STATEMENTS, check
from twinheap.model.ops import BY_NAME, OPS
from twinheap.model.program import Program
from twinheap.model.view import ALL_OPS
from twinheap.model.wat import module

MANY = 3000
MODULES = 800
MOST_WORK = 200
"""How often the innermost statement of nested repeats may run."""
RUNS = ("run", "run_exn", "call", "call_exn")


def body(seed: int, exceptions: bool = True, size: int = 12) -> str:
    rng = random.Random(seed)
    return random_body(lambda: rng.getrandbits(8), exceptions, size, callbacks=True)


@pytest.fixture(scope="module")
def bodies() -> list[str]:
    return [body(seed, size=(12, 4, 30)[seed % 3]) for seed in range(MANY)]


def test_all_are_valid_and_in_the_stored_form(bodies: list[str]) -> None:
    for text in bodies:
        check(text)
        assert dumps(parse(text)) == text


def test_wasmtime_takes_their_modules(bodies: list[str]) -> None:
    config = wasmtime.Config()
    config.wasm_gc = config.wasm_function_references = config.wasm_exceptions = config.wasm_tail_call = True
    engine = wasmtime.Engine(config)
    for text in (*KIT_BODIES, *bodies[:MODULES]):
        wasmtime.Module.validate(engine, wasmtime.wat2wasm(module(text)))


def test_every_form_is_met(bodies: list[str]) -> None:
    calling = [random_body(partial(random.Random(seed).getrandbits, 8), callbacks=True) for seed in range(50)]
    seen = {form[0] for text in (*bodies, *calling) for form in forms(parse(text))}
    assert (STATEMENTS.keys() | EXPRESSIONS.keys()) - seen == set()


def test_small_and_all_different(bodies: list[str]) -> None:
    trees = [parse(text) for text in bodies[::3]]
    code = [[part for part in tree if isinstance(part, tuple) and part[0] != "rec"] for tree in trees]
    counts = sorted(sum(1 for part in parts for form in forms(part) if form[0] not in ("get", "i32")) for parts in code)
    assert 12 <= counts[len(counts) // 2] <= 50
    assert len(set(bodies)) >= 0.97 * len(bodies)


def test_references_wait_on_the_operand_stack(bodies: list[str]) -> None:
    """A collection in an operand after a reference: what stack maps have to describe."""
    waiting = Counter(
        form[0]
        for text in bodies
        for form in forms(parse(text))
        for part in form[2:]
        if isinstance(part, tuple) and part[0] == "then" and ("gc",) in part
    )
    assert {
        "select",
        "struct.new",
        "array.new",
        "array.new_fixed",
        "struct.set",
        "table.fill",
        "call",
    } <= waiting.keys()


def work(form: Tree, times: int = 1) -> int:
    """How often the innermost statement runs."""
    if form[0] == "repeat":
        times *= int(str(form[1]))
    return max([times, *(work(part, times) for part in form if isinstance(part, tuple))])


def test_loops_are_short(bodies: list[str]) -> None:
    assert max(work(parse(text)) for text in bodies) <= MOST_WORK


def test_without_exceptions_there_are_none() -> None:
    assert not any(features_of(body(seed, exceptions=False)) for seed in range(500))


def test_the_kit_has_every_form_once() -> None:
    for text in (*KIT_BODIES, *CALLING_BODIES):
        check(text)
        assert dumps(parse(text)) == text
    seen = {form[0] for text in (*KIT_BODIES, *CALLING_BODIES) for form in forms(parse(text))}
    assert (STATEMENTS.keys() | EXPRESSIONS.keys()) - seen == set()
    assert len(set(KIT_BODIES)) == len(KIT_BODIES) >= 60


# --- programs


def ran(program: Program) -> set[int]:
    return {op[2] for op in program.ops if OPS[op[0]].name in RUNS}


def test_some_programs_run_bodies_more_than_once() -> None:
    programs = [generate(1, number) for number in range(300)]
    share = sum(bool(ran(program)) for program in programs) / len(programs)
    assert 0.2 <= share <= 0.5
    runs = [sum(OPS[op[0]].name in RUNS for op in program.ops) for program in programs if program.config.bodies]
    assert sum(runs) / len(runs) >= 4


def test_programs_after_one_another_share_bodies() -> None:
    for start in (0, SHARED * 5):
        texts = [generate(2, start + at, PROFILES["wasm"]).config.bodies for at in range(SHARED)]
        assert len({text for one in texts for text in one}) < sum(map(len, texts))


def test_targets_are_asked_what_they_can() -> None:
    without = [generate(3, n, PROFILES["wasm"], ALL_OPS - {"run_exn"}) for n in range(100)]
    assert not any(features_of(text) for program in without for text in program.config.bodies)
    assert not any(generate(3, n, PROFILES["wasm"], ALL_OPS - {"run", "run_exn"}).config.bodies for n in range(50))
    assert not any(generate(3, n, PROFILES["host"]).config.bodies for n in range(100))
    assert {"run", "run_exn"} <= BY_NAME.keys()
