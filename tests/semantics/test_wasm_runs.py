"""Runs of bodies: what each form does in the model, and that another observation is caught with the right code.

Values: 0 and 1 are the arguments' host values, 2 to 9 those that `new` takes in order.
"""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest

from twinheap.model.body import features_of
from twinheap.model.codes import Verdict
from twinheap.model.judge import judge
from twinheap.model.observation import Observation, Value
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.text import loads

FIXED = profile_for("wasmtime", "50.0.1", "drc", exact=False, strict=True)
COPYING = profile_for("wasmtime", "50.0.1", "copying", exact=False, strict=True)
NULL = profile_for("wasmtime", "50.0.1", "null", exact=False, strict=True)
OK = Observation("ok")


def verdicts(
    body: str, *observed: Observation, after: str = "", limit: str = "none", profile: Profile = FIXED
) -> list[Verdict]:
    """The verdicts on a run of `body` with two externrefs, an i31 of 9 and the selector 7, and on ops `after` it."""
    op = "run_exn" if features_of(body) else "run"
    text = f"""twinheap program 1
S0: limit={limit} limiter=plain
B0: {body}
I1 = inst S0
O2 = ext_new_owned S0 v0
O3 = ext_new_owned S0 v1
O4 = i31_new_owned S0 9
O5 = {op} I1 0 v2 O2 O3 O4 7 owned
{after}"""
    program = loads(text).program
    found = judge(program, [OK, OK, OK, OK, *observed], profile)
    return [verdict for verdict in found if verdict.allowed != "one observation per op"]


def main(statements: str, result: str = "(null extern)", declared: str = "") -> str:
    return f"(body {declared} (main (local extern any eq box anys i32) {statements} {result}))"


def trace(*values: Value, finalized: tuple[int, ...] = ()) -> Observation:
    return Observation("ok", (*values, "null"), finalized)


BOX = "(set 7 (struct.new box (get 0)))"
ANYS = "(set 8 (array.new anys (get 2) (i32 3)))"
SEGMENT = "(segment eq (struct.new_default empty) (i31 (i32 3)))"

