"""`twinheap rust`: executors on Wasmtime's Rust API, built with cargo."""

from __future__ import annotations

import argparse
import sys

from twinheap.cli import EXIT_OK, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rust`."""
    parser.add_argument("action", choices=("build", "ls"), help="build an executor, or list those that were built")
    parser.add_argument(
        "release",
        nargs="?",
        metavar="RELEASE",
        help="as 48.0.2, 48, 42..45 or all (default: 42.0.2); or capi: the native executor of the C API",
    )
    parser.add_argument("--zeal", action="store_true", help="with cfg(gc_zeal): can collect at every allocation")
    parser.add_argument("--path", metavar="CHECKOUT", help="build against this checkout of Wasmtime")
    parser.add_argument("--debug-assertions", action="store_true", help="with Wasmtime's debug assertions")


def run(arguments: argparse.Namespace) -> int:
    """Does it, and returns the exit code."""
    from twinheap.targets.rust import build
    from twinheap.targets.rust.flavour import DEFAULT_RELEASE

    if arguments.action == "ls":
        return _ls()
    if arguments.release == "capi":
        return _build_capi(arguments)
    if arguments.path and arguments.release:
        raise UserError(f"{arguments.release} and --path exclude each other: a checkout says its release itself")
    releases = build.resolve(arguments.release) if arguments.release else [DEFAULT_RELEASE]
    for release in releases:
        binary = build.build(
            release,
            zeal=arguments.zeal,
            path=arguments.path,
            debug_assertions=arguments.debug_assertions,
            progress=_tell,
        )
        print(f"{arguments.path or release}  {binary}  {binary.stat().st_size / 1e6:.1f} MB")
    return EXIT_OK


def _tell(line: str) -> None:
    print(f"twinheap: {line}", file=sys.stderr, flush=True)


def _build_capi(arguments: argparse.Namespace) -> int:
    from twinheap.targets.rust import native

    if arguments.zeal or arguments.path or arguments.debug_assertions:
        raise UserError("the executor of the C API has one form only: leave out --zeal, --path and --debug-assertions")
    made = native.build(_tell)
    print(f"{native.NAME}  {made.binary}  {made.entry.size / 1e6:.1f} MB")
    return EXIT_OK


def _ls() -> int:
    from twinheap.targets.rust import cache, native

    if there := native.built():
        print(f"{native.TITLE}  {there.binary}  {there.entry.size / 1e6:.1f} MB")
    current = cache.digest(cache.crate())
    for folder, entry in cache.entries().items():
        age = "" if entry.sources == current else "  (of another TwinHeap)"
        print(f"{entry.flavour.title}  {folder / cache.BINARY}  {entry.size / 1e6:.1f} MB{age}")
    return EXIT_OK
