"""Cache entries: Wasmtime's shared libraries on the disk, whole or not at all (docs/spec/capi.md 5.4).

An entry is a folder ``wheels/RELEASE`` with the library and a record of its size and hash. It appears by one rename,
so a reader sees a whole entry or none; writers of one release wait for each other on a lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from twinheap.targets.capi import pypi
from twinheap.targets.capi.releases import WheelError

# What the library is called inside every wheel from 29 on, and in the cache.
MEMBER = "wasmtime/linux-x86_64/_libwasmtime.so"
_LIBRARY = "libwasmtime.so"
_RECORD = "record.json"


class _Record(msgspec.Struct, frozen=True):
    """What was put into the cache, to notice when it is no longer that."""

    release: str
    wheel: str
    size: int
    sha256: str


def cache_dir() -> Path:
    """Return where everything fetched or built is kept.

    That is TWINHEAP_CACHE, else XDG_CACHE_HOME/twinheap, else ~/.cache/twinheap.
    """
    own = os.environ.get("TWINHEAP_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "twinheap"


def root() -> Path:
    """Return the folder of the entries; it need not exist."""
    return cache_dir() / "wheels"


def names() -> list[str]:
    """Return what entries there are, in no order. Raises WheelError if the cache folder cannot be read."""
    try:
        return [entry.name for entry in root().iterdir() if (entry / _RECORD).is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(error) from None


def obtain(release: str, progress: Callable[[str], None] | None) -> Path:
    """Return the library of a release, fetching it if its entry is absent or damaged. Raises WheelError."""
    entry = root() / release
    library = _whole(entry)
    if library is not None:
        return library
    with _locked(release) as folder:
        # Somebody else may have brought it while this process waited.
        library = _whole(entry)
        if library is not None:
            return library
        if progress is not None:
            progress(f"fetching Wasmtime {release} from PyPI")
        try:
            return _bring(release, folder, entry)
        except OSError as error:
            raise _unusable(error) from None


def delete(release: str) -> bool:
    """Delete an entry, whole or damaged; whether it was there. Raises WheelError if the folder is not writable."""
    entry = root() / release
    if not entry.exists():
        return False
    with _locked(release) as folder:
        try:
            return _discard(entry, folder)
        except OSError as error:
            raise _unusable(error) from None


def _unusable(error: OSError) -> WheelError:
    reason = error.strerror or str(error)
    return WheelError(f"the cache folder {root()} cannot be used ({reason}): set TWINHEAP_CACHE to another one")


@contextmanager
def _locked(release: str) -> Iterator[Path]:
    """Hold the release's lock; gives the cache folder. The kernel frees the lock when its holder dies."""
    folder = root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f".{release}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unusable(error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)


def _whole(entry: Path) -> Path | None:
    """The library of a cache entry, or None if the entry is absent or no longer what was stored."""
    library = entry / _LIBRARY
    try:
        record = msgspec.json.decode((entry / _RECORD).read_bytes(), type=_Record)
        if library.stat().st_size == record.size and _digest(library) == record.sha256:
            return library
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        pass
    except OSError as error:
        raise _unusable(error) from None
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _discard(entry: Path, folder: Path) -> bool:
    """Make an entry vanish in one step, then delete it at leisure."""
    trash = folder / f".{entry.name}.trash"
    shutil.rmtree(trash, ignore_errors=True)
    try:
        entry.rename(trash)
    except FileNotFoundError:
        return False
    shutil.rmtree(trash)
    return True


def _bring(release: str, folder: Path, entry: Path) -> Path:
    """Download, unpack and publish one release. The caller holds its lock, so leftovers here are a dead process's."""
    for leftover in folder.glob(f".{release}.*.part"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A fresh name each time: the pip of a killed process may still be running, and must not drop its file in here.
    part = Path(tempfile.mkdtemp(prefix=f".{release}.", suffix=".part", dir=folder))
    fresh = part / "entry"
    try:
        fresh.mkdir()
        wheel = pypi.download(release, part)
        library = fresh / _LIBRARY
        _extract(wheel, library)
        record = _Record(release, wheel.name, library.stat().st_size, _digest(library))
        (fresh / _RECORD).write_bytes(msgspec.json.encode(record))
        _discard(entry, folder)
        fresh.rename(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return entry / _LIBRARY


def _extract(wheel: Path, target: Path) -> None:
    """Copy only the shared library out of a wheel, on to the disk before anybody can see it."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
    except KeyError:
        raise WheelError(f"{wheel.name} contains no {MEMBER}: this release is not supported") from None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise WheelError(f"the download of {wheel.name} is damaged: try again") from None
