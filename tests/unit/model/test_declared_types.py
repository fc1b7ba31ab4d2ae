"""Types that bodies declare: what is a type, which are the same, and which will do for which."""

from __future__ import annotations

import pytest

from twinheap.model.body import BodyError, Tree, parse
from twinheap.model.body_types import check
from twinheap.model.declared import Types
from twinheap.model.declared_reader import types_of


def types(*groups: str) -> Types:
    return types_of([parse(group) for group in groups])


def body(declared: str, main: str = "(null extern)") -> str:
    return f"(body {declared} (main {main}))"


RIGHT = [
    body("(rec (struct t0 t1) (struct t1 ref.t0 const.ref.i31 i8))"),
    body("(rec (struct t0 (open))) (rec (struct t1 (sub t0) (open) i32) (struct t2 (sub t1) i32 any))"),
    body("(rec (struct t0 (open) const.any i64)) (rec (struct t1 (sub t0) const.ref.t0 i64 extern))"),
    body("(rec (array t0 (open) const.eq) (array t1 (sub t0) const.t0))"),
    body("(rec (struct t3 (sub box) extern none noextern))", "(struct.get box 0 (struct.new_default t3))"),
    body("(rec (array t0 ref.i31)) (global t0 (array.new_fixed t0 (i31 (i32 1))))"),
    body("(rec (struct t0 ref.eq)) (table ref.t0 1 2 (struct.new t0 (i31 (i32 1))))"),
    body("(rec (struct t0 ref.eq)) (func (far) (param ref.t0) (result t0) (get 0))"),
]

WRONG = {
    body("(rec)"): "a group is made of",
    body("(rec (struct x))"): "t and a number",
    body("(rec (struct t0) (array t0 any))"): "t and a number",
    body("(rec (struct t0)) (rec (struct t0))"): "t and a number",
    body("(rec (struct t0 t1))"): "t1 is no type",
    body("(rec (struct t0 exn))"): "exn is no type",
    body("(rec (struct t0 ref.i32))"): "ref.i32 is no type",
    body("(rec (array t0 any any))"): "elements of one type",
    body("(rec (struct t0 (sub pair) extern any))"): "no supertype",
    body("(rec (struct t0 (sub t1) i32) (struct t1 (open) i32))"): "no supertype",
    body("(rec (struct t0 (open) i32) (struct t1 (sub t0) i64))"): "has other fields",
    body("(rec (struct t0 (open) any) (struct t1 (sub t0) eq))"): "has other fields",
    body("(rec (struct t0 (open) const.ref.any) (struct t1 (sub t0) const.eq))"): "has other fields",
    body("(rec (struct t0 (open) any i32) (struct t1 (sub t0) any))"): "has other fields",
    body("(rec (array t0 (sub box) extern))"): "no supertype",
    body("(main (null extern)) (rec (struct t0))"): "a body is",
    body("(rec (struct t0 ref.i31))", "(drop (struct.new_default t0)) (new)"): "never null",
    body("(rec (array t0 ref.i31))", "(drop (array.new_default t0 (i32 0))) (new)"): "never null",
    body("(rec (struct t0 ref.eq)) (global t0 (struct.new t0 (null eq)))"): "must make an object",
    body("(rec (array t0 ref.eq)) (segment eq)", "(drop (array.new_elem t0 0 (i32 0) (i32 0))) (new)"): "may be null",
    body(
        "(rec (array t0 ref.any))", "(array.copy t0 anys (null t0) (i32 0) (null anys) (i32 0) (i32 0)) (new)"
    ): "may be null",
    body("(rec " + " ".join(f"(struct t{at})" for at in range(13)) + ")"): "at most 12",
    body("", "(drop (struct.new_default t0)) (new)"): "use one of",
}


@pytest.mark.parametrize("text", RIGHT)
def test_right_types_are_accepted(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", WRONG)
def test_wrong_types_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(BodyError) as caught:
        check(text)
    assert WRONG[text] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_group_is_what_it_says_and_not_its_names() -> None:
    known = types("(rec (struct t0 t1) (array t1 t0))", "(rec (struct t7 t8) (array t8 t7))")
    assert (known.identity("t0"), known.identity("t1")) == (known.identity("t7"), known.identity("t8"))
    assert known.identity("t0") != known.identity("t1")
    assert types("(rec (struct t5 t4) (array t4 t5))").identity("t5") == known.identity("t0")


@pytest.mark.parametrize(
    "other",
    [
        "(rec (array t3 t2) (struct t2 t3))",  # another order
        "(rec (struct t2 t3) (array t3 const.t2))",
        "(rec (struct t2 t3) (array t3 ref.t2))",
        "(rec (struct t2 (open) t3) (array t3 t2))",
        "(rec (struct t2 t3) (array t3 t2) (struct t4))",
        "(rec (struct t2 t3) (array t3 t1))",  # of which the one refers to the other group
    ],
)
def test_groups_that_say_something_else_are_others(other: str) -> None:
    known = types("(rec (struct t0 t1) (array t1 t0))", other)
    assert known.identity("t0") != known.identity("t2")
    assert not known.subtype("t0", "t2")


def test_a_group_of_one_may_be_a_type_of_the_kit() -> None:
    known = types(
        "(rec (struct t0 (open) extern))",
        "(rec (struct t1 t1 extern))",
        "(rec (array t2 t1))",
        "(rec (struct t3 extern))",
    )
    assert [known.identity(f"t{at}") for at in range(3)] == ["box", "node", "nodes"]
    assert known.made("t1") == "node"
    assert known.identity("t3") != "box"
    assert known.subtype("sub", "t0")


def test_subtypes_go_up_to_the_top() -> None:
    known = types("(rec (struct t0 (sub box) (open) extern) (struct t1 (sub t0) extern i32))", "(rec (array t2 i8))")
    wanted = {"t0", "box", "struct", "eq", "any", "t1"}
    assert {name for name in known.references if known.subtype("t1", name)} == wanted
    assert known.subtype("none", "t1")
    assert known.subtype("none", "t2")
    assert not known.subtype("noextern", "t1")
    assert not known.subtype("t2", "struct")


def test_made_of_identities() -> None:
    known = types("(rec (struct t0 (sub box) extern t1) (struct t1 ref.t0))")
    made = known.made("t0")
    assert not isinstance(made, str)
    assert made.name == known.identity("t0")
    assert made.fields[1].storage == known.identity("t1")
    assert made.above == ("box",)


def test_trees_are_left_alone() -> None:
    tree: Tree = parse(RIGHT[0])
    check(RIGHT[0])
    assert parse(RIGHT[0]) == tree
