"""What can be built: a release of the crate `wasmtime` or somebody's own checkout, and how.

Nothing here runs cargo or touches the cache; :mod:`twinheap.targets.rust.build` does.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Final

import msgspec

DEFAULT_RELEASE: Final = "42.0.2"
"""The release that docs/spec/semantics.md describes, and the only one that is judged exactly."""

OLDEST: Final = 42
"""The first major version whose Rust API the executor is written for."""

NEWEST: Final = 48
"""The last major version that was tried. Later ones may need a newer toolchain, or changes."""

ZEAL_SINCE: Final = 45
COPYING_SINCE: Final = 45

COLLECTORS: Final = ("drc", "null", "copying")

_RELEASE: Final = re.compile(r"\d+\.\d+\.\d+")
_FEATURES: Final = ("async", "cranelift", "gc", "gc-drc", "gc-null", "pooling-allocator", "pulley", "runtime", "wat")
_TABLE: Final = "[dependencies.wasmtime]\n"
_HASHED: Final = 8  # characters of a hash in the name of a folder: enough for the checkouts of one machine


class RustError(Exception):
    """An executor cannot be had. The text is one line and says what to do about it."""


class Flavour(msgspec.Struct, frozen=True):
    """One executor: of `release`, or of the checkout at `path` (whose version `release` then is).

    `zeal`: with ``cfg(gc_zeal)``. `assertions`: with debug assertions.
    """

    release: str
    path: str | None = None
    zeal: bool = False
    assertions: bool = False

    @property
    def name(self) -> str:
        """The name of its folder in the cache.

        >>> Flavour("48.0.2", zeal=True).name
        '48.0.2-zeal'
        """
        source = self.release
        if self.path is not None:
            source = "path-" + hashlib.sha256(self.path.encode()).hexdigest()[:_HASHED]
        return source + "-zeal" * self.zeal + "-assertions" * self.assertions

    @property
    def title(self) -> str:
        """What to call it."""
        source = f"Wasmtime {self.release}" if self.path is None else f"the Wasmtime at {self.path}"
        return source + ", zeal" * self.zeal + ", debug assertions" * self.assertions

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.release.split(".")[0])

    @property
    def collectors(self) -> tuple[str, ...]:
        """The collectors that it offers."""
        return COLLECTORS if self.major >= COPYING_SINCE else COLLECTORS[:2]

    def manifest(self, template: str) -> str:
        """The crate's Cargo.toml for this flavour. Raises RustError if the template has no table for wasmtime."""
        before, table, rest = template.partition(_TABLE)
        if not table:
            raise RustError("the executor's Cargo.toml has no [dependencies.wasmtime]: reinstall TwinHeap")
        after = rest.partition("\n[")
        features = _FEATURES if self.major < COPYING_SINCE else (*_FEATURES, "gc-copying")
        source = f'version = "={self.release}"'
        if self.path is not None:
            source = f"path = {_quoted(str(Path(self.path) / 'crates' / 'wasmtime'))}"
        listed = ", ".join(map(_quoted, features))
        lines = f"{source}\ndefault-features = false\nfeatures = [{listed}]\n"
        return before + table + lines + after[1] + after[2]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def flavour_of(
    release: str = DEFAULT_RELEASE, *, path: str | None = None, zeal: bool = False, assertions: bool = False
) -> Flavour:
    """The flavour that these choices mean; with `path`, the checkout says its release itself. Raises RustError.

    >>> flavour_of("41.0.0")
    Traceback (most recent call last):
        ...
    twinheap.targets.rust.flavour.RustError: Wasmtime 41.0.0 is too old: releases from 42 on can be built
    """
    if path is not None:
        path = str(Path(path).expanduser().absolute())
        release = _release_of(Path(path))
    if not _RELEASE.fullmatch(release):
        raise RustError(f"{release!r} is not a Wasmtime release: write {DEFAULT_RELEASE}, or 48 for the newest 48.x")
    flavour = Flavour(release, path, zeal, assertions)
    if flavour.major < OLDEST:
        raise RustError(f"Wasmtime {release} is too old: releases from {OLDEST} on can be built")
    if zeal and flavour.major < ZEAL_SINCE:
        raise RustError(f"Wasmtime {release} has no gc_zeal: releases from {ZEAL_SINCE} on have")
    return flavour


def _release_of(checkout: Path) -> str:
    try:
        manifest = tomllib.loads((checkout / "Cargo.toml").read_text(encoding="utf-8"))
        release = manifest["workspace"]["package"]["version"]
    except OSError as error:
        raise RustError(f"{checkout} is no checkout of Wasmtime: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise RustError(f"{checkout} is no checkout of Wasmtime: its Cargo.toml names no version") from None
    return str(release)


def majors(spec: str) -> range:
    """The major versions that "all" or "42..45" mean. Raises RustError if it is neither.

    >>> majors("44..45"), majors("all")
    (range(44, 46), range(42, 49))
    """
    low, dots, high = ("", "..", "") if spec == "all" else spec.partition("..")
    try:
        first, last = int(low or OLDEST), int(high or NEWEST)
    except ValueError:
        first, last = 1, 0
    if not dots or first > last:
        raise RustError(f"{spec!r} is no range of releases: write 42..45, or all")
    return range(max(first, OLDEST), min(last, NEWEST) + 1)
