"""Every verdict code has a program whose right observations pass and whose wrong one is caught with that code.

Observations are written as `outcome value,value !finalized,finalized`; the last ones belong to the implicit gc, sync
and store_drop.
"""

# ruff: noqa: E501 -- the table of cases is read across

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from twinheap.model.codes import CODES
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.profiles import Profile
from twinheap.model.text import loads

DRC = Profile("heap", (0, 0, 0), "drc", False, frozenset())
EXACT = Profile("heap", (0, 0, 0), "drc", True, frozenset())
COPYING = Profile("heap", (0, 0, 0), "copying", False, frozenset())
NULL = Profile("heap", (0, 0, 0), "null", False, frozenset())
WITH_K1 = Profile("wasmtime", (43, 0, 0), "drc", False, frozenset({"K1"}))
WITH_K6 = Profile("wasmtime", (43, 0, 0), "drc", False, frozenset({"K6"}))
WITH_K8 = Profile("wasmtime", (43, 0, 0), "drc", False, frozenset({"K8"}))
END = ["ok", "ok", "ok"]

_WORDS = {"none": None, "true": True, "false": False}


def _value(text: str) -> int | str | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if text.lstrip("-").isdigit() else text


def observe(text: str) -> Observation:
    """`ok 0,7 !3` as an observation; `?64` gives the bytes needed, `@0-0,0-65536` the limiter calls."""
    outcome, *rest = text.replace("~", " ").split() if not text.startswith(("panic", "dead")) else [text]
    values: tuple[int | str | bool | None, ...] = ()
    finalized: tuple[int, ...] = ()
    calls: tuple[tuple[int, int], ...] = ()
    needed = 0
    for part in rest:
        if part[0] == "!":
            finalized = tuple(int(v) for v in part[1:].split(","))
        elif part[0] == "?":
            needed = int(part[1:])
        elif part[0] == "@":
            pairs = [call.split("-") for call in part[1:].split(",")]
            calls = tuple((int(a), int(b)) for a, b in pairs)
        else:
            values = tuple(_value(v) for v in part.split(","))
    return Observation(outcome, values, finalized, calls, needed)


@dataclass(frozen=True)
class Case:
    """A program, its right observations, and what makes one of them wrong."""

    code: str
    program: str
    good: list[str]
    at: int
    bad: str
    profile: Profile = DRC
    known: str | None = None
    drop: bool = field(default=False)  # cut the observations off after the bad one


_FIRST = "@0-0,0-65536"  # what the limiter is asked for the first externref