RIGHT: list[tuple[str, tuple[Value, ...]]] = [
    # references and numbers (6.1)
    (
        "(see (get 0)) (see (get 1)) (see (get 4)) (see (to_extern (get 2))) (note (get 3))",
        (0, 1, "null", "i31:9", "n:7"),
    ),
    (
        "(see (to_extern (i31 (i32 -1)))) (note (i31.get_s (i31 (i32 -1)))) (note (i31.get_u (i31 (i32 -1))))",
        ("i31:2147483647", "n:-1", "n:2147483647"),
    ),
    (
        "(note (add (i32 2147483647) (i32 1))) (note (to_i32 (f32 2147483647))) (note (to_i32 (i64 -5)))",
        ("n:-2147483648", "n:2147483647", "n:-5"),
    ),
    (
        "(note (ref_eq (i31 (i32 5)) (i31 (i32 5)))) (note (ref_eq (struct.new_default box) (struct.new_default box)))",
        ("n:1", "n:0"),
    ),
    (
        "(note (is_null (get 4))) (note (test i31 (get 2))) (note (test eq (to_any (get 0)))) (note (test box (null any)))",
        ("n:1", "n:1", "n:0", "n:0"),
    ),
    (f"{BOX} (note (test box (get 7))) (note (test sub (get 7))) (see (to_extern (get 7)))", ("n:1", "n:0", "object")),
    (
        "(see (to_extern (on_cast i31 (get 2) (null i31)))) (note (is_null (on_cast box (get 2) (null box))))",
        ("i31:9", "n:1"),
    ),
    ("(see (select (get 0) (get 1) (i32 0))) (see (if_else (i32 1) (get 0) (then (note (i32 3)) (get 1))))", (1, 0)),
    ("(see (to_extern (to_any (get 0)))) (see (pass (get 1)))", (0, 1)),
    (
        "(note (struct.get_s nums 0 (struct.new nums (i32 200) (i32 40000) (i32 0) (i64 0) (f32 0) (f64 0)))) (note (struct.get_s nums 1 (struct.new nums (i32 200) (i32 40000) (i32 0) (i64 0) (f32 0) (f64 0)))) (note (array.get_s bytes (array.new bytes (i32 128) (i32 1)) (i32 0))) (note (array.get_s bytes (array.new bytes (i32 127) (i32 1)) (i32 0)))",
        ("n:-56", "n:-25536", "n:-128", "n:127"),
    ),
    ("(set2 0 1 (get 1) (get 0)) (see (get 0)) (see (get 1))", (1, 0)),
    ("(set2 4 4 (get 1) (get 0)) (see (get 4))", (1,)),
    ("(block (br_on_null 0 (get 0)) (see (get 0)) (br_on_null 0 (get 4)) (see (get 1)))", (0,)),
    (
        "(see (on_non_null (get 0) (get 1))) (see (on_non_null (get 4) (get 1))) (see (to_extern (on_cast_fail i31 (get 2) (null i31)))) (note (is_null (on_cast_fail box (get 2) (null box))))",
        (0, 1, "i31:9", "n:1"),
    ),
    # control (6.5)
    ("(block (br 0) (note (i32 1))) (repeat 3 (note (i32 2)))", ("n:2", "n:2", "n:2")),
    (
        "(block (block (br_table (get 3) 0 1) (note (i32 1))) (note (i32 2))) (block (br_if 0 (i32 0)) (note (i32 3)))",
        ("n:3",),
    ),
    ("(if (i32 0) (do (note (i32 1))) (do (note (i32 2)))) (if (i32 0) (do (note (i32 3))))", ("n:2",)),
    ("(note (add (then (note (i32 1)) (i32 10)) (then (note (i32 2)) (i32 20))))", ("n:1", "n:2", "n:30")),
    ("(note (i32 1)) (return (null extern)) (note (i32 2))", ("n:1",)),
    # globals, tables (6.2, 6.3)
    ("(global.set 0 (get 0)) (see (global.get 0)) (clear) (see (global.get 0))", (0, "null")),
    (
        "(table.set 0 (i32 3) (get 0)) (see (table.get 0 (i32 3))) (note (table.size 0)) (note (table.grow 0 (get 1) (i32 12))) (note (table.grow 0 (get 1) (i32 1))) (see (table.get 0 (i32 15)))",
        (0, "n:4", "n:4", "n:-1", 1),
    ),
    (
        "(table.fill 0 (i32 1) (get 0) (i32 2)) (table.set 0 (i32 0) (get 1)) (table.copy 0 0 (i32 1) (i32 0) (i32 3)) (see (table.get 0 (i32 1))) (see (table.get 0 (i32 3)))",
        (1, 0),
    ),
    # structs, arrays (6.4)
    (
        f"{BOX} (see (struct.get box 0 (get 7))) (struct.set box 0 (get 7) (get 1)) (see (struct.get box 0 (get 7)))",
        (0, 1),
    ),
    ("(note (struct.get nums 0 (struct.new nums (i32 -1) (i32 65537) (i32 -2) (i64 1) (f32 1) (f64 2))))", ("n:255",)),
    (
        f"{ANYS} (note (array.len (get 8))) (array.set anys (get 8) (i32 1) (null any)) (note (is_null (array.get anys (get 8) (i32 1))))",
        ("n:3", "n:1"),
    ),
    (
        f"{ANYS} (array.fill anys (get 8) (i32 0) (null any) (i32 1)) (array.copy anys anys (get 8) (i32 1) (get 8) (i32 0) (i32 2)) (note (is_null (array.get anys (get 8) (i32 1)))) (note (is_null (array.get anys (get 8) (i32 2))))",
        ("n:1", "n:0"),
    ),
    (
        "(note (array.get bytes (array.new_data bytes (i32 60) (i32 4)) (i32 3))) (note (to_i32 (array.get longs (array.new_data longs (i32 0) (i32 1)) (i32 0))))",
        ("n:63", "n:50462976"),
    ),
    # exceptions
    (
        "(try (catch two 5 4) (throw two (get 2) (get 1)) (note (i32 1))) (see (get 4)) (see (to_extern (get 5)))",
        (1, "i31:9"),
    ),
    ("(try (catch_all) (try (catch nothing) (throw one (get 0)))) (note (i32 1))", ("n:1",)),
]


