"""Types that bodies declare: which are the same, what casts to them give, what their objects hold, what hosts see."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest

from twinheap.model.body import features_of
from twinheap.model.judge import judge
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads
from twinheap.targets.heap.machine import RELEASES, HeapMachine

COLLECTORS = ("drc", "null", "copying")
GROUP = "(rec (struct t0 (open) i32 t1) (array t1 ref.t0))"
CHAIN = "(rec (struct t0 (open) i64)) (rec (struct t1 (sub t0) (open) i64 i8 extern)) (rec (struct t2 (sub t1) i64 i8 extern ref.any))"
MADE = "(struct.new t2 (i64 5) (i32 300) (new) (i31 (i32 7)))"


def observed(collector: str, bodies: tuple[str, ...], ops: str) -> list[str]:
    """What a program shows on the heap, with which the judge must agree."""
    head = "\n".join(f"B{at}: {body}" for at, body in enumerate(bodies))
    made = loads(f"twinheap program 1\n{head}\nI1 = inst S0\n{ops}\n").program
    seen = HeapMachine(collector).run(made)
    profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
    assert judge(made, seen, profile) == []
    return [str(each).split(" finalized")[0] for each in seen[1 : 1 + len(ops.splitlines())]]


def ran(body: str, collector: str = "drc") -> str:
    run = "run_exn" if features_of(body) else "run"
    return observed(collector, (body,), f"L2 = {run} I1 0 v0 null null null 0 lifo")[0]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (GROUP, 1),
        ("(rec (struct t5 (open) i32 t6) (array t6 ref.t5))", 1),
        ("(rec (array t6 ref.t5) (struct t5 (open) i32 t6))", 0),
        ("(rec (struct t5 i32 t6) (array t6 ref.t5))", 0),
        ("(rec (struct t5 (open) i32 t6) (array t6 t5))", 0),
        ("(rec (struct t5 (open) i32 t6) (array t6 ref.t5) (struct t7))", 0),
    ],
)
@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_group_of_another_module_is_the_same_if_it_says_the_same(other: str, same: int, collector: str) -> None:
    names = ("t0", "t1") if other == GROUP else ("t5", "t6")
    one = f"(body {GROUP} (main (global.set 5 (struct.new_default t0)) (global.set 6 (array.new t1 (struct.new_default t0) (i32 2))) (null extern)))"
    two = f"(body {other} (main (note (test {names[0]} (global.get 5))) (note (test {names[1]} (global.get 6))) (null extern)))"
    shown = observed(
        collector, (one, two), "L2 = run I1 0 v0 null null null 0 lifo\nL3 = run I1 1 v8 null null null 0 lifo"
    )
    assert shown[1] == f"ok(n:{same}, n:{same}, null)"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_type_like_one_of_the_kit_is_that(collector: str) -> None:
    body = "(body (rec (struct t0 (open) extern)) (rec (struct t1 extern)) (main (note (test t0 (struct.new_default sub))) (note (test box (struct.new_default t0))) (note (test t1 (struct.new_default box))) (null extern)))"
    assert ran(body, collector) == "ok(n:1, n:1, n:0, null)"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_chain_of_subtypes_keeps_what_each_adds(collector: str) -> None:
    body = f"(body {CHAIN} (main (local t0 t2) (set 4 {MADE}) (gc) (drop (new)) (note (test t1 (get 4))) (set 5 (cast_non_null t2 (get 4))) (note (to_i32 (struct.get t0 0 (get 4)))) (note (struct.get t1 1 (get 5))) (see (struct.get t1 2 (get 5))) (to_extern (struct.get t2 3 (get 5)))))"
    assert ran(body, collector) == "ok(n:1, n:5, n:44, 0, nonnull)"


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_bytes_of_a_segment_are_fractions_where_the_elements_are(kind: str, collector: str) -> None:
    """The bytes 0 to 7 are, as a little-endian float of either size, nearly 0, and as an integer large."""
    new = "(array.new_data t0 (i32 0) (i32 2))"
    body = f"(body (rec (array t0 {kind})) (main (local t0) (set 4 {new}) (note (to_i32 (array.get t0 (get 4) (i32 0)))) (null extern)))"
    assert ran(body, collector) == "ok(n:0, null)"


@pytest.mark.parametrize(
    ("form", "ends"),
    [
        ("(drop (cast t2 (global.get 5)))", "trap:cast"),
        ("(note (is_null (on_cast t2 (global.get 5) (null t2))))", "ok(n:1, null)"),
        ("(note (is_null (on_cast_fail t1 (global.get 5) (null t1))))", "ok(n:0, null)"),
        ("(note (test_null t2 (global.get 4)))", "ok(n:1, null)"),
        ("(note (ref_eq (cast t0 (global.get 5)) (cast t1 (global.get 5))))", "ok(n:1, null)"),
    ],
)
def test_casts_up_and_down_a_chain(form: str, ends: str) -> None:
    body = f"(body {CHAIN} (main (global.set 5 (struct.new_default t1)) {form} (null extern)))"
    assert ran(body) == ends


@pytest.mark.parametrize(
    "form",
    [
        "(drop (struct.new t0 (null extern) (null eq)))",
        "(struct.set t0 0 (get 4) (null extern))",
        "(drop (array.new t1 (null t0) (i32 0)))",
        "(drop (array.new_fixed t1 (get 4) (null t0)))",
        "(array.set t1 (get 5) (i32 9) (null t0))",
        "(array.fill t1 (get 5) (i32 9) (null t0) (i32 0))",
    ],
)
def test_null_goes_into_no_field_without_null(form: str) -> None:
    declared = "(rec (struct t0 ref.extern eq) (array t1 ref.t0))"
    main = f"(main (local t0 t1) (set 4 (struct.new t0 (new) (null eq))) (set 5 (array.new t1 (get 4) (i32 2))) (note (i32 1)) {form} (null extern))"
    assert ran(f"(body {declared} {main})") == "trap:null_ref(n:1)"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_constants_hold_objects_of_declared_types(collector: str) -> None:
    declared = "(rec (struct t0 ref.i31 const.any) (array t1 ref.t0)) (table64 ref.t1 1 2 (array.new t1 (struct.new t0 (i31 (i32 1)) (null any)) (i32 3)))"
    parts = (
        "(const t0 (struct.new t0 (i31 (i32 2)) (null any))) (segment t0 (global.get 7)) (active 1 1 t0 (global.get 7))"
    )
    main = "(main (gc) (note (array.len (table.get 2 (i32 0)))) (note (ref_eq (global.get 7) (cast t0 (table.get 1 (i32 1))))) (note (i31.get_u (struct.get t0 0 (global.get 7)))) (null extern))"
    assert ran(f"(body {declared} {parts} {main})", collector) == "ok(n:3, n:1, n:2, null)"


@pytest.mark.parametrize("name", ["none", "noextern", "noexn"])
def test_bottoms_have_only_null(name: str) -> None:
    top = {"none": "any", "noextern": "extern", "noexn": "exn"}[name]
    body = f"(body (func (param {name} {top}) (result {top}) (set 1 (get 0)) (get 1)) (main (local {name} {top}) (set 5 (call 0 (get 4) (null {name}))) (note (is_null (get 5))) (null extern)))"
    assert ran(body) == "ok(n:1, null)"


@pytest.mark.parametrize(
    ("form", "ends"),
    [
        (
            "(note (test none (get 4))) (note (test_null none (get 4))) (note (test_null none (null eq)))",
            "ok(n:0, n:0, n:1, null)",
        ),
        ("(note (test_null noextern (new))) (note (test_null noextern (null extern)))", "ok(n:0, n:1, null)"),
        ("(drop (cast none (null eq))) (drop (cast none (get 4)))", "trap:cast"),
        ("(drop (cast_non_null none (null eq)))", "trap:cast"),
        ("(note (is_null (on_cast_null none (get 4) (null none))))", "ok(n:1, null)"),
        ("(set 4 (null none)) (note (struct.get t0 0 (null none)))", "trap:null_ref"),
    ],
)
def test_casts_to_bottoms(form: str, ends: str) -> None:
    assert (
        ran(f"(body (rec (struct t0 i32)) (main (local t0) (set 4 (struct.new_default t0)) {form} (null extern)))")
        == ends
    )


HOST = "(body (rec (struct t0 (open) i16 t1 const.any) (struct t1 (sub t0) i16 t1 const.any ref.extern)) (main (to_extern (struct.new t1 (i32 70000) (null t1) (i31 (i32 4)) (new)))))"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_host_sees_a_struct(collector: str) -> None:
    ops = """L2 = run I1 0 v0 null null null 0 lifo
