"""Sizes beyond what 32 bits and memory hold, and null handles (semantics.md 1.3, 1.5; wasm-ops.md 6.2; capi.md 5.1)."""

# ruff: noqa: E501 -- programs are read across

from __future__ import annotations

import pytest

from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import NULL_OBJECT_USES, NULL_USES
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.text import loads
from twinheap.model.view import ALL_OPS, view
from twinheap.targets.heap.machine import RELEASES, HeapMachine

COLLECTORS = ("drc", "null", "copying")
C_API = Profile("wasmtime", (50, 0, 1), "drc", False, frozenset())
WIDE = "T1 = table_new64 S0 any 1 none null\ntable_grow_huge T1 2305843009213693952 null\n"
NARROW = "T1 = table_new S0 any 1 none null\ntable_grow_huge T1 2305843009213693952 null\n"


def shown(text: str, collector: str) -> list[str]:
    """What the heap shows of each op; the judge must agree."""
    program = loads(f"twinheap program 1\n{text}").program
    observed = HeapMachine(collector).run(program)
    assert judge(program, observed, profile_for("heap", RELEASES[collector], collector, collector != "copying")) == []
    return [str(one) for one in observed]


def codes(text: str, at: int, seen: Observation, profile: Profile = C_API) -> list[str]:
    """The verdicts where the op at `at` is observed so, all else as the heap has it."""
    program = loads(f"twinheap program 1\n{text}").program
    observed = list(HeapMachine("drc").run(view(program, ALL_OPS - {"null_use"}))) if at else []
    return [verdict.code for verdict in judge(program, [*observed[:at], seen, *observed[at + 1 :]], profile)]


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize(
    "table", ["table_new S0 extern 2 4", "table_new S0 extern 2 none", "table_new64 S0 extern 2 4"]
)
@pytest.mark.parametrize("delta", [2**32, 2**61, 2**63 - 1])
def test_a_table_that_cannot_grow_so_far_stays_as_it_was(collector: str, table: str, delta: int) -> None:
    text = f"O1 = ext_new_owned S0 v0\nT2 = {table} O1\ntable_grow_huge T2 {delta} null\ntable_size T2\ntable_grow T2 2 null\nO3 = table_get_owned T2 1\ndata O3\n"
    assert shown(text, collector)[2:7] == ["err:grow", "ok(2)", "ok(2)", "ok(nonnull)", "ok(0, 0)"]


@pytest.mark.parametrize(("text", "outcome", "found"), [
    (NARROW, "err:grow", []),
    (NARROW, "err:other", ["TH106"]),
    (WIDE, "err:grow", []),
    (WIDE, "err:other", []),  # for want of memory
    (WIDE, "ok", ["TH106"]),
])  # fmt: skip
def test_how_growth_beyond_all_bounds_is_refused(text: str, outcome: str, found: list[str]) -> None:
    values = (1,) if outcome == "ok" else ()
    assert codes(text, 1, Observation(outcome, values)) == found


def test_a_table_that_nothing_bounds_is_not_asked_for_what_might_use_up_the_memory() -> None:
    with pytest.raises(ValueError, match="its precondition does not hold"):
        loads("twinheap program 1\nT1 = table_new64 S0 any 1 none null\ntable_grow_huge T1 4294967296 null\n")


@pytest.mark.parametrize(("release", "known"), [((44, 0, 0), "K45"), ((45, 0, 0), None)])
def test_a_table_beyond_the_address_space_panics_in_old_releases(
    release: tuple[int, int, int], known: str | None
) -> None:
    program = loads(f"twinheap program 1\n{WIDE}").program
    profile = profile_for("wasmtime", ".".join(map(str, release)), "drc", False)
    (verdict,) = judge(program, [Observation("ok"), Observation("panic:capacity overflow")], profile)
    assert (verdict.code, verdict.known) == ("TH401", known)


@pytest.mark.parametrize("collector", COLLECTORS)
def test_an_array_that_no_heap_can_hold_is_an_error_once_there_is_a_heap(collector: str) -> None:
    text = "array_new_huge S0 536870912\nO1 = ext_new_owned S0 v0\narray_new_huge S0 536936448\ngc S0\ndata O1\n"
    assert shown(text, collector)[:5] == ["err:other", "ok", "err:other", "ok", "ok(0, 0)"]


@pytest.mark.parametrize("outcome", ["hang", "panic:out of bounds field! field range = 0x20..0x28; object len = 0x20"])
@pytest.mark.parametrize(("release", "known"), [("44.0.0", "K10"), ("45.0.0", None)])
def test_the_size_of_an_array_wraps_around_in_old_releases(outcome: str, release: str, known: str | None) -> None:
    program = loads("twinheap program 1\narray_new_huge S0 536870912\n").program
    (verdict,) = judge(program, [Observation(outcome)], profile_for("wasmtime", release, "drc", False))
    assert verdict.known == known


@pytest.mark.parametrize(("outcome", "code"), [("ok", "TH106"), ("err:oom", "TH301")])
def test_such_an_array_is_never_made_nor_out_of_memory(outcome: str, code: str) -> None:
    program = loads("twinheap program 1\narray_new_huge S0 536870912\n").program
    assert [found.code for found in judge(program, [Observation(outcome)], C_API)] == [code]


@pytest.mark.parametrize("use", NULL_USES)
def test_what_a_null_handle_gives(use: str) -> None:
    program = loads(f"twinheap program 1\nnull_use S0 {use}\n").program
    right: tuple[object, ...] = ("null",) if use.endswith(("clone", "to_raw")) else ()
    right = (None,) if use == "extern_data" else (False,) if use.startswith("i31") else right
    end = [Observation("ok")] * 3

    def found(values: tuple[object, ...]) -> list[str]:
        seen = Observation("ok", values)  # type: ignore[arg-type]
        return [verdict.code for verdict in judge(program, [seen, *end], C_API)]

    assert found(right) == []
    assert found(("nonnull",)) == ["TH105"]


@pytest.mark.parametrize("use", NULL_OBJECT_USES)
def test_a_null_is_no_object(use: str) -> None:
    program = loads(f"twinheap program 1\nnull_object S0 {use}\n").program
    end = [Observation("ok")] * 3
    assert judge(program, [Observation("err:other"), *end], C_API) == []
    for wrong in ("ok", "err:type"):
        assert [found.code for found in judge(program, [Observation(wrong), *end], C_API)] == ["TH106"]


@pytest.mark.parametrize(("use", "outcome", "release", "known"), [
    ("array_len", "panic:non-null arrayref required", "46.0.1", "K62"),
    ("array_len", "panic:non-null arrayref required", "47.0.1", None),
    ("array_len", "panic:no entry found for key", "46.0.1", None),
    ("array_len", "ok", "46.0.1", None),
    ("throw", "ok", "46.0.1", "K62"),
    ("throw", "exn", "46.0.1", None),
    ("exn_get", "panic:non-null exnref required", "46.0.1", None),
    ("throw", "ok", "47.0.1", None),
])  # fmt: skip
def test_a_null_object_was_not_expected_before_47(use: str, outcome: str, release: str, known: str | None) -> None:
    program = loads(f"twinheap program 1\nnull_object S0 {use}\n").program
    (verdict,) = judge(program, [Observation(outcome)], profile_for("wasmtime", release, "drc", False))
    assert (verdict.known, verdict.code) == (known, "TH401" if outcome.startswith("panic") else "TH106")
