"""Every static rule of bodies accepts what is right and names what is wrong."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest

from twinheap.model.body import BodyError, forms, parse
from twinheap.model.body_forms import EXPRESSIONS, STATEMENTS
from twinheap.model.body_types import check, env_of, type_of
from twinheap.model.declared import KIT_ONLY

RIGHT = [
    "(body (const box (struct.new_default sub)) (global any (global.get 7)) (segment eq (global.get 7)) (active 1 0 box (global.get 7)) (main (global.set 8 (global.get 7)) (get 0)))",
    "(body (active 0 70 extern) (segment any) (main (elem.drop 0) (get 0)))",
    "(body (main (null extern)))",
    "(body (segment eq (struct.new_default empty) (i31 (i32 3))) (main (drop (array.new_elem anys 0 (i32 0) (i32 1))) (get 0)))",
    "(body (segment extern (to_extern (i31 (i32 1)))) (main (table.init 0 0 (i32 0) (i32 0) (i32 1)) (elem.drop 0) (get 0)))",
    "(body (func (param extern i32) (result any) (local any) (if (get 1) (do (return (get 2)))) (to_any (get 0))) (main (to_extern (call 0 (get 0) (i32 1)))))",
    "(body (func (result extern) (null extern)) (main (tail_ref 0) (get 0)))",
    "(body (func (gc)) (main (call_indirect 0) (get 0)))",
    "(body (main (local exn any extern) (try (catch_ref two 5 6 4) (throw two (get 2) (get 0))) (throw_ref (get 4)) (get 6)))",
    "(body (main (block (block (br_table (get 3) 0 1 0)) (repeat 50 (br_if 0 (get 3)))) (get 0)))",
    "(body (main (see (select (get 0) (get 1) (get 3))) (note (test box (get 2))) (drop (on_cast box (get 2) (null sub))) (get 0)))",
    "(body (main (struct.set mixed 0 (null mixed) (to_i32 (f64 3))) (array.init_data longs (null longs) (i32 0) (i32 0) (i32 1)) (get 0)))",
    "(body (main (array.copy anys nodes (null anys) (i32 0) (null nodes) (i32 0) (i32 1)) (then (gc) (get 0))))",
]

WRONG = {
    "(main (null extern))": "a body is",
    "(body (main (null extern)) (main (null extern)))": "one main",
    "(body (main))": "its last part must be",
    "(body (main (gc)))": "no expression",
    "(body (main (new) (new)))": "no statement",
    "(body (main (jump) (new)))": "no such form",
    "(body (main (set 4 (new)) (new)))": "no variable 4",
    "(body (main (set 3 (new)) (new)))": "it is of type extern, and i32",
    "(body (main (local any) (set 4 (get 0)) (new)))": "it is of type extern, and any",
    "(body (main (local node) (set 4 (null struct)) (new)))": "it is of type struct, and node",
    "(body (main (local thing) (new)))": "no type",
    "(body (main (global.set 7 (null any)) (new)))": "no global 7",
    "(body (global any (null any)) (main (global.set 8 (null any)) (new)))": "no global 8",
    "(body (const any (null any)) (main (global.set 7 (null any)) (new)))": "cannot be set",
    "(body (global any (global.get 7)) (main (new)))": "only consts before it",
    "(body (global any (null any)) (global any (global.get 7)) (main (new)))": "only consts before it",
    "(body (segment any (global.get 2)) (main (new)))": "only consts before it",
    "(body (const any (new)) (main (new)))": "made of",
    "(body (const any (null extern)) (main (new)))": "it is of type extern, and any",
    "(body (global i32 (i32 0)) (main (new)))": "a reference type and an expression",
    "(body (segment any) (global any (null any)) (main (new)))": "in this order",
    "(body (active 2 0 any) (main (new)))": "the number of a table",
    "(body (active 1 -1 any) (main (new)))": "the index",
    "(body (active 0 0 any) (main (new)))": "do not fit",
    "(body (main (table.set 2 (i32 0) (new)) (new)))": "no table 2",
    "(body (main (table.copy 0 1 (i32 0) (i32 0) (i32 0)) (new)))": "do not fit",
    "(body (segment any) (main (table.init 0 0 (i32 0) (i32 0) (i32 0)) (new)))": "do not fit",
    "(body (segment any (new)) (main (new)))": "made of",
    "(body (segment eq (null any)) (main (new)))": "it is of type any, and eq",
    "(body (segment exn) (main (new)))": "other than exn",
    "(body (segment any (array.new_default anys (i32 101))) (main (new)))": "0 to 100",
    "(body (main (struct.set mixed 3 (null mixed) (new)) (new)))": "cannot be changed",
    "(body (main (array.set consts (null consts) (i32 0) (new)) (new)))": "cannot be changed",
    "(body (main (drop (struct.get pair 2 (null pair))) (new)))": "no field 2",
    "(body (main (drop (struct.get heap 2 (null pair))) (new)))": "use one of",
    "(body (main (drop (struct.new pair (new))) (new)))": "takes 2 operands",
    "(body (main (drop (array.new_data anys (i32 0) (i32 0))) (new)))": "data segments give numbers",
    "(body (main (array.copy bytes longs (null bytes) (i32 0) (null longs) (i32 0) (i32 1)) (new)))": "do not fit",
    "(body (main (note (struct.get_s nums 2 (null nums))) (new)))": "only packed",
    "(body (main (note (array.get_s longs (null longs) (i32 0))) (new)))": "only packed",
    "(body (main (br_on_null 0 (new)) (new)))": "no enclosing block 0",
    "(body (main (set2 0 9 (new) (new)) (new)))": "no variable 9",
    "(body (main (set2 0 2 (new) (new)) (new)))": "it is of type extern, and any",
    "(body (main (drop (on_non_null (null box) (null sub))) (new)))": "box is wanted",
    "(body (main (br 0) (new)))": "no enclosing block 0",
    "(body (main (repeat 1 (br 0)) (new)))": "no enclosing block 0",
    "(body (main (block (br_table (get 3) 1)) (new)))": "no enclosing block 1",
    "(body (main (repeat 51 (gc)) (new)))": "1 to 50",
    "(body (main (repeat 0 (gc)) (new)))": "1 to 50",
    "(body (main (if (get 3) (gc)) (new)))": "arms",
    "(body (main (return) (new)))": "gives extern",
    "(body (func (return (new))) (main (new)))": "gives nothing",
    "(body (func (call 0)) (main (new)))": "no helper 0",
    "(body (func (result any) (null any)) (main (tail 0) (new)))": "gives any",
    "(body (func (result any) (null any)) (main (call 0) (new)))": "has a result",
    "(body (func (gc)) (main (drop (call 0)) (new)))": "no result",
    "(body (main (try (gc)) (new)))": "begins with one of",
    "(body (main (try (catch one 3) (gc)) (new)))": "extern goes there",
    "(body (main (try (catch two 2) (gc)) (new)))": "takes variables",
    "(body (main (throw zero) (new)))": "use one of",
    "(body (main (drop (select (get 0) (get 2) (i32 1))) (new)))": "extern is wanted",
    "(body (main (drop (select (null box) (null sub) (i32 1))) (new)))": "box is wanted",
    "(body (main (note (test i31 (get 0))) (new)))": "any is wanted",
    "(body (main (note (ref_eq (get 2) (get 2))) (new)))": "eq is wanted",
    "(body (main (note (is_null (i32 0))) (new)))": "ref is wanted",
    "(body (main (note (to_i32 (get 0))) (new)))": "number is wanted",
    "(body (main (note (i32 2147483648)) (new)))": "-2^31",
    "(body (main (note 3) (new)))": "write (i32 3)",
}


@pytest.mark.parametrize("text", RIGHT)
def test_right_bodies_are_accepted(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", WRONG)
def test_wrong_bodies_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(BodyError) as caught:
        check(text)
    assert WRONG[text] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_tables_name_each_form_of_the_right_bodies() -> None:
    for text in RIGHT:
        for part in env_of(text).main.parts:
            assert part[0] in STATEMENTS or part[0] in EXPRESSIONS


def test_types_of_expressions() -> None:
    scope = env_of("(body (func (result node) (null node)) (main (local sub) (null extern)))").scope()
    for text, wanted in {
        "(get 4)": "sub",
        "(tee 4 (null sub))": "sub",
        "(select (null sub) (null sub) (i32 0))": "sub",
        "(if_else (i32 0) (null node) (null node))": "node",
        "(as_non_null (get 2))": "any",
        "(call 0)": "node",
        "(struct.get nums 0 (null nums))": "i32",
        "(array.get longs (null longs) (i32 0))": "i64",
        "(table.get 1 (i32 0))": "any",
        "(global.get 6)": "array",
        "(then (gc) (i31 (i32 0)))": "i31",
        "(on_cast box (get 2) (null sub))": "box",
    }.items():
        assert type_of(parse(text), scope) == wanted


def test_subtypes_are_a_partial_order() -> None:
    names = ["any", "eq", "i31", "struct", "array", "box", "sub", "anys", "none", "extern", "exn", "i32"]
    for one in names:
        assert KIT_ONLY.subtype(one, one)
        for other in names:
            assert not (one != other and KIT_ONLY.subtype(one, other) and KIT_ONLY.subtype(other, one))


def test_forms_are_walked_in_order() -> None:
    assert [form[0] for form in forms(parse("(body (main (drop (new)) (get 0)))"))] == [
        "body",
        "main",
        "drop",
        "new",
        "get",
    ]
