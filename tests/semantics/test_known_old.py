"""Known defects of old releases: each explains what it should, and only in the releases and bodies that it reaches."""

from __future__ import annotations

import pytest

from twinheap.model.body import features_of
from twinheap.model.judge import judge
from twinheap.model.observation import Observation, Value
from twinheap.model.ops import OPS
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads

OK = Observation("ok")
DONE = Observation("ok", ("null",))
SOME = Observation("ok", ("nonnull",))
CLASH = Observation("panic:called `Option::unwrap()` on a `None` value")
NO_HEAP = Observation("panic:attempted to access the store's GC heap before it has been allocated")
FULL = Observation("panic:Cannot GC inside a no-GC scope!")
FULL_OLD = Observation("panic:const expr should be valid: GC heap out of memory")
FULL_GLOBAL = Observation("panic:should be a valid const expr: GC heap out of memory")
MISFIT = Observation("panic:const expr should be valid: field type mismatch")
ILLEGAL = Observation("dead:SIGILL")
HANG = Observation("hang")


def known(release: str, text: str, *observed: Observation) -> str | None:
    """What explains the first verdict on a program, whose last observations are these and the others ok."""
    program = loads("twinheap program 1\n" + text).program
    before = len(program.ops) - len(observed)
    leaked = observed[-1].outcome == "ok"
    seen = [OK] * before + list(observed) + ([OK] * (len(program.all_ops) - len(program.ops)) if leaked else [])
    verdicts = judge(program, seen, profile_for("wasmtime", release, "drc", exact=False))
    return verdicts[0].known


def run(body: str, handle: str = "O2") -> str:
    """A run of `body` with the externref of v0 or the i31 in O3, and the externref dropped."""
    name = "run_exn" if features_of(body) else "run"
    return f"""B0: {body}
I1 = inst S0
O2 = ext_new_owned S0 v0
O3 = i31_new_owned S0 5
O4 = {name} I1 0 v1 O2 null {"O3" if handle == "O3" else "null"} 0 owned
odrop O2
gc S0
"""


def leaks(release: str, body: str, shown: Value = 0) -> str | None:
    """What explains that v0 is not finalized after a run that did nothing else wrong; `shown`: by a `see`."""
    seen = Observation("ok", (shown, "null")) if "(see" in body else DONE
    return known(release, run(body), seen, OK, OK)


REPLACED = """B0: (body (main (throw one (cb (null extern))) (null extern)))
I1 = inst S0
call_exn I1 0 v0 null null null 0:
  L2 = ext_new S0 v8
  call_exn I1 0 v9 null null null 0:
    ret L2
  O3 = exn_new S0 one null null owned
  raise_exn O3
gc S0
"""


def test_the_host_throws_in_place_of_what_wasm_threw() -> None:
    """Of K2: the exception of the inner call is pending and counted when the callback's own takes its place."""
    exn = Observation("exn", ("cb",))
    rest = [OK, exn, OK, OK, OK, OK, OK, OK]
    assert known("42", REPLACED, exn, *rest) == "K2"
    with pytest.raises(IndexError):  # nothing is wrong
        known("42", REPLACED, exn, *rest[:-1], Observation("ok", (), (8,)))


def main(code: str, segment: str = "") -> str:
    return f"(body {segment} (main (local anys) {code} (null extern)))"


WAITS = "(array.new_fixed nodes (select (null node) (struct.new_default node) (i32 0)) (then (gc) (null node)))"
"""K3: a selected struct waits on the stack while a collection runs."""


@pytest.mark.parametrize(
    ("code", "bad", "good", "name"),
    [
        ("(drop (struct.new box (get 0)))", "31", "33", "K20"),
        ("(see (get 0))", "36", "37", "K22"),
        ("(drop (table.grow 0 (get 0) (i32 100)))", "36", "37", "K14"),
        ("(drop (table.grow 0 (get 0) (i32 0)))", "36", "37", "K14"),
        (f"(drop {WAITS})", "43", "44", "K3"),
    ],
)
def test_leaks_of_runs(code: str, bad: str, good: str, name: str) -> None:
    assert leaks(bad, main(code)) == name
    assert leaks(good, main(code)) is None


def test_a_value_that_the_host_replaces_in_a_table_leaks_whoever_wrote_it() -> None:
    text = """B0: (body (main (table.set 0 (i32 3) (get 0)) (null extern)))
I1 = inst S0
T2 = inst_table I1 0
O3 = ext_new_owned S0 v0
O4 = run I1 0 v1 O3 null null 0 owned
odrop O3
table_set T2 3 null
gc S0
"""
    ran = [DONE, OK, OK, OK]
    assert known("36", text, *ran) == "K14"
    assert known("37", text, *ran) is None


READ = "(drop (struct.get sub 0 (struct.new sub (get 0) (i32 0))))"
"""The externref is listed again."""


@pytest.mark.parametrize(
    ("release", "code", "collections", "name"),
    [
        ("43", f"(try (catch_all) (gc)) (gc) {READ}", 1, "K28"),
        ("43", f"(try (catch_all) (gc)) (gc) {READ}", 2, None),  # the first of them took the mark away
        ("43", f"(try (catch_all) (gc)) {READ} (gc) {READ}", 1, None),  # it was in the list when it was marked
        ("43", "(try (catch_all) (gc)) (gc) (see (get 0))", 1, None),  # what the host gets is not listed
        ("43", "(try (catch_all) (gc)) (gc) (drop (get 0))", 1, None),  # nothing lists it again
        ("43", f"(gc) (gc) {READ}", 1, None),
        ("44", f"(try (catch_all) (gc)) (gc) {READ}", 1, None),
    ],
)
def test_what_a_collection_marks_off_the_list_outlives_the_next_sweep(
    release: str, code: str, collections: int, name: str | None
) -> None:
    """K28: the collection inside the `try` takes v0 off the list, the one behind it marks it, which is then read."""
    text = run(main(code)).replace("odrop O2\n", "gc S0\n" * (collections - 1) + "odrop O2\n")
    seen = Observation("ok", (0, "null")) if "(see" in code else DONE
    assert known(release, text, seen, *[OK] * (collections + 1)) == name


