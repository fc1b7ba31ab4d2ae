"""The resolver: each precondition of program-ir.md 8.1 drops the op, and what is open is closed."""

from __future__ import annotations

import pytest

from twinheap.model.builder import Builder, int_ok
from twinheap.model.ops import CODE, END, MAX_DEPTH, MAX_OPS, MAX_STORES, MAX_VALUES, NULL
from twinheap.model.program import Config
from twinheap.model.text import format_ops, loads

HEAD = "twinheap program 1\n"


def dropped(before: str, line: str) -> bool:
    """Whether the resolver drops `line` after `before`, all of which it takes."""
    loads(HEAD + before)
    parsed = loads(f"{HEAD}{before}\n{line}\n", lenient=True)
    return bool(parsed.dropped)


TWO_STORES = "S1 = store_new none plain\nL2 = ext_new S0 v0\nL3 = ext_new S1 v1"


@pytest.mark.parametrize(
    ("before", "line"),
    [
        # stores and scopes
        ("scope S0:", "  store_drop S0"),
        ("store_drop S0", "store_drop S0"),
        ("store_drop S0", "set_limit S0 0"),
        ("store_drop S0", "scope S0:"),
        ("store_drop S0", "ext_new S0 v0"),
        ("store_drop S0", "i31_new S0 1"),
        ("store_drop S0", "gc S0"),
        ("store_drop S0", "sync S0"),
        ("store_drop S0", "from_imm S0 0 any"),
        ("store_drop S0", "fill S0 1 v0"),
        # handles: dropped, of a dropped store, of the wrong static type
        ("O1 = i31_new_owned S0 1\nodrop O1", "odrop O1"),
        ("O1 = i31_new_owned S0 1\nowned_drop_thread O1", "oclone O1"),
        ("O1 = i31_new_owned S0 1\nstore_drop S0", "lend O1"),
        ("L1 = i31_new S0 1\nstore_drop S0", "own L1"),
        ("L1 = i31_new S0 1", "data L1"),
        ("L1 = i31_new S0 1", "data_set L1 3"),
        ("L1 = i31_new S0 1", "conv_any L1"),
        ("L1 = ext_new S0 v0", "conv_ext L1"),
        ("O1 = i31_new_owned S0 1", "conv_any_owned O1"),
        ("L1 = ext_new S0 v0", "cast L1 eq"),
        ("L1 = i31_new S0 1\nL2 = cast L1 struct", "cast L2 struct"),
        ("L1 = i31_new S0 1\nL2 = ext_new S0 v0", "eq L1 L2"),
        (TWO_STORES, "eq L2 L3"),
        # host values
        ("ext_new S0 v0", "ext_new_owned S0 v0"),
        ("L1, X2 = ext_new S0 v0\noom_drop X2", "ext_new S0 v0"),
        # raw values expire at each point where a collection may run, and immediates are null or odd
        ("L1 = i31_new S0 1\nW2 = to_raw L1\nL3 = cast L1 eq", "to_raw L3"),
        ("L1 = i31_new S0 1\nW2 = to_raw L1\ngc S0", "from_raw W2 any"),
        ("L1 = i31_new S0 1\nW2 = to_raw L1\next_new S0 v0", "from_raw W2 any"),
        ("L1 = ext_new S0 v0\nW2 = to_raw L1\ntyped_call S0 nonnull L1", "from_raw_owned W2 any"),
        ("L1 = i31_new S0 1\nW2 = to_raw L1\nfill S0 1 v0", "from_raw W2 any"),
        ("", "from_imm S0 16 any"),
        ("", "from_imm_owned S0 2 extern"),
        # errors are consumed once
        ("L1, X2 = ext_new S0 v0\noom_take X2", "oom_take X2"),
        ("L1, X2 = ext_new S0 v0\noom_take X2", "oom_drop X2"),
        ("L1, X2 = ext_new S0 v0\noom_drop X2", "gc_for S0 X2"),
        # one pending future a store; other ops on the store wait
        ("P1 = gc_async S0", "gc_async S0"),
        ("P1 = gc_async S0", "new_async S0 v0"),
        ("P1 = gc_async S0", "gc S0"),
        ("P1 = gc_async S0", "store_drop S0"),
        ("L1 = i31_new S0 1\nP2 = gc_async S0", "kind L1"),
        ("P1, L2 = new_async S0 v0", "data L2"),
        ("P1 = gc_async S0\npoll P1 0", "poll P1 1"),
        ("P1 = gc_async S0\ncancel P1", "cancel P1"),
        # typed calls
        ("", "typed_call S0 nonnull null"),
        ("L1 = i31_new S0 1", "typed_call S0 nonnull L1"),
        # containers
        (TWO_STORES, "global_new S0 extern var L3"),
        (TWO_STORES + "\nG4 = global_new S0 extern var null", "global_set G4 L3"),
        (TWO_STORES + "\nT4 = table_new S0 extern 1 none null", "table_set T4 0 L3"),
        ("", "table_new S0 extern 5 4 null"),
        (
            "S1 = store_new none plain\nT2 = table_new S0 any 1 none null\nT3 = table_new S1 any 1 none null",
            "table_copy T2 0 T3 0 1",
        ),
        # wrong_store
        ("L1 = ext_new S0 v0", "wrong_store S0 L1 data"),
        ("S1 = store_new none plain\nO2 = ext_new_owned S0 v0", "wrong_store S1 O2 own"),
        ("S1 = store_new none plain\nL2 = i31_new S0 1", "wrong_store S1 L2 data"),
        (TWO_STORES + "\nS4 = store_new none plain\nP5 = gc_async S4", "wrong_store S0 L3 data"),
        (TWO_STORES + "\nwrong_store S0 L3 data", "gc S0"),
    ],
)
def test_the_precondition_drops_the_op(before: str, line: str) -> None:
    assert dropped(before, line)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("O1 = i31_new_owned S0 1\nstore_drop S0", "odrop O1"),
        ("O1 = i31_new_owned S0 1\nstore_drop S0", "oclone O1"),
        ("O1 = i31_new_owned S0 1\nP2 = gc_async S0", "odrop O1"),
        ("L1, X2 = ext_new S0 v0\noom_take X2", "ext_new S0 v0"),
        ("L1 = i31_new S0 1\nW2 = to_raw L1\ni31_new_owned S0 1", "from_raw W2 any"),
        ("S1 = store_new none plain\nL2 = i31_new S0 1\nW3 = to_raw L2\ngc S1", "from_raw W3 any"),
        (TWO_STORES, "typed_call S0 nonnull L3"),
        (TWO_STORES, "wrong_store S0 L3 data"),
        ("S1 = store_new none plain\nL2, X3 = ext_new S0 v0", "gc_for S1 X3"),
        ("L1 = i31_new S0 1", "global_new S0 extern var L1"),
    ],
)
def test_what_is_possible_is_taken(before: str, line: str) -> None:
    assert not dropped(before, line)