@pytest.mark.parametrize(("statements", "entries"), RIGHT, ids=range(len(RIGHT)))
def test_a_run_shows_what_its_body_does(statements: str, entries: tuple[Value, ...]) -> None:
    assert verdicts(main(statements), trace(*entries)) == []


@pytest.mark.parametrize(("statements", "entries"), RIGHT, ids=range(len(RIGHT)))
def test_any_other_entry_is_caught(statements: str, entries: tuple[Value, ...]) -> None:
    for at, entry in enumerate(entries):
        other: Value = "n:77" if str(entry).startswith("n:") else 1 - entry if isinstance(entry, int) else "i31:77"
        found = verdicts(main(statements), trace(*entries[:at], other, *entries[at + 1 :]))
        assert len(found) == 1
        assert found[0].code in ("TH101", "TH103", "TH104", "TH105", "TH109")
    assert [v.code for v in verdicts(main(statements), trace(*entries, "n:1"))] == ["TH106"]
    assert verdicts(main(statements), trace(*entries[:-1])) != []


TRAPS = {
    "(unreachable)": "unreachable",
    "(drop (as_non_null (null any)))": "null_ref",
    "(drop (struct.get box 0 (null box)))": "null_ref",
    "(drop (cast box (get 2)))": "cast",
    "(drop (table.get 0 (i32 4)))": "table_oob",
    "(table.fill 0 (i32 3) (get 0) (i32 2))": "table_oob",
    "(table.copy 0 0 (i32 -1) (i32 0) (i32 1))": "table_oob",
    "(drop (array.get anys (array.new_default anys (i32 2)) (i32 2)))": "array_oob",
    "(drop (array.new_data bytes (i32 61) (i32 4)))": "memory_oob",
    "(drop (array.new_default longs (i32 -1)))": "too_large",
    "(throw_ref (null exn))": "null_ref",
}


@pytest.mark.parametrize("statement", TRAPS)
def test_traps_end_a_run_where_they_are_met(statement: str) -> None:
    body = main(f"(note (i32 1)) (try (catch_all) {statement}) (note (i32 2))")
    assert verdicts(body, Observation(f"trap:{TRAPS[statement]}", ("n:1",))) == []
    assert [v.code for v in verdicts(body, trace("n:1", "n:2"))] == ["TH106"]
    assert [v.code for v in verdicts(body, Observation("trap:stack", ("n:1",)))] == ["TH106"]
    assert [v.code for v in verdicts(body, Observation(f"trap:{TRAPS[statement]}"))] == ["TH106"]


@pytest.mark.parametrize(("at", "allowed"), [(5, ["null_ref", "array_oob"]), (0, ["null_ref"])])
def test_a_copy_from_null_to_what_is_out_of_bounds_may_end_by_either(at: int, allowed: list[str]) -> None:
    body = main(f"(array.copy anys anys (array.new_default anys (i32 2)) (i32 {at}) (null anys) (i32 0) (i32 1))")
    for code in ("null_ref", "array_oob", "table_oob"):
        found = verdicts(body, Observation(f"trap:{code}"))
        assert [v.code for v in found] == ([] if code in allowed else ["TH106"]), code


def test_what_was_done_before_a_trap_stays() -> None:
    body = main("(global.set 0 (get 0)) (unreachable)")
    after = "G6 = inst_global I1 0\nO7 = global_get_owned G6\ndata O7"
    seen = [Observation("trap:unreachable", ()), OK, Observation("ok", ("nonnull",))]
    assert verdicts(body, *seen, Observation("ok", (0, 0)), after=after) == []
    assert [v.code for v in verdicts(body, *seen, Observation("ok", (1, 0)), after=after)] == ["TH101"]


