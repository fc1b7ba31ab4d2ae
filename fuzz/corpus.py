"""The corpus: folders of stored programs, one file per program, named after its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.replay import Stored, load, stored_in
from twinheap.fuzz.store import StoreError, write_atomically
from twinheap.model.judge import Behaviour
from twinheap.model.text import SUFFIX, digest, dumps
from twinheap.model.view import view


class Kept(msgspec.Struct, frozen=True):
    """The outcome of minimizing a corpus: what to keep, and what to drop with the reason."""

    keep: list[Path]
    drop: dict[Path, str]


def entries(paths: Iterable[Path]) -> Iterator[tuple[Path, Stored | StoreError]]:
    """Every stored program below `paths`, or what is wrong with its file. Raises StoreError for a bad folder."""
    for path in paths:
        for file in stored_in(path):
            try:
                yield file, load(file)
            except StoreError as error:
                yield file, error


def add(stored: Stored, folder: Path) -> tuple[Path, bool]:
    """Copies a program into a corpus folder under its content's name; whether it was not there. Raises StoreError."""
    code = stored.meta.get("signature") or stored.meta.get("code")
    name = f"{code}-{digest(stored.program)}{SUFFIX}" if code else f"{digest(stored.program)}{SUFFIX}"
    path = folder / name
    if path.exists():
        return path, False
    if stored.before:
        raise StoreError(f"{stored.path}: it needs programs before it; a corpus holds programs that stand alone")
    write_atomically(path, dumps(stored.program, stored.meta).encode())
    return path, True


def minimize(programs: Sequence[tuple[Path, Stored]], differs: Sequence[Differ]) -> Kept:
    """Which programs add something: short ones first, each must show a behaviour or a signature that is new.

    Records and programs with a signature are judged by the signature alone: they are there for a bug.
    """
    kept: list[Path] = []
    dropped: dict[Path, str] = {}
    signatures: set[str] = set()
    met: set[Behaviour] = set()
    for path, stored in sorted(programs, key=lambda item: (len(item[1].program), digest(item[1].program))):
        name = stored.meta.get("signature") or (digest(stored.program) if stored.is_record else None)
        if name is not None:
            if name in signatures:
                dropped[path] = f"the same bug as a shorter program ({name})"
                continue
            signatures.add(name)
            met |= behaviours_of(stored, differs)
        else:
            new = behaviours_of(stored, differs) - met
            if not new:
                dropped[path] = "its behaviours are all met by shorter programs"
                continue
            met |= new
        kept.append(path)
    return Kept(sorted(kept), dropped)


def behaviours_of(stored: Stored, differs: Sequence[Differ]) -> set[Behaviour]:
    """The behaviours that a program shows on some targets."""
    met: set[Behaviour] = set()
    for differ in differs:
        differ.behaviour = met
        differ.run([view(stored.program, differ.supported)])
    return met
