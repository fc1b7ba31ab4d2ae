"""Targets compared with each other."""

from __future__ import annotations

import pytest

from twinheap.fuzz.cross import compare
from twinheap.fuzz.differ import Judged
from twinheap.model.codes import Verdict
from twinheap.model.observation import Observation
from twinheap.model.text import loads
from twinheap.targets.executor import Ran

TEXT = "twinheap program 1\nO1 = ext_new_owned S0 v0\nkind O1\nodrop O1\n"  # then gc, sync, store_drop
OK = Observation("ok")
PLAIN = [OK, Observation("ok", ("extern",)), OK, Observation("ok", (), (0,)), OK, OK]


def judged(observations: list[Observation], text: str = TEXT, verdicts: list[Verdict] | None = None) -> Judged:
    return Judged(0, loads(text).program, Ran(0, tuple(observations)), verdicts or [])


def test_agreement() -> None:
    assert compare(judged(PLAIN), judged(PLAIN), True) is None


def test_another_outcome_or_value_is_a_disagreement() -> None:
    other = [PLAIN[0], Observation("ok", ("struct",)), *PLAIN[2:]]
    verdict = compare(judged(PLAIN), judged(other), False)
    assert verdict == Verdict("TH601", 1, "ok(extern)", "ok(struct)")


def test_judged_failures_are_not_compared_again() -> None:
    other = [PLAIN[0], Observation("err:other"), *PLAIN[2:]]
    failed = judged(other, verdicts=[Verdict("TH106", 1, "", "", "K1")])
    assert compare(judged(PLAIN), failed, False) is None


def test_nothing_is_compared_after_out_of_memory() -> None:
    other = [Observation("err:oom", (), (0,)), Observation("skip"), Observation("skip"), OK, OK, OK]
    assert compare(judged(PLAIN), judged(other), True) is None


def test_finalizers_are_compared_at_settled_points_of_one_collector_only() -> None:
    late = [*PLAIN[:3], OK, OK, Observation("ok", (), (0,))]
    verdict = compare(judged(PLAIN), judged(late), True)
    assert verdict == Verdict("TH602", 4, "finalized: v0", "not finalized: v0")
    assert compare(judged(PLAIN), judged(late), False) is None
    early = [*PLAIN[:2], Observation("ok", (), (0,)), OK, OK, OK]
    assert compare(judged(PLAIN), judged(early), True) is None


def test_other_views_are_not_compared() -> None:
    assert compare(judged(PLAIN), judged(PLAIN[2:], "twinheap program 1\n"), True) is None


def test_a_cast_owned_handle_is_the_targets_choice() -> None:
    text = "twinheap program 1\nO1 = i31_new_owned S0 0\nL2 = cast O1 eq\nodrop O1\nkind L2\n"
    one = [OK, Observation("ok", ("nonnull",)), OK, Observation("err:unrooted"), OK, OK, OK]
    two = [*one[:3], Observation("ok", ("i31", 0)), *one[4:]]
    assert compare(judged(one, text), judged(two, text), False) is None


def test_a_full_trace_is_not_compared_with_one_that_is_not() -> None:
    """What a collector finalized meanwhile takes the room of what the run tells."""
    text = (
        "twinheap program 1\nB0: (body (main (gc) (note (i32 1)) (null extern)))\n"
        "F1 = fill S0 255 v0\nI2 = inst S0\nfree F1 all\nL3 = run I2 0 v255 null null null 0 lifo\n"
    )
    start, end = [Observation("ok", (255,)), OK, OK], [OK, OK, OK]

    def ran(*values: int | str) -> Judged:
        return judged([*start, Observation("ok", values), *end], text)

    full = tuple(f"f:{value}" for value in range(255))
    assert compare(ran(*full, "null"), ran(1, "null"), False) is None
    assert compare(ran(*full[:253], 2, "null"), ran(1, "null"), False) is None
    assert compare(ran(*full[:252], 1, "null"), ran(1, "null"), False) is None
    verdict = compare(ran(*full[:252], 2, "null"), ran(1, "null"), False)
    assert verdict is not None
    assert (verdict.code, verdict.at) == ("TH601", 3)
    other = judged([*start, Observation("ok", (*[1] * 254, "null")), Observation("ok", (3,)), *end[1:]], text)
    verdict = compare(ran(*[1] * 254, "null"), other, False)  # full of what the run tells: as good as any
    assert verdict is not None
    assert (verdict.code, verdict.at) == ("TH601", 4)


@pytest.mark.parametrize("op", ["F2 = fill S0 9 v1", "F2 = fill_race S0 9 v1 F1", "O2 = chain S0 9"])
def test_what_fits_is_the_collectors_choice(op: str) -> None:
    text = f"twinheap program 1\nF1 = fill S0 1 v0\n{op}\nL3 = ext_new S0 v10\nkind L3\n"
    one = [Observation("ok", (1,)), Observation("ok", (9,)), OK, Observation("ok", ("extern",)), OK, OK, OK]
    two = [one[0], Observation("ok", (7,)), Observation("err:oom"), Observation("skip"), *one[4:]]
    assert compare(judged(one, text), judged(two, text), False) is None
    same = [*one[:3], Observation("ok", ("i31",)), *one[4:]]
    assert compare(judged(one, text), judged(same, text), False) is not None
