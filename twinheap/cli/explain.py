"""`twinheap explain`: what a verdict code or a known defect means."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from typing import Final

from twinheap.cli import EXIT_OK, UserError

_SPECIFIED: Final = frozenset(f"K{number}" for number in range(1, 14))
"""The known defects that semantics.md 7 names; later ones are of docs/findings.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    parser.add_argument("names", nargs="*", metavar="CODE", help="a verdict code as TH201, or a known defect as K1")


def run(arguments: argparse.Namespace) -> int:
    """Prints what each name means, or a line for each code."""
    from twinheap.model.codes import CODES
    from twinheap.model.profiles import KNOWN_DEFECTS

    if not arguments.names:
        for code in CODES.values():
            print(f"{code.code}  {code.title}")
        for defect in KNOWN_DEFECTS.values():
            print(f"{defect.name:5}  {defect.title}")
        return EXIT_OK
    for name in arguments.names:
        print(_explained(name.upper()))
    return EXIT_OK


def _explained(name: str) -> str:
    from twinheap.model.codes import CODES
    from twinheap.model.profiles import KNOWN_DEFECTS

    key = name.split("-")[0]  # a signature begins with its code
    if key in CODES:
        code = CODES[key]
        known = [defect.name for defect in KNOWN_DEFECTS.values() if key in defect.codes]
        lines = [f"{code.code}: {code.title}", "", code.meaning, f"Specification: docs/spec, {code.spec}."]
        if known:
            lines.append(f"Known defects that show so: {', '.join(known)}.")
        return "\n".join([*lines, *_example("code", key)])
    if key in KNOWN_DEFECTS:
        defect = KNOWN_DEFECTS[key]
        fixed = f"fixed in {defect.fixed}.0.0" if defect.fixed is not None else "still open"
        where = "docs/spec/semantics.md 7" if key in _SPECIFIED else "docs/findings.md"
        lines = [f"{defect.name}: {defect.title} (from {defect.since}.0.0 on, {fixed})", ""]
        lines.append(f"Shows as {', '.join(defect.codes)}; see {where}.")
        return "\n".join([*lines, *_example("known", key)])
    if key in _SPECIFIED:
        raise UserError(f"{key}: known in docs/spec/semantics.md 7, not reachable by the ops of this version")
    near = get_close_matches(key, [*CODES, *KNOWN_DEFECTS], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "twinheap explain lists them all"
    raise UserError(f"unknown code {name!r}: {hint}")


def _example(line: str, name: str) -> list[str]:
    """The shortest stored program whose header says `name` in a line: one that a target fails so."""
    from importlib.resources import files

    from twinheap.model.text import SUFFIX, FormatError, dumps, loads

    best: tuple[int, str, str] | None = None
    for folder in ("known", "mutants"):
        place = files("twinheap.corpus") / folder
        for entry in place.iterdir() if place.is_dir() else ():
            if not entry.name.endswith(SUFFIX):
                continue
            try:
                parsed = loads(entry.read_text(encoding="utf-8"))
            except (FormatError, UnicodeDecodeError):  # `corpus ls` reports it
                continue
            if parsed.meta.get(line) == name:
                candidate = (len(parsed.program), parsed.meta.get("targets", ""), dumps(parsed.program))
                best = min(best or candidate, candidate)
    if best is None:
        return []
    body = ["    " + line for line in best[2].splitlines()[1:]]
    return ["", f"A program that fails so on {best[1].split()[0] if best[1] else 'some target'}:", "", *body]
