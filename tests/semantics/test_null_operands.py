"""Null operands of forms that want an object: each is a trap, and what else is live stays as it was."""

# ruff: noqa: E501 -- forms are read across

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

import twinheap.fuzz.bodies  # noqa: F401 -- completes the tables of ways
from twinheap.fuzz.bodies_frame import Frame, Maker
from twinheap.fuzz.bodies_nulls import null_of, null_operand
from twinheap.model.body import Tree, dumps, features_of, forms
from twinheap.model.body_types import check
from twinheap.model.judge import judge
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads
from twinheap.targets.heap.machine import RELEASES, HeapMachine

DECLARED = "(rec (func t0 (param extern))) (segment eq (struct.new_default empty))"
FORMS = (
    "(drop (struct.get box 0 {box}))",
    "(drop (struct.get_s mixed 0 {mixed}))",
    "(struct.set box 0 {box} (get 4))",
    "(drop (array.get anys {anys} (i32 100)))",
    "(drop (array.get_s bytes {bytes} (i32 -1)))",
    "(array.set externs {externs} (i32 100) (get 4))",
    "(drop (array.len {anys}))",
    "(array.fill externs {externs} (i32 0) (get 4) (i32 0))",
    "(array.copy anys anys {anys} (i32 0) (array.new_default anys (i32 3)) (i32 0) (i32 0))",
    "(array.copy anys anys (array.new_default anys (i32 3)) (i32 0) {anys} (i32 0) (i32 0))",
    "(array.init_elem anys 0 {anys} (i32 0) (i32 0) (i32 0))",
    "(array.init_data bytes {bytes} (i32 0) (i32 0) (i32 0))",
    "(drop (as_non_null {box}))",
    "(drop (as_non_null (null extern)))",
    "(drop (i31.get_s {i31}))",
    "(drop (i31.get_u {i31}))",
    "(invoke t0 (get 4) (null t0))",
    "(throw_ref (null exn))",
    "(throw_ref (get 7))",
    "(try (catch_all) (drop (struct.get box 0 {box})))",
)
NULLS = (
    "(null {0})",
    "(cast {0} (struct.get pair 1 (get 5)))",
    "(cast {0} (struct.get pair 1 (cast pair (struct.get pair 1 (struct.new pair (get 4) (struct.new_default pair))))))",
    "(cast {0} (array.get anys (array.new_default anys (i32 2)) (i32 1)))",
    "(cast {0} (table.get 1 (i32 3)))",
    "(cast {0} (then (gc) (get 2)))",
)


def _operands(null: str) -> dict[str, str]:
    return {type_: null.format(type_) for type_ in ("box", "mixed", "anys", "bytes", "externs", "i31")}


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
@pytest.mark.parametrize("form", FORMS)
def test_null_is_a_trap_and_what_is_live_stays(form: str, collector: str) -> None:
    """For each way in which the null comes: what a slot, a table and the host hold is there after the trap."""
    for null in dict.fromkeys(null if "{" in form else "" for null in NULLS):
        statement = form.format(**_operands(null))
        kept = "(set 4 (new)) (set 5 (struct.new_default pair)) (global.set 0 (get 4)) (table.set 0 (i32 1) (get 0))"
        body = f"(body {DECLARED} (main (local extern pair pair exn) {kept} {statement} (note (i32 1)) (get 4)))"
        run = "run_exn" if features_of(body) else "run"
        text = f"""twinheap program 1
B0: {body}
I1 = inst S0
G2 = inst_global I1 0
T3 = inst_table I1 0
O4 = ext_new_owned S0 v0
O5 = {run} I1 0 v1 O4 null null 0 owned
odrop O4
gc S0
L6 = global_get G2
data L6
L7 = table_get T3 1
data L7
"""
        program = loads(text).program
        seen = HeapMachine(collector).run(program)
        profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
        assert judge(program, seen, profile) == [], statement
        assert str(seen[4]).split(" finalized")[0] == "trap:null_ref", statement
        assert [str(seen[at]).split(" finalized")[0] for at in (8, 10)] == ["ok(1, 0)", "ok(0, 0)"], statement


def _made(seed: int) -> Iterator[Tree]:
    rng = Random(seed)
    features = {"nulls", "structs", "arrays", "tables", "traps", "frames"}
    m = Maker(lambda: rng.getrandbits(8), frozenset(features), 40)
    for _ in range(20):
        m.here = Frame(("extern", "extern", "any", "i32"), "extern", 80)
        made = null_operand(m, 2)
        if made is not None:
            yield m.here.tree("main", [made, ("null", "extern")])


def test_random_bodies_meet_every_form_with_null() -> None:
    """Statements of the generator are valid, and of all forms that this is about, but for those of features left out."""
    met: set[str] = set()
    for seed in range(30):
        for main in _made(seed):
            check(dumps(("body", main)))
            met |= {str(form[0]) for form in forms(main)}
    assert met >= {"struct.get", "struct.set", "array.get", "array.set", "array.len", "array.fill", "array.copy"}
    assert met >= {"array.init_data", "as_non_null", "cast_non_null", "i31.get_s", "i31.get_u"}


def test_a_null_of_each_type_is_of_that_type() -> None:
    """Wherever it comes from: each is null when a body runs."""
    rng = Random(1)
    for type_ in ("box", "node", "anys", "i31", "eq", "any", "extern", "struct", "array"):
        m = Maker(lambda: rng.getrandbits(8), frozenset(), 40)
        m.here = Frame(("extern", "extern", "any", "i32"), "extern", 80)
        notes = [("note", ("is_null", null_of(m, type_))) for _ in range(8)]
        body = dumps(("body", m.here.tree("main", [*notes, ("null", "extern")])))
        program = loads(
            f"twinheap program 1\nB0: {body}\nI1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\n"
        ).program
        assert str(HeapMachine("drc").run(program)[1]) == f"ok({'n:1, ' * 8}null)", body