def test_a_future_that_ended_is_of_the_store_where_a_body_did_harm() -> None:
    """K28: the freed struct is used, so that the heap may seem full to an allocation in increments later."""
    tried = "(set 4 (struct.new_default sub)) (gc) (see (to_extern (get 4)))"
    body = f"(body (main (local sub) (try (catch_all) {tried}) (null extern)))"
    run = "I1 = inst S0\nL2 = run_exn I1 0 v0 null null null 0 lifo"
    text = f"B0: {body}\n{run}\nP3, L4 = new_async S0 v8\npoll P3 0\n"
    ran = Observation("ok", ("object", "null"))
    assert known("42", text, ran, Observation("ok", ("pending",)), Observation("err:oom", (), (8,))) == "K28"


def ends(release: str, body: str, how: Observation, handle: str = "O2") -> str | None:
    text = run(body, handle).partition("odrop")[0]
    return known(release, text, how)


SEGMENT = "(segment eq (struct.new_default box))"
INIT = "(table.init 1 0 (i32 0) (i32 0) (i32 1))"
FILL = "(repeat 10 (drop (array.new_default longs (i32 5000))))"
"""More than half of any heap that cannot grow without a collection (K21)."""
LARGE = "(const longs (array.new_default longs (i32 100)))"
OVERTAKEN = (
    "(then (set 2 (struct.new_default box)) (array.new_fixed anys (get 2) (then (set 2 (null any)) (gc) (get 2))))"
)
"""K34: a variable goes on to null while its struct waits."""

MERGED = "(set 2 (struct.new_default box)) (if (i32 0) (do (set 2 (null any)))) (gc) (see (to_extern (get 2)))"
"""K35: a branch may write the variable that alone holds a struct."""

ARRAY = "(array.new_default anys (i32 3))"
I31 = "(set 4 (array.new_fixed anys (i31 (i32 1))))"


@pytest.mark.parametrize(
    ("body", "how", "bad", "good", "name"),
    [
        (main(FILL + INIT, SEGMENT), FULL, "33", "37", "K21"),
        (main(FILL + INIT, SEGMENT), FULL_OLD, "29", "37", "K21"),
        (main("", f"{LARGE * 80} (global any (struct.new_default box))"), FULL_GLOBAL, "33", "37", "K21"),
        (main(f"(table.fill 1 (i32 0) (i31 (i32 1)) (i32 1)) {INIT}", SEGMENT), CLASH, "45", "46", "K16"),
        (main(I31), ILLEGAL, "31", "32", "K24"),
        (main(INIT, SEGMENT), MISFIT, "29", "37", "K27"),
        (main(f"(array.fill anys {ARRAY} (i32 0) (get 2) (i32 1))"), HANG, "31", "33", "K26"),
        (main(f"(try (catch_all) (set 4 {ARRAY}) (gc) (drop (get 4)))"), HANG, "43", "44", "K28"),
        (main(f"(drop {OVERTAKEN})"), CLASH, "44", "46", "K34"),
        (main(f"(drop {OVERTAKEN})"), CLASH, "32", "31", "K34"),
        (main(MERGED), CLASH, "31", "32", "K35"),
        ("(body (active 1 0 eq (i31 (i32 1))) (main (null extern)))", CLASH, "45", "46", "K16"),
        (main("(drop (struct.new_default empty)) (gc)"), CLASH, "31", "33", "K25"),
        (main(f"(drop {WAITS})"), HANG, "36", "44", "K3"),
    ],
)
def test_runs_that_end_the_process(body: str, how: Observation, bad: str, good: str, name: str) -> None:
    assert ends(bad, body, how) == name
    assert ends(good, body, how) is None


def test_a_constant_expression_finds_room_at_first() -> None:
    """Of K21: a heap that can hold all that was ever made is full only where something was freed twice."""
    overwritten = f"(array.set anys (array.new_elem anys 0 (i32 0) (i32 1)) (i32 0) (null any)) {INIT}"
    assert ends("31", main(INIT, SEGMENT), FULL_OLD) is None
    assert ends("31", main(overwritten, SEGMENT), FULL_OLD) == "K15"
    assert ends("31", main(FILL + overwritten, SEGMENT), FULL_OLD) == "K21"
    made = f"B0: {main(INIT, SEGMENT)}\nI1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\n"
    limits = [f"S0: limit={limit} limiter=plain\n" for limit in (0, 65536)]
    assert [known("36", limit + made, FULL) for limit in limits] == ["K21", None]


def test_an_i31_must_be_in_reach() -> None:
    """Of K24 and K16: an argument, or a literal."""
    code = main("(global.set 0 (get 0))")
    assert ends("31", code, ILLEGAL) is None
    assert ends("31", code, ILLEGAL, "O3") == "K24"
    fill = main("(table.fill 1 (i32 0) (get 2) (i32 1))")
    assert ends("45", fill, CLASH) is None
    assert ends("45", fill, CLASH, "O3") == "K16"


