"""What ends before its store: handles to instances, and the host's modules and types (semantics.md 1.3; wasm-ops.md 6.3)."""

# ruff: noqa: E501 -- programs are read across

from __future__ import annotations

import pytest

from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads
from twinheap.targets.heap.machine import RELEASES, HeapMachine

KEPT = "(body (global any (struct.new_default empty)) (segment any (struct.new_default box)) (main (local any) (global.set 7 (to_any (get 0))) (set 4 (global.get 7)) (null extern)))"
CALLS = "(body (main (global.set 0 (get 0)) (cb (new))))"
NODE = "(body (main (local node) (set 4 (struct.new node (null node) (get 0))) (global.set 2 (get 4)) (null extern)))"
COLLECTORS = ("drc", "null", "copying")


def replayed(text: str, collector: str, changed: dict[int, Observation] | None = None) -> tuple[list[str], list[str]]:
    """What the heap shows of each op, and the codes of the verdicts on that, with some observations `changed`."""
    program = loads(f"twinheap program 1\n{text}").program
    observed = list(HeapMachine(collector).run(program))
    profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
    assert judge(program, observed, profile) == []
    for at, other in (changed or {}).items():
        observed[at] = other
    return [str(one) for one in observed], [verdict.code for verdict in judge(program, observed, profile)]


@pytest.mark.parametrize("collector", COLLECTORS)
def test_globals_and_tables_of_an_instance_stay_when_its_handle_goes(collector: str) -> None:
    text = "I1 = inst S0\nG2 = inst_global I1 0\nT3 = inst_table I1 0\nO4 = ext_new_owned S0 v0\nglobal_set G2 O4\ntable_set T3 1 O4\nodrop O4\ninst_drop I1\ngc S0\nL5 = global_get G2\ndata L5\nL6 = table_get T3 1\ndata L6\n"
    seen, _ = replayed(text, collector)
    assert (seen[7], seen[10], seen[12]) == ("ok", "ok(0, 0)", "ok(0, 0)")


@pytest.mark.parametrize("collector", COLLECTORS)
def test_what_a_body_holds_for_itself_stays_too(collector: str) -> None:
    """A private global of a body, which nobody can reach any more, lives as long as the store."""
    text = f"B0: {KEPT}\nI1 = inst S0\nO2 = ext_new_owned S0 v0\nL3 = run I1 0 v1 O2 null null 0 lifo\nodrop O2\ninst_drop I1\ngc S0\nsync S0\nstore_drop S0\n"
    seen, _ = replayed(text, collector)
    assert (seen[4], seen[5]) == ("ok", "ok")
    assert seen[7].endswith("finalized v0")
    _, codes = replayed(text, collector, {5: Observation("ok", (), (0,)), 7: Observation("ok")})
    assert "TH201" in codes


def test_an_instance_whose_handle_goes_while_it_runs_goes_on() -> None:
    text = f"B0: {CALLS}\nI1 = inst S0\nG2 = inst_global I1 0\nO3 = ext_new_owned S0 v0\ncall I1 0 v1 O3 null null 0:\n  inst_drop I1\n  gc S0\n  L4 = global_get G2\n  data L4\n  ret L4\nL5 = result lifo\ndata L5\n"
    seen, _ = replayed(text, "drc")
    assert (seen[4], seen[7], seen[-3 - 1]) == ("ok", "ok(0, 0)", "ok(0, 0)")


@pytest.mark.parametrize("collector", COLLECTORS)
def test_objects_keep_their_types_when_the_host_forgets_them(collector: str) -> None:
    text = f"B0: {NODE}\nO1 = ext_new_owned S0 v0\nO2 = struct_new S0 node 0 null O1 null null owned\nI3 = inst S0\nL4 = run I3 0 v1 O1 null null 0 lifo\nmodules_drop S0\ngc S0\nO5 = struct_get O2 1 extern owned\ndata O5\nO6 = struct_new S0 node 0 O2 O1 null null owned\nstruct_set O2 0 O6\nL7 = run I3 0 v9 O1 null null 0 lifo\nG8 = inst_global I3 2\nO9 = global_get_owned G8\nkind O9\n"
    seen, _ = replayed(text, collector)
    assert [seen[at] for at in (4, 6, 7, 9, 13)] == ["ok", "ok(nonnull)", "ok(0, 0)", "ok", "ok(struct)"]


@pytest.mark.parametrize("op", ["inst_drop I1", "modules_drop S0"])
def test_neither_can_fail(op: str) -> None:
    _, codes = replayed(f"I1 = inst S0\n{op}\n", "drc", {1: Observation("err:other")})
    assert codes == ["TH106"]


def test_a_handle_that_was_dropped_is_not_used_again() -> None:
    parsed = loads("twinheap program 1\nI1 = inst S0\ninst_drop I1\n").program
    assert len(parsed.ops) == 2
    with pytest.raises(ValueError, match="I1 was dropped or consumed above"):
        loads("twinheap program 1\nI1 = inst S0\ninst_drop I1\nG2 = inst_global I1 0\n")
