"""The judge: replays a view in the reference model beside what a target observed, and says which rules were broken."""

from __future__ import annotations

from collections.abc import Sequence

from twinheap.model.codes import Verdict
from twinheap.model.observation import Observation
from twinheap.model.profiles import Profile
from twinheap.model.program import Program


def judge(
    program: Program,
    observations: Sequence[Observation],
    profile: Profile,
    behaviour: set[tuple[str, str, str]] | None = None,
) -> list[Verdict]:
    """The verdicts on one program, in op order.

    `program` is the view that the target was asked. `observations` are aligned with `program.all_ops`; they end early
    if the process died, and the last one is then `panic:`, `dead:` or `hang`. Verdicts that a known defect explains
    carry its name in `known`, and judging goes on; it stops after the first verdict that nothing explains, since the
    model and the target may no longer agree on the state. `behaviour` collects (op kind, outcome, state class).
    """
    raise NotImplementedError
