"""Building executors with cargo, outside of the checkout, for the release that is asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from twinheap.targets.rust import cache
from twinheap.targets.rust.flavour import DEFAULT_RELEASE, Flavour, RustError, flavour_of, majors

Progress = Callable[[str], None]

EVERY: Final = 15.0
"""Seconds between two lines of progress: a first build takes minutes."""

LOOKUP_TIMEOUT: Final = 60
"""Seconds that the crate index may take to say which releases there are."""

_COMPILING: Final = re.compile(r"\s*Compiling (\S+)")
_LOG: Final = "cargo.log"

_LAST: Final = "last-flavour"
"""Which flavour the target folder was last used for."""


def cargo() -> str:
    """The path of cargo. Raises RustError without a Rust toolchain."""
    found = shutil.which("cargo")
    if found is None:
        raise RustError("the target rust needs a Rust toolchain, and cargo is not on the PATH: see https://rustup.rs")
    return found


def build(
    release: str = DEFAULT_RELEASE,
    *,
    zeal: bool = False,
    path: str | None = None,
    debug_assertions: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The executor for a release, or for the checkout at `path`; built if it is not there. Raises RustError.

    `zeal`: with ``cfg(gc_zeal)``, which makes every allocation slow. `progress` is told what takes time. A checkout is
    always given to cargo, which knows what has changed in it.
    """
    flavour = flavour_of(release, path=path, zeal=zeal, assertions=debug_assertions)
    sources = cache.crate()
    digest = cache.digest(sources)
    if path is None and cache.is_fresh(flavour, digest):
        return cache.binary_of(flavour, digest)
    tool = cargo()
    with cache.locked(tell=progress):
        # Somebody else may have built it while this process waited.
        if path is None and cache.is_fresh(flavour, digest):
            return cache.binary_of(flavour, digest)
        try:
            return _build(tool, flavour, sources, digest, progress)
        except OSError as error:
            raise cache.unusable(error) from None


def _build(tool: str, flavour: Flavour, sources: dict[str, bytes], digest: str, progress: Progress | None) -> Path:
    started = time.monotonic()
    folder = cache.root() / "build" / flavour.name
    lay_out(folder, _wanted(flavour, sources))
    target = cache.root() / "target"
    _forget_other(folder, target, flavour)
    command = (tool, "build", "--release", *["--locked"] * _is_locked(flavour))
    if progress is not None:
        progress(f"building the executor for {flavour.title}; the first time this takes minutes")
    run(command, folder, _environment(flavour, target, digest), flavour.title, progress)
    built = target / "release" / cache.BINARY
    entry = cache.Entry(flavour, digest, round(time.monotonic() - started, 1), built.stat().st_size)
    return cache.install(entry, built)


def _wanted(flavour: Flavour, sources: dict[str, bytes]) -> dict[str, bytes]:
    """The crate as this flavour needs it."""
    wanted = dict(sources)
    wanted[cache.MANIFEST] = flavour.manifest(sources[cache.MANIFEST].decode()).encode()
    if not _is_locked(flavour):
        del wanted[cache.LOCK]  # cargo chooses what goes with that release, and keeps its choice
    return wanted


def lay_out(folder: Path, wanted: dict[str, bytes]) -> None:
    """Writes sources into a folder. Files that did not change keep their time, which cargo goes by."""
    for name, content in wanted.items():
        place = folder / name
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for stray in {place for place in folder.rglob("*") if place.suffix in cache.SOURCES}:
        if str(stray.relative_to(folder)) not in wanted:
            stray.unlink()


def _forget_other(folder: Path, target: Path, flavour: Flavour) -> None:
    """Makes cargo run the build script again if the last flavour built was another one.

    The copies of the crate are one package to cargo, with one build script's answer in the shared target folder. Cargo
    keeps it unless a file is newer, and then an executor would greet as the release that was built before.
    """
    last = target / _LAST
    if not last.is_file() or last.read_text(encoding="utf-8") != flavour.name:
        (folder / "build.rs").touch()
        target.mkdir(parents=True, exist_ok=True)
        last.write_text(flavour.name, encoding="utf-8")


def _is_locked(flavour: Flavour) -> bool:
    """Whether the versions of all dependencies are those that were tried: the shipped Cargo.lock is for one release."""
    return flavour.path is None and flavour.release == DEFAULT_RELEASE


def _environment(flavour: Flavour, target: Path, digest: str) -> dict[str, str]:
    words = ["zeal"] * flavour.zeal + ["assertions"] * flavour.assertions + [f"executor-{digest[: cache.SHOWN]}"]
    changed = {
        **os.environ,
        "CARGO_TARGET_DIR": str(target),
        "CARGO_TERM_COLOR": "never",
        "TWINHEAP_FLAVOUR": flavour.name,
        "TWINHEAP_BUILD": " ".join(words if flavour.path is None else [flavour.path, *words]),
    }
    if flavour.zeal:
        changed["RUSTFLAGS"] = (os.environ.get("RUSTFLAGS", "") + " --cfg gc_zeal").strip()
    if flavour.assertions:
        changed["CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS"] = "true"
    return changed


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], title: str, progress: Progress | None
) -> None:
    """Runs cargo in a folder, where its log goes. Raises RustError with its first error."""
    with (
        (folder / _LOG).open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stderr is not None
        teller = _Teller(progress)
        try:
            for line in process.stderr:
                log.write(line)
                teller.saw(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        reason = teller.error or f"exit code {process.returncode}"
        raise RustError(f"cargo could not build the executor for {title}: {reason}; see {folder / _LOG}")


class _Teller:
    """Makes a few lines of progress out of cargo's many, and keeps its first error."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._started = self._told = time.monotonic()
        self._crates = 0
        self.error = ""

    def saw(self, line: str) -> None:
        """Takes one line that cargo wrote."""
        if line.startswith("error") and not self.error:
            self.error = line.strip().removeprefix("error: ")
        found = _COMPILING.match(line)
        if not found:
            return
        self._crates += 1
        now = time.monotonic()
        if self._progress is not None and now - self._told >= EVERY:
            self._told = now
            self._progress(f"compiling, {self._crates} crates so far, after {now - self._started:.0f} s: {found[1]}")


def resolve(spec: str) -> list[str]:
    """The releases that "48.0.2", "48", "42..45" or "all" mean, oldest first. Raises RustError.

    Of a major version alone it is the newest one that was built, else the newest that there is.
    """
    if ".." in spec or spec == "all":
        return [_newest(major) for major in majors(spec)]
    return [_newest(int(spec)) if spec.isdecimal() else flavour_of(spec).release]


def _newest(major: int) -> str:
    built = [entry.flavour for entry in cache.entries().values() if entry.flavour.path is None]
    found = [flavour.release for flavour in built if flavour.major == major]
    if found:
        return max(found, key=lambda release: tuple(map(int, release.split("."))))
    command = [cargo(), "info", f"wasmtime@{major}", "--registry", "crates-io"]
    try:
        answer = subprocess.run(
            command, cwd=cache.root().anchor, capture_output=True, text=True, timeout=LOOKUP_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise RustError(f"the crate index did not answer in {LOOKUP_TIMEOUT} s: name the release in full") from None
    match = re.search(r"^version: (\d+\.\d+\.\d+)", answer.stdout, re.MULTILINE)
    if match is None:
        raise RustError(f"there is no Wasmtime {major} to be had, or no network: name a release in full")
    return match[1]
