"""`twinheap bisect`: the first bad and the first good release of a stored program."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinheap.cli import EXIT_OK, EXIT_USAGE, options

if TYPE_CHECKING:
    from twinheap.fuzz.bisect import Bisected, Family
    from twinheap.fuzz.replay import Replayed, Stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bisect`."""
    parser.add_argument("path", metavar="PROGRAM", help="a program file (.twin)")
    parser.add_argument("--releases", metavar="RANGE", default="all", help="as 35..45 (default: all that can be had)")
    parser.add_argument("--all", action="store_true", help="try every release, not only what a binary search needs")
    options.add_target(
        parser, "whose releases, with its options: capi, rust or rust,collector=copying (default: those of PROGRAM)"
    )
    options.add_json(parser)
    parser.epilog = (
        "Bad is a release that shows the code that is stored, or the known defect; if it fails in another way, that is "
        "reported. The result is stored with the finding, and shown by show. Releases that are not in the cache are "
        "fetched, and for rust they are built, which takes minutes each."
    )


def run(arguments: argparse.Namespace) -> int:
    """Bisects, and returns the exit code: 2 if no release could run the program."""
    from twinheap.fuzz.bisect import another_failure, bisect, family_of, keep
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.replay import load, replay
    from twinheap.fuzz.store import StoreError
    from twinheap.reporters.json_report import check_json, write_json

    check_json(arguments.json)
    stored = load(Path(arguments.path))
    started = time.monotonic()
    opener = opener_for()
    out = options.lines_to(arguments.json)
    family = family_of(arguments.target or stored.targets)

    def tried(release: str) -> Replayed:
        replayed = replay(stored, family.at(release), opener)
        word = {"FAILED": "bad", "FIXED": "good"}.get(replayed.status, f"n/a: {replayed.detail}")
        if other := another_failure(replayed):
            word = f"other: {other}, and not {_described(stored.meta)}"
        elif replayed.verdict:
            word += f"  {replayed.verdict.code}"
        print(f"{release:10} {word}", flush=True, file=out)
        return replayed

    result = bisect(family.releases(arguments.releases), tried, arguments.all)
    print(f"first bad:  {result.first_bad or 'none'}", file=out)
    print(f"first good: {result.first_good or 'none'}", file=out)
    if result.others:
        print(f"another failure, which may hide this one, on: {', '.join(result.others)}", file=out)
    if arguments.json:
        write_json(arguments.json, _report(stored, family, result, time.monotonic() - started))
    if all(state == "n/a" for state in result.releases.values()):
        hint = "; try -t rust" if family.kind == "capi" else ""
        print(f"twinheap: error: no release of {family.name} could run this program{hint}", file=sys.stderr)
        return EXIT_USAGE
    try:
        keep(stored, family.name, result)
    except StoreError as error:
        print(f"warning: the result is not stored with the program: {error}", file=sys.stderr)
    return EXIT_OK


def _described(meta: dict[str, str]) -> str:
    known = meta.get("known")
    return meta["code"] + (f" ({known})" if known else "")


def _report(stored: Stored, family: Family, result: Bisected, seconds: float) -> dict[str, Any]:
    from twinheap.reporters.json_report import VERSION

    entry = {
        "code": stored.meta.get("code"),
        "signature": stored.meta.get("signature"),
        "target": family.name,
        "program": str(stored.path),
        "ops": len(stored.program),
        "original_ops": None,
        "seconds": None,
        "flaky": "flaky" in stored.meta,
        "known": stored.meta.get("known"),
        "first_bad": result.first_bad,
        "first_good": result.first_good,
        "releases": result.releases,
        "others": result.others,
    }
    return {
        "version": VERSION,
        "programs": 1,
        "ops": len(stored.program),
        "seconds": round(seconds, 3),
        "targets": [family.at(release) for release in result.releases],
        "findings": [entry],
        "expected": [],
    }
