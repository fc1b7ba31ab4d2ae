"""The rule-based state machine: judged after every op, one rule per op group."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from twinheap.fuzz.machine_rules import HeapDiverged, closed, heap_machine
from twinheap.model.builder import Builder
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, GROUPS
from twinheap.model.program import Program
from twinheap.targets.heap.machine import HeapMachine

FEW = settings(
    max_examples=15, stateful_step_count=15, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_the_heap_holds(collector: str) -> None:
    run_state_machine_as_test(heap_machine(collector), settings=FEW)


class Refusing(HeapMachine):
    """A heap that fails each collection after an allocation."""

    def run(self, program: Program) -> tuple[Observation, ...]:
        allocated = any(op[0] == CODE["ext_new_owned"] for op in program.ops)
        seen = super().run(program)
        return tuple(
            Observation("err:other") if allocated and op[0] == CODE["gc"] else observed
            for op, observed in zip(program.all_ops, seen, strict=False)
        )


def test_a_divergence_names_its_op() -> None:
    with pytest.raises(HeapDiverged, match="TH106 at `gc S0`"):
        run_state_machine_as_test(
            heap_machine(machine=Refusing()), settings=settings(FEW, max_examples=60, derandomize=True)
        )


def test_there_is_a_rule_for_every_group_that_does_not_end_the_program() -> None:
    machine = heap_machine()
    assert {name for name in vars(machine) if name.startswith("op_")} == {
        f"op_{g}" for g in GROUPS if g != "wrong_store"
    }


def test_looking_at_the_program_so_far_does_not_close_it() -> None:
    builder = Builder()
    builder.add(CODE["scope"], (0,))
    builder.add(CODE["ext_new"], (0, 0), keep=True)
    assert len(closed(builder)) == 2
    assert builder.brackets == [0]
    assert builder.add(CODE["data"], (1,)) == ()
