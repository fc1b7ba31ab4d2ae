"""`twinheap wheels`: the Wasmtime releases in the cache."""

from __future__ import annotations

import argparse
import sys

from twinheap.cli import EXIT_OK, EXIT_USAGE, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wheels`."""
    parser.add_argument("action", choices=("ls", "fetch", "rm"), help="list, fetch from PyPI, or remove")
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help="as 43.0.0, 43, 35..45 or all")
    parser.add_argument("--available", action="store_true", help="ls: what PyPI has, instead of what is in the cache")


def run(arguments: argparse.Namespace) -> int:
    """Does it, and returns the exit code: 2 if a release to remove was not there."""
    from twinheap.targets.capi import wheels

    if arguments.action == "ls":
        return _ls(arguments)
    if not arguments.releases:
        raise UserError(f"name the releases: twinheap wheels {arguments.action} 43.0.0")
    if arguments.action == "fetch":
        for spec in arguments.releases:
            for release in wheels.expand(spec):
                path = wheels.fetch(release, lambda line: print(f"twinheap: {line}", file=sys.stderr))
                print(f"{wheels.resolve(release)}  {path}")
        return EXIT_OK
    gone = [wheels.remove(release) for spec in arguments.releases for release in _cached(spec)]
    return EXIT_OK if all(gone) else EXIT_USAGE


def _ls(arguments: argparse.Namespace) -> int:
    from twinheap.targets.capi import cache, wheels

    cached = wheels.installed()
    listed = wheels.available() if arguments.available else cached
    for release in listed:
        place = f"  {cache.root() / release}" if release in cached else ""
        print(f"{release}{place}")
    try:
        release, path = wheels.installed_library()
        print(f"{release}  {path}  (installed: target capi)")
    except wheels.WheelError as error:
        print(f"warning: {error}", file=sys.stderr)
    return EXIT_OK


def _cached(spec: str) -> list[str]:
    """The releases in the cache that `spec` means. Raises UserError if none is."""
    from twinheap.targets.capi import wheels
    from twinheap.targets.capi.releases import spread

    cached = wheels.installed()
    found = [release for release in cached if spec in ("all", release) or release.startswith(spec + ".")]
    if not found and ".." in spec:
        found = spread(spec, cached)
    if not found:
        raise UserError(f"release {spec} is not in the cache; twinheap wheels ls says what is")
    return found