@pytest.mark.parametrize(
    ("code", "bad", "good"),
    [
        (I31, "30", "31"),
        ("(set 4 (null anys)) (drop (array.new_fixed externs (to_extern (i31 (i32 2)))))", "31", "32"),
        ("(global.set 4 (i31 (i32 2)))", "30", "31"),
        ("(global.set 0 (to_extern (i31 (i32 2))))", "31", "32"),
        ("(table.set 1 (i32 0) (i31 (i32 2)))", "30", "31"),
    ],
)
def test_an_i31_counts_in_what_lies_there(code: str, bad: str, good: str) -> None:
    """K24: the run returns, and something else has a count too many."""
    assert leaks(bad, main(code)) == "K24"
    assert leaks(good, main(code)) is None


def test_numbers_are_no_i31() -> None:
    """They are written into objects without a barrier (K24)."""
    assert leaks("30", main("(drop (array.new longs (i64 5) (i32 2)))")) is None


def test_an_i31_as_any_of_a_raw_value() -> None:
    text = "O1 = from_imm_owned S0 1 any\n"
    assert [known(release, text, NO_HEAP) for release in ("31", "32", "33")] == [None, "K23", None]
    assert known("32", "O1 = i31_new_owned S0 1\n", NO_HEAP) is None


def test_null_for_a_typed_global() -> None:
    text = "I1 = inst S0\nG2 = inst_global I1 {}\nglobal_set G2 null\n"
    refused = Observation("err:type")
    assert [known(release, text.format(4), refused) for release in ("29", "30")] == ["K27", None]
    assert known("29", text.format(2), refused) is None
    merged = f"B0: {main(MERGED)}\n" + text.format(4).replace(
        "global_set", "L3 = run I1 0 v0 null null null 0 lifo\nglobal_set"
    )
    assert (
        known("29", merged, Observation("ok", ("object", "null")), refused) == "K27"
    )  # and not what the run may have met


def on_copying(release: str, text: str, *observed: Observation) -> str | None:
    """As `known`, with the copying collector."""
    program = loads("twinheap program 1\n" + text).program
    before = len(program.ops) - len(observed)
    profile = profile_for("wasmtime", release, "copying", exact=False)
    return judge(program, [OK] * before + list(observed), profile)[0].known


@pytest.mark.parametrize(("length", "name"), [(16368, "K30"), (20000, "K30"), (8000, None)])
def test_a_large_request_of_a_copying_heap(length: int, name: str | None) -> None:
    """Of K30: more than half a page, and more than half of what is alive."""
    text = f"O1 = ext_new_owned S0 v0\nL2 = array_new S0 externs {length} 0 null lifo\n"
    refused = Observation("err:oom")
    assert on_copying("45", text, refused) == name
    assert on_copying("46", text, refused) is None
    assert known("45", text, refused) is None
    beside = "O1 = array_new S0 externs 20000 0 null owned\nL2 = array_new S0 externs {length} 0 null lifo\n"
    assert on_copying("45", beside.format(length=16368), refused) is None


def test_a_loop_and_a_constant() -> None:
    """Of K31 and K32: a loop that makes references turns; a constant is read on both sides of a collection."""
    trap = Observation("trap:null_ref")
    loop = f"(repeat {{}} (set 4 {ARRAY}) (drop (get 0)))"
    assert ends("45", main(loop.format(2)), trap) == "K31"
    assert ends("37", main(loop.format(2)), trap) == "K31"
    assert ends("36", main(loop.format(2)), trap) is None
    assert ends("46", main(loop.format(2)), trap) is None
    assert ends("45", main(loop.format(1)), trap) is None
    assert ends("45", main(f"(repeat 2 (drop {ARRAY}) (drop (get 0)))"), trap) is None
    read = "(drop (global.get 7))"
    body = f"(body (const pair (struct.new_default pair)) (main {read} (gc) {read} (null extern)))"
    once = run(body.replace(read, "", 1)).partition("odrop")[0]
    assert on_copying("45", once, trap) is None
    again = run(
        body.replace(f"(main {read}", "(main")
        .replace("(gc)", f"(repeat 2 {read} (gc))")
        .replace(f") {read} (n", ") (n")
    )
    assert on_copying("45", again.partition("odrop")[0], trap) == "K32"
    read = run(body).partition("odrop")[0]
    assert on_copying("45", read, trap) == "K32"
    assert on_copying("46", read, trap) is None
    assert known("45", read, trap) is None
    assert on_copying("45", read.replace("(const", "(global"), trap) is None


def test_a_collection_in_a_try() -> None:
    """Of K28: a value of the frame that nothing else holds, a call under a handler, and a use after it."""
    body = "(body (main (local exn anys) (set 5 {}) (try (catch_all_ref 4) {}) {} (null extern)))"
    used = "(drop (get 5))"
    assert ends("43", body.format(ARRAY, "(gc)", used), CLASH) == "K28"
    assert ends("44", body.format(ARRAY, "(gc)", used), CLASH) is None
    assert ends("43", body.format(ARRAY, "(do)", used), CLASH) is None
    assert ends("43", body.format(ARRAY, "(gc)", ""), CLASH) is None
    assert ends("43", body.format(ARRAY, "(gc)", "(set 5 (null anys))"), CLASH) is None
    held = body.format(f"(then (global.set 3 {ARRAY}) (cast anys (as_non_null (global.get 3))))", "{}", "{}")
    assert ends("43", held.format("(gc)", used), CLASH) is None
    assert ends("43", held.format("(gc) (global.set 3 (null anys))", used), CLASH) == "K28"


