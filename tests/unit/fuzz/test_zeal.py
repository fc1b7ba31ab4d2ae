"""Zealous programs: a collection between every two steps, and otherwise the same program."""

from __future__ import annotations

import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES, Profile
from twinheap.fuzz.zeal import collecting, zealous, zealous_body
from twinheap.model.body import MAX_TEXT, forms, parse
from twinheap.model.body_types import check
from twinheap.model.ops import CODE, OPS
from twinheap.model.program import Program
from twinheap.model.text import loads

GC = CODE["gc"]
HEAD = "twinheap program 1\n"


def names(text: str) -> list[str]:
    return [OPS[op[0]].name for op in zealous(loads(HEAD + text).program).ops]


def test_the_host_collects_after_every_op() -> None:
    assert names("O1 = ext_new_owned S0 v0\ndata O1\nodrop O1") == ["ext_new_owned", "gc", "data", "gc", "odrop"]


def test_the_store_of_the_op_before_is_collected() -> None:
    program = zealous(loads(HEAD + "S1 = store_new none plain\nO2 = ext_new_owned S1 v0\ngc S0\nodrop O2").program)
    assert [op[1] for op in program.ops if op[0] == GC] == [1, 1, 0, 0]


def test_a_raw_value_outlives_no_collection_and_is_still_used() -> None:
    seen = names("O1 = ext_new_owned S0 v0\nW2 = to_raw O1\ndata O1\nL3 = from_raw W2 extern\ndata L3")
    assert seen == ["ext_new_owned", "gc", "to_raw", "data", "from_raw", "gc", "data"]


def test_the_result_of_a_call_follows_its_end() -> None:
    seen = names(
        "B0: (body (main (cb (get 0))))\nI1 = inst S0\ncall I1 0 v0 null null null 0:\n  sync S0\nL2 = result lifo"
    )
    assert seen == ["inst", "gc", "call", "gc", "sync", "gc", "end", "result"]


@pytest.mark.parametrize("name", ["default", "raw", "async", "bodies"])
def test_nothing_of_the_program_is_lost(name: str) -> None:
    def steps(program: Program) -> list[int]:
        return [op[0] for op in program.ops if op[0] != GC]

    for number in range(100):
        program = generate(21, number, PROFILES[name])
        assert steps(zealous(program)) == steps(program)


PAIR = "(body (main (drop (struct.new pair (new) (global.get 2))) (get 1)))"
COLLECT = "(then (gc) (i32 1))"


def test_references_wait_on_the_operand_stack_for_a_collection() -> None:
    first, second = f"(select (new) (null extern) {COLLECT})", f"(select (global.get 2) (null any) {COLLECT})"
    pair = f"(select (struct.new pair {first} {second}) (null pair) {COLLECT})"
    assert collecting(PAIR, "select") == f"(body (main (gc) (drop {pair}) (get 1)))"


def test_or_the_next_operand_begins_with_one() -> None:
    second = f"(select (then (gc) (global.get 2)) (null any) {COLLECT})"
    pair = f"(select (struct.new pair (new) {second}) (null pair) {COLLECT})"
    assert collecting(PAIR, "then") == f"(body (main (gc) (drop {pair}) (get 1)))"


def test_all_bodies_stay_bodies_and_nearly_all_collect_more() -> None:
    texts = {text for number in range(200) for text in generate(22, number, PROFILES["bodies"]).config.bodies}
    changed = [text for text in texts if zealous_body(text) != text]
    assert len(changed) >= len(texts) * 0.95  # the rest has nothing in it that could wait
    for text in changed:
        made = zealous_body(text)
        check(made)
        assert sum(form == ("gc",) for form in forms(parse(made))) > sum(form == ("gc",) for form in forms(parse(text)))


def test_a_body_that_would_be_too_large_collects_between_statements_only() -> None:
    text = f"(body (main {'(global.set 0 (get 0)) ' * 500}(get 0)))"
    made = zealous_body(text)
    assert len(made) <= MAX_TEXT
    assert made.startswith("(body (main (gc) (global.set 0 (get 0)) (gc)")


def test_few_programs_of_a_usual_run_are_zealous_and_the_rest_is_as_without() -> None:
    with_zeal, without = Profile("plain", zeal=0.1), Profile("plain", zeal=0.0)
    changed = [generate(23, number, with_zeal) != generate(23, number, without) for number in range(300)]
    assert 10 <= sum(changed) <= 60
    assert 0 < PROFILES["default"].zeal < 0.1
    assert sum(op[0] == GC for op in generate(23, 0, PROFILES["zeal"]).ops) > 5
