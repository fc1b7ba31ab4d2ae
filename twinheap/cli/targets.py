"""`twinheap targets`: what can be tested here, and what each target supports."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_OK, options

if TYPE_CHECKING:
    from twinheap.fuzz.events import Summary
    from twinheap.targets.wire import Hello


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `targets`."""
    parser.add_argument("names", nargs="*", metavar="TARGET", help="what to look at (default: what a run tests)")
    options.add_target(parser)
    parser.add_argument(
        "--count", metavar="TIME", help="run random programs on each target for so long (20s, 5m), and show how often "
        "each op was executed, succeeded and failed, and in how many of the ways that the specification has"
    )  # fmt: skip
    parser.add_argument(
        "--runs", metavar="FILE", nargs="+", help="the same out of files that run --json wrote, of one target each"
    )
    parser.add_argument("--seed", metavar="N", help="of --count (default: another one each time)")
    parser.add_argument("--profile", metavar="NAME", help="of --count (default: default)")
    parser.add_argument("--workers", metavar="N", help="of --count: processes that work (default: one per core)")
    parser.add_argument("--json", metavar="FILE", help="write the matrix as one JSON object, - for standard output")


def run(arguments: argparse.Namespace) -> int:
    """Prints the matrix of ops and targets."""
    import sys

    from twinheap.reporters.json_report import VERSION, check_json, write_json
    from twinheap.targets.registry import NAMES, parse

    check_json(arguments.json)
    if arguments.runs:
        return _counts(arguments, [])
    names, warnings = options.targets_named(options.settings_of(arguments))
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.count:
        arguments.max_time = arguments.count
        return _counts(arguments, names)
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
    print("counts of a real run: twinheap targets --count 1m")
    return EXIT_OK


def _counts(arguments: argparse.Namespace, names: list[str]) -> int:
    """Shows what runs met: those on `names`, one after the other, or recorded ones if there are no names."""
    from pathlib import Path

    from twinheap.reporters import coverage
    from twinheap.reporters.json_report import VERSION, run_report, write_json

    if not names:
        covered = coverage.read_runs(Path(name) for name in arguments.runs)
    else:
        found: dict[str, coverage.Coverage] = {}
        for name in names:
            summary, interrupted = _measured(arguments, name)
            coverage.add_run(found, run_report(summary))
            if interrupted:
                break
        covered = list(found.values())
    out = options.lines_to(arguments.json)
    for line in coverage.matrix(covered):
        print(line, file=out)
    print(file=out)
    for one in covered:
        print("\n".join(coverage.not_met(one)), file=out)
        if one.findings:
            print(f"{one.target}: {one.findings} findings; look for them with twinheap run {one.target}", file=out)
    if arguments.json:
        write_json(arguments.json, {"version": VERSION, "targets": [coverage.entry(one) for one in covered]})
    return EXIT_OK


def _measured(arguments: argparse.Namespace, name: str) -> tuple[Summary, bool]:
    """A run on one target, and whether Ctrl-C ended it; its findings are counted and not stored."""
    import sys

    from twinheap.fuzz.engine import Engine
    from twinheap.fuzz.events import Ended, Event
    from twinheap.fuzz.interruption import ended_by_term
    from twinheap.fuzz.opening import opener_for

    run, _ = options.run_of({**options.settings_of(arguments), "targets": (name,), "findings": None}, None)
    print(f"twinheap: running on {name}", file=sys.stderr)
    events: list[Event] = []
    with ended_by_term():
        summary = Engine(run, opener_for(run.setup.expect), events.append).run()
    return summary, any(isinstance(event, Ended) and event.interrupted for event in events)


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