def harmed(release: str, code: str, segment: str = "", collector: str = "drc") -> str | None:
    """What explains that a run comes to another end than it should."""
    program = loads("twinheap program 1\n" + run(main(code, segment)).partition("odrop")[0]).program
    profile = profile_for("wasmtime", release, collector, exact=False)
    return judge(program, [OK] * (len(program.ops) - 1) + [Observation("trap:null_ref")], profile)[0].known


BESIDE = "(array.copy anys anys {} (i32 0) {} (i32 0) (i32 1))"


@pytest.mark.parametrize(
    ("code", "segment", "name"),
    [
        (INIT, SEGMENT, None),  # uncounted, and in place
        (f"{INIT} (gc)", SEGMENT, None),  # gone, and nobody looks
        (f"{INIT} (gc) (drop (table.get 1 (i32 0)))", SEGMENT, "K33"),
        (f"{INIT} (table.set 1 (i32 0) (null any))", SEGMENT, "K33"),
        (INIT.replace("(i32 1))", "(i32 0))") + " (gc) (drop (table.get 1 (i32 0)))", SEGMENT, None),  # none of them
        (f"{INIT} (gc) (drop (table.get 1 (i32 0)))", "(segment i31 (i31 (i32 1)))", None),
        (f"{BESIDE.format(ARRAY, ARRAY)} (gc)", "", None),  # nulls
    ],
)
def test_references_that_are_not_counted(code: str, segment: str, name: str | None) -> None:
    """Of K33: an object is initialized in a table, and what it loses is missed."""
    assert harmed("36", code, segment) == name
    assert harmed("37", code, segment) is None
    assert harmed("36", code, segment, "null") is None


def test_an_array_copied_is_short_of_counts() -> None:
    """Of K15: an element below any, that is used once a collection took it."""
    boxes = "(array.new_fixed anys (struct.new_default box))"
    copy = f"(set 4 {boxes}) (array.copy anys anys {ARRAY} (i32 0) (get 4) (i32 0) (i32 1)) (gc)"
    use = " (drop (array.get anys (get 4) (i32 0)))"
    assert harmed("31", copy) is None
    assert harmed("31", copy + use) == "K15"
    assert harmed("33", copy + use) is None
    overwritten = "(array.set nodes (array.new_elem nodes 0 (i32 0) (i32 1)) (i32 0) (null node))"
    assert harmed("31", overwritten, "(segment node (struct.new_default node))") == "K15"
    assert harmed("31", copy.replace(boxes, "(array.new_fixed anys (i31 (i32 1)))") + use) is None


def test_an_array_is_filled_right_by_chance() -> None:
    """Of K26: as many elements are written as there are before the first."""
    fill = f"(array.fill anys {ARRAY} (i32 {{}}) (get 2) (i32 {{}}))"
    assert [harmed("31", fill.format(*at)) for at in ((0, 0), (1, 1), (0, 1), (2, 1))] == [None, None, "K26", "K26"]


def test_small_objects_and_what_is_freed_beside_them() -> None:
    """Of K25: nothing happens before something is freed."""
    assert [harmed("31", f"(drop (struct.new_default {name})) (gc)") for name in ("empty", "box")] == ["K25", None]
    assert harmed("31", "(drop (struct.new_default empty))") is None


PASSED = """B0: (body (main (global.set 0 (get 0)) (drop (cb (to_extern (get 2)))) (drop (global.get 0)) (null extern)))
O1 = ext_new_owned S0 v0
I2 = inst S0
O3 = i31_new_owned S0 1
call I2 0 v1 null O1 {} 0:
  L4 = arg lifo
  odrop O1
  call I2 0 v9 L4 null null 0:
    gc S0
"""


def test_an_i31_that_a_callback_passes_on() -> None:
    """Of K24: what the callback of a run that ended the process was given is not observed, and may be an i31."""
    broken = Observation("panic:called `Result::unwrap()` on an `Err` value: requested allocation's size is too large")
    program = loads("twinheap program 1\n" + PASSED.format("O3")).program
    seen = [OK, OK, OK, broken]
    profiles = [profile_for("wasmtime", release, "drc", exact=False) for release in ("31", "32")]
    assert [judge(program, seen, profile)[0].known for profile in profiles] == ["K24", None]
    program = loads("twinheap program 1\n" + PASSED.format("null")).program
    assert judge(program, seen, profiles[0])[0].known is None


@pytest.mark.parametrize(
    ("code", "segment", "name"),
    [
        ("(drop (call 0 (new)))", "(func (param extern) (result extern) (gc) (set 0 (pass (get 0))) (get 0))", "K34"),
        ("(drop (call 0 (new)))", "(func (param extern) (result extern) (gc) (pass (get 0)))", None),
        ("(drop (call 0 (new)))", "(func (param extern) (result extern) (set 0 (pass (get 0))) (gc) (get 0))", None),
        (
            "(drop (call 0 (new)))",
            "(func (param extern) (result extern) (gc) (see (get 0)) (if (i32 1) (do (set 0 (new)))) (get 0))",
            None,
        ),
        ("(set 0 (new)) (gc) (set 0 (pass (get 0)))", "", None),  # what a call gives is marked as such
        (f"(set 4 {ARRAY}) (repeat 2 (gc) (see (to_extern (get 4))) (set 4 {ARRAY}))", "", "K34"),
        (f"(set 4 {ARRAY}) (repeat 2 (gc) (see (to_extern (get 4))))", "", None),
    ],
)
def test_a_parameter_that_goes_on_behind_a_collection(code: str, segment: str, name: str | None) -> None:
    """Of K34: the value that a variable has where a function or a turn of a loop begins, and which it loses there."""
    assert harmed("36", code, segment) == name
    assert harmed("31", code, segment) in (None, "K35")
    assert harmed("46", code, segment) is None


