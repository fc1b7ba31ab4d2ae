"""`twinheap targets`: what can be tested here, and what each target supports."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_OK, options

if TYPE_CHECKING:
    from twinheap.targets.wire import Hello


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `targets`."""
    parser.add_argument("names", nargs="*", metavar="TARGET", help="what to look at (default: what a run tests)")
    options.add_target(parser)
    parser.add_argument("--json", metavar="FILE", help="write the matrix as one JSON object, - for standard output")


def run(arguments: argparse.Namespace) -> int:
    """Prints the matrix of ops and targets."""
    import sys

    from twinheap.reporters.json_report import VERSION, check_json, write_json
    from twinheap.targets.registry import NAMES, parse

    check_json(arguments.json)
    names, warnings = options.targets_named(options.settings_of(arguments))
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    hellos: dict[str, Hello] = {}
    for name in names:
        with parse(name).executor() as executor:
            hellos[name] = executor.hello
    matrix = {name: _column(hello.ops) for name, hello in hellos.items()}
    if arguments.json:
        rows = [
            {
                "name": name,
                "runtime": hello.runtime,
                "release": hello.release,
                "collector": hello.collector,
                "exact": hello.exact,
                "build": hello.build,
                "ops": matrix[name],
            }
            for name, hello in hellos.items()
        ]
        write_json(arguments.json, {"version": VERSION, "targets": rows})
        if arguments.json == "-":
            return EXIT_OK
    _print(hellos, matrix)
    examples = "heap,collector=null  capi@43.0.0  capi@35..45  rust@48.0.2,collector=copying  exec,cmd=./mine"
    print(f"\ntarget names: {', '.join(NAMES)}; as {examples}")
    return EXIT_OK


def _column(ops: frozenset[str]) -> dict[str, str]:
    """What becomes of each op on a target: native, lowered to another, or dropped."""
    from twinheap.model.ops import OPS
    from twinheap.model.view import OWNED_FORM

    lifo = "scope" in ops
    column = {}
    for spec in OPS:
        lowered = spec.name in ("scope", "end", "lend") or OWNED_FORM.get(spec.name) in ops
        if spec.name in ops and (lifo or spec.name not in OWNED_FORM):
            column[spec.name] = "native"
        else:
            column[spec.name] = "lowered" if lowered and not lifo else "dropped"
    return column


def _print(hellos: dict[str, Hello], matrix: dict[str, dict[str, str]]) -> None:
    from twinheap.model.ops import OPS

    for at, (name, hello) in enumerate(hellos.items(), 1):
        exact = ", exact" if hello.exact else ""
        build = f"  ({hello.build})" if hello.build else ""
        print(f"{at}: {name}  {hello.runtime} {hello.release}, {hello.collector}{exact}{build}")
    print()
    print(f"{'op':18}" + "".join(f"{at:>10}" for at in range(1, len(hellos) + 1)))
    for spec in OPS:
        print(f"{spec.name:18}" + "".join(f"{matrix[name][spec.name]:>10}" for name in hellos))
