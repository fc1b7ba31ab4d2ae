"""The findings store: one JSON record per finding, and its programs, under `.twinheap/findings`.

Programs are written first and the record last, each to a temporary file, synced and renamed, so a reader sees a whole
finding or none, whenever the writer is killed. A damaged file is reported and left alone; so is one of another version.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from twinheap.fuzz.record import RECORD_VERSION, Finding, Found, file_name, header_of
from twinheap.model.program import Program
from twinheap.model.text import FormatError, Parsed, dumps, loads

MAX_FILE: Final = 16 << 20
"""Bytes of a file that is read as a program or a record; the largest program has 1 MB."""


class StoreError(Exception):
    """A file or folder cannot be used. The text is one line: which, and why."""


class _Version(msgspec.Struct):
    version: int


class FindingStore:
    """The findings in one folder, which is made when the first is stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, found: Found) -> tuple[Finding, bool]:
        """Stores a finding; what is recorded now, and whether its signature is new here.

        A finding met before keeps its record, unless this program is shorter. Raises StoreError.
        """
        record = self.folder / f"{found.finding.signature}.json"
        try:
            old = self.read(record) if record.exists() else None
        except StoreError:
            # Damaged or foreign: left alone, and this one is stored beside it.
            record = self.folder / f"{found.finding.signature}-{found.finding.number}.json"
            old = None
        if old is not None and old.ops <= found.finding.ops:
            return old, False
        finding = self._programs(found)
        self._write_record(record, finding)
        return finding, old is None

    def note_bisected(self, program: str, releases: dict[str, str], line: str) -> None:
        """Adds what bisection gave to the record of the finding whose shrunk program this is, if there is one.

        Raises StoreError if it cannot be written.
        """
        for path, finding in self:
            if isinstance(finding, Finding) and finding.program == program:
                self._write_record(path, msgspec.structs.replace(finding, bisected=line, releases=releases))

    def _write_record(self, path: Path, finding: Finding) -> None:
        self._write(path, msgspec.json.format(msgspec.json.encode(finding), indent=2) + b"\n")

    def _programs(self, found: Found) -> Finding:
        finding = found.finding
        before = []
        for program in found.before:
            before.append(file_name(finding, program, "before"))
            self._write_program(before[-1], program, header_of(finding, "before"))
        names = tuple(before)
        shrunk = file_name(finding, found.program, "shrunk")
        original = file_name(finding, found.original, "original")
        self._write_program(original, found.original, header_of(finding, "original"))
        self._write_program(shrunk, found.program, header_of(finding, "shrunk", names))
        return msgspec.structs.replace(finding, program=shrunk, original=original, before=names)

    def _write_program(self, name: str, program: Program, header: dict[str, str]) -> None:
        self._write(self.folder / name, dumps(program, header).encode())

    def _write(self, path: Path, data: bytes) -> None:
        write_atomically(path, data)

    def read(self, path: Path) -> Finding:
        """The record in a file. Raises StoreError if it is damaged or of another version."""
        data = read_bytes(path)
        try:
            version = msgspec.json.decode(data, type=_Version).version
            if version != RECORD_VERSION:
                raise StoreError(f"{path}: record version {version} is not {RECORD_VERSION}: use the TwinHeap it is of")
            return msgspec.json.decode(data, type=Finding)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}: damaged record: {error}") from None

    def __iter__(self) -> Iterator[tuple[Path, Finding | StoreError]]:
        """Every record by name, or what is wrong with it. Raises StoreError if the folder cannot be read."""
        for path in list_files(self.folder, ".json"):
            try:
                yield path, self.read(path)
            except StoreError as error:
                yield path, error


def list_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, by name; none if there is no folder. Raises StoreError."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == suffix and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from None


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises StoreError if it cannot be read or is too large to be anything of ours."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_FILE:
        raise StoreError(f"{path}: larger than {MAX_FILE >> 20} MiB: no program and no record")
    return data


def read_program(path: Path) -> Parsed:
    """The program in a file. Raises StoreError if it cannot be read, is damaged, or of another version."""
    try:
        return loads(read_bytes(path).decode())
    except UnicodeDecodeError:
        raise StoreError(f"{path}: no text: not a TwinHeap program") from None
    except FormatError as error:
        raise StoreError(f"{path}: {error}") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that it appears whole or not at all, also if the machine stops. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp's is private; findings are shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None


def check_folder(folder: Path) -> None:
    """Makes sure that files can be written into a folder that may not be there yet. Raises StoreError if not."""
    try:
        place = folder.absolute()
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir():
            raise StoreError(f"{folder}: {place} is no folder")
        handle, probe = tempfile.mkstemp(prefix=".twinheap.", suffix=".part", dir=place)
        os.close(handle)
        os.unlink(probe)
        os.stat(folder)
    except FileNotFoundError as error:
        if error.filename not in (folder, str(folder)):  # as in /proc, where nobody makes files
            raise StoreError(f"{folder}: no files can be written there") from None
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from None


def check_file(path: Path) -> None:
    """Makes sure that a file can be written, in a folder that is there. Raises StoreError if not."""
    try:
        if path.is_dir():
            raise StoreError(f"{path}: it is a folder: name a file")
        if path.exists() and not path.is_file():  # a pipe or a device
            if not os.access(path, os.W_OK):
                raise StoreError(f"{path}: Permission denied")
            return
        if not path.absolute().parent.is_dir():
            raise StoreError(f"{path}: there is no folder {path.parent}")
        handle, probe = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.absolute().parent)
        os.close(handle)
        os.unlink(probe)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None


def _sync_folder(folder: Path) -> None:
    """The name is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
