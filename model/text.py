"""The readable stored form of programs: one op a line, named slots, versioned (docs/spec/program-ir.md 8).

    twinheap program 1
    note: an owned handle outlives the scope of the handle it was made from
    S0: limit=65536 limiter=plain
    B0: (body (main (global.set 0 (get 0)) (gc) (global.get 0)))
    scope S0:
      L1 = ext_new S0 v0
      O2 = own L1
    gc S0
    data O2

First line: the version. Then `key: value` lines (free keys, order kept), the settings of store 0 if they are not the
default, and the Wasm bodies (docs/bodies.md), numbered from 0, in order. The settings end with ` engine=pooling` or
another configuration of `engines.py`, if the program's is not the default. Then ops. Slots are a letter, the kind, and
their number; on input anything unique may follow the letter. `null` is a null reference, `none` no limit or maximum,
`v0` a host value. A scope is an indented block. `#` begins a comment. Reading is in `text_reader.py`; what it accepts
is written back in exactly one way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from twinheap.model.ops import BRACKETS, END, INT_KINDS, NULL, OPS, UNLIMITED, Op, Param
from twinheap.model.program import FORMAT_VERSION, Config, Program, depths, results_of
from twinheap.model.text_reader import BODY_NAME, META_KEY, SLOT_NAME, FormatError, Parsed, loads

__all__ = ["SUFFIX", "FormatError", "Parsed", "config_lines", "digest", "dumps", "format_op", "format_ops", "loads"]

SUFFIX: Final = ".twin"
"""Of files in this form."""

DIGEST_DIGITS: Final = 16  # 64 bits: two of a million stored programs meet once in ten million stores
INDENT: Final = "  "


def dumps(program: Program, meta: Mapping[str, str] | None = None) -> str:
    """`program` in the stored form, with `meta` as its header lines; ends with a newline.

    Raises ValueError for a key that is no name (or that of a store), and for a value of more than one line.
    """
    lines = [f"twinheap program {FORMAT_VERSION}"]
    lines += [_meta_line(key, value) for key, value in (meta or {}).items()]
    lines += config_lines(program.config)
    kinds = kinds_of(program)
    for depth, op in depths(program.ops):
        if op[0] != END:
            lines.append(INDENT * depth + format_op(op, kinds))
    return "\n".join(lines) + "\n"


def config_lines(config: Config) -> list[str]:
    """The lines of store 0, if its settings are not the default, and of the bodies.

    >>> config_lines(Config(limit=65536, bodies=("(body (main (get 0)))",)))
    ['S0: limit=65536 limiter=plain', 'B0: (body (main (get 0)))']
    """
    lines = []
    if (config.limit, config.limiter, config.engine) != (Config().limit, Config().limiter, Config().engine):
        names = ["limit", "limiter", *(["engine"] if config.engine else [])]
        lines.append("S0: " + " ".join(f"{name}={_int(name, getattr(config, name))}" for name in names))
    return lines + [f"B{at}: {body}" for at, body in enumerate(config.bodies)]


def digest(program: Program) -> str:
    """The content address of `program`: 16 hexadecimal digits over its stored form without header lines."""
    return hashlib.sha256(dumps(program).encode()).hexdigest()[:DIGEST_DIGITS]


def kinds_of(program: Program) -> dict[int, str]:
    """The kind letter of every slot of `program`."""
    return {0: "S"} | {slot: kind for op in program.all_ops for kind, slot in results_of(op)}


def format_ops(program: Program) -> list[str]:
    """One line per op of `program.all_ops`, closing `end`s and the implicit tail included, without indentation."""
    kinds = kinds_of(program)
    return [format_op(op, kinds) for op in program.all_ops]


def format_op(op: Op, kinds: Mapping[int, str] | None = None) -> str:
    """One op as a line of the stored form, for timelines and messages.

    `kinds`: kind letters from `kinds_of`; without them a handle operand that may be LIFO or owned prints as `H3`.

    >>> format_op((OPS[5].code, 0, 3, 1, -1))
    'L1 = ext_new S0 v3'
    """
    spec = OPS[op[0]]
    results = ", ".join(f"{kind}{slot}" for kind, slot in results_of(op))
    words = [spec.name]
    words += [_operand(param, value, kinds or {}) for param, value in zip(spec.params, op[1:], strict=False)]
    line = " ".join(words) + (":" if op[0] in BRACKETS else "")
    return f"{results} = {line}" if results else line


def _operand(param: Param, value: int, kinds: Mapping[int, str]) -> str:
    if param.is_slot:
        return "null" if value == NULL else f"{kinds.get(value, param.kind)}{value}"
    return f"v{value}" if param.kind == "V" else _int(param.kind, value)


def _int(kind: str, value: int) -> str:
    if value == UNLIMITED:
        return "none"
    names = INT_KINDS[kind].names
    return names[value] if names else str(value)


def _meta_line(key: str, value: str) -> str:
    if not META_KEY.fullmatch(key) or SLOT_NAME.fullmatch(key) or BODY_NAME.fullmatch(key):
        raise ValueError(f"header key {key!r}: use letters, digits, _ and -, and not the name of a slot or body")
    if len(f"{key} {value}".splitlines()) != 1:
        raise ValueError(f"header {key!r}: its value must be one line")
    return f"{key}: {value}".rstrip()
