"""Views: what a target without an op kind is asked instead."""

from __future__ import annotations

import pytest

from twinheap.fuzz.generate import generate
from twinheap.model.engines import FEATURES
from twinheap.model.ops import CODE
from twinheap.model.program import Config, Program
from twinheap.model.text import dumps, loads
from twinheap.model.view import ALL_OPS, resolve, view

HEAD = "twinheap program 1\n"
# What C can be asked: no scopes, no LIFO handles, no errors to keep, no futures (docs/spec/program-ir.md 8.2).
LIFO_ONLY = frozenset({"scope", "end", "ext_new", "i31_new", "own", "lend", "conv_any", "conv_ext", "cast"})
NOT_IN_C = frozenset({"from_raw", "from_imm", "global_get", "table_get", "typed_call", "typed_call_owned"})
# What only the Rust API has: typed functions of every type, comparisons of roots, limiters with a mind of their own.
ONLY_IN_RUST = frozenset(
    {
        *("typed_pass", "typed_pass_owned", "typed_i31", "ref_eq", "ref_hash", "rooted_eq", "rooted_hash"),
        *("set_limiter", "fill_race", "store_drop_race", "matches", "fields"),
    }
)
C_OPS = ALL_OPS - LIFO_ONLY - NOT_IN_C - ONLY_IN_RUST - {
    "gc_for",
    "oom_take",
    "oom_drop",
    "new_async",
    "gc_async",
    "poll",
    "cancel",
} | {"end"}


def program(body: str) -> Program:
    return loads(HEAD + body).program


def seen_by_c(body: str) -> str:
    return dumps(view(program(body), C_OPS)).removeprefix(HEAD)


def test_scoped_handles_become_owned_ones_released_where_the_scope_ends() -> None:
    body = "scope S0:\n  L1 = ext_new S0 v0\n  L2 = i31_new S0 1\n  data L1\ngc S0\n"
    assert seen_by_c(body) == (
        "O1 = ext_new_owned S0 v0\nO2 = i31_new_owned S0 1\ndata O1\nodrop O1\nodrop O2\ngc S0\n"
    )


def test_handles_outside_scopes_are_not_released() -> None:
    assert seen_by_c("L1 = ext_new S0 v0\ndata L1\n") == "O1 = ext_new_owned S0 v0\ndata O1\n"


def test_stale_uses_are_dropped() -> None:
    assert seen_by_c("scope S0:\n  L1 = ext_new S0 v0\ndata L1\n") == "O1 = ext_new_owned S0 v0\nodrop O1\n"


def test_inner_scopes_release_first() -> None:
    body = "scope S0:\n  L1 = ext_new S0 v0\n  scope S0:\n    L2 = ext_new S0 v1\n  data L1\n"
    assert seen_by_c(body) == ("O1 = ext_new_owned S0 v0\nO2 = ext_new_owned S0 v1\nodrop O2\ndata O1\nodrop O1\n")


def test_own_is_a_clone_that_outlives_the_scope() -> None:
    body = "scope S0:\n  L1 = ext_new S0 v0\n  O2 = own L1\ndata O2\n"
    assert seen_by_c(body) == "O1 = ext_new_owned S0 v0\nO2 = oclone O1\nodrop O1\ndata O2\n"


def test_lend_is_the_same_slot() -> None:
    body = "O1 = ext_new_owned S0 v0\nscope S0:\n  L2 = lend O1\n  data L2\ndata O1\n"
    assert seen_by_c(body) == "O1 = ext_new_owned S0 v0\ndata O1\ndata O1\n"


@pytest.mark.parametrize(
    ("lifo", "owned"),
    [
        ("L2 = conv_any L1", "O2 = conv_any_owned O1"),
        ("W2 = to_raw L1\nL3 = from_raw W2 any", "W2 = to_raw O1\nO3 = from_raw_owned W2 any"),
        ("L2 = from_imm S0 3 any", "O2 = from_imm_owned S0 3 any"),
        (
            "G2 = global_new S0 extern var L1\nL3 = global_get G2",
            "G2 = global_new S0 extern var O1\nO3 = global_get_owned G2",
        ),
        (
            "T2 = table_new S0 extern 1 none null\nL3 = table_get T2 0",
            "T2 = table_new S0 extern 1 none null\nO3 = table_get_owned T2 0",
        ),
    ],
)
def test_every_other_lifo_result_has_an_owned_form(lifo: str, owned: str) -> None:
    assert seen_by_c(f"L1 = ext_new S0 v0\n{lifo}\n") == f"O1 = ext_new_owned S0 v0\n{owned}\n"