CASES = [
    Case("TH101", "L1 = ext_new S0 v0\nL2 = ext_new S0 v1\ndata L1", ["ok", "ok", "ok 0,0", "ok", "ok", "ok !0,1"], 2, "ok 1,0"),
    Case("TH101", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "ok none"),
    Case("TH102", "L1 = ext_new S0 v0\ndata_set L1 5\ndata L1", ["ok", "ok", "ok 0,5", "ok", "ok", "ok !0"], 2, "ok 0,0"),
    Case("TH103", "L1 = ext_new S0 v0\neq L1 L1", ["ok", "ok true", "ok", "ok", "ok !0"], 1, "ok false"),
    Case("TH104", "L1 = i31_new S0 7\nkind L1", ["ok", "ok i31,7", *END], 1, "ok i31,8"),
    Case("TH104", "L1 = i31_new S0 7\nkind L1", ["ok", "ok i31,7", *END], 1, "ok extern"),
    Case("TH105", "L1 = from_imm S0 0 extern", ["ok null", *END], 0, "ok nonnull"),
    Case("TH106", "G1 = global_new S0 extern const null\nglobal_set G1 null", ["ok", "err:immutable", *END], 1, "ok"),
    Case("TH107", "scope S0:\n  L1 = ext_new S0 v0\ndata L1", ["ok", "ok", "ok !0", "err:unrooted", *END], 3, "ok 0,0"),
    Case("TH108", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "err:unrooted"),
    Case("TH109", "T1 = table_new S0 extern 3 none null\ntable_size T1", ["ok", "ok 3", *END], 1, "ok 2"),
    Case("TH110", "L1 = from_imm S0 0 extern\ndata L1", ["ok null", "skip", *END], 1, "ok none"),
    Case("TH110", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "skip"),
    Case("TH201", "O1 = ext_new_owned S0 v0\ngc S0", ["ok", "ok", "ok", "ok", "ok !0"], 1, "ok !0"),
    Case("TH201", "O1 = ext_new_owned S0 v0\nodrop O1", ["ok", "ok", "ok", "ok", "ok !0"], 2, "ok !0", NULL),
    Case("TH201", "O1 = ext_new_owned S0 v0\nW2 = to_raw O1\nodrop O1\nL3 = from_raw W2 extern",
         ["ok", "ok nonnull", "ok", "ok nonnull", "ok", "ok", "ok !0"], 2, "ok !0"),
    Case("TH202", "O1 = ext_new_owned S0 v0\nodrop O1", ["ok", "ok", "ok !0", "ok", "ok"], 2, "ok"),
    Case("TH202", "O1 = ext_new_owned S0 v0\nodrop O1\nP2 = gc_async S0\npoll P2 0",
         ["ok", "ok", "ok pending", "ok !0", *END], 3, "ok"),
    Case("TH203", "O1 = ext_new_owned S0 v0\nodrop O1", ["ok", "ok", "ok !0", "ok", "ok"], 4, "ok !0"),
    Case("TH204", "O1 = ext_new_owned S0 v0", ["ok", "ok", "ok", "ok !0"], 3, "ok"),
    Case("TH205", "scope S0:\n  L1 = ext_new S0 v0\ngc S0", ["ok", f"ok {_FIRST}", "ok !0", "ok", *END], 2, "ok", EXACT),
    Case("TH205", "O1 = ext_new_owned S0 v0\nodrop O1", ["ok", "ok", "ok !0", "ok", "ok"], 1, "ok !0", COPYING),
    Case("TH206", "O1 = ext_new_owned S0 v0", ["ok", "ok", "ok", "ok !0"], 0, "ok !3"),
    Case("TH207", "S1 = store_new 0 plain\nO1 = ext_new_owned S1 v0", ["ok", "err:oom !0", *END, *END], 1, "err:oom"),
    Case("TH301", "S1 = store_new 65536 plain\nO1 = ext_new_owned S1 v0",
         ["ok", "ok", *END, "ok", "ok", "ok !0"], 1, "err:oom !0"),
    Case("TH301", "S1 = store_new 65536 plain\nF1 = fill S1 2048 v0",
         ["ok", "ok 2047 !2047", *END, "ok", "ok", "ok !" + ",".join(map(str, range(2047)))], 1, "ok 2046 !2046"),
    Case("TH302", "S1 = store_new 0 plain\nL1, X2 = ext_new S1 v0\nL3, X4 = ext_new S1 v1\noom_take X2",
         ["ok", "err:oom", "err:oom", "ok 0", *END, "ok", "ok", "ok !1"], 3, "ok 1"),
    Case("TH303", "S1 = store_new 0 plain\nO1 = ext_new_owned S1 v0", ["ok", "err:oom !0", *END, *END], 1, "ok"),
    Case("TH303", "S1 = store_new 65536 plain\nF1 = fill S1 2048 v0",
         ["ok", "ok 2047 !2047", *END, "ok", "ok", "ok !" + ",".join(map(str, range(2047)))], 1, "ok 2048"),
    Case("TH304", "O1 = ext_new_owned S0 v0", [f"ok {_FIRST}", "ok", "ok", "ok !0"], 0, "ok @0-0,0-131072", EXACT),
    Case("TH305", "S1 = store_new 0 plain\nL1 = ext_new S1 v0",
         ["ok", "err:oom !0 ?32 " + _FIRST, *END, *END], 1, "err:oom !0 ?16 " + _FIRST, EXACT),
    Case("TH401", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "panic:boom", drop=True),
    Case("TH401", "O1 = from_imm_owned S0 15 extern\nW2 = to_raw O1", ["ok nonnull", "ok nonnull", *END], 1,
         "panic:attempted to access the store's GC heap before it has been allocated", WITH_K6, "K6", drop=True),
    Case("TH402", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "dead:SIGSEGV", drop=True),
    Case("TH403", "L1 = ext_new S0 v0\ndata L1", ["ok", "ok 0,0", "ok", "ok", "ok !0"], 1, "hang", drop=True),
    Case("TH406", "S1 = store_new none plain\nO1 = ext_new_owned S0 v0\nwrong_store S1 O1 data",
         ["ok", "ok", "panic:object used with wrong store"], 2, "ok 0,0"),
    Case("TH406", "S1 = store_new none plain\nO1 = ext_new_owned S0 v0\nwrong_store S1 O1 global",
         ["ok", "ok", "err:type"], 2, "ok"),
    Case("TH501", "churn S0 i31 1000", ["ok 500", *END], 0, "ok 64000"),
    Case("TH501", "churn S0 clone 1000", ["ok 500", *END], 0, "ok 64000", WITH_K8, "K8"),
    Case("TH501", "L1 = ext_new S0 v0\nchurn S0 i31 1000", ["ok", "ok 0", "ok", "ok", "ok !0"], 1, "ok 64000", WITH_K8),
    Case("TH501", "F1 = fill S0 1500 v0\nchurn S0 i31 1000",
         ["ok 1500", "ok 150000", "ok", "ok", "ok !" + ",".join(map(str, range(1500)))], 1, "ok 160000"),
    Case("TH202", "O1 = ext_new_owned S0 v0\nW2 = to_raw O1\nW3 = to_raw O1\nodrop O1",
         ["ok", "ok nonnull", "ok nonnull", "ok", "ok !0", "ok", "ok"], 4, "ok", WITH_K1, "K1"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{c.code}-{n}" for n, c in enumerate(CASES)])
def test_right_observations_pass_and_a_wrong_one_is_caught(case: Case) -> None:
    program = loads(f"twinheap program 1\n{case.program}\n").program
    good = [observe(text) for text in case.good]
    assert judge(program, good, case.profile) == []
    bad = [*good]
    bad[case.at] = observe(case.bad)
    if case.drop:
        bad = bad[: case.at + 1]
    first = judge(program, bad, case.profile)[0]
    assert (first.code, first.at, first.known) == (case.code, case.at, case.known)


def test_observations_that_end_early_are_a_protocol_error() -> None:
    program = loads("twinheap program 1\nL1 = ext_new S0 v0\ndata L1\n").program
    assert [v.code for v in judge(program, [observe("ok")], DRC)] == ["TH404"]


def test_a_known_leak_is_counted_and_judging_goes_on() -> None:
    program = loads(
        "twinheap program 1\nO1 = ext_new_owned S0 v0\nW2 = to_raw O1\nW3 = to_raw O1\nodrop O1\ngc S0\n"
        "O4 = ext_new_owned S0 v1\ndata O4\n"
    ).program
    texts = ["ok", "ok nonnull", "ok nonnull", "ok", "ok", "ok", "ok 7,0"]
    verdicts = judge(program, [observe(text) for text in texts], WITH_K1)
    assert [(v.code, v.known) for v in verdicts] == [("TH202", "K1"), ("TH101", None)]


def test_limiter_calls_belong_to_the_store_that_acts() -> None:
    program = loads(
        "twinheap program 1\nS0: limit=0\nP2, L1 = new_async S0 v0\nS3 = store_new none plain\n"
        "P5, L4 = new_async S3 v1\npoll P2 0\n"
    ).program
    texts = ["ok pending @0-0", "ok", f"ok {_FIRST}", "err:oom !0 ?32 @0-65536", *END, "skip", "ok", "ok", "ok !1"]
    assert judge(program, [observe(text) for text in texts], EXACT) == []


@pytest.mark.parametrize(
    ("end", "codes"),
    [("err:oom !1", []), ("err:other !1", []), ("ok", []), ("err:unrooted !1", ["TH108"])],
)
def test_whether_a_cancelled_first_allocation_made_the_heap_is_not_known(end: str, codes: list[str]) -> None:
    program = loads(
        "twinheap program 1\nS0: limit=none limiter=async\nP2, L1 = new_async S0 v0\ncancel P2\nset_limiter S0 no\n"
        "P4, L3 = new_async S0 v1\npoll P4 0\n"
    ).program
    texts = ["ok pending", "ok !0", "ok", "ok pending", end, "ok pending", "ok", "ok", "ok" if "!1" in end else "ok !1"]
    assert [verdict.code for verdict in judge(program, [observe(text) for text in texts], DRC)] == codes
    never = loads(
        "twinheap program 1\nS0: limit=none limiter=async\nset_limiter S0 no\nP2, L1 = new_async S0 v0\npoll P2 0\n"
    ).program
    refused = [observe(text) for text in ("ok", "ok pending", "err:oom !0", "ok pending", "ok", "ok", "ok")]
    assert [verdict.code for verdict in judge(never, refused, DRC)] == ["TH301"]


def test_every_code_of_the_judge_has_a_negative_test() -> None:
    elsewhere = {"TH404", "TH405", "TH601", "TH602"}  # the supervisor's, and those of comparing targets
    assert {case.code for case in CASES} | elsewhere == set(CODES)


_NO_HEAP = "panic:attempted to access the store's GC heap before it has been allocated"
_RELEASES = {major: Profile("wasmtime", (major, 0, 0), "drc", False, frozenset({"K1", "K6"})) for major in (33, 43)}


@pytest.mark.parametrize(
    ("major", "text", "known"),
    [
        (43, "O1 = from_imm_owned S0 15 extern\nto_raw O1", "K6"),
        (43, "O1 = from_imm_owned S0 15 any\nto_raw O1", None),
        (43, "O1 = from_imm_owned S0 15 extern\nO2 = oclone O1", None),
        (33, "O1 = from_imm_owned S0 15 extern\nO2 = oclone O1", "K6"),
        (33, "O1 = from_imm_owned S0 15 any\nO2 = oclone O1", None),
    ],
)
def test_a_panic_is_known_only_where_the_defect_reaches(major: int, text: str, known: str | None) -> None:
    program = loads("twinheap program 1\n" + text.replace("to_raw", "W9 = to_raw") + "\n").program
    (verdict,) = judge(program, [observe("ok nonnull"), observe(_NO_HEAP)], _RELEASES[major])
    assert (verdict.code, verdict.known) == ("TH401", known)


def test_a_leaked_object_explains_no_more_room_than_it_takes() -> None:
    text = "S0: limit=65536\nO1 = ext_new_owned S0 v0\nW2 = to_raw O1\nW3 = to_raw O1\nodrop O1\nO4 = ext_new_owned S0 v1\n"
    program = loads("twinheap program 1\n" + text).program
    texts = ["ok", "ok nonnull", "ok nonnull", "ok", "err:oom !1"]
    (verdict,) = judge(program, [observe(text) for text in texts], WITH_K1)
    assert (verdict.code, verdict.known) == ("TH301", None)
