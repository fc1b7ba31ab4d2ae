"""`twinheap replay`: stored programs again, on the targets they name."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinheap.cli import EXIT_FOUND, EXIT_OK, EXIT_USAGE, UserError, options

if TYPE_CHECKING:
    from twinheap.fuzz.replay import Replayed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="program files (.twin), or folders of them")
    options.add_target(parser, "what to replay on (default: the targets that each file names); repeatable")
    options.add_json(parser)
    parser.add_argument("--expect", metavar="K1", action="append", help="a known defect of these targets; repeatable")
    parser.epilog = (
        "Exit code 1 if any program fails, known defect or not; for the records in corpus/known and corpus/mutants, if "
        "any status differs from the recorded one. Exit code 2 if something could not be replayed and nothing failed."
    )


def run(arguments: argparse.Namespace) -> int:
    """Replays, and returns the exit code."""
    from twinheap.fuzz.opening import opener_for
    from twinheap.fuzz.replay import Shared, load, replay_all, stored_in
    from twinheap.fuzz.store import StoreError
    from twinheap.reporters.json_report import check_json, write_json

    check_json(arguments.json)
    settings = options.settings_of(arguments)
    override = settings["targets"] if arguments.target else []
    files = [file for path in arguments.paths for file in stored_in(Path(path))]
    if not files:
        raise UserError(f"no programs (*.twin) in {', '.join(arguments.paths)}")
    out = options.lines_to(arguments.json)
    started = time.monotonic()
    opener = opener_for(settings["expect"])
    results: list[Replayed] = []
    unreadable: list[tuple[Path, str]] = []
    shared = Shared()
    try:
        for file in files:
            try:
                stored = load(file)
            except StoreError as error:
                print(f"ERROR   {error}", flush=True, file=out)
                unreadable.append((file, str(error)))
                continue
            for replayed in replay_all(stored, override, settings["targets"], opener, shared):
                print(line_of(replayed), flush=True, file=out)
                results.append(replayed)
    finally:
        shared.close()
    if arguments.json:
        write_json(arguments.json, _report(results, unreadable, time.monotonic() - started))
    return _exit_code(results, unreadable)


def line_of(replayed: Replayed) -> str:
    """One result as a line."""
    from twinheap.reporters.terminal import cut

    words = [f"{replayed.status:7} {replayed.stored.path}  on {replayed.target}"]
    verdict = replayed.verdict
    if verdict:
        known = f" (known defect {verdict.known})" if verdict.known else ""
        words.append(f"{verdict.code}{known}: allowed {cut(verdict.allowed)}; observed {cut(verdict.observed)}")
    if replayed.detail:
        words.append(replayed.detail)
    if replayed.expected is not None:
        words.append("as recorded" if replayed.as_recorded else f"recorded: {replayed.expected}")
    return ": ".join(words[:1]) + "".join(f"  {word}" for word in words[1:])


def _exit_code(results: list[Replayed], unreadable: list[tuple[Path, str]]) -> int:
    if any(
        (not one.as_recorded and one.status != "ERROR") if one.expected else one.status == "FAILED" for one in results
    ):
        return EXIT_FOUND
    return EXIT_USAGE if unreadable or any(one.status == "ERROR" for one in results) else EXIT_OK


def _report(results: list[Replayed], unreadable: list[tuple[Path, str]], seconds: float) -> dict[str, Any]:
    from twinheap.reporters.json_report import VERSION

    entries = [_entry(one) for one in results]
    entries += [
        {"code": None, "signature": None, "target": None, "program": str(path), "status": "ERROR", "detail": text}
        for path, text in unreadable
    ]
    return {
        "version": VERSION,
        "programs": len(results) + len(unreadable),
        "ops": sum(len(one.stored.program) for one in results),
        "seconds": round(seconds, 3),
        "targets": sorted({one.target for one in results}),
        "findings": entries,
        "expected": [],
    }


def _entry(one: Replayed) -> dict[str, Any]:
    meta, verdict = one.stored.meta, one.verdict
    return {
        "code": verdict.code if verdict else meta.get("code"),
        "signature": meta.get("signature"),
        "target": one.target,
        "program": str(one.stored.path),
        "ops": len(one.stored.program),
        "original_ops": None,
        "seconds": None,
        "flaky": "flaky" in meta,
        "known": verdict.known if verdict else None,
        "status": one.status,
        "recorded": one.expected,
        "detail": one.detail,
    }
