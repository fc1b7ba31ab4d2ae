"""`twinheap shrink`: the smallest program with the same verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_OK, EXIT_USAGE, UserError, options

if TYPE_CHECKING:
    from twinheap.fuzz.replay import Stored
    from twinheap.fuzz.shrink import Shrunk

MAX_CANDIDATES = 100_000
"""Candidates when somebody asks for it and waits: a run stops at a twentieth of that."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `shrink`."""
    parser.add_argument("path", metavar="PROGRAM", help="a program file (.twin) that fails")
    options.add_target(parser, "what it fails on (default: the targets that it names); repeatable")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (default: PROGRAM with .min.twin)")
    parser.add_argument("--max-time", metavar="TIME", default="5m", help="when to stop: 20s, 5m (default), 6h")


def run(arguments: argparse.Namespace) -> int:
    """Shrinks, and returns the exit code: 2 if the program does not fail."""
    from twinheap.fuzz.replay import load
    from twinheap.fuzz.store import check_file, write_atomically
    from twinheap.model.text import SUFFIX, dumps

    settings = options.settings_of(arguments)
    stored = load(Path(arguments.path))
    output = Path(arguments.output) if arguments.output else stored.path.with_suffix(".min" + SUFFIX)
    check_file(output)
    targets = list(arguments.target or stored.targets or settings["targets"][:1])
    seconds = settings["max_time"]
    result = _shrunk(stored, targets, seconds)
    if result is None:
        print(f"{stored.path} does not fail on {', '.join(targets)}: nothing to shrink")
        return EXIT_USAGE
    shrunk, meta = result
    text = dumps(shrunk.program, meta)
    write_atomically(output, text.encode())
    budget = ", stopped by the budget" if shrunk.exhausted else ""
    print(text, end="")
    print(f"\n{len(stored.program)} ops -> {len(shrunk.program)} in {shrunk.candidates} candidates{budget}: {output}")
    return EXIT_OK


def _shrunk(stored: Stored, targets: list[str], seconds: float) -> tuple[Shrunk, dict[str, str]] | None:
    """The shrunk program with its header, from the first of the targets on which it fails."""
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.replay import chosen, open_oracle
    from twinheap.fuzz.shrink import shrink
    from twinheap.fuzz.signature import signature
    from twinheap.model.view import view

    if stored.before:
        raise UserError(f"{stored.path} needs programs before it; these were shrunk when it was found")
    for target in targets:
        oracle = open_oracle(target, opener_for())
        try:
            program = view(stored.program, oracle.supported)
            seen = oracle.see([program])[0]
            verdict = chosen(seen, stored.meta.get("code"))
            if verdict is None:
                continue
            identity = next(found for found, one in seen.failures if one == verdict)
            result = shrink(
                program,
                lambda programs: [one.find(identity) is not None for one in oracle.see(programs)],  # noqa: B023
                max_candidates=MAX_CANDIDATES,
                max_seconds=seconds,
            )
        finally:
            oracle.close()
        fresh = {
            "code": identity.code,
            "signature": signature(identity, result.program),
            "targets": target,
            "role": "shrunk",
        }
        return result, {**stored.meta, **fresh}
    return None
