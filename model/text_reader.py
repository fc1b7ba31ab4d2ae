"""Reading the stored form (see `text.py`): every mistake is named with its line and what to do about it.

Lines go into a `Builder` one by one, so a line that the resolver would drop is refused here too, or left out if the
reader is lenient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn

import msgspec

from twinheap.model.body import BodyError, parse
from twinheap.model.body import dumps as dump_body
from twinheap.model.body_types import check
from twinheap.model.builder import Builder
from twinheap.model.ops import (
    BRACKETS,
    END,
    FORM_KINDS,
    INT_KINDS,
    MAX_BODIES,
    NULL,
    SLOT_KINDS,
    UNLIMITED,
    OpSpec,
    Param,
    UnknownOp,
    spec_of,
)
from twinheap.model.program import FORMAT_VERSION, Config, Program
from twinheap.model.refusal import why_dropped

META_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_META: Final = re.compile(rf"({META_KEY.pattern}):(?:\s+(.*))?")
BODY_NAME: Final = re.compile(r"B\d+")
SLOT_NAME: Final = re.compile(rf"[{SLOT_KINDS}]\d+")
_NAME: Final = re.compile(rf"[{SLOT_KINDS}][A-Za-z0-9_]*")
_FIRST: Final = re.compile(r"twinheap program (\d{1,9})")
_VALUE: Final = re.compile(r"v(\d{1,9})")


class FormatError(ValueError):
    """A text that is no program. `line`: its number, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class Parsed(msgspec.Struct, frozen=True):
    """What a text holds: the program, its header lines, and the numbers of the lines that a lenient reader left out."""

    program: Program
    meta: dict[str, str]
    dropped: tuple[int, ...] = ()


def loads(text: str, lenient: bool = False) -> Parsed:
    """Reads the stored form.

    Raises `FormatError` for anything that is not understood, another version included, and for a line that the
    resolver would drop; `lenient` leaves such lines out instead.
    """
    lines = text.splitlines()
    _check_version(lines[0] if lines else "")
    meta, config, start = _header(lines)
    reader = _Reader(config, lenient)
    for number, line in enumerate(lines[start:], start + 1):
        reader.line(number, line)
    return Parsed(reader.builder.finish(), meta, tuple(reader.dropped))


def _check_version(line: str) -> None:
    match = _FIRST.fullmatch(line.rstrip())
    if not match:
        raise FormatError(1, f"no TwinHeap program: it must begin with 'twinheap program {FORMAT_VERSION}'")
    if int(match[1]) != FORMAT_VERSION:
        raise FormatError(1, f"program format {match[1]} is not {FORMAT_VERSION}; read it with a newer TwinHeap")


def _header(lines: list[str]) -> tuple[dict[str, str], Config, int]:
    """Header lines, the settings of store 0 with the bodies, and the index of the first line after them."""
    meta: dict[str, str] = {}
    config: Config | None = None
    bodies: list[str] = []
    start = len(lines)
    for at, line in enumerate(lines[1:], 1):
        match = _META.fullmatch(line.rstrip())
        if not match:
            if line.strip() and not line.lstrip().startswith("#"):
                start = at
                break
        elif match[1] == "S0":
            if config:
                raise FormatError(at + 1, "S0: given twice; keep one line")
            config = _config(at + 1, match[2] or "")
        elif BODY_NAME.fullmatch(match[1]):
            bodies.append(_body(at + 1, match[1], len(bodies), match[2] or ""))
        elif SLOT_NAME.fullmatch(match[1]):
            raise FormatError(at + 1, f"{match[1]}: only S0 has settings here; make other stores with store_new")
        elif match[1] in meta:
            raise FormatError(at + 1, f"{match[1]}: given twice; keep one line")
        else:
            meta[match[1]] = match[2] or ""
    return meta, msgspec.structs.replace(config or Config(), bodies=tuple(bodies)), start


def _body(number: int, name: str, wanted: int, text: str) -> str:
    """A body in the one way in which it is stored."""
    if name != f"B{wanted}" or wanted >= MAX_BODIES:
        raise FormatError(number, f"{name}: bodies are numbered B0 to B{MAX_BODIES - 1}, in order, each once")
    text = text.split("#")[0].strip()
    try:
        check(text)
    except BodyError as error:
        raise FormatError(number, f"{name}: {error}") from None
    return dump_body(parse(text))


def _config(number: int, text: str) -> Config:
    settings: dict[str, int] = {}
    for word in text.split("#")[0].split():
        name, _, value = word.partition("=")
        if name not in ("limit", "limiter", "engine") or name in settings:
            use = "use limit=BYTES or none, limiter=plain or async, engine=NAME, each once"
            raise FormatError(number, f"setting {word!r}: {use}")
        settings[name] = _integer(number, name, value)
    return msgspec.structs.replace(Config(), **settings)


def _integer(number: int, kind: str, word: str) -> int:
    rule = INT_KINDS[kind]
    allowed = " or ".join(rule.names[rule.lo :]) or f"a number from {max(rule.lo, 0)} to {rule.hi}"
    allowed += " or none" if rule.lo == UNLIMITED else ""
    try:
        if rule.names:
            value = rule.names.index(word)
        else:
            value = UNLIMITED if word == "none" and rule.lo == UNLIMITED else int(word, 0)
    except ValueError:
        raise FormatError(number, f"{kind} {word!r}: use {allowed}") from None
    if not rule.holds(value):
        raise FormatError(number, f"{kind} {word!r}: use {allowed}")
    return value


class _Drop(Exception):
    """The line stands on a line that was left out."""


