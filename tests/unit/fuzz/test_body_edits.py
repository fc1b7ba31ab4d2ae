"""Shrinking of bodies, with oracles that need no target."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from twinheap.fuzz import shrink as shrinking
from twinheap.fuzz.bodies import random_body
from twinheap.fuzz.body_edits import EDITS, body_edits, body_weight, with_body
from twinheap.fuzz.body_shape import body_shape
from twinheap.fuzz.edits import weight
from twinheap.fuzz.shrink import Check, shrink
from twinheap.fuzz.signature import Identity, signature
from twinheap.model.body import BodyError, dumps, forms, parse
from twinheap.model.body_types import check
from twinheap.model.builder import Builder
from twinheap.model.ops import CODE, NULL, OPS
from twinheap.model.program import Config, Program

LEAK = Identity("TH202", None, "", "")


def running(*bodies: str) -> Program:
    """A program that runs each body once."""
    b = Builder(Config(bodies=bodies))
    b.add(CODE["ext_new_owned"], (0, 0))
    made = b.add(CODE["inst"], (0,)) or (NULL,)
    for at in range(len(bodies)):
        for name in ("run", "run_exn"):
            b.add(CODE[name], (made[0], at, b.next_value, 1, NULL, NULL, 1, 0))
    return b.finish()


def checking(one: Callable[[Program], bool]) -> Check:
    def check_all(programs: Sequence[Program]) -> list[bool]:
        return [one(program) for program in programs]

    return check_all


def ran_forms(program: Program) -> set[str]:
    ran = {op[2] for op in program.ops if OPS[op[0]].name in ("run", "run_exn")}
    return {str(form[0]) for at in ran for form in forms(parse(program.config.bodies[at]))}


def with_forms(count: int, *wanted: str) -> list[str]:
    found = []
    for seed in range(10_000):
        rng = random.Random(seed)
        text = random_body(partial(rng.getrandbits, 8), True, 30)
        if {str(form[0]) for form in forms(parse(text))}.issuperset(wanted):
            found.append(text)
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize("text", with_forms(3, "select", "gc"))
def test_reaches_a_minimum(text: str) -> None:
    shrunk = shrink(running("(body (main (get 1)))", text), checking(lambda p: {"select", "gc"} <= ran_forms(p)))
    assert not shrunk.exhausted
    (body,) = shrunk.program.config.bodies
    assert body_weight(body)[0] <= 12
    assert [OPS[op[0]].name for op in shrunk.program.ops] == ["inst", "run"]


def test_no_more_candidates_are_made_than_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body has hundreds of candidates, and the first few are asked before the others are made."""
    made: list[Program] = []

    def counted(program: Program) -> Iterator[Program]:
        for candidate in body_edits(program):
            made.append(candidate)
            yield candidate

    monkeypatch.setattr(shrinking, "body_edits", counted)
    (text,) = with_forms(1, "tail", "throw")
    shrunk = shrink(running(text), checking(lambda p: True), max_candidates=1)
    everything = len(list(body_edits(running(text))))
    assert shrunk.exhausted
    assert len(made) <= shrinking.BATCH < everything


def test_a_helper_that_nothing_calls_is_put_into_main() -> None:
    helper = "(func (param extern) (result any) (local eq) (set 1 (get 1)) (gc) (null box))"
    text = f"(body {helper} (main (local any) (get 0)))"
    merged = "(body (main (local any extern eq) (set 6 (get 6)) (gc) (drop (null box)) (get 0)))"
    assert merged in {program.config.bodies[0] for program in body_edits(running(text))}


@pytest.mark.parametrize("text", with_forms(2, "tail", "throw"))
def test_helpers_and_clauses_go(text: str) -> None:
    shrunk = shrink(running(text), checking(lambda p: "throw" in ran_forms(p)))
    (body,) = shrunk.program.config.bodies
    assert body_weight(body)[0] <= 6
    assert [OPS[op[0]].name for op in shrunk.program.ops] == ["inst", "run_exn"]


def test_every_edit_gives_valid_simpler_programs() -> None:
    for text in with_forms(1, "struct.new", "if"):
        program = running(text)
        edited = list(body_edits(program))
        assert edited
        for candidate in edited:
            check(candidate.config.bodies[0])
            assert weight(candidate) < weight(program)


def test_most_edits_fit() -> None:
    """Candidates that break a rule cost time only, but most should not."""
    good = bad = 0
    for text in with_forms(1, "call", "block"):
        for edit in EDITS:
            for tree in edit(parse(text), text):
                try:
                    check(dumps(tree))
                except BodyError:
                    bad += 1
                else:
                    good += 1
    assert good > bad


def test_unused_parameters_and_locals_are_renumbered() -> None:
    text = (
        "(body (func (param extern any extern) (result extern) (local eq extern) (set 4 (get 2)) (get 4))"
        " (main (local any extern) (set 5 (call 0 (get 0) (get 2) (get 1))) (get 5)))"
    )

    def one(program: Program) -> bool:
        return {"call", "set"} <= ran_forms(program) and "func" in program.config.bodies[0]

    (body,) = shrink(running(text), checking(one)).program.config.bodies
    assert "param" not in body
    assert "any" not in body


def test_runs_follow_what_their_body_may_throw() -> None:
    program = running("(body (main (throw nothing) (get 0)))")
    calm = with_body(program, 0, "(body (main (get 0)))")
    assert [OPS[op[0]].name for op in calm.ops][-1] == "run"


def test_bodies_that_nothing_runs_go() -> None:
    same = "(body (main (gc) (get 0)))"
    program = running("(body (main (get 1)))", same, same)
    shrunk = shrink(program, checking(lambda p: "gc" in ran_forms(p)))
    assert shrunk.program.config.bodies == ("(body (main (gc) (null extern)))",)


def test_shapes_tell_bodies_apart_by_form_and_not_by_number() -> None:
    one = running("(body (main (global.set 0 (get 0)) (gc) (global.get 0)))")
    two = running("(body (main (global.set 1 (get 1)) (gc) (global.get 1)))")
    other = running("(body (main (global.set 0 (get 0)) (gc) (get 0)))")
    assert signature(LEAK, one) == signature(LEAK, two) != signature(LEAK, other)
    assert body_shape("(body (main (note (i32 5)) (get 0)))") == body_shape("(body (main (note (i32 7)) (get 0)))")


def test_declared_types_shrink_to_what_is_needed() -> None:
    """Unneeded types and fields go, prefixes with them, and what is needed of the types stays."""
    text = (
        "(body (rec (struct t0 (open) i64 const.any ref.t1) (array t1 const.ref.i31) (func t2 (param t0)))"
        " (rec (struct t3 (sub t0) i64 const.any ref.t1 extern i8))"
        " (func (type t2) (param t0) (gc))"
        " (main (local t3) (set 4 (struct.new t3 (i64 5) (get 2) (array.new t1 (i31 (i32 1)) (i32 2)) (new) (i32 3)))"
        " (invoke t2 (get 4) (ref.func 0)) (struct.get t3 3 (get 4))))"
    )
    check(text)

    def one(program: Program) -> bool:
        body = program.config.bodies[0]
        return "(sub t0)" in body and {"struct.get"} <= ran_forms(program)

    (body,) = shrink(running(text), checking(one)).program.config.bodies
    declared = [part for part in parse(body) if isinstance(part, tuple) and part[0] == "rec"]
    words = [str(word) for form in forms(("body", *declared)) for word in form if not isinstance(word, tuple)]
    assert not any(word.startswith(("const.", "ref.")) or word in ("array", "func", "i8") for word in words)
    assert "func" not in body
    assert len(words) <= 12
