"""`twinheap leaks`: does the process grow while the same program runs again and again?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_FOUND, EXIT_OK, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinheap.fuzz.leaks import Leak
    from twinheap.model.program import Program
    from twinheap.targets.executor import Executor

DEFAULT_PROGRAMS = 50
"""Random programs that are repeated: a minute or two."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `leaks`."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="stored programs, or folders of them (default: random ones)"
    )
    parser.add_argument("-t", "--target", metavar="TARGET", default="capi", help="what runs them (default: capi)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of random programs (default: 1)")
    parser.add_argument(
        "--programs", metavar="N", type=int, default=DEFAULT_PROGRAMS, help="how many (default: %(default)s)"
    )
    parser.add_argument("--profile", metavar="NAME", default="default", help="what they are made of (default: default)")
    parser.add_argument("--repeats", metavar="N", type=int, help="runs between two looks at the memory (default: 300)")
    parser.epilog = "Exit code 1 if a program leaks. Each one is repeated some 2,000 times, in fresh stores."


def run(arguments: argparse.Namespace) -> int:
    """Repeats programs, prints those that leak, shrunk, and returns the exit code."""
    from twinheap.fuzz import leaks
    from twinheap.targets import registry

    repeats = leaks.REPEATS if arguments.repeats is None else arguments.repeats
    if repeats < 1 or arguments.programs < 1:
        raise UserError("--repeats and --programs: write a whole number from 1 on")
    found = count = 0
    with registry.parse(arguments.target).executor() as executor:
        for name, program in _programs(arguments, executor):
            count += 1
            leak = leaks.leak_of(executor, program, repeats)
            if leak is not None:
                found += 1
                print(f"{name}: {leak.per_run:,.0f} bytes a run; shrinking", flush=True)
                _tell(leaks.shrunk(executor, leak, repeats=repeats))
    print(f"{found} of {count} programs leak on {arguments.target}")
    return EXIT_FOUND if found else EXIT_OK


def _programs(arguments: argparse.Namespace, executor: Executor) -> Iterator[tuple[str, Program]]:
    from pathlib import Path

    from twinheap.fuzz.generate import generate
    from twinheap.fuzz.leaks import quick
    from twinheap.fuzz.profiles import profile_named
    from twinheap.fuzz.replay import load, stored_in
    from twinheap.model.view import view

    if arguments.files:
        for file in (file for path in arguments.files for file in stored_in(Path(path))):
            yield str(file), view(load(file).program, executor.supported)
        return
    try:
        profile = profile_named(arguments.profile)
    except ValueError as error:
        raise UserError(str(error)) from None
    for number in range(arguments.programs):
        program = generate(arguments.seed, number, profile, executor.supported)
        if quick(program):
            yield f"program {number} of seed {arguments.seed}", view(program, executor.supported)


def _tell(leak: Leak) -> None:
    from twinheap.model.text import dumps

    print(dumps(leak.program), end="")
    print(f"{leak.per_run:,.1f} bytes a run; windows: {' '.join(f'{size:,}' for size in leak.windows)}", flush=True)
