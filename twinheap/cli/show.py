"""`twinheap show`: a program as text, as a timeline of model and target, as a stand-alone script, or its modules."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_OK, UserError, options

if TYPE_CHECKING:
    from twinheap.fuzz.replay import Stored
    from twinheap.fuzz.timeline import Row

FORMS = ("timeline", "text", "python", "wat")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `show`."""
    parser.add_argument("path", metavar="PROGRAM", help="a program file (.twin)")
    parser.add_argument(
        "--as", dest="form", choices=FORMS, default="timeline", help="timeline of model and target (default), text, "
        "a Python script that needs only Wasmtime's shared library, or the modules of its Wasm code"
    )  # fmt: skip
    options.add_target(parser, "what to show it on (default: the targets that it names); repeatable")


def run(arguments: argparse.Namespace) -> int:
    """Prints the program in the form asked for."""
    from twinheap.fuzz.replay import load

    stored = load(Path(arguments.path))
    if arguments.form == "text":
        from twinheap.model.text import dumps

        print(dumps(stored.program, stored.meta), end="")
    elif arguments.form == "python":
        from twinheap.reporters.script import ScriptError, script

        try:
            print(script(stored.program, stored.meta), end="")
        except ScriptError as error:
            raise UserError(f"{stored.path}: {error}") from None
    elif arguments.form == "wat":
        from twinheap.model.wat import modules

        found = modules(stored.program)
        if not found:
            raise UserError(f"{stored.path}: it has no Wasm code")
        print("\n\n".join(f";; {name}\n{text}" for name, text in found.items()))
    else:
        targets = list(arguments.target or stored.targets or options.settings_of(arguments)["targets"][:1])
        for target in targets:
            _timeline(stored, target)
    return EXIT_OK


def _timeline(stored: Stored, target: str) -> None:
    from twinheap.fuzz.bisect import HEADER
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.timeline import timeline
    from twinheap.model.text import config_lines

    for name in target.split(" | "):
        differ = opener_for()(name)
        try:
            rows = timeline(stored.program, differ)
        finally:
            differ.close()
        release = f" ({differ.hello.runtime} {differ.hello.release}, {differ.hello.collector})"
        print(f"{name}{release}")
        if bisected := stored.meta.get(HEADER):
            print(f"{HEADER}: {bisected}")
        for line in config_lines(stored.program.config):
            print(line)
        _print(rows)
        print()


def _print(rows: list[Row]) -> None:
    from twinheap.reporters.terminal import cut

    lines = [("  " * row.depth + row.line, cut(row.observed), _model(row)) for row in rows]
    heads = ("program", "target", "model")
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(2)]
    for at, line in enumerate([heads, *lines]):
        if at and rows[at - 1].implicit and not (at > 1 and rows[at - 2].implicit):
            print("# at the end, by itself:")
        print(f"{line[0]:{widths[0]}}  {line[1]:{widths[1]}}  {line[2]}".rstrip())


def _model(row: Row) -> str:
    """What the model says of an op: the state in which it found its operands, or what it would have allowed."""
    from twinheap.reporters.terminal import cut

    if row.verdicts:
        known = [f"{one.code}" + (f" ({one.known})" if one.known else "") for one in row.verdicts]
        return f"<-- {', '.join(known)}: allowed {cut(row.verdicts[0].allowed)}"
    if not row.observed:
        return "not run"
    if not row.judged:
        return "not judged"
    return f"as specified ({row.state})" if row.state else "as specified"
