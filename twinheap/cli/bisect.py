"""`twinheap bisect`: the first bad and the first good release of a stored program."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinheap.cli import EXIT_OK, EXIT_USAGE, options

if TYPE_CHECKING:
    from twinheap.fuzz.bisect import Bisected
    from twinheap.fuzz.replay import Stored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bisect`."""
    parser.add_argument("path", metavar="PROGRAM", help="a program file (.twin)")
    parser.add_argument("--releases", metavar="RANGE", default="all", help="as 35..45 (default: all that can be had)")
    parser.add_argument("--all", action="store_true", help="try every release, not only what a binary search needs")
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Bisects, and returns the exit code: 2 if no release could run the program."""
    from twinheap.fuzz.bisect import bisect, something_else
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.replay import Replayed, load, replay
    from twinheap.reporters.json_report import check_json, write_json
    from twinheap.targets.capi import wheels

    check_json(arguments.json)
    stored = load(Path(arguments.path))
    started = time.monotonic()
    opener = opener_for()

    def tried(release: str) -> Replayed:
        replayed = replay(stored, f"capi@{release}", opener)
        word = {"FAILED": "bad", "FIXED": "good"}.get(replayed.status, f"n/a: {replayed.detail}")
        if other := something_else(replayed):
            word = f"n/a: {other}, which may hide {stored.meta['known']}"
        print(f"{release:10} {word}" + (f"  {replayed.verdict.code}" if replayed.verdict else ""), flush=True)
        return replayed

    releases = [wheels.resolve(release) for release in wheels.expand(arguments.releases)]
    result = bisect(releases, tried, arguments.all)
    print(f"first bad:  {result.first_bad or 'none'}")
    print(f"first good: {result.first_good or 'none'}")
    if arguments.json:
        write_json(arguments.json, _report(stored, result, time.monotonic() - started))
    if all(state == "n/a" for state in result.releases.values()):
        print("twinheap: error: no release could run this program", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


def _report(stored: Stored, result: Bisected, seconds: float) -> dict[str, Any]:
    from twinheap.reporters.json_report import VERSION

    entry = {
        "code": stored.meta.get("code"),
        "signature": stored.meta.get("signature"),
        "target": "capi",
        "program": str(stored.path),
        "ops": len(stored.program),
        "original_ops": None,
        "seconds": None,
        "flaky": "flaky" in stored.meta,
        "known": stored.meta.get("known"),
        "first_bad": result.first_bad,
        "first_good": result.first_good,
        "releases": result.releases,
    }
    return {
        "version": VERSION,
        "programs": 1,
        "ops": len(stored.program),
        "seconds": round(seconds, 3),
        "targets": [f"capi@{release}" for release in result.releases],
        "findings": [entry],
        "expected": [],
    }