def test_what_moves_is_lost_though_something_holds_it() -> None:
    """Of K34: the copying collector leaves a frame with where the object was, also of an argument of the host."""
    waits = "(drop (struct.new pair (get 0) (then (set 0 (null extern)) {} (null any)))) (null extern)))"
    text = "O1 = ext_new_owned S0 v0\nI2 = inst S0\nL3 = run I2 0 v1 O1 null null 0 lifo\n"
    trap = Observation("trap:null_ref")
    bodies = [f"B0: (body (main {waits.format(between)}\n{text}" for between in ("(gc)", "")]
    assert [on_copying("45", body, trap) for body in bodies] == ["K34", None]
    assert on_copying("46", bodies[0], trap) is None
    assert known("45", bodies[0], trap) is None


def test_what_was_seen_to_happen_comes_before_what_may_have() -> None:
    """K15 took an object; whether K25 or K35 hurt anything depends on what lies beside it."""
    small = "(drop (struct.new_default empty))"
    write = "(array.set nodes (array.new_elem nodes 0 (i32 0) (i32 1)) (i32 0) (null node))"
    assert harmed("31", f"{write} {small} (gc)", "(segment node (struct.new_default node))") == "K15"
    assert harmed("31", f"{small} (gc)", "(segment node (struct.new_default node))") == "K25"
    text = f"""B0: {main(MERGED)}
O1 = ext_new_owned S0 v0
I2 = inst S0
L3 = run I2 0 v1 null null null 0 lifo
O4 = conv_any_owned O1
odrop O1
gc S0
"""
    gone = Observation("ok", (), (0,))
    assert known("31", text, Observation("ok", ("object", "null")), OK, OK, gone) == "K15"


def test_a_value_that_waits_and_is_held() -> None:
    """Of K3: what something else holds is not freed."""
    waits = "(drop (array.new_fixed anys (select {} (null {}) (i32 1)) {}))"
    box, collects = "(struct.new_default box)", "(then (gc) (null any))"
    assert harmed("43", waits.format(box, "box", collects)) == "K3"
    assert harmed("43", waits.format("(get 2)", "any", collects)) is None
    assert harmed("43", waits.format(box, "box", "(then (null any))")) is None
    stored = f"(then (global.set 5 {box}) (global.get 5))"
    assert harmed("43", waits.format(stored, "struct", collects)) is None
    assert harmed("43", waits.format(stored, "struct", "(then (gc) (clear) (null any))")) == "K3"
    room = "(then (drop (array.new_default longs (i32 {}))) (null any))"
    assert harmed("43", waits.format(box, "box", room.format(100))) is None
    assert harmed("43", waits.format(box, "box", room.format(5000))) == "K3"


def test_an_i31_in_an_array_is_overwritten() -> None:
    """Of K16: by the host, too."""
    text = "O1 = i31_new_owned S0 0\nL2 = array_new_fixed S0 anys 0 null null O1 lifo\narray_set L2 {} L2\n"
    assert [known(release, text.format(2), CLASH) for release in ("44", "45", "46")] == [None, "K16", None]
    assert known("45", text.format(1), CLASH) is None


def test_an_exception_that_a_callback_threw() -> None:
    """Of K9: what the callback did is not observed where the process ended."""
    text = """B0: (body (main (drop (cb (null extern))) (null extern)))
I1 = inst S0
call I1 0 v0 null null null 0:
  call I1 0 v8 null null null 0:
    L2 = exn_new S0 one null null lifo
    {} L2
  gc S0
  L3 = exn_take S0 lifo
  raise_exn L3
"""
    broken = Observation("panic:range end index 252645759 out of range for slice of length 65536")
    for release, name in (("45", "K9"), ("46", None)):
        program = loads("twinheap program 1\n" + text.format("raise_exn")).program
        assert judge(program, [OK, broken], profile_for("wasmtime", release, "drc", exact=False))[0].known == name


def test_debug_assertions_say_that_a_cast_shares_a_root() -> None:
    """Of K11."""
    said = Observation("panic:assertion failed: inner.index.is_lifo()")
    assert known("48", "O1 = i31_new_owned S0 0\nL2 = cast O1 eq\n", said) == "K11"
    assert known("48", "L1 = i31_new S0 0\nL2 = cast L1 eq\n", said) is None


def test_a_field_of_another_object_is_read() -> None:
    """Of K11: the root that the cast shares is gone, and another object took its entry."""
    text = """O1 = struct_new S0 box 0 null null null null owned
O2 = struct_new S0 pair 0 null O1 null null owned
O3 = struct_get O2 1 any owned
L4 = cast O3 struct
odrop O3
L5 = struct_get L4 0 extern lifo
"""
    assert known("48", text, SOME, SOME, OK, Observation("ok", ("absent",))) == "K11"
    exception = Observation("panic:internal error: entered unreachable code: no other kinds of `eqref`s")
    assert known("48", text, SOME, SOME, OK, exception) == "K11"
    assert known("48", text.replace("odrop O3", "gc S0"), SOME, SOME, OK, exception) is None


