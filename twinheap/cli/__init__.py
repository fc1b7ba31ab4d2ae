"""The ``twinheap`` command line: one module per subcommand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import twinheap

EXIT_USAGE = 2
"""Usage, environment, or a program that could not be replayed."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="twinheap",
        description="Look for bugs in how WebAssembly runtimes root and collect references.",
    )
    parser.add_argument("--version", action="version", version=f"twinheap {twinheap.__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process's own by default) and return its exit code."""
    parser = build_parser()
    parser.parse_args(argv)
    parser.print_help()
    return EXIT_USAGE