def test_stores_scopes_and_values_are_limited() -> None:
    builder = Builder()
    assert sum(builder.add(CODE["store_new"], (-1, 0)) is not None for _ in range(20)) == MAX_STORES - 1
    assert sum(builder.add(CODE["scope"], (0,)) is not None for _ in range(20)) == MAX_DEPTH
    while builder.add(CODE["fill"], (0, 20_000, builder.next_value)) is not None:
        pass
    assert builder.next_value == MAX_VALUES
    assert builder.add(CODE["ext_new"], (0, MAX_VALUES)) is None


def test_a_program_of_most_ops_still_closes_its_scopes() -> None:
    builder = Builder()
    builder.add(CODE["scope"], (0,))
    builder.add(CODE["gc_async"], (0,))
    while builder.add(CODE["store_new"], (-1, 0)) is not None:
        pass
    while builder.add(CODE["gc"], (builder.pools["S"][-1],)) is not None:
        pass
    program = builder.finish()
    assert len(program.ops) == MAX_OPS + 2
    assert [op[0] for op in program.ops[-2:]] == [CODE["cancel"], END]


def test_scopes_are_closed_after_wrong_store_and_nothing_else_follows() -> None:
    program = loads(HEAD + "S1 = store_new none plain\nL2 = i31_new S0 1\nscope S0:\n  wrong_store S1 L2 own\n").program
    assert format_ops(program)[-2:] == ["wrong_store S1 L2 own", "end"]
    assert program.tail == ()


def test_the_tail_collects_checks_and_drops_every_store_in_order() -> None:
    program = loads(
        HEAD + "S1 = store_new none async\nS2 = store_new none plain\nP3 = gc_async S0\nstore_drop S2\n"
    ).program
    assert format_ops(program)[4:] == [
        "cancel P3", "gc S0", "sync S0", "store_drop S0",
        "P4 = gc_async S1", "poll P4 0", "sync S1", "store_drop S1",
    ]  # fmt: skip


def test_a_scope_that_ends_cancels_the_future_that_borrows_it() -> None:
    program = loads(HEAD + "scope S0:\n  P1 = gc_async S0\ngc S0\n").program
    assert format_ops(program)[:4] == ["scope S0:", "P1 = gc_async S0", "cancel P1", "end"]


def test_the_length_of_a_program_is_its_lines() -> None:
    assert len(loads(HEAD + "scope S0:\n  gc S0\n  scope S0:\n    gc S0\n").program) == 4


def test_integers_from_outside_are_checked() -> None:
    assert int_ok(CODE["set_limit"], (0, -1))
    assert not int_ok(CODE["set_limit"], (0, -2))
    assert not int_ok(CODE["cast"], (0, 1))
    assert int_ok(CODE["global_set"], (0, NULL))


def test_the_settings_of_store_0_are_kept() -> None:
    assert Builder(Config(65536, 1)).finish().config == Config(65536, 1)