THROWER = "(func (gc) (throw nothing))"


@pytest.mark.parametrize(
    ("code", "drc", "copying"),
    [
        ("(try (catch_all) (set 4 {0}) (call 0) (set 4 (null anys))) (see (to_extern (get 4)))", "K51", "K51"),
        ("(try (catch_all) (set 4 {0}) (call 0) (set 4 (null anys)))", None, None),  # nobody looks
        # A collection does: its stack map shows the variable.
        (
            "(try (catch_all) (set 4 {0}) (call 0) (set 4 (null anys))) (gc) (if (i32 0) (do (drop (get 4))))",
            "K51",
            "K51",
        ),
        ("(set 4 {0}) (try (catch_all) (call 0)) (see (to_extern (get 4)))", None, None),  # one value for all
        ("(try (catch_all) (set 4 {0}) (set 4 (null anys)) (call 0)) (see (to_extern (get 4)))", None, None),
        ("(try (catch_all) (set 4 {0}) (throw nothing)) (see (to_extern (get 4)))", None, None),  # no collection
        (
            "(try (catch_all) (global.set 3 {0}) (set 4 (cast anys (global.get 3))) (call 0)) (drop (get 4))",
            None,
            "K51",
        ),
    ],
)
def test_what_only_a_handler_gets(code: str, drc: str | None, copying: str | None) -> None:
    """Of K51: a variable that the body of a `try` writes, a collection in the call that throws, and a use behind it."""
    body = main(code.format(ARRAY), THROWER)
    text = run(body).partition("odrop")[0]
    trap = Observation("trap:null_ref")
    for major, of_drc, of_copying in (("49", drc, copying), ("44", drc, None), ("50", None, None)):
        assert known(major, text, trap) == of_drc
        if major != "44":
            assert on_copying(major, text, trap) == of_copying


def test_items_of_a_segment_that_move() -> None:
    """Of K50: a collection while a segment has an item already, which no root shows."""
    trap = Observation("trap:null_ref")
    items = "(segment any (struct.new_default box) (array.new_default longs (i32 100)))"
    for large, segment, name in (
        (40, items, "K50"),
        (1, items, None),
        (40, items.replace("(struct.new_default box)", ""), None),
    ):
        body = main("", f"{LARGE * large} {segment}")
        assert on_copying("45", run(body).partition("odrop")[0], trap) == name
        assert on_copying("46", run(body).partition("odrop")[0], trap) is None
        assert known("45", run(body).partition("odrop")[0], trap) is None


def test_a_build_with_zeal_may_collect_at_once() -> None:
    """So what waits for an allocation is lost, however little of the heap is used."""
    waits = (
        "(drop (array.new_fixed anys (select (struct.new_default box) (null box) (i32 1)) (struct.new_default box)))"
    )
    program = loads("twinheap program 1\n" + run(main(waits)).partition("odrop")[0]).program
    seen = [OK] * (len(program.ops) - 1) + [Observation("trap:null_ref")]
    for zeal, name in ((True, "K3"), (False, None)):
        assert judge(program, seen, profile_for("wasmtime", "43", "drc", exact=False, zeal=zeal))[0].known == name


@pytest.mark.parametrize(("drop", "name"), [("", None), ("odrop O2\n", "K9")])
def test_an_exception_that_something_else_holds(drop: str, name: str | None) -> None:
    """Of K9: it is freed once its last counted holder is gone."""
    thrown = "O1 = ext_new_owned S0 v0\nO2 = exn_new S0 one O1 null owned\nthrow O2\n"
    text = thrown + f"{drop}gc S0\nO3 = exn_take S0 owned\nO4 = ext_new_owned S0 v1\n"
    seen = [OK, OK, Observation("exn"), *([OK] if drop else []), OK, Observation("ok", ("nonnull",)), CLASH]
    assert known("45", text, *seen) == name
    assert known("46", text, *seen) is None


def test_a_variable_of_several_branches_that_holds_nothing_alone() -> None:
    """Of K35."""
    held = MERGED.replace("(if", "(global.set 2 (get 2)) (if")
    assert ends("31", main(held), CLASH) is None
    assert ends("31", main(MERGED.replace("(gc) ", "")), CLASH) is None


def test_wasm_that_fills_a_heap_with_garbage() -> None:
    """K36, and only as much of it as fills the heap of 512 KiB of these releases."""
    for times, releases, name in ((50, ("29", "30"), "K36"), (50, ("31",), None), (5, ("29", "30"), None)):
        body = main(f"(repeat {times} (drop (array.new_default longs (i32 4000))))")
        for release in releases:
            assert ends(release, body, Observation("err:oom")) == name


@pytest.mark.parametrize(
    ("bad", "good", "name", "text", "held", "lost"),
    [
        ("45", "46", "K9", "O1 = exn_new S0 one null null owned\nthrow O1\n", "", "odrop O1\n"),
        (
            *("36", "37", "K33"),
            (
                "B0: (body (active 1 0 any (struct.new_default node)) (main (null extern)))\nI1 = inst S0\n"
                "L2 = run I1 0 v0 null null null 0 lifo\nT3 = inst_table I1 1\n"
            ),
            "O4 = table_get_owned T3 0\n",
            "L4 = table_get T3 1\n",
        ),
    ],
)
def test_what_was_freed_too_early_leaves_room(bad: str, good: str, name: str, text: str, held: str, lost: str) -> None:
    """Only where no counted holder is there, and no more room than the object took."""

    def codes(release: str, between: str, more: int = 2047) -> list[str | None]:
        lines = f"twinheap program 1\nS0: limit=65536 limiter=plain\n{text}{between}F9 = fill S0 {more} v10\n"
        program = loads(lines).program
        before = {"run": DONE, "throw": Observation("exn"), "table_get_owned": SOME, "table_get": DONE}
        seen = [before.get(OPS[op[0]].name, OK) for op in program.ops[:-1]]
        full = Observation("ok", (more,))
        found = judge(program, [*seen, full], profile_for("wasmtime", release, "drc", exact=False))
        return [verdict.known for verdict in found if verdict.code == "TH303"]

    assert codes(bad, lost, 2046) == []
    assert codes(bad, lost) == [name]
    assert codes(good, lost) == [None]
    assert codes(bad, held) == [None]
    assert codes(bad, lost, 2048) == [None]