L3 = conv_any L2
L4 = cast L3 struct
kind L3
fields L4
struct_get_number L4 0
struct_set_number L4 0 7
struct_get_number L4 0
L5 = struct_get L4 2 any lifo
L6 = struct_get L4 3 extern lifo
data L6
L7 = struct_get L4 1 extern lifo
struct_set L4 1 L4
struct_set L4 1 L3
struct_set L4 3 null
struct_set L4 1 null
struct_set L4 1 L5
struct_set L4 2 null
struct_get_number L4 4
matches L3 box"""
    shown = observed(collector, (HOST,), ops)
    assert shown[3:5] == ["ok(struct)", "ok(4, 2)"]
    assert shown[5:8] == ["ok(4464)", "ok", "ok(7)"]
    assert shown[8:12] == ["ok(nonnull)", "ok(nonnull)", "ok(0, 0)", "ok(absent)"]
    assert shown[12:] == ["ok", "ok", "err:type", "ok", "err:type", "err:immutable", "err:other", "ok(False)"]


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_host_sees_an_array(collector: str) -> None:
    body = "(body (rec (struct t0 (sub box) extern) (array t1 ref.t0)) (main (to_extern (array.new t1 (struct.new t0 (new)) (i32 2)))))"
    ops = """L2 = run I1 0 v0 null null null 0 lifo
