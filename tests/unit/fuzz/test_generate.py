"""The random engine: deterministic, distinct, valid, of the size and mix that is promised, and fast."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import msgspec
import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import DEFAULT, PROFILES, Profile, profile_named
from twinheap.model.judge import judge
from twinheap.model.observation import PANIC, SKIP
from twinheap.model.ops import CODE, MAX_DEPTH, OPS
from twinheap.model.profiles import profile_for
from twinheap.model.program import Program, depths
from twinheap.model.text import digest
from twinheap.model.view import ALL_OPS, resolve
from twinheap.targets.heap.machine import HeapMachine

MANY = 1500


@pytest.fixture(scope="module")
def programs() -> list[Program]:
    return [generate(1, number) for number in range(MANY)]


def test_the_same_arguments_give_the_same_program_in_any_order() -> None:
    forwards = [generate(3, number) for number in range(20)]
    assert [generate(3, number) for number in reversed(range(20))] == forwards[::-1]


def test_another_process_makes_the_same_programs() -> None:
    code = "from twinheap.fuzz.generate import generate; from twinheap.model.text import digest; "
    code += "print(*(digest(generate(3, n)) for n in range(5)))"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [digest(generate(3, number)) for number in range(5)]


def test_seed_number_and_profile_all_matter() -> None:
    assert len({generate(1, 1), generate(1, 2), generate(2, 1), generate(1, 1, PROFILES["raw"])}) == 4


@pytest.mark.parametrize("name", PROFILES)
def test_at_least_95_percent_are_distinct(name: str) -> None:
    made = {digest(generate(2, number, PROFILES[name])) for number in range(400)}
    assert len(made) >= 380


@pytest.mark.parametrize("name", PROFILES)
def test_programs_are_what_the_resolver_makes_of_them(name: str) -> None:
    for number in range(100):
        program = generate(4, number, PROFILES[name])
        assert resolve(program.config, program.ops) == program


def test_the_default_mix_has_every_op_kind(programs: list[Program]) -> None:
    seen = Counter(op[0] for program in programs for op in program.ops)
    assert {spec.name for spec in OPS if not seen[spec.code]} == set()


def test_programs_are_20_to_60_ops_long(programs: list[Program]) -> None:
    lengths = sorted(len(program) for program in programs)
    assert 30 <= sum(lengths) / MANY <= 55
    assert lengths[MANY // 50] >= 15
    assert lengths[-MANY // 50] <= 100


def test_at_least_30_ops_are_executed() -> None:
    machine = HeapMachine()
    executed = [sum(seen.outcome != SKIP for seen in machine.run(generate(6, number))) for number in range(300)]
    assert sum(executed) / len(executed) >= 30


def test_scopes_nest(programs: list[Program]) -> None:
    deepest = [max((depth for depth, _ in depths(program.ops)), default=0) for program in programs]
    assert max(deepest) >= 4
    assert max(deepest) <= MAX_DEPTH


def test_expensive_programs_are_few(programs: list[Program]) -> None:
    full = [p for p in programs if any(op[0] == CODE["fill"] and op[2] >= 1000 for op in p.ops)]
    assert 0.01 <= len(full) / MANY <= 0.05


def test_wrong_store_is_rare(programs: list[Program]) -> None:
    ended = [program for program in programs if any(op[0] == CODE["wrong_store"] for op in program.ops)]
    assert 1 <= len(ended) <= MANY * 0.01
    number = [generate(1, n, Profile("calm", wrong_store=0.0)) for n in range(300)]
    assert not any(op[0] == CODE["wrong_store"] for program in number for op in program.ops)


def test_hardly_any_program_ends_the_process_of_an_old_release() -> None:
    machine = HeapMachine(defects=frozenset({"k6"}))
    dead = 0
    for number in range(MANY):
        program = generate(8, number)
        observations = machine.run(program)
        last = program.all_ops[len(observations) - 1]
        dead += observations[-1].outcome.startswith(PANIC) and last[0] != CODE["wrong_store"]
    assert dead <= MANY * 0.006


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_model_and_heap_agree(collector: str) -> None:
    machine = HeapMachine(collector)
    hello = machine.hello()
    profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
    for number in range(150):
        program = generate(10, number)
        assert judge(program, machine.run(program), profile) == [], f"number {number}"


def test_a_focused_profile_has_more_of_its_subject() -> None:
    def share(profile: Profile, group: str) -> float:
        ops = [op for number in range(150) for op in generate(12, number, profile).ops]
        return sum(OPS[op[0]].group == group for op in ops) / len(ops)

    for name, group in (
        ("raw", "raw"),
        ("tables", "tables"),
        ("async", "async"),
        ("scopes", "scopes"),
        ("oom", "oom"),
        ("objects", "structs"),
        ("objects", "arrays"),
        ("wasm", "wasm"),
        ("bodies", "wasm"),
    ):
        assert share(PROFILES[name], group) > 1.5 * share(DEFAULT, group), name


def test_more_motifs_about_bodies_make_more_runs() -> None:
    def share(profile: Profile) -> float:
        ops = [op for number in range(150) for op in generate(15, number, profile).ops]
        return sum(OPS[op[0]].name in ("run", "run_exn", "call", "call_exn") for op in ops) / len(ops)

    bodies = PROFILES["bodies"]
    assert share(bodies) > 1.2 * share(msgspec.structs.replace(bodies, code=0.5)) > 0


def test_what_no_target_supports_is_hardly_offered() -> None:
    without = ALL_OPS - {"table_new", "table_set", "table_get", "table_fill", "table_copy", "table_grow"}
    ops = [op for number in range(200) for op in generate(13, number, supported=without).ops]
    assert sum(OPS[op[0]].name in ALL_OPS - without for op in ops) / len(ops) < 0.02


def test_profiles_by_name() -> None:
    assert profile_named("default") is DEFAULT
    with pytest.raises(ValueError, match="known: default, raw"):
        profile_named("raws")