def test_calls_take_arguments_and_tails_take_the_place_of_their_function() -> None:
    helpers = "(func (param extern i32) (result extern) (note (get 1)) (get 0)) (func (param extern) (result extern) (tail 0 (get 0) (i32 4)) (null extern))"
    body = main("(see (call 1 (get 1))) (see (call_ref 0 (get 0) (i32 5)))", "(get 0)", helpers)
    assert verdicts(body, Observation("ok", ("n:4", 1, "n:5", 0, "nonnull"))) == []
    assert [v.code for v in verdicts(body, Observation("ok", ("n:4", 1, "n:5", 0, "null")))] == ["TH105"]


def test_a_result_is_rooted() -> None:
    body = main("", "(new)")
    right = [Observation("ok", ("nonnull",)), OK, Observation("ok", (2, 0))]
    assert verdicts(body, *right, after="gc S0\ndata O5") == []
    gone = [right[0], Observation("ok", (), (2,))]
    assert [v.code for v in verdicts(body, *gone, after="gc S0\ndata O5")] == ["TH201"]


def test_new_takes_eight_values_and_then_gives_null() -> None:
    body = main("(repeat 9 (see (new)))")
    assert verdicts(body, trace(*range(2, 10), "null")) == []
    assert [v.code for v in verdicts(body, trace(*range(2, 10), 10))] == ["TH105"]


# --- lifetimes (4.1, 4.2)


def test_what_a_global_holds_is_live_inside_a_run() -> None:
    body = main("(global.set 0 (new)) (gc) (note (i32 1))")
    assert verdicts(body, trace("n:1")) == []
    assert [v.code for v in verdicts(body, trace("f:2", "n:1", finalized=(2,)))] == ["TH201"]


def test_what_only_a_dead_variable_knows_may_be_finalized() -> None:
    body = main("(set 4 (new)) (gc) (note (i32 1))")
    assert verdicts(body, trace("n:1")) == []
    assert verdicts(body, trace("f:2", "n:1", finalized=(2,))) == []
    assert verdicts(body, trace("n:1", finalized=(2,))) == []


@pytest.mark.parametrize(
    "use",
    [
        "(see (get 4))",
        "(global.set 0 (get 4))",
        "(drop (pass (get 4)))",
        "(drop (struct.new box (get 4)))",
        "(throw one (get 4))",
        "(return (get 4))",
    ],
)
def test_what_a_frame_still_uses_is_live(use: str) -> None:
    body = main(f"(set 4 (new)) (gc) (note (i32 1)) {use} (note (i32 2))")
    found = verdicts(body, Observation("ok", ("f:2", "n:1", "n:2", "null"), (2,)))
    assert [v.code for v in found] == ["TH201"]


def test_what_is_in_an_object_that_a_frame_uses_is_live() -> None:
    body = main("(set 7 (struct.new box (new))) (gc) (note (i32 1)) (global.set 2 (get 7))")
    assert verdicts(body, trace("n:1")) == []
    assert [v.code for v in verdicts(body, trace("f:2", "n:1", finalized=(2,)))] == ["TH201"]


def test_after_a_run_what_it_left_behind_is_due() -> None:
    body = main("(drop (struct.new box (new)))")
    assert [v.code for v in verdicts(body, trace(), OK, after="gc S0")] == ["TH202"]
    assert verdicts(body, trace(), Observation("ok", (), (2,)), after="gc S0") == []
    assert verdicts(body, trace(), OK, after="gc S0", profile=NULL) == []


def test_what_a_cycle_of_objects_holds_may_stay_under_drc() -> None:
    body = "(body (main (local node) (set 4 (struct.new node (null node) (new))) (struct.set node 0 (get 4) (get 4)) (null extern)))"
    assert verdicts(body, trace(), OK, after="gc S0") == []
    assert verdicts(body, trace(), Observation("ok", (), (2,)), after="gc S0") == []
    assert [v.code for v in verdicts(body, trace(), OK, after="gc S0", profile=COPYING)] == ["TH202"]


