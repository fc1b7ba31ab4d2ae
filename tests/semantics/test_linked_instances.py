"""Instances linked with each other: what is shared is seen by both, and far helpers run in the other one."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

import pytest

from twinheap.model.body import BodyError
from twinheap.model.body_types import check
from twinheap.model.judge import judge
from twinheap.model.kit import SHARES
from twinheap.model.observation import Observation
from twinheap.model.profiles import profile_for
from twinheap.model.text import loads
from twinheap.model.view import ALL_OPS, NO_BODY, view
from twinheap.targets.heap.machine import RELEASES, HeapMachine

SLOTS = "(body (main (global.set 0 (new)) (table.set 0 (i32 1) (new)) (get 0)))"
LOOK = "(body (main (see (global.get 0)) (table.get 0 (i32 1))))"
FAR = "(body (func (far) (param extern) (global.set 1 (get 0)) (gc)) (main (call 0 (new)) (global.get 1)))"
THROWN = "(body (func (far) (param extern) (gc) (throw one (get 0))) (main (local extern) (try (catch one 4) (call 0 (new))) (get 4)))"
TAIL = "(body (func (far) (param extern extern) (result extern) (clear) (gc) (see (get 0)) (get 1)) (main (global.set 0 (new)) (global.set 1 (new)) (tail_ref 0 (global.get 0) (global.get 1)) (null extern)))"
CLEARED = "(body (func (far) (global.set 0 (new)) (clear) (see (global.get 0))) (main (global.set 0 (new)) (call 0) (global.get 0)))"


def shown(bodies: tuple[str, ...], text: str, collector: str = "drc") -> list[Observation]:
    """What the heap shows of each op after the bodies; the judge must agree."""
    head = "".join(f"B{at}: {body}\n" for at, body in enumerate(bodies))
    made = loads(f"twinheap program 1\n{head}{text}").program
    observed = HeapMachine(collector).run(made)
    profile = profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")
    assert judge(made, observed, profile) == []
    return list(observed)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("writer", [1, 2])
def test_what_is_shared_is_the_same_for_both(share: str, writer: int) -> None:
    reader = 3 - writer
    text = f"I1 = inst S0\nI2 = link I1 {share}\nL3 = run I{writer} 0 v0 null null null 0 lifo\ngc S0\nL4 = run I{reader} 1 v8 null null null 0 lifo\n"
    seen = shown((SLOTS, LOOK), text)[4]
    assert seen.values[0] == (0 if "g" in SHARES[share] else "null")
    assert seen.values[1] == ("nonnull" if "t" in SHARES[share] else "null")


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_far_helpers_see_the_instance_that_theirs_was_linked_with(collector: str) -> None:
    text = "I1 = inst S0\nI2 = link I1 tables\nL3 = run I2 0 v0 null null null 0 lifo\nG4 = inst_global I1 1\nL5 = global_get G4\ndata L5\n"
    seen = shown((FAR,), text, collector)
    assert (seen[2].values, seen[5].values) == (("null",), (0, 0))


def test_without_a_link_they_see_their_own() -> None:
    assert shown((FAR,), "I1 = inst S0\nL2 = run I1 0 v0 null null null 0 lifo\n")[1].values == ("nonnull",)


@pytest.mark.parametrize(("share", "ends"), [("tags", "ok"), ("all", "ok"), ("tables", "exn"), ("globals", "exn")])
def test_an_exception_is_caught_across_instances_that_share_their_tags(share: str, ends: str) -> None:
    seen = shown((THROWN,), f"I1 = inst S0\nI2 = link I1 {share}\nL3 = run_exn I2 0 v0 null null null 0 lifo\n")
    assert seen[2].outcome == ends


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_references_on_the_stack_live_across_a_tail_call_into_another_instance(collector: str) -> None:
    seen = shown((TAIL,), "I1 = inst S0\nI2 = link I1 tags\nL3 = run I2 0 v0 null null null 0 lifo\n", collector)
    assert seen[2].values == (0, "nonnull")


def test_clear_empties_the_globals_of_the_run_wherever_it_is_called() -> None:
    seen = shown((CLEARED,), "I1 = inst S0\nI2 = link I1 tags\nL3 = run I2 0 v0 null null null 0 lifo\n")
    assert seen[2].values == (1, "null")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("(body (func (gc)) (func (far) (call 0)) (main (null extern)))", "calls far ones only"),
        ("(body (global any (null any)) (func (far) (drop (global.get 7))) (main (null extern)))", "no global 7"),
        ("(body (segment any) (func (far) (elem.drop 0)) (main (null extern)))", "no segment 0"),
    ],
)
def test_what_far_helpers_cannot_name(body: str, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        check(body)


def test_targets_without_links_are_not_asked_for_far_helpers() -> None:
    text = f"twinheap program 1\nB0: {FAR}\nB1: {SLOTS}\nI1 = inst S0\nI2 = link I1 all\nL3 = run I2 1 v0 null null null 0 lifo\nL4 = run I1 1 v8 null null null 0 lifo\n"
    asked = view(loads(text).program, ALL_OPS - {"link"})
    assert asked.config.bodies == (NO_BODY, SLOTS)
    assert len(asked.ops) == 2
