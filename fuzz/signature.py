"""Signatures: one short name for all programs that show the same bug in the same way.

The signature of a finding is its verdict code plus the shape of its shrunk program: op kinds and data flow, slots
renamed by first use, constants dropped, runs collapsed, and the shapes of the Wasm bodies that it runs. Panic texts
belong to it: two panics in one op are two bugs.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from twinheap.fuzz.body_shape import body_shape
from twinheap.model.codes import Verdict
from twinheap.model.observation import DEAD, PANIC, Observation
from twinheap.model.ops import END, NULL, OPS, Op
from twinheap.model.program import Program

SIGNATURE_DIGITS: Final = 10
"""Hexadecimal digits of a shape's hash: 40 bits, and a store of findings holds hundreds."""

RUN: Final = 3
"""A run of this many like ops or more collapses to this many: bugs tell one use from two, hardly nine from ten."""

RUNS: Final = ("run", "run_exn", "call", "call_exn")
"""Op kinds that run a body, their second operand."""

Shape = tuple[str | int, ...]
"""One op of a shape: its kind, the shape of the body that it runs, slot names by first use (`NULL` for an absent one);
results last."""


class Identity(msgspec.Struct, frozen=True):
    """What a verdict must keep while its program is shrunk, so that shrinking never slides to another bug.

    `code` and `known` of the verdict; `op`: the kind of the op it stands at, "" for leaks and late finalizers, which a
    shrinker moves from one collection to another; `text`: the panic, signal or error class that was observed.
    """

    code: str
    known: str | None
    op: str
    text: str


def identity_of(verdict: Verdict, program: Program, outcome: str | None) -> Identity:
    """The identity of `verdict` on the judged `program`; `outcome`: what was observed at its op, None if nothing."""
    ops = program.all_ops
    kind = OPS[ops[verdict.at][0]].name if 0 <= verdict.at < len(ops) else ""
    kind = kind.removesuffix("_exn")  # a body may lose its exceptions while it is shrunk
    if kind == "call":  # and its callbacks
        kind = "run"
    if verdict.code.startswith("TH2"):
        kind = ""
    return Identity(verdict.code, verdict.known, kind, _text_of(verdict.code, outcome))


def outcome_at(verdict: Verdict, observations: tuple[Observation, ...]) -> str | None:
    """The outcome observed at the verdict's op, or None if nothing was observed there."""
    return observations[verdict.at].outcome if 0 <= verdict.at < len(observations) else None


def _text_of(code: str, outcome: str | None) -> str:
    """The part of an outcome that tells two bugs apart: of any op that ended the process, and of wrong outcomes."""
    if outcome is None:
        return ""
    keeps = outcome.startswith((PANIC, DEAD)) or code in ("TH106", "TH601")
    return outcome if keeps else ""


def presignature(identity: Identity) -> str:
    """A cheap name for findings that are probably the same bug, known before anything is shrunk."""
    return "|".join((identity.code, identity.known or "", identity.op, identity.text))


def signature(identity: Identity, program: Program) -> str:
    """The signature of a finding whose shrunk program is `program`, like `TH202-5d0a66c1f2`.

    A known defect is told by its name, and its program, which is hardly shrunk, says nothing of it.
    """
    text = repr((identity.known, identity.text, shape(program) if identity.known is None else ()))
    return f"{identity.code}-{hashlib.sha256(text.encode()).hexdigest()[:SIGNATURE_DIGITS]}"


def shape(program: Program) -> tuple[Shape, ...]:
    """Op kinds and data flow of `program`, without constants, runs collapsed.

    >>> from twinheap.model.builder import Builder
    >>> from twinheap.model.ops import CODE
    >>> b = Builder()
    >>> for payload in range(9): _ = b.add(CODE["i31_new_owned"], (0, payload))
    >>> shape(b.finish())
    (('i31_new_owned', 0, 1), ('i31_new_owned', 0, 2), ('i31_new_owned', 0, 3))
    """
    shaper = _Shaper(program.config.bodies)
    for op in program.ops:
        shaper.add(op)
    return tuple(shaper.shapes)


class _Shaper:
    """Renames slots by first use; from the `RUN`-th op of a run on, further ones melt into the last."""

    def __init__(self, bodies: tuple[str, ...]) -> None:
        self.bodies = bodies
        self.names: dict[int, int] = {0: 0, NULL: NULL}
        self.shapes: list[Shape] = []
        self.next_name = 1
        self.run = 0
        self.last: tuple[int, tuple[str, ...]] | None = None
        self.melted: tuple[int, ...] = ()  # names of the results of the run's last op

    def add(self, op: Op) -> None:
        spec = OPS[op[0]]
        slots = [value for param, value in zip(spec.params, op[1:], strict=False) if param.is_slot]
        outs = op[1 + len(spec.params) :]
        # Handles of a run may differ; containers and stores are the same ones, or it is another run.
        body = [body_shape(self.bodies[op[2]])] if spec.name in RUNS else []
        like = (op[0], (*body, *("null" if slot == NULL else "" for slot in slots)))
        self.run = self.run + 1 if like == self.last and op[0] != END else 1
        self.last = like
        if self.run > RUN:
            for slot, name in zip(outs, self.melted, strict=True):
                self.names[slot] = name
            return
        operands = [self.names.get(slot, NULL) for slot in slots]
        results = [NULL if slot == NULL else self._fresh(slot) for slot in outs]
        self.melted = tuple(results)
        self.shapes.append((spec.name, *body, *operands, *results))

    def _fresh(self, slot: int) -> int:
        name = self.names[slot] = self.next_name
        self.next_name += 1
        return name
