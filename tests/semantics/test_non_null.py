"""Tables of bodies' own, of 32 and 64 bits; variables, results and elements that are never null; casts and null."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest

from twinheap.model.body import BodyError
from twinheap.model.body_types import check
from twinheap.model.judge import judge
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads
from twinheap.model.wat import module
from twinheap.targets.heap.machine import RELEASES, HeapMachine

NULL = "trap:null_ref"


def ran(body: str, collector: str = "drc") -> str:
    """How a run of a body with nulls ends, and its trace; the judge must agree."""
    made = loads(f"twinheap program 1\nB0: {body}\nI1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\n").program
    observed = HeapMachine(collector).run(made)
    profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
    assert judge(made, observed, profile) == []
    return str(observed[1]).split(" finalized")[0]


@pytest.mark.parametrize("table", ["table", "table64"])
@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_a_private_table_holds_what_is_written_to_it(table: str, collector: str) -> None:
    body = f"(body ({table} box 2 4 (struct.new_default box)) (main (table.set 2 (i32 1) (struct.new box (new))) (gc) (note (table.grow 2 (table.get 2 (i32 1)) (i32 2))) (note (table.grow 2 (null box) (i32 1))) (note (table.size 2)) (struct.get box 0 (table.get 2 (i32 3)))))"
    assert ran(body, collector) == "ok(n:2, n:-1, n:4, nonnull)"


@pytest.mark.parametrize("table", ["table", "table64"])
@pytest.mark.parametrize("form", ["(table.set 2 (i32 -1) (null eq))", "(table.fill 2 (i32 -1) (null eq) (i32 1))", "(table.copy 2 2 (i32 0) (i32 0) (i32 -1))"])  # fmt: skip
def test_a_negative_index_is_out_of_bounds(table: str, form: str) -> None:
    assert ran(f"(body ({table} eq 2 4 (null eq)) (main {form} (null extern)))") == "trap:table_oob"


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        ("(body (table ref.box 1 2 (struct.new_default box)) (main (table.set 2 (i32 9) (null box)) (null extern)))", NULL),
        ("(body (table ref.box 1 2 (struct.new_default box)) (main (drop (table.grow 2 (null box) (then (note (i32 1)) (i32 0)))) (null extern)))", NULL),
        ("(body (func (param ref.extern) (note (i32 1))) (main (call 0 (null extern)) (null extern)))", NULL),
        ("(body (func (param ref.extern) (result ref.extern) (get 0)) (main (call_ref 0 (new))))", "ok(nonnull)"),
        ("(body (func (result ref.box) (null box)) (main (drop (call_indirect 0)) (null extern)))", NULL),
        ("(body (func (result ref.box) (return (null box)) (struct.new_default box)) (main (drop (call 0)) (null extern)))", NULL),
        ("(body (main (local ref.box) (set 4 (struct.new_default box)) (set 4 (null box)) (null extern)))", NULL),
        ("(body (main (local ref.box) (set 4 (struct.new_default box)) (gc) (to_extern (get 4))))", "ok(nonnull)"),
        ("(body (main (note (test_null box (null box))) (note (test box (null box))) (null extern)))", "ok(n:1, n:0, null)"),
        ("(body (main (drop (cast_non_null box (null box))) (null extern)))", "trap:cast"),
        ("(body (main (note (is_null (on_cast_null box (null any) (struct.new_default box)))) (null extern)))", "ok(n:1, null)"),
        ("(body (main (note (is_null (on_cast_fail_null box (struct.new_default pair) (struct.new_default box)))) (null extern)))", "ok(n:0, null)"),
    ],
)  # fmt: skip
def test_where_null_may_not_be(body: str, ends: str) -> None:
    assert ran(body) == ends


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("(body (table ref.box 1 2 (null box)) (main (null extern)))", "must make an object"),
        ("(body (table box 3 2 (null box)) (main (null extern)))", "at first and at most"),
        ("(body (table box 1 2 (null box)) (table box 1 2 (null box)) (table box 1 2 (null box)) (main (null extern)))", "at most 2 tables"),
        ("(body (table ref.box 1 2 (struct.new_default box)) (segment box) (main (table.init 2 0 (i32 0) (i32 0) (i32 0)) (null extern)))", "may be null"),
        ("(body (main (local ref.box) (to_extern (get 4))))", "must be set before"),
        ("(body (func (result box) (null box)) (func (result ref.box) (tail 0) (struct.new_default box)) (main (null extern)))", "may give null"),
    ],
)  # fmt: skip
def test_what_is_no_body(body: str, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        check(body)


def test_indexes_of_64_bits_are_extended() -> None:
    text = module("(body (table64 eq 1 2 (null eq)) (main (table.copy 2 2 (i32 0) (i32 0) (i32 1)) (null extern)))")
    assert "(table $q2 i64 1 2 (ref null eq) (ref.null eq))" in text
    assert text.count("i64.extend_i32_s") == 3