def test_a_value_is_finalized_once_and_was_in_the_store() -> None:
    body = main("(drop (new)) (gc) (note (i32 1))")
    assert [v.code for v in verdicts(body, trace("n:1", finalized=(2, 2)))] == ["TH203"]
    assert [v.code for v in verdicts(body, trace("n:1", finalized=(3,)))] == ["TH206"]
    assert [v.code for v in verdicts(body, trace("f:2", "n:1"))] == ["TH404"]
    assert [v.code for v in verdicts(body, trace("n:1", finalized=(2,)), profile=NULL)] == ["TH201"]


def test_the_null_collector_finalizes_nothing_in_a_run() -> None:
    found = verdicts(main("(drop (new)) (gc)"), trace(finalized=(2,)), profile=NULL)
    assert [v.code for v in found] == ["TH201"]


# --- exceptions (capi.md 5.2)


def test_an_uncaught_exception_stays_pending() -> None:
    body = main("(throw one (new))")
    right = [Observation("exn", ()), OK]
    assert verdicts(body, *right, after="gc S0") == []
    assert [v.code for v in verdicts(body, right[0], Observation("ok", (), (2,)), after="gc S0")] == ["TH201"]
    assert [v.code for v in verdicts(body, trace())] == ["TH106"]


def test_a_caught_exception_is_gone_but_for_k2() -> None:
    body = main("(try (catch_all) (throw one (new)))")
    assert [v.code for v in verdicts(body, trace(), OK, after="gc S0")] == ["TH202"]
    old = profile_for("wasmtime", "45.0.0", "drc", exact=False)
    assert [v.known for v in verdicts(body, trace(), OK, after="gc S0", profile=old)] == ["K2"]


# --- segments (6.6)


def test_segments_are_made_once_and_dropped_ones_are_empty() -> None:
    statements = "(table.init 1 0 (i32 0) (i32 0) (i32 1)) (table.init 1 0 (i32 1) (i32 0) (i32 1)) (note (ref_eq (cast eq (table.get 1 (i32 0))) (cast eq (table.get 1 (i32 1)))))"
    body = main(statements, declared=SEGMENT)
    assert verdicts(body, trace("n:1")) == []
    assert [(v.code, v.known) for v in verdicts(body, trace("n:0"))] == [("TH103", None)]
    old = profile_for("wasmtime", "44.0.0", "drc", exact=False)
    assert [(v.code, v.known) for v in verdicts(body, trace("n:0"), profile=old)] == [("TH103", "K5")]
    dropped = main("(elem.drop 0) (note (i32 1)) (table.init 1 0 (i32 0) (i32 0) (i32 1))", declared=SEGMENT)
    assert verdicts(dropped, Observation("trap:table_oob", ("n:1",))) == []


def test_segments_stay_from_one_run_to_the_next() -> None:
    statements = "(if (is_null (global.get 4)) (do (global.set 4 (array.get nodes (null nodes) (i32 0)))))"
    assert verdicts(main(statements), Observation("trap:null_ref", ())) == []
    body = main("(if (i32 1) (do (elem.drop 0)))", declared=SEGMENT)
    again = "O6 = run I1 0 v10 null null null 0 owned"
    assert verdicts(body, trace(), trace(), after=again) == []


OWN = "(const box (struct.new_default box)) (global any (global.get 7)) (active 1 2 eq (i31 (i32 5)) (global.get 7))"


def test_private_globals_stay_from_one_run_to_the_next() -> None:
    statements = "(see (struct.get box 0 (global.get 7))) (struct.set box 0 (global.get 7) (new)) (see (to_extern (global.get 8))) (global.set 8 (null any))"
    again = "O6 = run I1 0 v10 null null null 0 owned"
    body = main(statements, declared=OWN)
    assert verdicts(body, trace("null", "object"), trace(2, "null"), after=again) == []
    gone = Observation("ok", ("f:2", 2, "null", "null"), (2,))
    assert [v.code for v in verdicts(body, trace("null", "object"), gone, after=again)] == ["TH201"]
    other = again.replace("I1", "I7")
    seen = [trace("null", "object"), OK, trace("null", "object")]
    assert verdicts(body, *seen, after=f"I6 = inst S0\n{other.replace('O6', 'O7').replace('I7', 'I6')}") == []


