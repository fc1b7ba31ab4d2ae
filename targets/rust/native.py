"""The native executor of Wasmtime's C API: built once for all releases, since it loads the library when it starts.

An entry `rust/capi` of the cache has the executor and, beside it, the facts that it reads: what the Python executor
knows of releases, texts and types. It was built from both, and is stale if either changed.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

import msgspec

from twinheap.model.ops import OPS
from twinheap.targets.capi.facts import facts
from twinheap.targets.capi.machine import CapiMachine
from twinheap.targets.rust import cache
from twinheap.targets.rust.build import Progress, cargo, lay_out, run

NAME: Final = "capi"
"""The name of its entry, and of what `twinheap rust build` is asked for."""

TITLE: Final = "Wasmtime's C API"
CRATE: Final = "capi-crate"
_SHARED: Final = ("src/lru.rs", "src/msgpack.rs", "src/process.rs", "src/wire.rs")  # of the executor on the Rust API
_BUILT: Final = "twinheap-capi-executor"
_FACTS: Final = "facts"
# A target folder of its own, so that it waits for no build of Wasmtime: those take minutes.
_TARGET: Final = "target-capi"
_LOCK: Final = ".lock-capi"


class Entry(msgspec.Struct, frozen=True):
    """What was built: from which sources, how long it took, its size in bytes, and the op kinds that it knows."""

    sources: str
    seconds: float
    size: int
    ops: tuple[str, ...]


class Native(msgspec.Struct, frozen=True):
    """An executor that is there: where it is, and what it was built from."""

    binary: Path
    entry: Entry

    def command(self, library: str, release: str) -> tuple[str, ...]:
        """What to start for a library of that release."""
        beside = str(self.binary.parent / _FACTS)
        build = f"executor-{self.entry.sources[: cache.SHOWN]}"
        return (str(self.binary), "--library", library, "--release", release, "--facts", beside, "--build", build)

    @property
    def is_whole(self) -> bool:
        """Whether it has every op kind that the Python executor has: then it can stand in for it."""
        return set(self.entry.ops) >= {spec.name for spec in OPS if hasattr(CapiMachine, f"op_{spec.name}")}


def sources() -> dict[str, bytes]:
    """Its sources, by their paths below one folder. Raises RustError if they are not installed."""
    own = cache.crate(CRATE, (cache.MANIFEST, cache.LOCK))
    shared = cache.crate()
    found = {f"{CRATE}/{name}": content for name, content in own.items()}
    return found | {f"crate/{name}": shared[name] for name in _SHARED}


def digest(found: dict[str, bytes]) -> str:
    """A hash over sources and facts; modules count by their text, which is there without assembling them."""
    return cache.digest({**found, _FACTS: facts(str.encode)})


def built() -> Native | None:
    """The executor, if it is there and up to date. Raises RustError if the cache or the sources cannot be read."""
    return _found(digest(sources()))


def _found(wanted: str) -> Native | None:
    folder = cache.folder_of(NAME, wanted)
    try:
        entry = msgspec.json.decode((folder / cache.RECORD).read_bytes(), type=Entry)
        if entry.sources == wanted and (folder / cache.BINARY).stat().st_size == entry.size:
            cache.touch(folder)
            return Native(folder / cache.BINARY, entry)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        pass
    except OSError as error:
        raise cache.unusable(error) from None
    return None


def build(progress: Progress | None = None) -> Native:
    """The executor, built if it is not there. Raises RustError. `progress` is told what takes time."""
    found = sources()
    wanted = digest(found)
    if there := _found(wanted):
        return there
    tool = cargo()
    with cache.locked(_LOCK, progress):
        # Somebody else may have built it while this process waited.
        if there := _found(wanted):
            return there
        try:
            return _build(tool, found, wanted, progress)
        except OSError as error:
            raise cache.unusable(error) from None


def _build(tool: str, found: dict[str, bytes], wanted: str, progress: Progress | None) -> Native:
    started = time.monotonic()
    folder, target = cache.root() / "build" / NAME, cache.root() / _TARGET
    lay_out(folder, found)
    if progress is not None:
        progress(f"building the executor for {TITLE}; this takes seconds")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_TERM_COLOR": "never"}
    run((tool, "build", "--release", "--locked"), folder / CRATE, environment, TITLE, progress)
    made = target / "release" / _BUILT
    listed = subprocess.run([made, "--ops"], capture_output=True, text=True, check=True)
    entry = Entry(wanted, round(time.monotonic() - started, 1), made.stat().st_size, tuple(listed.stdout.split()))
    return Native(cache.put(NAME, wanted, made, {cache.RECORD: msgspec.json.encode(entry), _FACTS: facts()}), entry)
