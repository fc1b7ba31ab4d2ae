"""Wasmtime's C libraries, one per release: what there is, and where its file is (docs/spec/capi.md 5.4).

They are taken from the wheels on PyPI and kept in a cache (:mod:`twinheap.targets.capi.cache`); the default target is
the library of the ``wasmtime`` distribution that is installed beside TwinHeap.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from twinheap.targets.capi import cache, pypi
from twinheap.targets.capi.cache import cache_dir
from twinheap.targets.capi.releases import MIN_RELEASE, WheelError, choose, parse, spread, supported

__all__ = [
    "MIN_RELEASE",
    "WheelError",
    "available",
    "cache_dir",
    "expand",
    "fetch",
    "installed",
    "installed_library",
    "remove",
    "resolve",
]


def available() -> list[str]:
    """The releases on PyPI from MIN_RELEASE on, oldest first. Raises WheelError without network or pip."""
    return pypi.listing()


def installed() -> list[str]:
    """Return the releases in the cache, oldest first, without looking into them."""
    return supported(cache.names())


def resolve(spec: str) -> str:
    """The release meant by what a user typed: "43" is the newest 43.x on PyPI, "43.0.0" is that one.

    Without a network "43" is the newest 43.x in the cache. Raises WheelError if there is none (docs/spec/capi.md 5.4).
    """
    if len(parse(spec).release) > 1:
        return spec
    return choose(spec, _known(spec))


def expand(spec: str) -> list[str]:
    """The releases meant by "all", "35..45", "43" or "43.0.0", oldest first, the newest of each major version.

    Without a network, of those in the cache. Raises WheelError if nothing fits (docs/spec/capi.md 5.4).
    """
    ends = [] if spec == "all" else [parse(end) for end in spec.split("..") if end]
    if len(ends) == 1 and ".." not in spec and len(ends[0].release) > 1:
        return [spec]
    return spread(spec, _known(spec))


def _known(spec: str) -> list[str]:
    """All releases that can be had now; the cache alone answers when PyPI does not and the cache has a fitting one."""
    cached = installed()
    try:
        return supported([*available(), *cached])
    except WheelError:
        try:
            spread(spec, cached)
        except WheelError:
            cached = []
        if not cached:
            raise
        return cached


def fetch(release: str, progress: Callable[[str], None] | None = None) -> Path:
    """The shared library of a release, from the cache or, the first time, from PyPI.

    A damaged entry is fetched again. ``progress`` is told in one line what takes time. Safe to call from several
    processes at once. Raises WheelError: unsupported platform or release, no network, unusable cache folder
    (docs/spec/capi.md 5.4).
    """
    _require_platform()
    return cache.obtain(str(parse(resolve(release))), progress)


def remove(release: str) -> bool:
    """Delete a release from the cache; whether it was there. Raises WheelError if the cache folder is not writable."""
    return cache.delete(str(parse(release)))


def installed_library() -> tuple[str, Path]:
    """Release and library of the ``wasmtime`` distribution in this environment, without importing it.

    Raises WheelError if it is not installed, not supported, or has no library for this platform.
    """
    _require_platform()
    try:
        release = importlib.metadata.version(pypi.DISTRIBUTION)
        spec = importlib.util.find_spec(pypi.DISTRIBUTION)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise WheelError("wasmtime is not installed here: run pip install wasmtime, or name a release as capi@43.0.0")
    parse(release)
    for folder in spec.submodule_search_locations:
        library = Path(folder).parent / cache.MEMBER
        if library.is_file():
            return release, library
    raise WheelError(f"the installed wasmtime {release} has no library for Linux x86-64: reinstall it with pip")


def _require_platform() -> None:
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ("x86_64", "AMD64"):
        raise WheelError(f"the capi target needs Linux on x86-64, and this is {sys.platform} on {machine}")
