"""Views: the part of a program that a target can express, lowered by rule (docs/spec/program-ir.md 8.2).

`view(program, supported)` drops, lowers or replaces what a target cannot express and resolves the rest anew, so that
the model judges exactly what the target was asked. `resolve` is the view that supports everything: it is how the text
form, the shrinker and the findings store turn edited ops into a valid program.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

import msgspec
from msgspec.structs import replace

from twinheap.model.body import reaches_far
from twinheap.model.builder import Builder
from twinheap.model.engines import DEFAULT, FEATURES, feature
from twinheap.model.ops import (
    BRACKETS,
    CALLS,
    CHURNED_OBJECTS,
    CHURNED_WAYS,
    CODE,
    END,
    INT_KINDS,
    NULL,
    OPS,
    Op,
    OpSpec,
)
from twinheap.model.program import Config, Program

ALL_OPS: Final = frozenset(spec.name for spec in OPS) | FEATURES
"""What a target supports that lacks nothing: every op kind, and every engine configuration."""

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
NO_BODY: Final = "(body (main (null extern)))"
"""What a target without linked instances gets for a body with far helpers; the other bodies keep their numbers."""

_LEND: Final = CODE["lend"]
_WRONG: Final = CODE["wrong_store"]
_CHURN: Final = CODE["churn"]
_USE_OWN: Final = INT_KINDS["use"].names.index("own")  # a use of `wrong_store` that only LIFO handles have


class _Step(msgspec.Struct, frozen=True):
    """How a target is asked one op kind: the code it becomes, and where the op has slots, a value, a limiter mode."""

    code: int
    ends: int  # where the operands end
    slots: tuple[tuple[int, bool], ...]  # place, optional
    value: int  # place, or NULL
    limiter: int
    keeps: bool  # an out-of-memory error can be kept
    released: bool  # an owned handle stands for a LIFO one: it is released where its scope ends
    form: int  # place, or NULL: a target without LIFO handles gets owned ones
    engine: int  # place, or NULL


def _step(spec: OpSpec, supported: frozenset[str]) -> _Step | None:
    """None: the target cannot express the op."""
    name = spec.name
    if "scope" not in supported:
        name = OWNED_FORM.get(name, name)
    if name not in supported:
        return None
    kinds = [param.kind for param in spec.params]
    return _Step(
        code=CODE[name],
        ends=1 + len(kinds),
        slots=tuple((place, param.optional) for place, param in enumerate(spec.params) if param.is_slot),
        value=kinds.index("V") if "V" in kinds else NULL,
        limiter=kinds.index("limiter") if "limiter" in kinds and "gc_async" not in supported else NULL,
        keeps="oom_take" in supported,
        released=name != spec.name and name != "oclone",
        form=spec.form_at - 1 if "scope" not in supported else NULL,
        engine=kinds.index("engine") if "engine" in kinds else NULL,
    )


@cache
def _plan(supported: frozenset[str]) -> tuple[_Step | None, ...]:
    """The step of each op code."""
    return tuple(_step(spec, supported) for spec in OPS)


class _Resolver:
    """Replays ops into a `Builder`, renaming slots and values, and lowering what the target lacks."""

    def __init__(self, config: Config, supported: frozenset[str]) -> None:
        # A target without async operations has no async limiter either: it gets plain ones.
        self.builder = Builder(_possible(config, supported))
        self.supported = supported
        self.plan = _plan(supported)
        self.lifo = "scope" in supported
        self.slots: dict[int, int] = {0: 0, NULL: NULL}
        self.values: dict[int, int] = {}
        self.scopes: list[list[int] | None] = []  # per open bracket: handles to release at its end; None: dropped
        self.calls: list[bool] = []  # the same: whether it is a call
        self.inside = 0  # brackets open inside a call that is dropped, itself included

    def run(self, ops: Iterable[Op]) -> Program:
        for op in ops:
            code = op[0]
            if self.inside:  # a callback goes with its call
                self.inside += (code in BRACKETS) - (code == END)
            elif code == END:
                self._end()
            elif code in BRACKETS:
                self._open(op)
            elif code == _LEND and not self.lifo:  # the same slot, under both names
                if op[1] in self.slots:
                    self.slots[op[2]] = self.slots[op[1]]
            elif code != _WRONG or self.lifo or op[3] != _USE_OWN:
                self._plain(op)
        return self.builder.finish()

    def _open(self, op: Op) -> None:
        call = op[0] in CALLS
        if call and not self._plain(op):
            self.inside = 1
            return
        self.calls.append(call)
        if call:
            self.scopes.append([])
        elif self.lifo:
            kept = op[1] in self.slots and self.builder.add(op[0], (self.slots[op[1]],)) is not None
            self.scopes.append([] if kept else None)
        else:
            self.scopes.append([])

    def _end(self) -> None:
        if not self.scopes:
            return
        handles, call = self.scopes.pop(), self.calls.pop()
        if handles is None:
            return
        if self.lifo:
            self.builder.add(END, ())
        for handle in handles:
            self.builder.add(CODE["odrop"], (handle,))
        if call and not self.lifo:
            self.builder.add(END, ())

    def _settle(self, step: _Step, operands: list[int]) -> None:
        """Settings of a new store that the target cannot have get the default."""
        if step.limiter != NULL:
            operands[step.limiter] = 0
        if step.engine != NULL:
            operands[step.engine] = possible_engine(operands[step.engine], self.supported)

    def _plain(self, op: Op) -> bool:
        """Whether the builder took it."""
        step = self.plan[op[0]]
        if step is None or (op[0] == _CHURN and not self._churns(op[2])):
            return False
        ends = step.ends
        operands = list(op[1:ends])
        known = self.slots
        for place, optional in step.slots:
            slot = known.get(operands[place])
            if slot is None or (slot == NULL and not optional):
                return False
            operands[place] = slot
        if step.value != NULL:  # a fresh value gets the next id; one seen before must be back with the host
            operands[step.value] = self.values.get(operands[step.value], self.builder.next_value)
        self._settle(step, operands)
        released = step.released
        if step.form != NULL and not operands[step.form]:
            operands[step.form], released = 1, True
        sources = op[ends:]
        made = self.builder.add(step.code, operands, step.keeps and len(sources) > 1 and sources[-1] != NULL)
        if made is None:
            return False
        if step.value != NULL:
            self.values[op[1 + step.value]] = operands[step.value]
        for source, slot in zip(sources, made, strict=True):
            if source != NULL:
                known[source] = slot
        if released and made and self.scopes and self.scopes[-1] is not None:
            self.scopes[-1].append(made[0])
        return True

    def _churns(self, what: int) -> bool:
        needed = (CHURNED_OBJECTS | CHURNED_WAYS).get(INT_KINDS["churn"].names[what])
        return needed is None or self.plan[CODE[needed]] is not None


def view(program: Program, supported: frozenset[str]) -> Program:
    """`program` as a target that supports the op kinds `supported` is asked it."""
    return _Resolver(program.config, supported).run(program.ops)


def _possible(config: Config, supported: frozenset[str]) -> Config:
    """The settings that a target can have: without futures, Wasm or the engine configuration, the defaults."""
    if "gc_async" not in supported:
        config = replace(config, limiter=0)
    if config.bodies and "run" not in supported:
        config = replace(config, bodies=())
    if "link" not in supported and any(map(reaches_far, config.bodies)):
        config = replace(config, bodies=tuple(NO_BODY if reaches_far(text) else text for text in config.bodies))
    engine = possible_engine(config.engine, supported)
    return config if engine == config.engine else replace(config, engine=engine)


def possible_engine(number: int, supported: frozenset[str]) -> int:
    """An engine configuration, or the default where a target does not have it."""
    return number if feature(number) in supported else DEFAULT


def resolve(config: Config, ops: Iterable[Op]) -> Program:
    """A valid program from any ops: slots are renumbered, impossible ops and stray `end`s dropped."""
    return _Resolver(config, ALL_OPS).run(ops)
