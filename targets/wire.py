"""The wire: frames and messages between a parent and an executor (docs/wire.md).

A frame is a 32-bit little-endian length and that many bytes of msgpack, which hold one message: an array whose first
element is the message's name. Everything that arrives is validated, since executors crash, lie and print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from twinheap.model.engines import NUMBER, feature
from twinheap.model.observation import MAX_TEXT, PANIC, Observation, is_outcome
from twinheap.model.ops import OPS, Op
from twinheap.model.program import Program
from twinheap.targets.modules import modules_of

WIRE_VERSION: Final = 1
"""Raised when an old executor would misread a new parent, or the reverse. New op kinds do not raise it."""

MAX_FRAME: Final = 64 << 20
"""Bytes of one message. A batch of 256 programs of 10,000 ops has 30 MB; over twice that is garbage."""

MAX_OBSERVED: Final = 256
"""Values of one observation: the trace of a run of a body; no other op of the table gives more than two."""

OP_NAMES: Final = tuple(spec.name for spec in OPS)
"""The op kinds by code, as the parent says them in the handshake."""

_LENGTH: Final = 4  # bytes of a frame's length
_BATCH: Final = b"\xa5batch"  # msgpack: the string of five bytes


class WireError(ValueError):
    """Something arrived that is no frame, no message, or not what may come now. The text is one line."""


class Request(msgspec.Struct, frozen=True):
    """What the parent says in the handshake.

    `ops`: the names of op kinds by code. `progress`: the file into which the executor notes its place, or None.
    """

    wire: int
    ops: list[str]
    progress: str | None = None


class Hello(msgspec.Struct, frozen=True):
    """What an executor says of itself in the handshake.

    `runtime`: "heap", "wasmtime" or a name of its own. `release`: as "50.0.1", or "" if it has none. `collector`:
    "drc", "null" or "copying". `exact`: whether it reports limiter calls and needed bytes, and finalizes at exactly
    the moments of semantics.md 4.3. `ops`: the names of op kinds that it supports. `build`: free text that tells two
    builds of one release apart. `engines`: the names of the engine configurations that it has beside the default.
    """

    wire: int
    runtime: str
    release: str
    collector: str
    exact: bool
    ops: frozenset[str]
    build: str = ""
    engines: frozenset[str] = frozenset()

    @property
    def supported(self) -> frozenset[str]:
        """The op kinds, and the features of its engine configurations, as `model/view.py` wants them."""
        return self.ops | {feature(NUMBER[name]) for name in self.engines if name in NUMBER}


class ParentHello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """Parent to executor, once, first."""

    body: Request


class WireBody(msgspec.Struct, frozen=True, array_like=True):
    """A body as an executor gets it: its text, its module, and that of its far helpers, left out if it has none."""

    text: str
    module: bytes
    far: bytes = b""


class WireProgram(msgspec.Struct, frozen=True, array_like=True):
    """A program as an executor gets it: `ops` is `Program.all_ops`, each a flat tuple as in `twinheap.model.ops`.

    `bodies`, left out where a program has none. `engine`, left out if 0: the engine configuration.
    """

    number: int
    limit: int
    limiter: int
    slots: int
    values: int
    ops: tuple[Op, ...]
    bodies: tuple[WireBody, ...] = ()
    engine: int = 0


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """Parent to executor: programs to run, in this order."""

    id: int
    programs: list[WireProgram]


class ExecutorHello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """Executor to parent, once, first."""

    body: Hello


class Result(msgspec.Struct, frozen=True, array_like=True, tag="result"):
    """Executor to parent: the observations of one program, aligned with its ops."""

    batch: int
    number: int
    observations: tuple[Observation, ...]


class Error(msgspec.Struct, frozen=True, array_like=True, tag="error"):
    """Executor to parent: trouble of the executor itself; it ends."""

    text: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_ANSWERS: Final[msgspec.msgpack.Decoder[ExecutorHello | Result | Error]] = msgspec.msgpack.Decoder(
    ExecutorHello | Result | Error
)
_ORDERS: Final[msgspec.msgpack.Decoder[ParentHello | Batch]] = msgspec.msgpack.Decoder(ParentHello | Batch)


def frame(message: Any) -> bytes:
    """One message, a struct of this module or plain lists, as a frame. Raises WireError if it is too long.

    >>> frame(Error("no")).hex(" ")
    '0a 00 00 00 92 a5 65 72 72 6f 72 a2 6e 6f'
    """
    body = _ENCODER.encode(message)
    return _sized(len(body)) + body


def _sized(length: int) -> bytes:
    if length > MAX_FRAME:
        raise WireError(f"a message of {length} bytes is over the limit of {MAX_FRAME}: send fewer programs in a batch")
    return length.to_bytes(_LENGTH, "little")


def program_frame(program: Program, number: int, ops: tuple[Op, ...] | None = None) -> bytes:
    """The part of a batch that is one program; `ops` instead of all its ops if given."""
    config = program.config
    chosen = program.all_ops if ops is None else ops
    sent = (number, config.limit, config.limiter, program.slots, program.values, chosen)
    if not config.bodies and not config.engine:
        return _ENCODER.encode(sent)
    bodies = [body if body[2] else body[:2] for body in modules_of(program)]
    return _ENCODER.encode((*sent, bodies, config.engine) if config.engine else (*sent, bodies))


def batch_frame(batch_id: int, programs: Sequence[bytes]) -> bytes:
    """The frame of a batch whose programs were encoded by `program_frame`: a head, and then a concatenation."""
    # Written by hand, since the encoder would copy the programs into a byte string: an array of three, the name, the
    # id, and the head of an array of up to 2**32 - 1 programs.
    head = b"\x93" + _BATCH + _ENCODER.encode(batch_id) + b"\xdd" + len(programs).to_bytes(4, "big")
    return b"".join((_sized(len(head) + sum(map(len, programs))), head, *programs))


def decode_answer(body: bytes) -> ExecutorHello | Result | Error:
    """What an executor said. Raises WireError."""
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise WireError(f"not a message of an executor: {error}") from None


def decode_order(body: bytes) -> ParentHello | Batch:
    """What a parent said. Raises WireError."""
    try:
        return _ORDERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise WireError(f"not a message of a parent: {error}") from None


def check_observations(observations: tuple[Observation, ...], ops: int, values: int) -> None:
    """Whether these can be the observations of a program with so many ops and host values. Raises WireError."""
    if len(observations) > ops:
        raise WireError(f"{len(observations)} observations for {ops} ops")
    for at, seen in enumerate(observations):
        # Nearly all are plain: one comparison, and two tests for emptiness.
        if seen.outcome != "ok" and not is_outcome(seen.outcome):
            raise WireError(f"op {at}: {_short(seen.outcome)} is no canonical outcome")
        if seen.finalized and not (min(seen.finalized) >= 0 and max(seen.finalized) < values):
            raise WireError(f"op {at}: finalized a value that is none of the program's {values}")
        if seen.values:
            _check_values(at, seen)
    if len(observations) < ops and not (observations and observations[-1].outcome.startswith(PANIC)):
        raise WireError(f"{len(observations)} observations for {ops} ops, and the last is no panic")


def _check_values(at: int, seen: Observation) -> None:
    if len(seen.values) > MAX_OBSERVED:
        raise WireError(f"op {at}: {len(seen.values)} values, and the limit is {MAX_OBSERVED}")
    for value in seen.values:
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise WireError(f"op {at}: a value of {len(value)} characters, and the limit is {MAX_TEXT}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


class FrameReader:
    """Cuts a stream of bytes into the bodies of frames, whatever the pieces in which it arrives.

    >>> reader = FrameReader()
    >>> reader.feed(bytes([2, 0, 0, 0, 0x91])); reader.bodies()
    []
    >>> reader.feed(bytes([0x01])); reader.bodies()
    [b'\\x91\\x01']
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = _LENGTH  # bytes that must be there before another look is worth it

    @property
    def rest(self) -> int:
        """Bytes that arrived and are no whole frame yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes what arrived."""
        self._buffer += data

    def bodies(self) -> list[bytes]:
        """The bodies of the whole frames so far. Raises WireError at a length over the limit."""
        found: list[bytes] = []
        buffer, start = self._buffer, 0
        while len(buffer) - start >= self._need:
            length = int.from_bytes(buffer[start : start + _LENGTH], "little")
            if length > MAX_FRAME:
                if found:
                    break
                raise WireError(f"a frame of {length} bytes is announced, and the limit is {MAX_FRAME}: garbage?")
            stop = start + _LENGTH + length
            if stop > len(buffer):
                self._need = stop - start
                break
            found.append(bytes(buffer[start + _LENGTH : stop]))
            start, self._need = stop, _LENGTH
        del buffer[:start]
        return found