def test_active_segments_are_written_when_a_body_first_runs() -> None:
    statements = "(see (to_extern (table.get 1 (i32 2)))) (note (ref_eq (cast eq (table.get 1 (i32 3))) (global.get 7))) (table.set 1 (i32 2) (null any))"
    again = "O6 = run I1 0 v10 null null null 0 owned"
    seen = trace("i31:5", "n:1"), trace("null", "n:1")
    assert verdicts(main(statements, declared=OWN), *seen, after=again) == []


def test_an_active_segment_that_does_not_fit_ends_the_run() -> None:
    declared = f"{OWN} (active 1 3 any (null any) (null any)) (active 1 0 any (i31 (i32 1)))"
    after = "T6 = inst_table I1 1\nO7 = table_get_owned T6 {}\n"
    trap = Observation("trap:table_oob", ())
    for at, shown in ((0, "null"), (3, "nonnull")):
        seen = OK, Observation("ok", (shown,))
        assert verdicts(main("", declared=declared), trap, *seen, after=after.format(at)) == []
    again = "O6 = run I1 0 v10 null null null 0 owned"
    assert verdicts(main("", declared=declared), trap, trap, after=again) == []


# --- out of memory (program-ir.md 8.3 rule 4)


def test_out_of_memory_while_a_body_is_instantiated_is_followed_by_another_attempt() -> None:
    large = " ".join("(array.new_default longs (i32 100))" for _ in range(78))
    declared = f"(segment any {large}) (active 1 0 any (i31 (i32 5)))"
    body = main("(table.set 1 (i32 0) (null any))", declared="(global array (array.new_default longs (i32 100)))")
    again = "O6 = run I1 0 v10 null null null 0 owned"
    assert [v.code for v in verdicts(body, Observation("err:oom", ()), limit="65536")] == ["TH301"]
    full = main("(see (to_extern (table.get 1 (i32 0)))) (table.set 1 (i32 0) (null any))", declared=declared)
    failed = Observation("err:oom", ())
    assert verdicts(full, failed, failed, after=again, limit="65536") == []
    assert verdicts(full, failed, trace("i31:5"), after=again, limit="65536") == []
    assert verdicts(full, trace("i31:5"), trace("null"), after=again, limit="65536") == []


LARGE = "(set 8 (array.new_default anys (i32 16000)))"
"""Takes most of 64 KiB."""


def test_out_of_memory_without_a_limit_or_with_room_is_wrong() -> None:
    body = main("(note (i32 1)) (drop (struct.new box (get 0))) (note (i32 2))")
    assert [v.code for v in verdicts(body, Observation("err:oom", ("n:1",)))] == ["TH301"]
    assert [v.code for v in verdicts(body, Observation("err:oom", ("n:1",)), limit="65536")] == ["TH301"]
    assert [v.code for v in verdicts(body, Observation("err:oom", ("n:1", "n:2")), limit="65536")] == ["TH301"]


def test_out_of_memory_where_little_is_left_is_right() -> None:
    body = main(f"{LARGE} (note (i32 1)) (global.set 2 (struct.new box (get 0))) (note (i32 2)) (global.set 2 (get 8))")
    after = "G6 = inst_global I1 2\nO7 = global_get_owned G6"
    seen = [OK, Observation("ok", ("null",))]
    assert verdicts(body, Observation("err:oom", ("n:1",)), *seen, limit="65536", after=after) == []
    assert verdicts(body, trace("n:1", "n:2"), limit="65536") == []


def test_garbage_leaves_room() -> None:
    body = main(f"{LARGE} (set 8 (null anys)) (note (i32 1)) (drop (struct.new box (get 0))) (note (i32 2))")
    assert [v.code for v in verdicts(body, Observation("err:oom", ("n:1",)), limit="65536")] == ["TH301"]
    found = verdicts(body, Observation("trap:too_large", ("n:1",)), limit="65536", profile=NULL)
    assert found == []


def test_more_than_the_limit_cannot_be_held() -> None:
    body = main("(global.set 6 (array.new_default anys (i32 17000)))")
    assert [v.code for v in verdicts(body, trace(), limit="65536")] == ["TH303"]


