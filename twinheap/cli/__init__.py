"""The ``twinheap`` command line: one module per subcommand.

Each module has `HELP`, `add_arguments(parser)` and `run(arguments) -> exit code`, and imports what it needs inside of
`run`: the help must come at once.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import twinheap

EXIT_OK: Final = 0
EXIT_FOUND: Final = 1
"""A divergence that is not a known defect."""
EXIT_USAGE: Final = 2
"""Usage, environment, or a program that could not be replayed."""

COMMANDS: Final = {
    "run": ("run", "look for divergences, bounded in time; for CI"),
    "fuzz": ("fuzz", "look for divergences until time is up or Ctrl-C"),
    "replay": ("replay", "replay stored programs: FIXED, FAILED or ERROR"),
    "shrink": ("shrink", "the smallest program with the same verdict"),
    "show": ("show", "a program as text, timeline, script or modules"),
    "bisect": ("bisect", "first bad and first good release of a program"),
    "corpus": ("corpus", "stored programs: ls, add, min"),
    "explain": ("explain", "what a verdict code or a known defect means"),
    "targets": ("targets", "what can be tested here, and what each target supports"),
    "leaks": ("leaks", "does the process grow while a program is repeated?"),
    "check-executor": ("check_executor", "does an executor speak the wire?"),
    "wheels": ("wheels", "Wasmtime releases in the cache: ls, fetch, rm"),
    "rust": ("rust", "executors on Wasmtime's Rust API: build, ls"),
    "bench": ("bench", "measure the search itself"),
}
"""Subcommand -> its module, and its line in the help."""


_SEARCHING: Final = frozenset({"run", "fuzz", "replay", "shrink", "bisect", "leaks", "bench"})
"""The subcommands that load the search, which Ctrl-C may not cut short (`interruption.delayed`)."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write to standard output fails with when its disk is full or broken."""


class UserError(Exception):
    """Something that the user can mend. The text is one line and says how."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where to read on."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(EXIT_USAGE, f"twinheap: error: {message} (see {self.prog} --help)\n")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; the arguments of `command` alone are filled in, or of all."""
    parser = _Parser(
        prog="twinheap",
        description="Look for bugs in how WebAssembly runtimes root and collect references.",
        epilog="Exit codes: 0 nothing new wrong; 1 a divergence that is no known defect; 2 usage or environment.",
    )
    parser.add_argument("--version", action="version", version=f"twinheap {twinheap.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, (module, line) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        if command in (None, name):
            importlib.import_module(f"twinheap.cli.{module}").add_arguments(subparser)
    return parser


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The command line's arguments.

    Where an action is followed by options and then by names, argparse has taken no names for all of them by then.
    """
    arguments, rest = parser.parse_known_args(words)
    if not rest:
        return arguments
    name = next((name for name in ("paths", "releases") if getattr(arguments, name, None) == []), None)
    if name is None or any(word.startswith("-") for word in rest):
        return parser.parse_args(words)  # which says what is wrong
    setattr(arguments, name, rest)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process's own by default) and return its exit code."""
    words = _joined(list(sys.argv[1:] if argv is None else argv))
    named = next((word for word in words if word in COMMANDS), "")
    parser = build_parser(named)
    arguments = _parsed(parser, words)
    if arguments.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        module = importlib.import_module(f"twinheap.cli.{COMMANDS[arguments.command][0]}")
        if arguments.command in _SEARCHING:
            _load_search()
        code = int(module.run(arguments))
        sys.stdout.flush()  # here a full disk can still be told
        return code
    except BrokenPipeError:  # as in `twinheap show X | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_USAGE
    except UserError as error:
        print(f"twinheap: error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Exception as error:
        if not _is_users(error):
            raise
        if isinstance(error, OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what could not be written is not tried again at the end
            error = UserError(f"cannot write the result: {error.strerror}")
        print(f"twinheap: error: {error}", file=sys.stderr)
        return EXIT_USAGE


def _load_search() -> None:
    from twinheap.fuzz.interruption import delayed

    with delayed():
        importlib.import_module("twinheap.fuzz.engine")
        importlib.import_module("twinheap.fuzz.replay")


def _joined(words: list[str]) -> list[str]:
    """`words`, with a duration that begins with a minus as a value: it gets its own message, as no option."""
    for at, word in enumerate(words[:-1]):
        if word == "--max-time" and words[0] != "check-executor" and words[at + 1][:1] == "-" != words[at + 1][1:2]:
            return [*words[:at], f"{word}={words[at + 1]}", *words[at + 2 :]]
    return words


def _is_users(error: Exception) -> bool:
    """Whether the text of `error` is the one line that the user needs; anything else is a defect of TwinHeap."""
    from twinheap.fuzz.pool import WorkerError
    from twinheap.fuzz.store import StoreError
    from twinheap.settings import SettingsError
    from twinheap.targets.capi.releases import WheelError
    from twinheap.targets.executor import ExecutorError
    from twinheap.targets.registry import TargetError
    from twinheap.targets.rust.flavour import RustError

    if isinstance(error, WorkerError):
        return not error.detail
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    usual = StoreError | SettingsError | WheelError | RustError | ExecutorError | TargetError
    return isinstance(error, usual)
