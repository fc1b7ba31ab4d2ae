"""Views: the part of a program that a target can express, lowered by rule (docs/spec/program-ir.md 8.2).

`view(program, supported)` drops or lowers what a target cannot express and resolves the rest anew, so that the
model judges exactly what the target was asked. `resolve` is the view that supports everything: it is how the text
form, the shrinker and the findings store turn edited ops into a valid program.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twinheap.model.builder import Builder
from twinheap.model.ops import BRACKETS, BY_NAME, CODE, END, INT_KINDS, NULL, OPS, Op, OpSpec
from twinheap.model.program import Config, Program

ALL_OPS: Final = frozenset(spec.name for spec in OPS)

# A target without LIFO handles gets owned ones: each L becomes an O that is released where its scope ends.
OWNED_FORM: Final = {
    "ext_new": "ext_new_owned",
    "i31_new": "i31_new_owned",
    "own": "oclone",
    "conv_any": "conv_any_owned",
    "conv_ext": "conv_ext_owned",
    "from_raw": "from_raw_owned",
    "from_imm": "from_imm_owned",
    "global_get": "global_get_owned",
    "table_get": "table_get_owned",
}
_USE_OWN: Final = INT_KINDS["use"].names.index("own")  # a use of `wrong_store` that only LIFO handles have


class _Resolver:
    """Replays ops into a `Builder`, renaming slots and values, and lowering what the target lacks."""

    def __init__(self, config: Config, supported: frozenset[str]) -> None:
        self.sync_only = "gc_async" not in supported  # such a target has no async limiter either: plain ones there
        self.builder = Builder(Config(config.limit) if self.sync_only else config)
        self.supported = supported
        self.lifo = "scope" in supported
        self.slots: dict[int, int] = {0: 0, NULL: NULL}
        self.values: dict[int, int] = {}
        self.scopes: list[list[int] | None] = []  # per open scope: handles to release at its end; None: dropped

    def run(self, ops: Iterable[Op]) -> Program:
        for op in ops:
            if op[0] == END:
                self._end()
            elif op[0] in BRACKETS:
                self._open(op)
            else:
                self._plain(op)
        return self.builder.finish()

    def _open(self, op: Op) -> None:
        if self.lifo:
            kept = op[1] in self.slots and self.builder.add(op[0], (self.slots[op[1]],)) is not None
            self.scopes.append([] if kept else None)
        else:
            self.scopes.append([])

    def _end(self) -> None:
        if not self.scopes:
            return
        handles = self.scopes.pop()
        if handles is None:
            return
        if self.lifo:
            self.builder.add(END, ())
        for handle in handles:
            self.builder.add(CODE["odrop"], (handle,))

    def _plain(self, op: Op) -> None:
        spec = OPS[op[0]]
        operands = self._operands(spec, op)
        if operands is None:
            return
        lowered = self._lower(spec, operands, op)
        if lowered is None or lowered.name not in self.supported:
            return
        sources = op[1 + len(spec.params) :]
        keep = "oom_take" in self.supported and len(sources) > 1 and sources[-1] != NULL
        made = self.builder.add(lowered.code, operands, keep)
        if made is None:
            return
        self._record(spec, op, operands)
        for source, slot in zip(sources, made, strict=True):
            if source != NULL:
                self.slots[source] = slot
        if lowered is not spec and made and self.scopes and self.scopes[-1] is not None and lowered.name != "oclone":
            self.scopes[-1].append(made[0])

    def _operands(self, spec: OpSpec, op: Op) -> list[int] | None:
        operands: list[int] = []
        for param, value in zip(spec.params, op[1:], strict=False):
            if param.is_slot:
                slot = self.slots.get(value)
                if slot is None or (slot == NULL and not param.optional):
                    return None
                operands.append(slot)
            elif param.kind == "V":
                operands.append(self._value(value))
            elif param.kind == "limiter" and self.sync_only:
                operands.append(0)
            else:
                operands.append(value)
        return operands

    def _value(self, value: int) -> int:
        """A fresh value gets the next id; one seen before must be back with the host, else the builder drops the op."""
        return self.values.get(value, self.builder.next_value)

    def _record(self, spec: OpSpec, op: Op, operands: list[int]) -> None:
        """Remembers the new id of the host value of an op that was taken."""
        for at, param in enumerate(spec.params):
            if param.kind == "V":
                self.values[op[1 + at]] = operands[at]

    def _lower(self, spec: OpSpec, operands: list[int], op: Op) -> OpSpec | None:
        if spec.name in self.supported and (self.lifo or spec.name not in OWNED_FORM):
            if spec.name == "wrong_store" and not self.lifo and op[3] == _USE_OWN:
                return None  # own: there is no such conversion without LIFO handles
            return spec
        if self.lifo:
            return None
        if spec.name == "lend":  # the same slot, under both names
            self.slots[op[2]] = operands[0]
            return None
        lowered = OWNED_FORM.get(spec.name)
        return BY_NAME[lowered] if lowered else None


def view(program: Program, supported: frozenset[str]) -> Program:
    """`program` as a target that supports the op kinds `supported` is asked it."""
    return _Resolver(program.config, supported).run(program.ops)


def resolve(config: Config, ops: Iterable[Op]) -> Program:
    """A valid program from any ops: slots are renumbered, impossible ops and stray `end`s dropped."""
    return _Resolver(config, ALL_OPS).run(ops)
