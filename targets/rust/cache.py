"""Executors on the disk: ``rust/NAME-SOURCES/twinheap-executor`` in the cache, whole or not at all.

An entry appears by one rename, with a record of what it was built from. The hash of the sources is part of its name:
two checkouts of TwinHeap share the cache, and what one builds must not take the place of what a run of the other starts
again after every crash. Builders wait for each other on a lock file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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

SHOWN: Final = 8
"""Characters of the hash of sources that names and handshakes say."""
FORGOTTEN: Final = 7 * 86400.0
"""Seconds after which an executor of other sources that nobody asked for goes: no run takes as long."""
_SOURCES: Final = re.compile(f"-[0-9a-f]{{{SHOWN}}}")


class Entry(msgspec.Struct, frozen=True):
    """What was built: its flavour, the sources it was built from, how long it took, and its size in bytes."""

    flavour: Flavour
    sources: str
    seconds: float
    size: int


def root() -> Path:
    """Return the folder of everything built; it need not exist."""
    return cache_dir() / "rust"


def folder_of(name: str, sources: str) -> Path:
    """Return where the entry of an executor built from `sources`, a hash, is or will be."""
    return root() / f"{name}-{sources[:SHOWN]}"


def binary_of(flavour: Flavour, sources: str) -> Path:
    """Return where the executor of a flavour is, or will be."""
    return folder_of(flavour.name, sources) / BINARY


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


def entries() -> dict[Path, Entry]:
    """What was built, by folder. Raises RustError if the cache folder cannot be read."""
    try:
        folders = sorted(root().iterdir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unusable(error) from None
    return {folder: entry for folder in folders if (entry := _read(folder)) is not None}


def is_fresh(flavour: Flavour, sources: str) -> bool:
    """Whether the executor of a flavour is there, built from these sources; it counts as asked for."""
    folder = folder_of(flavour.name, sources)
    entry = _read(folder)
    fresh = entry is not None and entry.flavour == flavour and entry.sources == sources
    if fresh:
        touch(folder)
    return fresh


def touch(folder: Path) -> None:
    """Notes that an entry was asked for."""
    with contextlib.suppress(OSError):  # somebody else's cache, or a disk that is read only
        os.utime(folder)


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
    return put(entry.flavour.name, entry.sources, built, {RECORD: msgspec.json.encode(entry)})


def put(name: str, sources: str, built: Path, beside: Mapping[str, bytes]) -> Path:
    """Makes an entry of an executor and the files beside it, in one step. The caller holds the lock.

    What was built from other sources is removed once it is forgotten.
    """
    _forget(name)
    part = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=root()))
    try:
        fresh = part / "entry"
        fresh.mkdir()
        shutil.copy2(built, fresh / BINARY)
        for file, content in beside.items():
            (fresh / file).write_bytes(content)
        place = folder_of(name, sources)
        if place.exists():
            place.rename(part / "old")  # executors that run it keep it open
        fresh.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place / BINARY


def _forget(name: str) -> None:
    for folder in root().iterdir():
        own = folder.name.startswith(name) and _SOURCES.fullmatch(folder.name, len(name))
        if own and time.time() - folder.stat().st_mtime > FORGOTTEN:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(name: str = ".lock", tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of the builders in one folder; the kernel frees it when its holder dies. Raises RustError.

    `tell` is told if another builder has it, which may take minutes.
    """
    try:
        root().mkdir(parents=True, exist_ok=True)
        handle = os.open(root() / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unusable(error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tell is not None:
                tell("another process builds; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def unusable(error: OSError) -> RustError:
    """The error that says that the cache cannot be used."""
    reason = error.strerror or str(error)
    return RustError(f"the cache folder {root()} cannot be used ({reason}): set TWINHEAP_CACHE to another one")
