"""Options that several subcommands share, and what becomes of them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from twinheap.fuzz.engine import Run
    from twinheap.fuzz.events import Listener, Summary


def add_search(parser: argparse.ArgumentParser) -> None:
    """The options of `run` and `fuzz`."""
    from twinheap.fuzz.budget import TRIAGE_GRACE

    parser.add_argument("names", nargs="*", metavar="TARGET", help="what to test, as heap or capi@43.0.0")
    add_target(parser)
    parser.add_argument("--seed", metavar="N", help="of the random programs (default: another one each time)")
    parser.add_argument("--profile", metavar="NAME", help="what random programs are made of (default: default)")
    parser.add_argument(
        "--max-time", metavar="TIME", help="when to stop: 20s, 5m, 6h; shrinking what was found may take up to "
        f"{TRIAGE_GRACE:g} s more"
    )  # fmt: skip
    parser.add_argument("--programs", metavar="N", help="how many programs to run")
    parser.add_argument("--workers", metavar="N", help="processes that work, or auto: one per core (default)")
    parser.add_argument("--strict", action="store_const", const=True, help="known defects are findings too")
    parser.add_argument("--expect", metavar="K1", action="append", help="a known defect of these targets; repeatable")
    parser.add_argument("--findings", metavar="FOLDER", help="where findings are kept (default: .twinheap/findings)")
    add_json(parser)


def add_target(parser: argparse.ArgumentParser, text: str = "the same as an option; repeatable") -> None:
    """`--target`, repeatable; `text`: its help."""
    parser.add_argument("-t", "--target", action="append", metavar="TARGET", help=text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json FILE`."""
    parser.add_argument("--json", metavar="FILE", help="write the result as one JSON object, - for standard output")


def lines_to(json: str | None) -> TextIO:
    """Where lines for people go: not among JSON on standard output."""
    return sys.stderr if json == "-" else sys.stdout


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every setting's value for a subcommand with the options of `add_search` or some of them."""
    from twinheap.settings import DEFAULT_TARGETS, resolve

    given: dict[str, Any] = dict(vars(arguments))
    targets = [*(given.get("names") or []), *(given.get("target") or [])]
    given["targets"] = tuple(targets) or None
    if given.get("expect"):
        given["expect"] = ",".join(given["expect"])
    settings = resolve(given)
    settings["default_targets"] = not targets and settings["targets"] is DEFAULT_TARGETS
    return settings


def targets_named(settings: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The normalized names of the targets, and warnings. Raises TargetError.

    Of the default targets those that are not to be had here are left out with a warning.
    """
    from twinheap.targets.registry import TargetError, expand

    found: dict[str, None] = {}
    warnings = []
    for text in settings["targets"]:
        try:
            for target in expand(text, _note):
                found[target.name] = None
        except TargetError as error:
            if not settings["default_targets"] or text.startswith("heap"):
                raise
            warnings.append(f"without {text}: {error}")
    return list(found), warnings


def _note(line: str) -> None:
    print(f"twinheap: {line}", file=sys.stderr)


def search(arguments: argparse.Namespace, default_seconds: float | None) -> int:
    """What `run` and `fuzz` do: a run of the engine, told on the terminal and in JSON; the exit code."""
    from twinheap.cli import EXIT_FOUND, EXIT_OK, EXIT_USAGE, UserError

    try:
        summary = _searched(arguments, default_seconds)
    except KeyboardInterrupt:  # before the engine began; from then on there is a summary
        raise UserError("interrupted before anything was run") from None
    if arguments.json:
        from twinheap.fuzz.interruption import undisturbed
        from twinheap.reporters.json_report import run_report, write_json

        with undisturbed():
            write_json(arguments.json, run_report(summary))
    if summary.findings:
        return EXIT_FOUND
    return EXIT_OK if summary.statistics.programs else EXIT_USAGE


def _searched(arguments: argparse.Namespace, default_seconds: float | None) -> Summary:
    from twinheap.fuzz.engine import Engine
    from twinheap.fuzz.events import Warned
    from twinheap.fuzz.interruption import ended_by_term
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.store import check_folder
    from twinheap.reporters.json_report import check_json
    from twinheap.reporters.terminal import TerminalReporter

    check_json(arguments.json)
    run, warnings = run_of(settings_of(arguments), default_seconds)
    if run.folder is not None:
        check_folder(run.folder)
    listener: Listener = TerminalReporter(quiet=arguments.json == "-")
    for warning in warnings:
        listener(Warned(warning))
    with ended_by_term():
        return Engine(run, opener_for(run.setup.expect), listener).run()


def run_of(settings: dict[str, Any], default_seconds: float | None) -> tuple[Run, list[str]]:
    """The engine's run that settings ask for, and warnings. Raises UserError or TargetError.

    `default_seconds`: without a budget.
    """
    from pathlib import Path

    from twinheap.cli import UserError
    from twinheap.fuzz.engine import Run
    from twinheap.fuzz.messages import Setup
    from twinheap.fuzz.pool import default_workers
    from twinheap.fuzz.profiles import profile_named

    try:
        profile_named(settings["profile"])
    except ValueError as error:
        raise UserError(str(error)) from None
    targets, warnings = targets_named(settings)
    seconds, programs = settings["max_time"], settings["programs"]
    if seconds is None and programs is None:
        seconds = default_seconds
    seed = settings["seed"]
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    setup = Setup(seed=seed, targets=tuple(targets), profile=settings["profile"], expect=settings["expect"])
    run = Run(
        setup=setup,
        programs=programs,
        seconds=seconds,
        workers=settings["workers"] or default_workers(),
        strict=settings["strict"],
        folder=None if settings["findings"] is None else Path(settings["findings"]),
    )
    return run, warnings
