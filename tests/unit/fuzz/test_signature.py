"""Signatures: what they tell apart, and what they do not."""

from __future__ import annotations

import pytest

from twinheap.fuzz.signature import Identity, identity_of, presignature, shape, signature
from twinheap.model.codes import Verdict
from twinheap.model.program import Program
from twinheap.model.text import loads

LEAK = Identity("TH202", None, "", "")


def program(*lines: str) -> Program:
    return loads("\n".join(["twinheap program 1", *lines])).program


def test_names_and_constants_do_not_count() -> None:
    one = program("S0: limit=65536 limiter=plain", "O1 = ext_new_owned S0 v0", "data_set O1 5", "odrop O1")
    two = program("O7 = ext_new_owned S0 v3", "data_set O7 99", "odrop O7")
    assert shape(one) == shape(two)
    assert signature(LEAK, one) == signature(LEAK, two)


def test_data_flow_counts() -> None:
    one = program("O1 = ext_new_owned S0 v0", "O2 = ext_new_owned S0 v1", "odrop O1")
    two = program("O1 = ext_new_owned S0 v0", "O2 = ext_new_owned S0 v1", "odrop O2")
    assert signature(LEAK, one) != signature(LEAK, two)


def test_long_runs_collapse_and_short_ones_do_not() -> None:
    def drops(count: int) -> Program:
        news = [f"O{n} = ext_new_owned S0 v{n}" for n in range(1, count + 1)]
        return program(*news, *[f"odrop O{n}" for n in range(1, count + 1)])

    assert shape(drops(8)) == shape(drops(17))
    assert shape(drops(1)) != shape(drops(2))


def test_an_absent_operand_is_not_a_present_one() -> None:
    one = program("G1 = global_new S0 extern var null")
    two = program("O1 = ext_new_owned S0 v0", "G2 = global_new S0 extern var O1")
    assert shape(one)[-1] != shape(two)[-1]


@pytest.mark.parametrize("other", [("TH203", None, ""), ("TH202", "K1", ""), ("TH202", None, "panic:x")])
def test_code_known_defect_and_panic_text_count(other: tuple[str, str | None, str]) -> None:
    code, known, text = other
    some = program("O1 = ext_new_owned S0 v0")
    identity = Identity(code, known, "", text)
    assert signature(identity, some) != signature(LEAK, some)
    assert presignature(identity) != presignature(LEAK)
    assert signature(identity, some).startswith(code + "-")


def test_identity_keeps_what_shrinking_must_not_change() -> None:
    some = program("O1 = ext_new_owned S0 v0", "data O1")
    wrong = identity_of(Verdict("TH101", 1, "v0", "v1"), some, "ok")
    assert wrong == Identity("TH101", None, "data", "")
    leak = identity_of(Verdict("TH202", 2, "gone", "there", "K1"), some, "ok")
    assert leak == Identity("TH202", "K1", "", "")
    assert identity_of(Verdict("TH401", 1, "", ""), some, "panic:boom").text == "panic:boom"
    assert identity_of(Verdict("TH404", 99, "", ""), some, None).op == ""


def test_a_known_defect_has_one_name_whatever_is_left_of_its_program() -> None:
    known = Identity("TH202", "K1", "", "")
    one = program("O1 = ext_new_owned S0 v0", "odrop O1")
    two = program("O1 = ext_new_owned S0 v0", "O2 = ext_new_owned S0 v1", "odrop O2")
    assert signature(known, one) == signature(known, two) != signature(LEAK, one)
