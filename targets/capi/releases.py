"""Names of Wasmtime releases: what exists, what we can drive, and what a user may type (docs/spec/capi.md 5.4).

Nothing here touches the network or the cache; :mod:`twinheap.targets.capi.wheels` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

# The oldest release whose C API has the reference functions in a shape we know (docs/spec/capi.md 5.4 starts there).
MIN_RELEASE = 29
# The newest release whose shape was checked. A newer one is driven in this shape, with a warning.
NEWEST_KNOWN = 50

_RANGE = ".."


class WheelError(Exception):
    """A Wasmtime release cannot be had. The text is one line and says what to do about it."""


def parse(release: str) -> Version:
    """The release as a comparable version.

    Raises WheelError if it is not a version at all, or older than MIN_RELEASE (docs/spec/capi.md 5.4).

    >>> parse("43.0.0").major
    43
    >>> parse("28.0.0")
    Traceback (most recent call last):
        ...
    twinheap.targets.capi.releases.WheelError: Wasmtime 28.0.0 is too old: releases from 29 on are supported
    """
    try:
        version = Version(release)
    except InvalidVersion:
        raise WheelError(f"{release!r} is not a Wasmtime release: write 43.0.0, or 43 for the newest 43.x") from None
    if version.major < MIN_RELEASE:
        raise WheelError(f"Wasmtime {release} is too old: releases from {MIN_RELEASE} on are supported")
    return version


def supported(names: Iterable[str]) -> list[str]:
    """The final releases among the names that can be driven, oldest first, without repetition.

    Pre-releases and development versions are left out, since PyPI's pip would not choose them either.

    >>> supported(["50.0.1", "0.40.0", "29.0.0", "50.0.1", "51.0.0rc1", "junk"])
    ['29.0.0', '50.0.1']
    """
    found: dict[Version, str] = {}
    for name in names:
        try:
            version = Version(name)
        except InvalidVersion:
            continue
        if version.major >= MIN_RELEASE and not version.is_prerelease:
            found[version] = name
    return [found[version] for version in sorted(found)]


def newest_of(major: int, known: Iterable[str]) -> str | None:
    """The newest known release of a major version, or None.

    >>> newest_of(43, ["43.0.0", "43.0.2", "44.0.0"])
    '43.0.2'
    """
    fitting = [name for name in supported(known) if Version(name).major == major]
    return fitting[-1] if fitting else None


def choose(spec: str, known: Iterable[str]) -> str:
    """One release for what a user typed: "43" is the newest known 43.x, anything longer is taken exactly.

    Raises WheelError for an unsupported or unknown release (docs/spec/capi.md 5.4).

    >>> choose("43", ["43.0.0", "44.0.0"]), choose("43.0.0", [])
    ('43.0.0', '43.0.0')
    """
    version = parse(spec)
    if len(version.release) > 1:
        return spec
    known = supported(known)
    name = newest_of(version.major, known)
    if name is None:
        newest = known[-1] if known else "none"
        raise WheelError(f"there is no Wasmtime {spec} on PyPI: {MIN_RELEASE} to {newest} exist")
    return name


def spread(spec: str, known: Iterable[str]) -> list[str]:
    """The releases that "all", "35..45", "35.." or a single release stands for, oldest first.

    Of each major version the newest known release is taken; the ends of a range are major versions, both included.
    Raises WheelError if nothing is left, or an end is not supported (docs/spec/capi.md 5.4).

    >>> spread("35..36", ["34.0.0", "35.0.0", "36.0.0", "36.0.2"])
    ['35.0.0', '36.0.2']
    """
    known = supported(known)
    if spec != "all" and _RANGE not in spec:
        return [choose(spec, known)]
    first, last = ("", "") if spec == "all" else spec.split(_RANGE, 1)
    low = parse(first).major if first else MIN_RELEASE
    high = parse(last).major if last else max((Version(name).major for name in known), default=MIN_RELEASE)
    majors = sorted({Version(name).major for name in known if low <= Version(name).major <= high})
    chosen = [name for major in majors if (name := newest_of(major, known)) is not None]
    if not chosen:
        raise WheelError(f"no Wasmtime release on PyPI is in {spec!r}: write all, 43, 43.0.0 or 35..45")
    return chosen