class _Reader:
    """Feeds lines into a builder; knows names, values and open blocks."""

    def __init__(self, config: Config, lenient: bool) -> None:
        self.builder = Builder(config)
        self.lenient = lenient
        self.names: dict[str, int] = {"S0": 0}
        self.values: dict[int, int] = {}
        self.blocks: list[tuple[int, bool]] = [(0, False)]  # per open block: its indentation, and whether to end it
        self.opened: bool | None = None  # a scope line was read: is there a scope to end after its block?
        self.gone: set[str] = set()  # slots of lines left out
        self.dropped: list[int] = []

    def line(self, number: int, line: str) -> None:
        text = line.split("#")[0].rstrip()
        if not text:
            return
        self.number = number
        self._indent(len(text) - len(text.lstrip()))
        left, equals, right = text.rpartition("=")
        words = right.replace(",", " ").split()
        names = left.replace(",", " ").split()
        if not words or (equals and not names):
            self._fail("nothing on one side of '='; write RESULT = OP OPERAND ... or OP OPERAND ...")
        self._op(names, words)

    def _fail(self, message: str) -> NoReturn:
        raise FormatError(self.number, message)

    def _indent(self, width: int) -> None:
        """Opens the block of the scope line before, and closes the blocks that this line is left of."""
        if self.opened is not None:
            if width > self.blocks[-1][0]:
                self.blocks.append((width, self.opened))
            elif self.opened:  # an empty scope
                self.builder.add(END, ())
            self.opened = None
        while width < self.blocks[-1][0]:
            if self.blocks.pop()[1]:
                self.builder.add(END, ())
        if width != self.blocks[-1][0]:
            self._fail("indentation fits no open block; indent only the lines inside a scope, all of them alike")

    def _op(self, names: list[str], words: list[str]) -> None:
        bracket = words[-1].endswith(":")
        words = [word for word in [*words[:-1], words[-1].removesuffix(":")] if word]
        try:
            spec = spec_of(words[0] if words else "")
        except UnknownOp as error:
            self._fail(str(error))
        if spec.code == END:
            self._fail("a block ends by its indentation; remove this line")
        if bracket != (spec.code in BRACKETS):
            self._fail(f"{spec.name}: {'remove' if bracket else 'add'} the colon at the end of the line")
        outs = list(self._results(spec, names))
        try:
            operands = self._operands(spec, words[1:])
            keep = any(param.kind == "X" for param, _ in outs)
            made = self.builder.add(spec.code, operands, keep)
            if made is None:
                self._refuse(spec, operands)
        except _Drop:
            self.dropped.append(self.number)
            self.gone.update(names)
            self.opened = False if bracket else None
            return
        self._record(spec, words[1:], operands, outs, made)
        self.opened = True if bracket else None

    def _results(self, spec: OpSpec, names: list[str]) -> Iterator[tuple[Param, str]]:
        """Pairs names with the results of the op; those not named are left out."""
        rest = list(spec.outs)
        shape = ", ".join(param.kind + ("?" if param.optional else "") for param in rest) or "nothing"
        for name in names:
            if not _NAME.fullmatch(name):
                self._fail(f"{name!r} is no slot name; use a letter of {SLOT_KINDS}, then letters, digits and _")
            if name in self.names or name in self.gone:
                self._fail(f"{name} is defined twice; slots are defined once, take another name")
            while rest and name[0] not in (FORM_KINDS if rest[0].kind == "H" else rest[0].kind):
                rest.pop(0)
            if not rest or names.count(name) > 1:
                self._fail(f"{name}: {spec.name} gives {shape}, in this order; its letter must be that of the result")
            yield rest.pop(0), name

    def _operands(self, spec: OpSpec, words: list[str]) -> list[int]:
        if len(words) != len(spec.params):
            usage = " ".join(f"<{param.name}{'|null' * param.optional}>" for param in spec.params) or "no operands"
            self._fail(f"{spec.name} takes {len(spec.params)} operands, not {len(words)}: {usage}")
        return [self._operand(spec, param, word) for param, word in zip(spec.params, words, strict=True)]

    def _operand(self, spec: OpSpec, param: Param, word: str) -> int:
        if param.is_slot:
            return self._slot(spec, param, word)
        if param.kind != "V":
            return _integer(self.number, param.kind, word)
        match = _VALUE.fullmatch(word)
        if not match:
            self._fail(f"host value {word!r}: use v and a number, as in v0")
        return self.values.get(int(match[1]), self.builder.next_value)

    def _slot(self, spec: OpSpec, param: Param, word: str) -> int:
        if word == "null" and param.optional:
            return NULL
        if word in self.gone:
            raise _Drop
        kinds = "LO" if param.kind == "H" else param.kind
        if word not in self.names:
            self._fail(f"{spec.name}: {param.name} {word!r} is not defined above; define it, or use another slot")
        if word[0] not in kinds:
            self._fail(f"{spec.name}: {param.name} {word} is of the wrong kind; use a slot {' or '.join(kinds)}")
        return self.names[word]

    def _record(
        self, spec: OpSpec, words: list[str], operands: list[int], outs: list[tuple[Param, str]], made: tuple[int, ...]
    ) -> None:
        for param, word, operand in zip(spec.params, words, operands, strict=True):
            if param.kind == "V":
                self.values[int(word[1:])] = operand
        for param, name in outs:
            self.names[name] = made[spec.outs.index(param)]

    def _refuse(self, spec: OpSpec, operands: list[int]) -> NoReturn:
        if self.lenient:
            raise _Drop
        self._fail(f"{spec.name}: {why_dropped(self.builder, spec, operands, self.names)}")
