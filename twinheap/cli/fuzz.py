"""`twinheap fuzz`: a search until time is up."""

from __future__ import annotations

import argparse

from twinheap.cli import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fuzz`: those of `run`."""
    options.add_search(parser)
    parser.epilog = "Without --max-time and --programs it goes on until Ctrl-C, which keeps every finding."


def run(arguments: argparse.Namespace) -> int:
    """Searches, and returns the exit code."""
    return options.search(arguments, None)