L3 = conv_any L2
L4 = cast L3 array
array_len L4
L5 = array_get L4 1 any lifo
array_set L4 0 null
array_set L4 0 L3
array_set L4 0 L5
array_get_number L4 0
matches L5 box"""
    shown = observed(collector, (body,), ops)
    assert shown[3:] == ["ok(2)", "ok(nonnull)", "err:type", "err:type", "ok", "ok(absent)", "ok(True)"]


# --- functions

SIGNATURES = "(rec (func t0 (param extern) (result extern)) (struct t1 func t0 extern) (array t2 t0)) (rec (func t3 (param extern) (result extern)))"
HELPERS = "(func (type t0) (param extern) (result extern) (gc) (see (get 0)) (get 0)) (func (param extern) (result extern) (note (i32 2)) (get 0)) (func (param extern))"


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize(
    ("form", "ends"),
    [
        ("(see (invoke t0 (new) (struct.get t1 1 (get 4))))", "ok(1, 1, null)"),
        ("(see (invoke t3 (get 5) (cast t3 (struct.get t1 0 (get 4)))))", "ok(n:2, null, null)"),
        ("(drop (invoke t0 (new) (null t0)))", "trap:null_ref"),
        ("(drop (invoke t0 (new) (cast t0 (struct.get t1 0 (get 4)))))", "trap:cast"),
        ("(if (i32 1) (do (tail_invoke t3 (get 5) (cast t3 (ref.func 1)))))", "ok(n:2, null)"),
        ("(note (test t3 (ref.func 2))) (note (test func (ref.func 2))) (note (test nofunc (ref.func 2)))", "ok(n:0, n:1, n:0, null)"),
        ("(note (test_null nofunc (null t0))) (note (is_null (on_cast t0 (ref.func 1) (null t0))))", "ok(n:1, n:1, null)"),
        ("(set 6 (array.new t2 (ref.func 0) (i32 3))) (array.set t2 (get 6) (i32 0) (null t0)) (array.copy t2 t2 (get 6) (i32 1) (get 6) (i32 0) (i32 2)) (note (is_null (array.get t2 (get 6) (i32 1)))) (note (is_null (array.get t2 (get 6) (i32 2))))", "ok(n:1, n:0, null)"),
        ("(table.set 2 (i32 1) (ref.func 0)) (table.copy 3 2 (i32 0) (i32 1) (i32 1)) (see (invoke t0 (new) (cast t0 (table.get 3 (i32 0)))))", "ok(1, 1, null)"),
        ("(table.fill 2 (i32 0) (ref.func 0) (i32 2)) (note (table.grow 2 (null t0) (i32 3))) (note (table.grow 2 (null t0) (i32 2))) (note (is_null (table.get 2 (i32 1)))) (drop (table.get 2 (i32 4)))", "trap:table_oob(n:-1, n:2, n:0)"),
    ],
)  # fmt: skip
def test_references_to_functions(form: str, ends: str, collector: str) -> None:
    tables = "(table t0 2 4 (null t0)) (table64 func 1 3 (null func))"
    main = f"(main (local t1 extern t2) (set 4 (struct.new t1 (ref.func 1) (ref.func 0) (new))) {form} (null extern))"
    shown = ran(f"(body {SIGNATURES} {tables} {HELPERS} {main})", collector)
    assert shown.replace("f:0, ", "") == ends  # the struct may be gone once it is not looked at any more


@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_function_of_another_body_is_at_home_there(collector: str) -> None:
    declared = "(rec (func t0 (result extern)) (struct t1 t0))"
    one = f"(body {declared} (const any (i31 (i32 7))) (func (type t0) (result extern) (to_extern (global.get 7))) (main (global.set 5 (struct.new t1 (ref.func 0))) (null extern)))"
    two = f"(body {declared} (const any (i31 (i32 9))) (main (see (invoke t0 (struct.get t1 0 (cast t1 (global.get 5))))) (null extern)))"
    shown = observed(
        collector, (one, two), "L2 = run I1 0 v0 null null null 0 lifo\nL3 = run I1 1 v8 null null null 0 lifo"
    )
    assert shown[1] == "ok(i31:7, null)"


def test_calls_by_reference_come_to_an_end() -> None:
    turn = "(body (rec (func t0 (param t0))) (func (type t0) (param t0) (invoke t0 (get 0) (get 0))) (main (invoke t0 (ref.func 0) (ref.func 0)) (null extern)))"
    assert ran(turn) == "trap:unreachable"
    assert ran(turn.replace("(invoke t0 (get 0)", "(tail_invoke t0 (get 0)")) == "trap:unreachable"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_the_host_reads_no_functions(collector: str) -> None:
    body = f"(body {SIGNATURES} {HELPERS} (main (to_extern (struct.new t1 (ref.func 1) (ref.func 0) (new)))))"
    ops = """L2 = run I1 0 v0 null null null 0 lifo
L3 = conv_any L2
L4 = cast L3 struct
fields L4
L5 = struct_get L4 0 any lifo
L6 = struct_get L4 0 extern lifo
struct_get_number L4 0
struct_set_number L4 0 1
struct_set L4 0 L3
struct_set L4 0 null
struct_set L4 1 null
gc S0
fields L4"""
    shown = observed(collector, (body,), ops)
    refused = [*["ok(absent)"] * 3, "err:type", "err:type"]
    assert shown[3:] == ["ok(3, 3)", *refused, "ok", "ok", "ok", "ok(3, 1)"]
