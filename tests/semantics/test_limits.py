"""Fuel and epochs: where a run may be stopped, what stays of it, and that other observations are caught."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.codes import Verdict
from twinheap.model.engines import ENGINES, FEATURES, feature
from twinheap.model.judge import judge
from twinheap.model.observation import STOPPED, Observation
from twinheap.model.profiles import profile_for
from twinheap.model.program import engines_of
from twinheap.model.text import FormatError, loads
from twinheap.model.view import ALL_OPS
from twinheap.targets.heap.budget import POINT_FUEL
from twinheap.targets.heap.machine import RELEASES, HeapMachine
from twinheap.targets.modules import modules_of

FIXED = profile_for("wasmtime", "50.0.1", "drc", exact=False, strict=True)
OK = Observation("ok")
PLAIN = "(func (param extern) (result extern) (get 0)) (main (local extern) (set 4 (new)) (note (i32 1)) (global.set 0 (call 0 (get 4))) (repeat 2 (note (i32 2))) (get 4))"


def verdicts(body: str, limit: str, *observed: Observation, engine: str = "fuel", after: str = "") -> list[Verdict]:
    """The verdicts on a run of `body` in a store that was limited before."""
    text = f"twinheap program 1\nS0: limit=none limiter=plain engine={engine}\nB0: (body {body})\nI1 = inst S0\n"
    text += f"{limit}\nO2 = run I1 0 v0 null null null 7 owned\n{after}"
    return [
        found
        for found in judge(loads(text).program, [OK, OK, *observed], FIXED)
        if found.allowed != "one observation per op"
    ]


def stopped(passed: int, *trace: str, outcome: str = "trap:fuel", finalized: tuple[int, ...] = ()) -> Observation:
    return Observation(outcome, (*trace, f"p:{passed}"), finalized)


def codes(found: list[Verdict]) -> list[str]:
    return [verdict.code for verdict in found]


@pytest.mark.parametrize(
    "seen",
    [
        stopped(0),  # main
        stopped(1, "n:1"),  # the helper
        stopped(2, "n:1"),  # the first turn
        stopped(3, "n:1", "n:2"),  # the second
        Observation("ok", ("n:1", "n:2", "n:2", "nonnull")),
    ],
)
def test_a_run_may_be_stopped_at_every_check_point(seen: Observation) -> None:
    assert verdicts(PLAIN, "set_fuel S0 20", seen) == []


@pytest.mark.parametrize(
    ("limit", "seen", "code"),
    [
        ("set_fuel S0 20", stopped(1), "TH106"),  # what comes before the helper was noted
        ("set_fuel S0 20", stopped(2, "n:1", "n:2"), "TH106"),
        ("set_fuel S0 20", stopped(4, "n:1", "n:2", "n:2"), "TH106"),  # there is no such point
        ("set_fuel S0 20", stopped(0, outcome="trap:interrupt"), "TH106"),
        ("set_fuel S0 20", Observation("trap:fuel", ("n:1",)), "TH404"),
        ("set_fuel S0 none", stopped(0), "TH106"),  # there is plenty
        ("set_fuel S0 0", Observation("ok", ("n:1", "n:2", "n:2", "nonnull")), "TH106"),  # there is nothing
        ("set_fuel S0 0", stopped(1, "n:1"), "TH106"),
    ],
)
def test_what_cannot_be_is_caught(limit: str, seen: Observation, code: str) -> None:
    assert codes(verdicts(PLAIN, limit, seen)) == [code]


def test_what_frames_held_must_go_and_what_slots_hold_must_stay() -> None:
    look = "G3 = inst_global I1 0\nL4 = global_get G3\ngc S0"
    held = [stopped(2, "n:1"), OK, Observation("ok", ("nonnull",))]
    assert verdicts(PLAIN, "set_fuel S0 20", *held, OK, after=look) == []
    assert codes(verdicts(PLAIN, "set_fuel S0 20", *held, Observation("ok", (), (0,)), after=look)) == ["TH201"]
    dropped = [stopped(1, "n:1"), OK, Observation("ok", ("null",))]
    assert verdicts(PLAIN, "set_fuel S0 20", *dropped, Observation("ok", (), (0,)), after=look) == []
    assert codes(verdicts(PLAIN, "set_fuel S0 20", *dropped, OK, after=look)) == ["TH202"]


def test_a_store_that_was_stopped_runs_nothing_until_it_is_given_more() -> None:
    again = "O3 = run I1 0 v8 null null null 7 owned"
    whole = Observation("ok", ("n:1", "n:2", "n:2", "nonnull"))
    assert verdicts(PLAIN, "set_fuel S0 20", stopped(2, "n:1"), stopped(0), after=again) == []
    assert codes(verdicts(PLAIN, "set_fuel S0 20", stopped(2, "n:1"), whole, after=again)) == ["TH106"]
    assert verdicts(PLAIN, "set_fuel S0 20", stopped(2, "n:1"), OK, whole, after=f"set_fuel S0 none\n{again}") == []


def test_a_body_is_instantiated_whatever_is_left() -> None:
    """So it may run out of memory before it is stopped."""
    large = "(global longs (array.new longs (i64 0) (i32 100)))" * 100
    text = f"twinheap program 1\nS0: limit=65536 limiter=plain engine=fuel\nB0: (body {large} (main (get 0)))\nI1 = inst S0\nset_fuel S0 0\n"
    made = loads(f"{text}O2 = run I1 0 v0 null null null 7 owned\n").program
    assert codes(judge(made, [OK, OK, Observation("err:oom"), OK, OK, OK], FIXED)) == []
    assert heap(f"{text}O2 = run I1 0 v0 null null null 7 owned\n")[2] == "err:oom"


def test_a_form_of_many_elements_may_be_stopped_inside() -> None:
    new = "(main (local externs) (set 4 (array.new externs (new) (i32 3))) (note (i32 1)) (get 0))"
    assert verdicts(new, "set_fuel S0 20", stopped(1)) == []
    assert codes(verdicts(new, "set_fuel S0 20", stopped(1, "n:1"))) == ["TH106"]  # it is over then
    # What was written before is known; what would be written after, is not: nothing is said of the rest.
    fill = "(main (table.fill 0 (i32 0) (new) (i32 2)) (get 0))"
    gone = (stopped(1, finalized=(0,)), stopped(1))
    assert [verdicts(fill, "set_fuel S0 20", seen) for seen in gone] == [[], []]


@pytest.mark.parametrize(
    ("release", "collector", "of", "known"),
    [
        ("47", "drc", "externs", "K37"),
        ("37", "drc", "externs", "K37"),
        ("48", "drc", "externs", None),
        ("36", "drc", "externs", None),
        ("46", "copying", "externs", None),
        ("47", "drc", "longs", None),  # there is nothing to trace in it
    ],
)
def test_an_array_that_was_stopped_half_made_explains_what_breaks_later(
    release: str, collector: str, of: str, known: str | None
) -> None:
    body = f"(body (main (drop (array.new_default {of} (i32 3))) (null extern)))"
    text = f"twinheap program 1\nS0: limit=none limiter=plain engine=fuel\nB0: {body}\nI1 = inst S0\nset_fuel S0 2\n"
    made = loads(f"{text}O2 = run I1 0 v0 null null null 0 owned\ngc S0\n").program
    broken = Observation("panic:range start index 2818572288 out of range for slice of length 65536")
    profile = profile_for("wasmtime", release, collector, exact=False)
    for passed, expected in ((1, known), (0, None)):  # stopped inside, and before main
        assert [v.known for v in judge(made, [OK, OK, stopped(passed), broken], profile)] == [expected]


def test_only_stores_of_such_engines_have_limits() -> None:
    with pytest.raises(FormatError, match="engine has no fuel"):
        loads("twinheap program 1\nset_fuel S0 1\n")
    with pytest.raises(FormatError, match="engine has no epochs"):
        loads("twinheap program 1\nS1 = store_new_in fuel none plain\nset_epoch_deadline S1 1\n")


def test_modules_count_their_check_points_where_one_store_is_limited() -> None:
    body = "B0: (body (main (get 0)))\n"
    plain = loads(f"twinheap program 1\n{body}").program
    counted = loads(f"twinheap program 1\n{body}S1 = store_new_in epochs none plain\n").program
    assert engines_of(counted) == {0, next(at for at, engine in enumerate(ENGINES) if engine.epochs)}
    assert b"points" not in modules_of(plain)[0][1]
    assert b"points" in modules_of(counted)[0][1]


def heap(text: str, collector: str = "drc") -> list[str]:
    """What the in-tree heap shows; the judge must agree."""
    made = loads(text).program
    observed = HeapMachine(collector).run(made)
    profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
    assert judge(made, observed, profile) == []
    return [str(seen) for seen in observed]


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_the_heap_stops_runs_by_fuel(collector: str) -> None:
    head = f"twinheap program 1\nS0: limit=none limiter=plain engine=fuel\nB0: (body {PLAIN})\nI1 = inst S0\n"
    run = "O2 = run I1 0 v0 null null null 7 owned\ngc S0\n"
    seen = [heap(f"{head}set_fuel S0 {points * POINT_FUEL}\n{run}", collector)[2] for points in range(5)]
    assert [text.split(" finalized")[0] for text in seen] == [
        "trap:fuel(p:0)",
        "trap:fuel(n:1, p:1)",
        "trap:fuel(n:1, p:2)",
        "trap:fuel(n:1, n:2, p:3)",
        "ok(n:1, n:2, n:2, nonnull)",
    ]


def test_ticks_are_calls_of_host_functions_also_in_callbacks() -> None:
    body = "(body (main (see (cb (get 0))) (repeat 3 (note (i32 1))) (get 0)))"
    text = f"twinheap program 1\nS0: limit=none limiter=plain engine=epochs\nB0: {body}\nI1 = inst S0\nset_epoch_deadline S0 4\n"
    shown = heap(f"{text}call I1 0 v0 null null null 1:\n  call I1 0 v8 null null null 1:\n    gc S0\n")
    assert shown[2:4] == ["trap:interrupt(cb, null, p:3)", "trap:interrupt(cb, null, n:1, p:2)"]


LIMITED = frozenset(feature(number) for number, engine in enumerate(ENGINES) if engine.limits_runs)


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_random_programs_under_limits_agree(collector: str) -> None:
    profile = replace(PROFILES["bodies"], engines=1.0)
    times = 0
    for number in range(150):
        made = generate(7, number, profile, (ALL_OPS - FEATURES) | LIMITED)
        observed = HeapMachine(collector).run(made)
        assert (
            judge(made, observed, profile_for("heap", RELEASES[collector], collector, exact=collector != "copying"))
            == []
        )
        times += sum(seen.outcome in STOPPED for seen in observed)
    assert times >= 10
