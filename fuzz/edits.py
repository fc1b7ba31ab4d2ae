"""The edits that a shrinker tries: each turns a program into a simpler one, or into nothing that the resolver takes.

Edits work on the ops of a resolved program and leave all repair to `twinheap.model.view.resolve`, which drops what
depends on something deleted. What counts as simpler is one number tuple, `weight`; an edit that does not lower it is
not tried, so shrinking ends whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from twinheap.fuzz.body_edits import body_weight
from twinheap.model.ops import BRACKETS, CALLS, CODE, END, INT_KINDS, NULL, OPS, UNLIMITED, Op
from twinheap.model.program import Program, closing, results_of
from twinheap.model.view import resolve

MAX_PAIR_OPS: Final = 24
"""Ops up to which every pair is tried for deletion: 276 candidates, less than single deletions cost before."""

MAX_MERGE_SLOTS: Final = 48
"""Slots up to which each is replaced by each earlier one; what is larger has not been through deletion yet."""

_GC: Final = CODE["gc"]
_RESULT: Final = CODE["result"]
_RUNS: Final = {CODE["call"]: CODE["run"], CODE["call_exn"]: CODE["run_exn"]}
_FILL: Final = CODE["fill"]
_MAKE_OWNED: Final = frozenset({CODE["ext_new_owned"], CODE["i31_new_owned"], CODE["own"]})

Weight = tuple[int, int, int, int, int]


def weight(program: Program) -> Weight:
    """How complicated `program` is: its lines, the forms of its bodies, its slots, its integers, and how late the
    slots are that it uses.
    """
    bodies = [body_weight(text) for text in program.config.bodies]
    config = program.config
    ints = _cost("limit", config.limit) + config.limiter + config.engine + sum(detail for _, detail in bodies)
    late = 0
    for op in program.ops:
        spec = OPS[op[0]]
        for param, value in zip(spec.params, op[1:], strict=False):
            if param.is_slot:
                late += value + 1
            elif param.kind in INT_KINDS:
                ints += _cost(param.kind, value)
    return len(program), sum(count for count, _ in bodies), program.slots, ints, late


def _cost(kind: str, value: int) -> int:
    """No limit is simpler than any; a limit at an edge (whole pages) is simpler than one between; else small is."""
    if value == UNLIMITED:
        return 0
    rule = INT_KINDS[kind]
    if kind == "limit":
        return 1 + rule.edges.index(value) if value in rule.edges else len(rule.edges) + value
    return value - min(rule.lo, 0)


def _without(program: Program, gone: set[int]) -> Program:
    return resolve(program.config, (op for at, op in enumerate(program.ops) if at not in gone))


def without(program: Program, gone: frozenset[int]) -> Program:
    """`program` without the ops at the indexes `gone`, and without what depends on them."""
    return _without(program, set(gone))


def chunks(program: Program, size: int) -> list[frozenset[int]]:
    """The indexes of each chunk of `size` ops; later chunks first, since less depends on them."""
    count = len(program.ops)
    starts = range((count - 1) // size * size, -1, -size) if count else ()
    return [frozenset(range(start, min(start + size, count))) for start in starts]


def pairs(program: Program) -> Iterator[Program]:
    """Every two ops deleted at once: what came in twos, like a handle and its only use elsewhere, goes in twos."""
    count = len(program.ops)
    if count <= MAX_PAIR_OPS:
        for late in range(count - 1, -1, -1):
            for early in range(late - 1, -1, -1):
                yield _without(program, {early, late})


def collections(program: Program) -> Iterator[Program]:
    """Each run of ops replaced by one collection: what frees by the way can also be freed by asking for it."""
    for store, start, end in _runs(program):
        yield resolve(program.config, (*program.ops[:start], (_GC, store), *program.ops[end:]))


def fills(program: Program) -> Iterator[Program]:
    """Each run of ops that makes several owned roots replaced by one op that makes as many."""
    for store, start, end in _runs(program):
        made = sum(op[0] in _MAKE_OWNED for op in program.ops[start:end])
        if made > 1:
            bulk = (_FILL, store, made, program.values, program.slots)
            yield resolve(program.config, (*program.ops[:start], bulk, *program.ops[end:]))


def _runs(program: Program) -> Iterator[tuple[int, int, int]]:
    """Each store with each run of two or more ops without brackets, long ones first: (store, start, end)."""
    ops = program.ops
    if len(ops) > MAX_PAIR_OPS:
        return
    stores = [0, *(slot for op in ops for kind, slot in results_of(op) if kind == "S")]
    for size in range(len(ops), 1, -1):
        for start in range(len(ops) - size + 1):
            if not any(op[0] in BRACKETS or op[0] == END for op in ops[start : start + size]):
                for store in stores:
                    yield store, start, start + size


def unwraps(program: Program) -> Iterator[Program]:
    """Each scope taken away from around its ops."""
    opened: list[int] = []
    for at, op in enumerate(program.ops):
        if op[0] in BRACKETS:
            opened.append(at)
        elif op[0] == END and opened:
            yield _without(program, {opened.pop(), at})


def brackets(program: Program) -> Iterator[Program]:
    """Each bracket deleted with what is in it, large ones first; then each call as a run without a callback."""
    ops = program.ops
    ends = {at: closing(ops, at) for at, op in enumerate(ops) if op[0] in BRACKETS}
    for at in sorted(ends, key=lambda at: at - ends[at]):
        yield _without(program, set(range(at, ends[at] + 1)))
    for at, end in ends.items():
        if ops[at][0] in CALLS:
            following = ops[end + 1] if end + 1 < len(ops) else ()
            taken = following[1:] if following[:1] == (_RESULT,) else (1, NULL)
            run = (_RUNS[ops[at][0]], *ops[at][1:], *taken)
            yield resolve(program.config, (*ops[:at], run, *ops[end + 1 + (following[:1] == (_RESULT,)) :]))


def merges(program: Program) -> Iterator[Program]:
    """Each slot replaced by an earlier one of a like kind: everywhere, its producer going, and at single operands."""
    kinds = {0: "S"} | {slot: kind for op in program.ops for kind, slot in results_of(op)}
    if len(kinds) > MAX_MERGE_SLOTS:
        return
    for slot in sorted(kinds, reverse=True):
        for earlier in sorted(kinds):
            if earlier < slot and _alike(kinds[earlier], kinds[slot]):
                yield resolve(program.config, (_renamed(op, slot, earlier) for op in program.ops))
    for at, op in enumerate(program.ops):
        for place, param in enumerate(OPS[op[0]].params, 1):
            if param.is_slot and op[place] != NULL:
                for earlier in sorted(kinds):
                    if earlier < op[place] and _alike(kinds[earlier], kinds.get(op[place], "")):
                        yield _replaced(program, at, place, earlier)


def _alike(one: str, two: str) -> bool:
    return one == two or {one, two} == {"L", "O"}


def _renamed(op: Op, slot: int, other: int) -> Op:
    """`op` with `slot` replaced as an operand and no longer kept as a result."""
    spec = OPS[op[0]]
    stop = 1 + len(spec.params)
    operands = [
        other if param.is_slot and value == slot else value
        for param, value in zip(spec.params, op[1:stop], strict=True)
    ]
    return (op[0], *operands, *(NULL if value == slot else value for value in op[stop:]))


def _replaced(program: Program, at: int, place: int, value: int) -> Program:
    ops = list(program.ops)
    ops[at] = (*ops[at][:place], value, *ops[at][place + 1 :])
    return resolve(program.config, ops)


def nulls(program: Program) -> Iterator[Program]:
    """Each optional operand as a null reference, and each kept error dropped at once."""
    for at, op in enumerate(program.ops):
        spec = OPS[op[0]]
        for place, param in enumerate((*spec.params, *spec.outs), 1):
            if param.optional and op[place] != NULL:
                yield _replaced(program, at, place, NULL)


def configs(program: Program) -> Iterator[Program]:
    """Store 0 with default settings, then with one of them, then with a limit of whole pages."""
    config = program.config
    limits = sorted({UNLIMITED, *INT_KINDS["limit"].edges}, key=lambda limit: _cost("limit", limit))
    choices = [replace(config, limit=UNLIMITED, limiter=0, engine=0), replace(config, engine=0)]
    choices += [replace(config, limiter=0), replace(config, limit=UNLIMITED)]
    choices += [replace(config, limit=limit) for limit in limits]
    for choice in choices:
        if choice != config:
            yield resolve(choice, program.ops)


def int_places(program: Program) -> Iterator[tuple[int, int, str]]:
    """Op index, place in the op, and kind of every plain-integer operand, the last first."""
    for at in range(len(program.ops) - 1, -1, -1):
        for place, param in enumerate(OPS[program.ops[at][0]].params, 1):
            if param.kind in INT_KINDS:
                yield at, place, param.kind


def edge_values(kind: str, value: int) -> list[int]:
    """The values of an operand kind that are worth trying and simpler than `value`, the simplest first."""
    rule = INT_KINDS[kind]
    tried = {*rule.edges, max(rule.lo, 0), rule.lo}
    return sorted((v for v in tried if _cost(kind, v) < _cost(kind, value)), key=lambda v: _cost(kind, v))


def with_int(program: Program, at: int, place: int, value: int) -> Program:
    """`program` with one plain-integer operand changed."""
    return _replaced(program, at, place, value)