def test_what_a_lost_frame_value_held_may_go_with_the_end_of_a_scope() -> None:
    """The array is freed while its selection waits (K3), and its element has no root once the scope is left."""
    made = "(select (array.new externs (get 0) (i32 1)) (null externs) (i32 1))"
    lost = f"(select (cast externs {made}) (null externs) (then (gc) (i32 1)))"
    text = (
        f"B0: (body (main (global.set 6 {lost}) (get 1)))\nI1 = inst S0\nscope S0:\n"
        "  L2 = ext_new S0 v0\n  L3 = run I1 0 v1 L2 null null 1 lifo\n"
    )
    program = loads("twinheap program 1\n" + text).program
    names = [OPS[op[0]].name for op in program.all_ops]
    seen = [OK] * len(names)
    seen[names.index("run")] = DONE
    seen[names.index("end")] = Observation("ok", (), (0,))
    for release, explained in (("43", "K3"), ("44", None)):
        verdicts = judge(program, seen, profile_for("wasmtime", release, "drc", exact=False))
        assert [(verdict.code, verdict.known) for verdict in verdicts] == [("TH201", explained)]


def test_types_that_come_to_stand_where_others_were() -> None:
    """K52: in an engine whose types the host let go of, and in no other."""
    text = "B0: {}\nS1 = store_new_in fuel none plain\n{}I2 = inst S0\nO3 = run I2 0 v0 null null null 0 owned\n"
    body = main("(drop (struct.new_default node))")
    assert known("31", text.format(body, "modules_drop S0\n"), CLASH) == "K52"
    assert known("32", text.format(body, "modules_drop S0\n"), CLASH) is None
    assert known("31", text.format(body, "modules_drop S1\n"), CLASH) is None
    later = text.replace("{}I2", "modules_drop S1\nS2 = store_new_in fuel none plain\nI3").replace("S0\nO3", "S2\nO4")
    assert known("31", later.replace("run I2", "run I3").format(body), CLASH) == "K52"


def test_a_pooled_heap_that_remembers_types() -> None:
    """K53: only in an engine with a pool, whose types the host let go of."""
    text = "B0: {}\nS1 = store_new_in {} none plain\n{}S2 = store_new_in pooling none plain\nI3 = inst S2\n"
    text += "O4 = run I3 0 v0 null null null 0 owned\n"
    body = main("(drop (struct.new_default node))")
    panic = Observation("panic:out of bounds field")
    assert known("45", text.format(body, "pooling", "modules_drop S1\n"), panic) == "K53"
    assert known("46", text.format(body, "pooling", "modules_drop S1\n"), panic) is None
    assert known("45", text.format(body, "fuel", "modules_drop S1\n"), panic) is None
    assert known("45", text.format(body, "pooling", ""), panic) is None


def test_an_exception_that_was_freed_too_early_has_another_in_its_place() -> None:
    """Of K9: two handles that should differ are the same."""
    text = "L1 = exn_new S0 one null null lifo\nthrow L1\nO2 = exn_take S0 owned\nodrop O2\ngc S0\n"
    text += "L3 = exn_new S0 one null null lifo\neq L1 L3\n"
    program = loads("twinheap program 1\n" + text).program
    seen = [OK, Observation("exn"), SOME, OK, OK, OK, Observation("ok", (True,))]
    for release, name in (("45", "K9"), ("46", None)):
        (found,) = judge(program, seen, profile_for("wasmtime", release, "drc", exact=False))[:1]
        assert (found.code, found.known) == ("TH103", name)


def test_what_calls_were_made_with_stays() -> None:
    """Of K1: the object of a churn of calls takes room for ever; a heap of a page has room for 2046 or 2047 others."""
    text = "twinheap program 1\nS0: limit=65536 limiter=plain\nchurn S0 call 9\nF1 = fill S0 2047 v0\n"
    program = loads(text).program
    seen = [Observation("ok", (0,)), Observation("ok", (2046,), (2046,))]
    codes = {
        release: [found.code for found in judge(program, seen, profile_for("wasmtime", release, "drc", exact=False))]
        for release in ("44", "45")
    }
    assert "TH301" not in codes["44"]
    assert codes["45"][0] == "TH301"


def test_what_a_host_function_gets_of_a_frame_alone() -> None:
    """Of K22: an array that nothing but the frame holds any more stays, and so does what is in it."""
    kept = "(set 4 (array.new externs (get 0) (i32 1))) (see (to_extern (get 4)))"
    body = f"(body (main (local externs) {kept} (null extern)))"
    assert leaks("36", body, "object") == "K22"
    assert leaks("37", body, "object") is None


