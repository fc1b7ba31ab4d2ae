"""`twinheap bench`: measures of the search itself."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from twinheap.cli import EXIT_FOUND, EXIT_OK, UserError, options

if TYPE_CHECKING:
    from twinheap.fuzz.mutants import Control, Hunted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("what", choices=("mutants",), help="mutants: is every planted bug of the heap found, how fast?")
    parser.add_argument("--only", metavar="NAMES", help="mutants to hunt, as m09,m20 (default: all)")
    parser.add_argument("--seed", metavar="N", default="1", help="the first seed (default: 1)")
    parser.add_argument(
        "--seeds", metavar="N", default="5", help="how many seeds to hunt each mutant with (default: 5)"
    )
    parser.add_argument("--programs", metavar="N", help="programs after which a mutant has survived (default: 20000)")
    parser.add_argument("--control", metavar="N", help="programs on the unmutated heap (default: 200000; 0: none)")
    parser.add_argument("--profile", metavar="NAME", help="what random programs are made of (default: default)")
    parser.add_argument("--workers", metavar="N", help="processes that work, or auto: one per core (default)")
    parser.add_argument(
        "--findings",
        metavar="FOLDER",
        help="where to store the shrunk killers, and what the control finds (default: nowhere)",
    )
    options.add_json(parser)
    parser.epilog = "Exit code 1 if a mutant survives, or if the control finds anything or is interrupted."


def run(arguments: argparse.Namespace) -> int:
    """Measures, and returns the exit code."""
    import time
    from pathlib import Path

    from twinheap.fuzz import mutants
    from twinheap.fuzz.pool import default_workers
    from twinheap.fuzz.store import StoreError, check_folder
    from twinheap.reporters.json_report import check_json, write_json

    check_json(arguments.json)
    keep = arguments.findings
    if keep:
        check_folder(Path(keep))
    control_programs = _number("--control", arguments.control, mutants.CONTROL_PROGRAMS)
    seeds = _number("--seeds", arguments.seeds, 1)
    arguments.control = arguments.seeds = None
    settings = options.settings_of(arguments)
    names = _names(arguments.only)
    workers = settings["workers"] or default_workers()
    first = settings["seed"]
    programs = settings["programs"] or mutants.MAX_PROGRAMS
    out = options.lines_to(arguments.json)
    started = time.monotonic()
    hunted = []
    for one in mutants.hunt_all(names, range(first, first + seeds), settings["profile"], programs, workers):
        print(_line_of(one), flush=True, file=out)
        hunted.append(one)
        if keep and one.found:
            try:
                _keep(keep, one)
            except StoreError as error:
                print(f"warning: a killer could not be stored: {error}", file=sys.stderr)
    control = None
    if control_programs:
        folder = Path(keep) / "control" if keep else None
        control = mutants.control(control_programs, first, settings["profile"], workers, folder)
        print("\n".join(_lines_of(control)), file=out)
        for warning in control.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    survivors = [one for one in hunted if one.found is None]
    killed = len(hunted) - len(survivors)
    print(f"{killed} of {len(hunted)} hunts killed, in {time.monotonic() - started:.0f} s", file=out)
    if arguments.json:
        write_json(arguments.json, _report(hunted, control, time.monotonic() - started))
    return EXIT_FOUND if survivors or (control and (control.findings or control.interrupted)) else EXIT_OK


def _number(option: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal():
        raise UserError(f"{option}: bad number {text!r}: write a whole number from 0 on")
    return int(text)


def _names(only: str | None) -> list[str]:
    from twinheap.targets.heap.mutant_table import BY_PROGRAMS, MUTANTS

    if only is None:
        return list(BY_PROGRAMS)
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in MUTANTS:
            raise UserError(f"unknown mutant {name!r}: choose of {', '.join(sorted(MUTANTS))}")
    return names


def _line_of(one: Hunted) -> str:
    where = f"{one.name} seed {one.seed} {one.collector:8}"
    if one.found is None:
        return f"{where} SURVIVED {one.programs} programs in {one.seconds:.1f} s"
    finding = one.found.finding
    return (
        f"{where} killed after {one.programs} programs, {one.seconds:.1f} s: {finding.code}, "
        f"{finding.original_ops} -> {finding.ops} ops"
    )


def _lines_of(control: Control) -> list[str]:
    """What the control did, and each finding whole: it is a fault of the model or of the heap, so somebody looks."""
    from twinheap.reporters.terminal import describe

    told = f"control: {control.programs} programs in {control.seconds:.0f} s, {len(control.findings)} findings"
    lines = [told + (", interrupted" if control.interrupted else "")]
    for made in control.findings:
        lines += [*describe(made), f"  seed {made.finding.seed}, program {made.finding.number}"]
    return lines


def _keep(folder: str, one: Hunted) -> None:
    from pathlib import Path

    from twinheap.fuzz.store import FindingStore

    assert one.found is not None
    FindingStore(Path(folder) / one.name).add(one.found)


def _report(hunted: list[Hunted], control: Control | None, seconds: float) -> dict[str, Any]:
    from twinheap.reporters.json_report import VERSION, finding_entry

    findings = control.findings if control else []
    return {
        "version": VERSION,
        "programs": sum(one.programs for one in hunted) + (control.programs if control else 0),
        "ops": None,
        "seconds": round(seconds, 3),
        "targets": sorted({f"heap,collector={one.collector},mutant={one.name}" for one in hunted}),
        "findings": [finding_entry(made) for made in findings],
        "expected": [],
        "mutants": [
            {
                "name": one.name,
                "seed": one.seed,
                "collector": one.collector,
                "killed": one.found is not None,
                "seconds": round(one.seconds, 3),
                "programs": one.programs,
                "ops": one.found.finding.ops if one.found else None,
                "code": one.found.finding.code if one.found else None,
            }
            for one in sorted(hunted, key=lambda one: (one.name, one.seed))
        ],
        "control": {
            "programs": control.programs if control else 0,
            "findings": len(findings),
            "interrupted": control is not None and control.interrupted,
        },
    }
