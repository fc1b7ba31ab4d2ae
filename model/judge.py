"""The judge: replays a view in the reference model beside what a target observed, and says which rules were broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.model import (
    rules_async,
    rules_bulk,
    rules_callbacks,
    rules_exceptions,
    rules_fields,
    rules_limits,
    rules_memory,
    rules_nulls,
    rules_objects,
    rules_resources,
    rules_roots,
    rules_slots,
    rules_typed,
    rules_values,
    rules_wasm,
)
from twinheap.model.codes import Verdict
from twinheap.model.known import known_break
from twinheap.model.known_panics import known_panic
from twinheap.model.observation import DEAD, HANG, OK, PANIC, SKIP, UNROOTED, Observation
from twinheap.model.ops import OPS, Op
from twinheap.model.profiles import Profile
from twinheap.model.program import Program
from twinheap.model.rehearsal import rehearse
from twinheap.model.rule import GIVES, RULES, Gives, Rule
from twinheap.model.rules_callbacks import lumped
from twinheap.model.world import Broken, Lost, World

_RULE_MODULES: Final = (
    rules_roots,
    rules_values,
    rules_memory,
    rules_bulk,
    rules_nulls,
    rules_async,
    rules_resources,
    rules_slots,
    rules_typed,
    rules_exceptions,
    rules_fields,
    rules_objects,
    rules_wasm,
    rules_callbacks,
    rules_limits,
)  # importing them registers their rules
_BY_CODE: Final[tuple[Rule, ...]] = tuple(RULES[spec.name] for spec in OPS)
_NAMES: Final = tuple(spec.name for spec in OPS)

_UNBEGUN: Final = frozenset({SKIP, UNROOTED})
"""What an op that runs a body gives if it does not come to the run."""

_GIVES: Final = tuple(GIVES[spec.name] for spec in OPS)


def _gives(code: int, outcome: str) -> bool:
    """Whether an op that ends so may give values."""
    if outcome == OK:
        return _GIVES[code] is not Gives.NOTHING
    return _GIVES[code] is Gives.TRACE and outcome not in _UNBEGUN


Behaviour = tuple[str, str, str]
"""(op kind, outcome, state class)."""


def judge(
    program: Program,
    observations: Sequence[Observation],
    profile: Profile,
    behaviour: set[Behaviour] | None = None,
    cases: dict[int, str] | None = None,
) -> list[Verdict]:
    """The verdicts on one program, in op order.

    `program` is the view that the target was asked. `observations` are aligned with `program.all_ops`; they end early
    if the process died, and the last one is then `panic:`, `dead:` or `hang`. Verdicts that a known defect explains
    carry its name in `known`. Judging goes on after what leaks or was finalized; it stops after a verdict on what an op
    gave, and after the first one that nothing explains, since the model and the target may no longer agree on the
    state. `behaviour` collects (op kind, outcome, state class); `cases`, with it, the state class of each op that was
    judged, by its index.
    """
    w = World(program, profile)
    replay = _Replay(w, observations, behaviour, cases)
    try:
        replay.run(0, len(observations))
    except _Over:
        return w.verdicts
    finally:
        w.forget()
    if len(observations) < len(w.ops) and not _over(observations):
        w.verdicts.append(Verdict("TH404", len(observations), "one observation per op", "observations end here"))
    return w.verdicts


class _Over(Exception):
    """Judging ends here, inside a callback or not."""


class _Replay:
    """The loop over ops, which calls inside a run continue: a callback's ops are judged where they ran."""

    def __init__(
        self,
        w: World,
        observations: Sequence[Observation],
        behaviour: set[Behaviour] | None,
        cases: dict[int, str] | None,
    ) -> None:
        self.w = w
        self.observations = w.observed = observations
        self.behaviour = behaviour
        self.cases = cases
        w.nested = self.run

    def run(self, at: int, stop: int) -> None:
        """Judges the ops from `at` to `stop`. Raises _Over after a verdict that ends judging."""
        w, ops, observations, behaviour = self.w, self.w.ops, self.observations, self.behaviour
        settle, exact = w.settle, w.profile.exact
        there = min(stop, len(observations))
        while at < there:
            op, obs = ops[at], observations[at]
            code = op[0]
            w.at, w.next = at, at + 1
            w.collecting = False
            try:
                outcome = obs.outcome
                fatal = outcome[:5] in _FATAL
                if not fatal or _NAMES[code] == "wrong_store":
                    _BY_CODE[code](w, obs, *op[1:])
                    if obs.values and not _gives(code, outcome):
                        raise Broken("TH404", f"no values: {_NAMES[code]} gives none if it is {outcome}")
                    if obs.finalized or w.rejected or w.due or exact:
                        settle(obs, code)
                else:
                    w.verdicts.append(_ended(w, op, obs))
                    raise _Over
            except Broken as broken:
                at = w.at  # of an op that had to be skipped, not of its call
                known = known_break(w, broken, ops[at])
                w.verdicts.append(Verdict(broken.code, at, broken.allowed, str(observations[at]), known))
                raise _Over from None
            except Lost:
                raise _Over from None
            if behaviour is not None:
                behaviour.add(lumped(_NAMES[code], outcome if not fatal else PANIC, w.case))
                if self.cases is not None:
                    self.cases[at] = w.case
            at = w.next
        if there < stop:  # the process ended inside a callback
            raise _Over


_FATAL: Final = frozenset({PANIC[:5], DEAD[:5], HANG[:5]})


def _over(observations: Sequence[Observation]) -> bool:
    return bool(observations) and observations[-1].outcome[:5] in _FATAL


def _ended(w: World, op: Op, obs: Observation) -> Verdict:
    """The process panicked, died or hung where the specification has nothing of the kind."""
    code = "TH401" if obs.outcome.startswith(PANIC) else "TH402" if obs.outcome.startswith(DEAD) else "TH403"
    if w.profile.defects:
        rehearse(w, op)
    return Verdict(code, w.at, "no panic, death or hang", str(obs), known_panic(w, op, obs))