@pytest.mark.parametrize(
    ("release", "collector", "length", "name"),
    [
        ("45", "copying", 0, "K60"),
        ("45", "null", 0, None),
        ("46", "copying", 0, None),  # there is room
        ("46", "copying", 33_000, "K61"),  # more than half of the smallest heap
        ("46", "drc", 33_000, None),
        ("46", "drc", 66_000, "K61"),
        ("46", "null", 66_000, None),
    ],
)
def test_zeal_that_refuses_an_allocation_of_wasm(release: str, collector: str, length: int, name: str | None) -> None:
    """K60, K61: in a build with zeal, in a run alone; what the host allocates is tried again as it should be."""
    body = main(f"(drop (array.new bytes (i32 0) (i32 {length})))")
    program = loads(f"twinheap program 1\nB0: {body}\nI1 = inst S0\nO2 = run I1 0 v0 null null null 0 owned\n").program
    for zeal in (True, False):
        profile = profile_for("wasmtime", release, collector, exact=False, zeal=zeal)
        (found,) = judge(program, [OK, Observation("err:oom")], profile)[:1]
        assert (found.code, found.known) == ("TH301", name if zeal else None)
    alone = loads("twinheap program 1\nO1 = ext_new_owned S0 v0\n").program
    (found,) = judge(alone, [Observation("err:oom", (), (0,))], profile)[:1]
    assert (found.code, found.known) == ("TH301", None)


CALLED = (
    "(body (rec (func t0 (result extern))) (func (type t0) (result extern) (null extern)) "
    "(main (local t0) {} (null extern)))"
)


@pytest.mark.parametrize(("form", "name"), [
    ("(repeat 2 (drop (invoke t0 (null t0))))", "K63"),
    ("(repeat 2 (if (get 3) (do (drop (invoke t0 (then (gc) (get 4)))))))", "K63"),  # it need not be reached
    ("(repeat 2 (drop (invoke t0 (tee 4 (null t0)))))", "K63"),
    ("(repeat 2 (set 4 (null t0)) (drop (invoke t0 (get 4))))", None),
    ("(drop (invoke t0 (null t0)))", None),
    ("(repeat 2 (drop (invoke t0 (ref.func 0))))", None),
    ("(repeat 2 (drop (on_cast t0 (null func) (null t0))))", "K63"),  # what type a function has is read from it, too
    ("(repeat 2 (note (test t0 (get 4))))", "K63"),
    ("(repeat 2 (note (test box (null any))))", None),
])  # fmt: skip
def test_what_a_loop_calls_is_looked_at_before_it(form: str, name: str | None) -> None:
    """Of K63: a null that is the same at each turn, or a variable that the loop does not write."""
    text = f"B0: {CALLED.format(form)}\nI1 = inst S0\nL2 = run I1 0 v1 null null null 0 lifo\n"
    died = Observation("dead:SIGSEGV")
    assert [known(release, text, died) for release in ("31", "32")] == [name, None]


@pytest.mark.parametrize(("constant", "name"), [
    ("(const extern (to_extern (null any)))", "K64"),
    ("(segment any (array.new externs (to_extern (i31 (i32 1))) (i32 2)))", "K64"),
    ("(const any (i31 (i32 1)))", None),
])  # fmt: skip
def test_old_releases_refuse_conversions_in_constants(constant: str, name: str | None) -> None:
    text = f"B0: (body {constant} (main (see (to_extern (i31 (i32 1)))) (null extern)))\nI1 = inst S0\n"
    text += "L2 = run I1 0 v1 null null null 0 lifo\n"
    assert [known(release, text, Observation("err:other")) for release in ("32", "33")] == [name, None]


@pytest.mark.parametrize(("loops", "name"), [
    ("(repeat 2 (drop (array.new_default longs (i32 9)))) (repeat 2 (drop (array.new_default longs (i32 9))))", "K35"),
    ("(repeat 2 (drop (array.new_default longs (i32 9)))) (repeat 2 (gc))", None),
    ("(repeat 2 (gc)) (repeat 2 (gc))", None),
])  # fmt: skip
def test_a_variable_is_lost_between_loops_with_branches(loops: str, name: str | None) -> None:
    """Of K35: what is handed from the head of one loop to the next."""
    body = f"(body (main (local nums) (set 4 (struct.new_default nums)) {loops} (gc) (drop (get 4)) (null extern)))"
    text = f"B0: {body}\nI1 = inst S0\nL2 = run I1 0 v1 null null null 0 lifo\n"
    broken = Observation("panic:invalid `VMGcKind`")
    assert [known(release, text, broken) for release in ("31", "32")] == [name, None]


def test_an_array_may_be_half_made_in_a_callback_that_was_not_seen() -> None:
    """Of K37: the process ended in a call, so that nobody knows what its callback ran; fuel was little there."""
    bodies = (
        "B0: (body (main (drop (array.new_fixed anys (null any) (to_any (new)))) (null extern)))\n"
        "B1: (body (main (drop (cb (null extern))) (gc) (null extern)))\n"
    )
    call = "I1 = inst S0\ncall I1 1 v0 null null null 0:\n  {}call I1 0 v8 null null null 0:\n"
    found = []
    for limit in ("set_fuel S0 21\n  ", ""):
        program = loads("twinheap program 1\nS0: limit=none limiter=plain engine=fuel\n" + bodies + call.format(limit))
        seen = [OK, Observation("panic:range start index 1073741824 out of range for slice of length 65536")]
        (verdict,) = judge(program.program, seen, profile_for("wasmtime", "44", "drc", exact=False))
        found.append(verdict.known)
    assert found == ["K37", None]
