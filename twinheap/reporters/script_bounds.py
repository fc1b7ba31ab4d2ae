"""What a stand-alone script says of host values: which must live after a step, and which must be gone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from twinheap.model.observation import Observation
from twinheap.model.ops import CALLS, OPS
from twinheap.model.program import Program, closing


def bounds_of(program: Program, expected: Sequence[Observation], doubt: int) -> dict[int, tuple[list[int], list[int]]]:
    """By op: the values that a right target finalizes later, and those that it has finalized by then.

    From op `doubt` on, only what goes with its store is known.
    """
    ops = program.all_ops
    stores, values = _owners(program)
    collections: dict[int, list[int]] = {}
    for at, op in enumerate(ops[: len(expected)]):
        if OPS[op[0]].name in ("gc", "store_drop"):
            collections.setdefault(op[1], []).append(at)
    bounds: dict[int, tuple[list[int], list[int]]] = {}
    for at, seen in enumerate(expected):
        after = closing(ops, at) if ops[at][0] in CALLS else at
        for value in seen.finalized:
            store = values.get(value)
            places = collections.get(store, []) if store is not None else []
            due = next((place for place in places if place >= after), None)
            held = max((place for place in places if place < at), default=None)
            if due is not None and due >= doubt:
                due = next((place for place in places if OPS[ops[place][0]].name == "store_drop"), None)
            if due is not None:
                bounds.setdefault(due, ([], []))[1].append(value)
            if held is not None and stores[value] <= held < doubt:
                bounds.setdefault(held, ([], []))[0].append(value)
    return bounds


def _owners(program: Program) -> tuple[dict[int, int], dict[int, int]]:
    """For each value that is made once: the op that makes it, and its store."""
    bases: list[tuple[int, int, int]] = []
    store_of = {}
    for at, op in enumerate(program.ops):
        spec = OPS[op[0]]
        if spec.name == "inst":
            store_of[op[2]] = op[1]
        for place, param in enumerate(spec.params, 1):
            if param.kind == "V":
                bases.append((op[place], at, store_of.get(op[1], op[1])))
    bases.sort()
    made: dict[int, int] = {}
    stores: dict[int, int] = {}
    firsts = [base for base, _, _ in bases]
    for place, (base, at, store) in enumerate(bases):
        end = bases[place + 1][0] if place + 1 < len(bases) else program.values
        for value in range(base, max(end, base + 1)):
            if firsts.count(base) == 1:
                made[value], stores[value] = at, store
    return made, stores


def listed(values: list[int]) -> str:
    """As a list, or a range if it is a long one."""
    ordered = sorted(values)
    if len(ordered) > 4 and all(b == a + 1 for a, b in pairwise(ordered)):
        return f"range({ordered[0]}, {ordered[-1] + 1})"
    return repr(ordered)