def test_an_ambiguous_out_of_memory_ends_judging() -> None:
    body = main(f"{LARGE} (note (i32 1)) (global.set 0 (new)) (global.set 0 (new)) (note (i32 2))")
    seen = Observation("err:oom", ("n:1",)), Observation("ok", (), (0,))
    assert verdicts(body, *seen, limit="65536", after="gc S0") == []


def test_the_value_of_a_failed_new_is_dropped() -> None:
    body = main(f"{LARGE} (note (i32 1)) (global.set 0 (new)) (note (i32 2))")
    assert verdicts(body, Observation("err:oom", ("n:1",), (2,)), limit="65536") == []
    assert [v.code for v in verdicts(body, Observation("err:oom", ("n:1",)), limit="65536")] == ["TH207"]


def test_a_value_that_was_dropped_may_have_been_made_before() -> None:
    """A collection for a later allocation may have dropped it, and then what came in between was made."""
    body = main(f"{LARGE} (note (i32 1)) (drop (new)) (set 4 (new)) (drop (struct.new box (get 4)))")
    for gone, later in (((2,), (3,)), ((2, 3), ()), ((3,), (2,))):
        for profile in (FIXED, COPYING):
            seen = Observation("err:oom", ("n:1",), gone), Observation("ok", (), later)
            assert verdicts(body, *seen, limit="65536", after="gc S0", profile=profile) == []


# --- known defects


def test_a_selected_value_on_the_stack_across_a_collection_is_k3() -> None:
    old = profile_for("wasmtime", "43.0.0", "drc", exact=False)
    unsafe = main(
        "(global.set 0 (new)) (set 7 (struct.new sub (select (global.get 0) (get 0) (i32 1)) (then (clear) (gc) (note (i32 1)) (i32 0)))) (see (struct.get box 0 (get 7)))"
    )
    found = verdicts(unsafe, trace("f:2", "n:1", "null", finalized=(2,)), profile=old)
    assert [(v.code, v.known) for v in found] == [("TH201", "K3")]
    safe = main("(set 4 (select (new) (get 0) (i32 1))) (gc) (note (i32 1)) (see (get 4))")
    found = verdicts(safe, trace("f:2", "n:1", 2, finalized=(2,)), profile=old)
    assert [(v.code, v.known) for v in found] == [("TH201", None)]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("(body (active 1 4 any (null i31)) (main (null extern)))", "trap:table_oob"),
        ("(body (active 1 0 any (null i31)) (main (null extern)))", "err:unrooted"),
    ],
)
def test_a_body_is_instantiated_before_its_arguments_are_read(body: str, outcome: str) -> None:
    text = f"twinheap program 1\nB0: {body}\nI1 = inst S0\nscope S0:\n  L2 = ext_new S0 v0\nL3 = run I1 0 v1 null L2 null 0 lifo"
    for seen in ("trap:table_oob", "err:unrooted"):
        found = judge(loads(text).program, [OK, OK, OK, OK, Observation(seen)], FIXED)
        assert found[0].code == ("TH404" if seen == outcome else "TH106")  # the observations end here


def test_a_run_with_a_stale_handle_writes_active_segments() -> None:
    text = """twinheap program 1
B0: (body (active 1 0 any (i31 (i32 5))) (main (null extern)))
I1 = inst S0
T2 = inst_table I1 1
scope S0:
  L3 = ext_new S0 v0
L4 = run I1 0 v1 null L3 null 0 lifo
L5 = table_get T2 0
"""
    before = [OK, OK, OK, OK, OK, Observation("err:unrooted")]
    for value, code in (("nonnull", "TH404"), ("null", "TH105")):
        assert judge(loads(text).program, [*before, Observation("ok", (value,))], FIXED)[0].code == code


