"""`twinheap run`: a bounded search."""

from __future__ import annotations

import argparse

from twinheap.cli import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    options.add_search(parser)
    parser.epilog = (
        "Without targets: the in-tree heap with each of its collectors, and the installed wasmtime. Without a budget: "
        "30 seconds. Settings also come from TWINHEAP_* variables, twinheap.toml and [tool.twinheap] of pyproject.toml."
    )


def run(arguments: argparse.Namespace) -> int:
    """Searches, and returns the exit code."""
    from twinheap.settings import DEFAULT_SECONDS

    return options.search(arguments, DEFAULT_SECONDS)