def test_what_has_no_lowering_is_dropped_with_what_stands_on_it() -> None:
    body = "L1 = ext_new S0 v0\nL2 = typed_call S0 nonnull L1\ndata L2\nL3 = i31_new S0 1\nL4 = cast L3 eq\nkind L4\n"
    assert seen_by_c(body) == "O1 = ext_new_owned S0 v0\nO2 = i31_new_owned S0 1\n"


def test_errors_are_kept_only_by_targets_that_can_give_the_value_back() -> None:
    body = "S0: limit=0\nO1, X2 = ext_new_owned S0 v0\noom_take X2\nO3 = ext_new_owned S0 v0\n"
    assert seen_by_c(body) == "S0: limit=0 limiter=plain\nO1 = ext_new_owned S0 v0\n"


def test_values_and_slots_are_numbered_anew() -> None:
    body = (
        "P1, L2 = new_async S0 v0\ncancel P1\nO3 = ext_new_owned S0 v1\nF4 = fill S0 3 v2\nO5 = ext_new_owned S0 v5\n"
    )
    assert seen_by_c(body) == "O1 = ext_new_owned S0 v0\nF2 = fill S0 3 v1\nO3 = ext_new_owned S0 v4\n"


def test_own_of_a_foreign_handle_needs_lifo_handles() -> None:
    body = "S1 = store_new none plain\nL2 = i31_new S0 1\nwrong_store S1 L2 "
    assert "wrong_store" not in seen_by_c(body + "own\n")
    assert "wrong_store S1 O2 to_raw" in seen_by_c(body + "to_raw\n")


@pytest.mark.parametrize("number", range(100))
def test_a_target_that_supports_everything_is_asked_the_program_itself(number: int) -> None:
    made = generate(17, number)
    assert view(made, ALL_OPS) == made


@pytest.mark.parametrize("number", range(100))
def test_a_view_is_stable_and_has_only_what_is_supported(number: int) -> None:
    seen = view(generate(19, number), C_OPS)
    assert {op[0] for op in seen.all_ops} <= {CODE[name] for name in C_OPS - FEATURES}
    assert view(seen, C_OPS) == seen


def test_stray_ends_and_unknown_slots_are_dropped() -> None:
    ops = [(CODE["end"],), (CODE["odrop"], 7), (CODE["gc"], 0), (CODE["scope"], 5), (CODE["gc"], 0), (CODE["end"],)]
    assert [op[0] for op in resolve(program("").config, ops).ops] == [CODE["gc"], CODE["gc"]]


def test_bodies_and_engines_are_for_targets_with_wasm() -> None:
    made = program("S0: engine=pooling\nB0: (body (main (get 0)))\nI1 = inst S0\nrun I1 0 v0 null null null 0 lifo\n")
    assert view(made, ALL_OPS).config == made.config
    assert view(made, frozenset({"gc", "sync", "store_drop"})).config == Config()


LIMITED = """S0: engine=fuel
S1 = store_new_in pulley none plain
S2 = store_new_in epochs none plain
set_fuel S0 5
set_epoch_deadline S2 3
"""


def test_an_engine_that_a_target_lacks_is_replaced_with_what_stands_on_it() -> None:
    made = program(LIMITED)
    assert view(made, ALL_OPS) == made
    seen = dumps(view(made, ALL_OPS - {"engine=pulley"})).removeprefix(HEAD)
    assert "S1 = store_new_in default none plain" in seen
    assert "set_fuel S0 5" in seen
    seen = dumps(view(made, ALL_OPS - FEATURES)).removeprefix(HEAD)
    assert not [word for word in ("engine", "set_fuel", "set_epoch_deadline") if word in seen]
    assert seen.count("store_new_in default") == 2
