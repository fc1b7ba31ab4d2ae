"""The judge: replays a view in the reference model beside what a target observed, and says which rules were broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.model import rules_async, rules_memory, rules_roots, rules_slots, rules_values
from twinheap.model.codes import Verdict
from twinheap.model.contents import Cell, Error, Fill, Future, Raw, Table
from twinheap.model.entities import Ref
from twinheap.model.observation import DEAD, HANG, PANIC, Observation
from twinheap.model.ops import OPS, Op
from twinheap.model.profiles import CAST_CODES, Profile
from twinheap.model.program import Program, slots_of
from twinheap.model.roots import CastHandle, Handle, Stale
from twinheap.model.state import Store
from twinheap.model.world import RULES, Broken, Rule, World

_RULE_MODULES: Final = (
    rules_roots,
    rules_values,
    rules_memory,
    rules_async,
    rules_slots,
)  # importing them registers their rules
_BY_CODE: Final[tuple[Rule, ...]] = tuple(RULES[spec.name] for spec in OPS)
_NAMES: Final = tuple(spec.name for spec in OPS)
_NO_HEAP: Final = "before it has been allocated"  # the panic text of K6 and K13
_UNWRAP: Final = "called `Option::unwrap()` on a `None` value"  # the panic text of K11 and K16
_UNROOTED: Final = "has been unrooted"  # in the panic text of K17
_WRITES: Final = frozenset({"global_set", "table_set", "table_fill", "table_copy"})

Behaviour = tuple[str, str, str]
"""(op kind, outcome, state class)."""


def judge(
    program: Program,
    observations: Sequence[Observation],
    profile: Profile,
    behaviour: set[Behaviour] | None = None,
) -> list[Verdict]:
    """The verdicts on one program, in op order.

    `program` is the view that the target was asked. `observations` are aligned with `program.all_ops`; they end early
    if the process died, and the last one is then `panic:`, `dead:` or `hang`. Verdicts that a known defect explains
    carry its name in `known`, and judging goes on; it stops after the first verdict that nothing explains, since the
    model and the target may no longer agree on the state. `behaviour` collects (op kind, outcome, state class).
    """
    w = World(program, profile)
    ops = program.all_ops
    settle = w.settle
    exact = profile.exact
    for at, obs in enumerate(observations):
        op = ops[at]
        code = op[0]
        w.at = at
        w.collecting = False
        try:
            outcome = obs.outcome
            fatal = outcome[:5] in _FATAL
            if not fatal or _NAMES[code] == "wrong_store":
                _BY_CODE[code](w, obs, *op[1:])
                if obs.finalized or w.rejected or w.due or exact:
                    settle(obs, code)
            else:
                return [*w.verdicts, _ended(w, op, obs)]
        except Broken as broken:
            known = _known(w, broken, op)
            w.verdicts.append(Verdict(broken.code, at, broken.allowed, str(obs), known))
            return w.verdicts
        if behaviour is not None:
            behaviour.add((_NAMES[code], outcome if not fatal else PANIC, w.case))
    if len(observations) < len(ops) and not _over(observations):
        w.verdicts.append(Verdict("TH404", len(observations), "one observation per op", "observations end here"))
    return w.verdicts


_FATAL: Final = frozenset({PANIC[:5], DEAD[:5], HANG[:5]})


def _over(observations: Sequence[Observation]) -> bool:
    return bool(observations) and observations[-1].outcome[:5] in _FATAL


def _ended(w: World, op: Op, obs: Observation) -> Verdict:
    """The process panicked, died or hung where the specification has nothing of the kind."""
    for _, slot in slots_of(op):
        holder = w.slots[slot]
        if isinstance(holder, Store):
            w.acting = holder
    code = "TH401" if obs.outcome.startswith(PANIC) else "TH402" if obs.outcome.startswith(DEAD) else "TH403"
    return Verdict(code, w.at, "no panic, death or hang", str(obs), _known_panic(w, op, obs.outcome))


def _known_panic(w: World, op: Op, outcome: str) -> str | None:
    """The known defect that explains a panic."""
    found = None
    if _NO_HEAP in outcome:
        if _NAMES[op[0]] == "gc_for":
            found = "K13" if not w.acting.heap else None
        elif _i31_without_heap(w, op):
            found = "K6"
    elif _UNWRAP in outcome:
        holders = [w.slots[slot] for _, slot in slots_of(op)]
        if any(isinstance(holder, CastHandle) for holder in holders):
            found = "K11"
        elif w.profile.collector == "drc" and _NAMES[op[0]] in _WRITES:
            overwritten = [ref for holder in holders[:1] if isinstance(holder, Cell | Table) for ref in _refs(holder)]
            found = "K16" if any(type(ref) is int for ref in overwritten) else None
    elif _UNROOTED in outcome and _NAMES[op[0]] == "table_grow":
        found = "K17"
    return found if found in w.profile.defects else None


def _i31_without_heap(w: World, op: Op) -> bool:
    """Whether an operand is or holds an i31, in a store without heap (K6)."""
    if _NAMES[op[0]].startswith("from_imm"):
        return bool(op[2]) and not w.acting.heap
    for _, slot in slots_of(op):
        holder = w.slots[slot]
        if isinstance(holder, Store | Error | Fill | Future) or holder is None or holder.store.heap:
            continue
        if any(type(ref) is int for ref in _refs(holder)):
            return True
    return False


def _refs(holder: Handle | Cell | Table | Raw) -> Sequence[Ref | Stale]:
    if isinstance(holder, Table):
        return holder.refs
    return (holder.ref,) if isinstance(holder, Cell | Raw) else (holder.ref(),)


def _known(w: World, broken: Broken, op: Op) -> str | None:
    """The known defect that explains a broken rule: leaked objects also make a heap full too early (K1, K14)."""
    if "K11" in w.profile.defects and broken.code in CAST_CODES:
        holders = [w.slots[slot] for _, slot in slots_of(op)]
        if any(isinstance(holder, CastHandle) and not holder.root.tokens for holder in holders):
            return "K11"
    if broken.code == "TH201" and broken.obj is not None:
        store = w.slots[broken.obj.store]
        assert isinstance(store, Store)
        return "K15" if store.as_any and "K15" in w.profile.defects else None
    if broken.code != "TH301":
        return None
    store = w.acting
    return w.known_leak((*store.dead.values(), *store.leaked.values()))
