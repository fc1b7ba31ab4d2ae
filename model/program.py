"""Programs: resolved lists of ops with named slots, the only form that is stored, shown, shrunk and sent.

Built by `twinheap.model.builder.Builder`, which enforces every precondition; nothing else makes one.
Implements docs/spec/program-ir.md 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from twinheap.model.ops import BRACKETS, CODE, END, FORM_KINDS, NULL, OPS, UNLIMITED, Op

FORMAT_VERSION: Final = 1
"""Version of the stored form. It outlives generator changes: ops may be added, never renumbered by meaning."""


STORE_NEW_IN: Final = CODE["store_new_in"]


class Config(msgspec.Struct, frozen=True):
    """What a program's ops stand on: the settings of store 0, which is there from the start, and Wasm bodies.

    `limit`: bytes that the GC heap may have, or -1 for no limit. `limiter`: 0 plain (synchronous), 1 async. `bodies`:
    the texts of the Wasm bodies that `run` calls by index, in the form of `twinheap.model.body`. `engine`: the engine
    configuration, an index into `twinheap.model.engines.ENGINES`.
    """

    limit: int = UNLIMITED
    limiter: int = 0
    bodies: tuple[str, ...] = ()
    engine: int = 0


class Program(msgspec.Struct, frozen=True):
    """A resolved program.

    `ops`: what the text form shows, each `scope` and `call` closed by an `end`. `tail`: the implicit gc, sync and
    store_drop of every store still open. `slots`: how many slots there are, store 0 included. `values`: how many host
    value ids.
    """

    config: Config
    ops: tuple[Op, ...]
    tail: tuple[Op, ...]
    slots: int
    values: int

    @property
    def all_ops(self) -> tuple[Op, ...]:
        """What is executed: `ops`, then `tail`. Observations are aligned with it."""
        return self.ops + self.tail

    def __len__(self) -> int:
        """The lines of the text form: closing `end`s and the implicit tail are not counted."""
        return sum(1 for op in self.ops if op[0] != END)


def engines_of(program: Program) -> frozenset[int]:
    """The numbers of the engine configurations that the stores of `program` have."""
    return frozenset({program.config.engine, *(op[1] for op in program.ops if op[0] == STORE_NEW_IN)})


def slots_of(op: Op) -> Iterator[tuple[str, int]]:
    """The (kind, slot) pairs that `op` reads, `NULL` left out."""
    for param, value in zip(OPS[op[0]].params, op[1:], strict=False):
        if param.is_slot and value != NULL:
            yield param.kind, value


def results_of(op: Op) -> Iterator[tuple[str, int]]:
    """The (kind, slot) pairs that `op` defines, results not kept left out."""
    spec = OPS[op[0]]
    for param, value in zip(spec.outs, op[1 + len(spec.params) :], strict=True):
        if value != NULL:
            yield FORM_KINDS[op[spec.form_at]] if param.kind == "H" else param.kind, value


def closing(ops: Sequence[Op], at: int) -> int:
    """Where the bracket at `at` is closed; the end of `ops` if it is not, as in a part of a program."""
    depth = 0
    for place in range(at, len(ops)):
        code = ops[place][0]
        if code in BRACKETS:
            depth += 1
        elif code == END:
            depth -= 1
            if not depth:
                return place
    return len(ops)


def depths(ops: tuple[Op, ...]) -> Iterator[tuple[int, Op]]:
    """Each op with its nesting depth; an `end` has the depth of the op that it closes."""
    depth = 0
    for op in ops:
        if op[0] == END:
            depth -= 1
        yield depth, op
        if op[0] in BRACKETS:
            depth += 1
