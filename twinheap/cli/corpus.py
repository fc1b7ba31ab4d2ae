"""`twinheap corpus`: stored programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_OK, EXIT_USAGE, UserError, options

if TYPE_CHECKING:
    from twinheap.fuzz.replay import Stored

DEFAULT_FOLDER = "corpus"
"""From the current folder, as in a checkout."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `corpus`."""
    parser.add_argument("action", choices=("ls", "add", "min"), help="list; copy programs in; drop what adds nothing")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="program files or folders")
    parser.add_argument("--into", metavar="FOLDER", help="add: the folder to copy into (default: corpus/seeds)")
    parser.epilog = (
        "add FILE ... FOLDER copies into the folder, as cp does, and makes it if need be. Without paths, and without a "
        "folder corpus here, ls lists the corpus that comes with TwinHeap."
    )
    parser.add_argument("--dry-run", action="store_true", help="min: only say what would go")
    options.add_target(parser, "min: what the programs are run on (default: what a run tests); repeatable")


def run(arguments: argparse.Namespace) -> int:
    """Does it, and returns the exit code: 2 if a file was damaged."""
    if arguments.action == "add":
        if not arguments.paths:
            raise UserError("name the programs to add: twinheap corpus add .twinheap/findings")
        return _add(arguments)
    paths = [Path(path) for path in arguments.paths or [DEFAULT_FOLDER]]
    if not arguments.paths and not paths[0].is_dir():
        if arguments.action == "ls":
            return _ls([_shipped()])
        raise UserError(f"there is no folder {paths[0]} here: name one")
    return _ls(paths) if arguments.action == "ls" else _min(arguments, paths)


def _shipped() -> Path:
    """The corpus in the package, which is installed as plain files."""
    from importlib.resources import files

    return Path(str(files("twinheap.corpus")))


def _read(paths: list[Path]) -> tuple[list[tuple[Path, Stored]], int]:
    """The programs below `paths`; damaged files are reported and left alone, and make the exit code."""
    from twinheap.fuzz.corpus import entries
    from twinheap.fuzz.store import StoreError

    found, code = [], EXIT_OK
    for path, stored in entries(paths):
        if isinstance(stored, StoreError):
            print(f"twinheap: error: {stored}", file=sys.stderr)
            code = EXIT_USAGE
        else:
            found.append((path, stored))
    return found, code


def _ls(paths: list[Path]) -> int:
    found, code = _read(paths)
    for path, stored in found:
        known = stored.meta.get("known", "")
        print(f"{len(stored.program):4} ops  {stored.meta.get('code', ''):6} {known:4} {path}")
    print(f"{len(found)} programs")
    return code


def _add(arguments: argparse.Namespace) -> int:
    from twinheap.fuzz.corpus import add
    from twinheap.fuzz.store import check_folder
    from twinheap.model.text import SUFFIX

    paths = [Path(path) for path in arguments.paths]
    folder = Path(arguments.into or f"{DEFAULT_FOLDER}/seeds")
    if len(paths) > 1 and not arguments.into and (paths[-1].is_dir() or not paths[-1].exists()):  # as with cp
        folder = paths.pop()
        if folder.suffix == SUFFIX:
            raise UserError(f"{folder}: No such file or directory")
    check_folder(folder)
    found, code = _read(paths)
    for path, stored in found:
        place, new = add(stored, folder)
        print(f"{path} -> {place}" if new else f"{path}: already there as {place}")
    return code


def _min(arguments: argparse.Namespace, paths: list[Path]) -> int:
    from twinheap.fuzz.corpus import minimize
    from twinheap.fuzz.opening import opener_for

    found, code = _read(paths)
    names, _ = options.targets_named(options.settings_of(arguments))
    opener = opener_for()
    differs = [opener(name) for name in names]
    try:
        result = minimize(found, differs)
    finally:
        for differ in differs:
            differ.close()
    for path, reason in result.drop.items():
        print(f"{'would drop' if arguments.dry_run else 'dropped'} {path}: {reason}")
        if not arguments.dry_run:
            path.unlink()
    print(f"{len(result.keep)} programs kept, {len(result.drop)} {'to drop' if arguments.dry_run else 'dropped'}")
    return code
