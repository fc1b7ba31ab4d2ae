"""The byte form, for byte fuzzers: any bytes are a valid program, since everything wraps over what exists.

Never stored: bytes change their meaning when an op is added (design: programs). First two bytes: settings of store 0.
Then per op a byte with its code (the top bit keeps an out-of-memory error), and one or more bytes per operand:

* slot: how many slots of its kind are younger, so that small changes elsewhere leave it meaning the same;
* handle that may be LIFO or owned: the same, doubled, the low bit saying which;
* optional reference: 0 is null, all others one more;
* host value: 0 is a fresh one, others are values back in the host's hands;
* integer: mostly one of its `IntKind.edges`, or a small number, or four bytes.

There are no Wasm bodies in this form (texts that must type-check are not for byte fuzzers), so no `run` either, and no
engine configurations: `plain` says what of a program there is.
"""

from __future__ import annotations

from typing import Final

from twinheap.model.builder import Builder
from twinheap.model.ops import INT_KINDS, NULL, OPS, IntKind, Op, OpSpec, Param
from twinheap.model.program import Config, Program
from twinheap.model.view import resolve

KEEP: Final = 0x80  # of the code byte: keep the error
WIDE: Final = 240  # indices from here on take a second byte
MAX_INDEX: Final = WIDE + (256 - WIDE) * 256 - 1  # slots further back cannot be named in this form
SMALL: Final = 192  # integer bytes from here on count from the least value that is no "none"
WHOLE: Final = 255  # integer byte: four bytes follow, big-endian, above the least value


class _End(Exception):
    """No bytes are left."""


class _Absent(Exception):
    """There is no slot of that kind yet."""


def decode(data: bytes) -> Program:
    """The program that `data` stands for. Total: never raises, ops that cannot be are left out.

    >>> len(decode(b"")), len(decode(bytes([0, 0, 5, 0, 0, 20, 0])))
    (0, 2)
    """
    reader = _Reader(data)
    try:
        builder = reader.builder = Builder(Config(reader.integer("limit"), reader.integer("limiter")))
        while not builder.closed:
            reader.op()
    except _End:
        pass
    return reader.builder.finish()


class _Reader:
    """Takes bytes and gives operands."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.builder = Builder()

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise _End
        self.at += 1
        return self.data[self.at - 1]

    def op(self) -> None:
        code = self.byte()
        spec = OPS[(code & ~KEEP) % len(OPS)]
        try:
            operands = [self.operand(param) for param in spec.params]
        except _Absent:
            return
        self.builder.add(spec.code, operands, code >= KEEP)

    def operand(self, param: Param) -> int:
        if not param.is_slot:
            return self.value() if param.kind == "V" else self.integer(param.kind)
        index = self.index()
        if param.optional:
            if not index:
                return NULL
            index -= 1
        kind = param.kind
        if kind == "H":
            kind, index = "LO"[index & 1], index >> 1
            if not self.builder.pools[kind]:
                kind = "LO"[kind == "L"]
        pool = self.builder.pools[kind]
        if not pool:
            raise _Absent
        return pool[-1 - index % len(pool)]

    def index(self) -> int:
        first = self.byte()
        return first if first < WIDE else WIDE + ((first - WIDE) << 8 | self.byte())

    def value(self) -> int:
        choices = [self.builder.next_value, *sorted(self.builder.taken)]
        return choices[self.byte() % len(choices)]

    def integer(self, kind: str) -> int:
        rule = INT_KINDS[kind]
        first = self.byte()
        if first < SMALL:
            return rule.edges[first % len(rule.edges)]
        if first < WHOLE:
            return _least(rule) + (first - SMALL) % (rule.hi - _least(rule) + 1)
        number = int.from_bytes(bytes(self.byte() for _ in range(4)), "big")
        return rule.lo + number % (rule.hi - rule.lo + 1)


def _least(rule: IntKind) -> int:
    return max(rule.lo, 0)


def plain(program: Program) -> Program:
    """What the byte form can say of `program`: without bodies, their runs and what stands on those, on one engine."""
    config = Config(program.config.limit, program.config.limiter)
    return program if program.config == config else resolve(config, program.ops)


def encode(program: Program) -> bytes:
    """Bytes that decode to `plain(program)`, as far as the form can name its slots (`MAX_INDEX`).

    Every program of up to 2,000 slots of a kind comes back the same; of a longer one, an op that reaches further back
    may get another slot.
    """
    program = plain(program)
    out = bytearray(_integer("limit", program.config.limit) + _integer("limiter", program.config.limiter))
    builder = Builder(program.config)
    for op in program.ops:
        out += _op(builder, op)
    return bytes(out)


def _op(builder: Builder, op: Op) -> bytes:
    spec: OpSpec = OPS[op[0]]
    operands = op[1 : 1 + len(spec.params)]
    outs = op[1 + len(spec.params) :]
    keep = any(param.kind == "X" and slot != NULL for param, slot in zip(spec.outs, outs, strict=True))
    data = bytearray([spec.code | KEEP * keep])
    for param, value in zip(spec.params, operands, strict=True):
        data += _operand(builder, param, value)
    builder.add(spec.code, operands, keep)
    return bytes(data)


def _operand(builder: Builder, param: Param, value: int) -> bytes:
    if param.kind == "V":
        choices = [builder.next_value, *sorted(builder.taken)]
        return bytes([choices.index(value)]) if value in choices[:256] else b"\0"
    if not param.is_slot:
        return _integer(param.kind, value)
    if value == NULL:
        return b"\0"
    kind = builder.slots[value].kind
    pool = builder.pools[kind]
    index = len(pool) - 1 - pool.index(value)
    if param.kind == "H":
        index = index * 2 + "LO".index(kind)
    index = min(index + param.optional, MAX_INDEX)
    return bytes([index]) if index < WIDE else bytes([WIDE + ((index - WIDE) >> 8), (index - WIDE) & 255])


def _integer(kind: str, value: int) -> bytes:
    rule = INT_KINDS[kind]
    if value in rule.edges:
        return bytes([rule.edges.index(value)])
    if 0 <= value - _least(rule) < WHOLE - SMALL:
        return bytes([SMALL + value - _least(rule)])
    return bytes([WHOLE]) + (value - rule.lo).to_bytes(4, "big")
