"""Mutations of byte programs that keep ops whole: decode, change some ops, resolve, encode.

In plain bytes an inserted byte shifts the meaning of all that follows. Here ops are inserted, deleted, doubled,
altered or spliced in as what they are, and slots keep naming what they named; the resolver drops what no longer can
be.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.bytecode import decode, encode
from twinheap.model.ops import CODE, END, INT_KINDS, NULL, OPS, Op
from twinheap.model.program import Program
from twinheap.model.view import resolve

MAX_CHANGES: Final = 4  # mutations at once: with more, what made the input interesting is lost
MAX_RUN: Final = 12  # ops deleted, doubled or spliced together
NUMBERS: Final = 1 << 30  # programs to splice from
_SMALL: Final = PROFILES["small"]

Ops = list[Op]
Change = Callable[[Ops, Random], None]


def mutate_bytes(data: bytes, rng: Random, max_size: int) -> bytes:
    """Other bytes of at most `max_size`: the program that `data` decodes to, with one to four changes."""
    mutated = encode(mutate(decode(data), rng))
    return mutated[:max_size]


def mutate(program: Program, rng: Random) -> Program:
    """`program` with one to `MAX_CHANGES` random changes. Deterministic in the state of `rng`."""
    ops = list(program.ops)
    for _ in range(rng.randint(1, MAX_CHANGES)):
        rng.choice(_CHANGES)(ops, rng)
    return resolve(program.config, ops)


def _run(ops: Ops, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(ops) + 1)
    return start, min(start + rng.randint(1, MAX_RUN), len(ops))


def _delete(ops: Ops, rng: Random) -> None:
    start, stop = _run(ops, rng)
    stop = start + 1 if rng.random() < 0.5 else stop
    del ops[start:stop]


def _double(ops: Ops, rng: Random) -> None:
    """The same ops again. Their results get the same names, so what follows uses the second ones."""
    start, stop = _run(ops, rng)
    at = stop if rng.random() < 0.5 else rng.randrange(len(ops) + 1)
    ops[at:at] = [_with_fresh_values(op, rng) for op in ops[start:stop]]


def _with_fresh_values(op: Op, rng: Random) -> Op:
    """A host value is used once, so a doubled allocation gets another one: any number not used before will do."""
    spec = OPS[op[0]]
    values = list(op)
    for at, param in enumerate(spec.params, 1):
        if param.kind == "V":
            values[at] = NUMBERS + rng.getrandbits(29)
    return tuple(values)


def _alter(ops: Ops, rng: Random) -> None:
    """Another operand, or another op that takes and gives the same."""
    if not ops:
        return
    at = rng.randrange(len(ops))
    op = list(ops[at])
    spec = OPS[op[0]]
    if rng.random() < 0.3:
        alike = [other.code for other in OPS if _shape(other.code) == _shape(op[0])]
        op[0] = rng.choice(alike)
    elif spec.params:
        which = rng.randrange(len(spec.params))
        param = spec.params[which]
        if param.is_slot:
            op[1 + which] = NULL if param.optional and rng.random() < 0.3 else _slot(ops[:at], param.kind, rng)
        elif param.kind in INT_KINDS:
            op[1 + which] = rng.choice(INT_KINDS[param.kind].edges)
    ops[at] = tuple(op)


def _shape(code: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    spec = OPS[code]
    return tuple(param.kind for param in spec.params), tuple(param.kind for param in spec.outs)


def _slot(before: Ops, kind: str, rng: Random) -> int:
    """A slot of that kind defined before, or 0, which is store 0."""
    kinds = "LO" if kind == "H" else kind
    found = [
        slot
        for op in before
        for param, slot in zip(OPS[op[0]].outs, op[1 + len(OPS[op[0]].params) :], strict=True)
        if param.kind in kinds and slot != NULL
    ]
    return rng.choice(found) if found else 0


def _splice(ops: Ops, rng: Random) -> None:
    """Ops of a random program, on slots of its own."""
    base = 1 + max((max(op[1:], default=0) for op in ops), default=0)
    other = generate(rng.randrange(NUMBERS), 0, _SMALL)
    at = rng.randrange(len(ops) + 1)
    ops[at:at] = [_with_fresh_values(_moved(op, base), rng) for op in other.ops if op[0] != CODE["wrong_store"]]


def _moved(op: Op, base: int) -> Op:
    spec = OPS[op[0]]
    params = (*spec.params, *spec.outs)
    return (op[0], *(v + base if p.is_slot and v > 0 else v for p, v in zip(params, op[1:], strict=True)))


def _bracket(ops: Ops, rng: Random) -> None:
    """A scope of store 0 around some ops."""
    start, stop = _run(ops, rng)
    ops.insert(stop, (END,))
    ops.insert(start, (CODE["scope"], 0))


_CHANGES: Final[tuple[Change, ...]] = (_delete, _delete, _double, _double, _alter, _alter, _alter, _splice, _bracket)