def test_items_that_are_made_when_they_are_used_take_no_room_before() -> None:
    """In releases before 45; from there on they are made with the instance (6.6)."""
    text = """twinheap program 1
S0: limit=65536 limiter=plain
B0: (body (segment any (array.new_default bytes (i32 0))) (main (null extern)))
I1 = inst S0
L2 = run I1 0 v0 null null null 0 lifo
F3 = fill S0 2047 v8
"""
    for release, codes in (("44.0.0", []), ("45.0.0", ["TH303"])):
        profile = profile_for("wasmtime", release, "drc", exact=False)
        found = judge(loads(text).program, [OK, trace(), Observation("ok", (2047,))], profile)
        assert [verdict.code for verdict in found if verdict.allowed != "one observation per op"] == codes


def test_a_cycle_that_a_failed_run_may_have_left_takes_room_or_not() -> None:
    """Which of the two nodes did not fit is not known; under DRC the first may stay, since it holds itself (4.2)."""
    text = """twinheap program 1
S0: limit=65536 limiter=plain
B0: (body (main (local node) (struct.set node 0 (tee 4 (struct.new_default node)) (get 4)) (drop (struct.new_default node)) (null extern)))
I1 = inst S0
O2 = ext_new_owned S0 v0
F3 = fill S0 2046 v1
L4 = run I1 0 v2047 null null null 0 lifo
odrop O2
O5 = ext_new_owned S0 v2055
"""
    before = [OK, OK, Observation("ok", (2046,)), Observation("err:oom"), OK]
    for made in (Observation("ok", (), (0,)), Observation("err:oom", (), (0, 2055))):
        found = judge(loads(text).program, [*before, made], FIXED)
        assert [verdict.code for verdict in found if verdict.allowed != "one observation per op"] == []


@pytest.mark.parametrize(
    ("use", "codes"),
    [
        ("(table.init 1 0 (i32 0) (i32 0) (i32 1))", []),
        ("(array.init_elem anys 0 (global.get 7) (i32 0) (i32 0) (i32 1))", []),
        ("(drop (array.new_elem anys 0 (i32 0) (i32 1)))", []),
        ("(table.init 1 0 (i32 0) (i32 0) (i32 1)) (note (i32 1))", []),
        ("(note (i32 1)) (table.init 1 0 (i32 0) (i32 0) (i32 1))", ["TH106"]),
        ("(table.init 1 0 (i32 0) (i32 1) (i32 1))", ["TH301"]),
        ("(table.init 1 0 (i32 0) (i32 0) (i32 0))", ["TH301"]),
    ],
)
def test_items_that_are_made_when_they_are_used_may_not_fit_then(use: str, codes: list[str]) -> None:
    text = f"""twinheap program 1
S0: limit=65536 limiter=plain
B0: (body (const anys (array.new_default anys (i32 1))) (segment any (struct.new_default empty) (i31 (i32 5))) (main (if (get 3) (do {use})) (null extern)))
I1 = inst S0
L2 = run I1 0 v0 null null null 0 lifo
set_limit S0 0
F3 = fill S0 2046 v8
L4 = run I1 0 v3000 null null null 1 lifo
"""
    seen = [OK, Observation("ok", ("null",)), OK, Observation("ok", (2046,)), Observation("err:oom")]
    old = profile_for("wasmtime", "44.0.0", "drc", exact=False)
    found = judge(loads(text).program, seen, old)
    assert [verdict.code for verdict in found if verdict.allowed != "one observation per op"] == codes


def test_what_an_item_that_does_not_fit_leaves_behind_is_not_known() -> None:
    """`table.init` makes and writes them one by one: the first may be in the table, or may not."""
    text = """twinheap program 1
S0: limit=0 limiter=plain
B0: (body (segment any (struct.new_default empty) (struct.new_default empty)) (main (if (get 3) (do (table.init 1 0 (i32 0) (i32 0) (i32 2)))) (null extern)))
I1 = inst S0
L2 = run I1 0 v0 null null null 0 lifo
L3 = run I1 0 v8 null null null 1 lifo
T4 = inst_table I1 1
L5 = table_get T4 0
"""
    old = profile_for("wasmtime", "44.0.0", "drc", exact=False)
    before = [OK, Observation("ok", ("null",)), Observation("err:oom"), OK]
    for value in ("null", "nonnull"):
        assert judge(loads(text).program, [*before, Observation("ok", (value,))], old) == []
