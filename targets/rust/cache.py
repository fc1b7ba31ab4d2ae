"""Executors on the disk: ``rust/NAME/twinheap-executor`` in the cache, whole or not at all.

An entry appears by one rename, with a record of what it was built from; an entry built from other sources than those
that are installed counts as absent. Builders wait for each other on a lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from twinheap.targets.capi.cache import cache_dir
from twinheap.targets.rust.flavour import Flavour, RustError

BINARY: Final = "twinheap-executor"
MANIFEST: Final = "Cargo.toml"
LOCK: Final = "Cargo.lock"
SOURCES: Final = (".rs", ".wat")
"""The endings of the files that the crate is made of."""
RECORD: Final = "record.json"
"""What an entry was built from."""


class Entry(msgspec.Struct, frozen=True):
    """What was built: its flavour, the sources it was built from, how long it took, and its size in bytes."""

    flavour: Flavour
    sources: str
    seconds: float
    size: int


def root() -> Path:
    """Return the folder of everything built; it need not exist."""
    return cache_dir() / "rust"


def binary_of(flavour: Flavour) -> Path:
    """Return where the executor of a flavour is, or will be."""
    return root() / flavour.name / BINARY


def crate(name: str = "crate", heads: tuple[str, ...] = (MANIFEST, LOCK, "build.rs")) -> dict[str, bytes]:
    """An executor's sources: path within the crate -> content. Raises RustError if they are not installed.

    `heads`: the files beside the folder of sources.
    """
    folder = files("twinheap.targets.rust") / name
    found: dict[str, bytes] = {}
    try:
        for head in heads:
            found[head] = (folder / head).read_bytes()
        pending = [("src", folder / "src")]
        while pending:
            path, place = pending.pop()
            for item in place.iterdir():
                if item.is_dir():
                    pending.append((f"{path}/{item.name}", item))
                elif item.name.endswith(SOURCES):
                    found[f"{path}/{item.name}"] = item.read_bytes()
    except OSError as error:
        raise RustError(f"the executor's sources are not installed ({error.strerror}): reinstall TwinHeap") from None
    return dict(sorted(found.items()))


def digest(sources: dict[str, bytes]) -> str:
    """A hash over all sources."""
    whole = hashlib.sha256()
    for name, content in sources.items():
        whole.update(f"{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def entries() -> list[Entry]:
    """What was built, by name. Raises RustError if the cache folder cannot be read."""
    try:
        names = sorted(path.name for path in root().iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unusable(error) from None
    return [entry for name in names if (entry := _read(root() / name)) is not None]


def is_fresh(flavour: Flavour, sources: str) -> bool:
    """Whether the executor of a flavour is there, built from these sources."""
    entry = _read(root() / flavour.name)
    return entry is not None and entry.flavour == flavour and entry.sources == sources


def _read(folder: Path) -> Entry | None:
    try:
        entry = msgspec.json.decode((folder / RECORD).read_bytes(), type=Entry)
        return entry if (folder / BINARY).stat().st_size == entry.size else None
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise unusable(error) from None


def install(entry: Entry, built: Path) -> Path:
    """Puts an executor that cargo built into its place, in one step. The caller holds the lock."""
    return put(entry.flavour.name, built, {RECORD: msgspec.json.encode(entry)})


def put(name: str, built: Path, beside: Mapping[str, bytes]) -> Path:
    """Makes an entry of an executor and the files beside it, in one step. The caller holds the lock."""
    part = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=root()))
    try:
        fresh = part / "entry"
        fresh.mkdir()
        shutil.copy2(built, fresh / BINARY)
        for file, content in beside.items():
            (fresh / file).write_bytes(content)
        place = root() / name
        if place.exists():
            place.rename(part / "old")  # executors that run it keep it open
        fresh.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place / BINARY


@contextmanager
def locked(name: str = ".lock") -> Iterator[None]:
    """Hold the lock of the builders in one folder; the kernel frees it when its holder dies. Raises RustError."""
    try:
        root().mkdir(parents=True, exist_ok=True)
        handle = os.open(root() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unusable(error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def unusable(error: OSError) -> RustError:
    """The error that says that the cache cannot be used."""
    reason = error.strerror or str(error)
    return RustError(f"the cache folder {root()} cannot be used ({reason}): set TWINHEAP_CACHE to another one")
