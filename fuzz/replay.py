"""Replaying stored programs: FIXED, FAILED or ERROR, on the targets that they name or on others.

A file in a folder `known` or `mutants` of a corpus is a *record*: on the targets of its `targets:` line it must fail
with its `code:`, on those of its `fixed:` line it must not. Anything else is a finding, to be fixed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from twinheap.fuzz.oracle import CrossOracle, Opener, Oracle, Seen, TargetOracle
from twinheap.fuzz.store import StoreError, list_files, read_program
from twinheap.model.codes import Verdict
from twinheap.model.engines import DEFAULT, feature
from twinheap.model.ops import OPS
from twinheap.model.program import Program, engines_of
from twinheap.model.text import DIGEST_DIGITS, SUFFIX, digest
from twinheap.model.view import OWNED_FORM
from twinheap.targets.executor import ExecutorError
from twinheap.targets.registry import TargetError, expand

Status = Literal["FIXED", "FAILED", "ERROR"]

RECORD_FOLDERS: Final = ("known", "mutants")
"""Folders of the corpus whose files are records."""

MAX_IDLE: Final = 8
"""Executors that wait for another program of their target: a process each, and files name few targets in common."""

FLAKY_TRIES: Final = 5
"""Replays of a finding that was flaky, each in a fresh executor: it is fixed if none of them fails."""

AGAINST: Final = " | "
"""Between two targets that disagree with each other."""


class Stored(msgspec.Struct, frozen=True):
    """A stored program: its file, its header, and the programs that must run before it in the same process."""

    path: Path
    program: Program
    meta: dict[str, str]
    before: list[Program]

    @property
    def is_record(self) -> bool:
        """Whether its statuses are recorded, instead of to be fixed."""
        return self.path.parent.name in RECORD_FOLDERS or self.meta.get("role") == "record"

    @property
    def targets(self) -> list[str]:
        """The targets on which it failed."""
        return split_targets(self.meta.get("targets", ""))

    @property
    def fixed(self) -> list[str]:
        """The targets on which it is recorded not to fail."""
        return split_targets(self.meta.get("fixed", ""))


class Replayed(msgspec.Struct, frozen=True):
    """One program on one target: `status`, the verdict if it failed, what `expected` was recorded, and a word on it."""

    stored: Stored
    target: str
    status: Status
    verdict: Verdict | None = None
    expected: Status | None = None
    detail: str = ""

    @property
    def as_recorded(self) -> bool:
        """Whether the status is the recorded one; a failure must also have the recorded code."""
        code = self.stored.meta.get("code")
        same_code = self.verdict is None or code is None or self.verdict.code == code
        return self.status == self.expected and same_code


def split_targets(text: str) -> list[str]:
    """The target names of a header line: between `;`, or between spaces, which only a command may contain.

    >>> split_targets("capi@42.0.0 heap,collector=null"), split_targets("exec,cmd=./a b; heap | capi")
    (['capi@42.0.0', 'heap,collector=null'], ['exec,cmd=./a b', 'heap | capi'])
    """
    if AGAINST in text or "exec" in text or ";" in text:
        return [part.strip() for part in text.split(";") if part.strip()]
    return text.split()


def stored_in(path: Path) -> Iterator[Path]:
    """The program files that a path means: itself, or those in a folder below it that are to be replayed.

    Of a finding's files only the shrunk program; predecessors and originals come with it. Raises StoreError.
    """
    if not path.is_dir():
        yield path
        return
    try:
        children = sorted(path.iterdir())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None
    for child in children:
        if child.is_dir() and not child.is_symlink():
            yield from stored_in(child)
    for file in list_files(path, SUFFIX):
        if "-original-" not in file.name and "-before-" not in file.name:
            yield file


def load(path: Path) -> Stored:
    """The stored program in a file, with its predecessors from beside it. Raises StoreError."""
    parsed = read_program(path)
    before = [read_program(path.parent / name).program for name in parsed.meta.get("before", "").split()]
    return Stored(path, parsed.program, parsed.meta, before)


def inexpressible(program: Program, supported: frozenset[str]) -> list[str]:
    """The op kinds of `program` that a target can neither run nor lower, so that a replay would mean nothing.

    Likewise its engine configurations: under others it may show something else.
    """
    lifo = "scope" in supported
    missing: dict[str, None] = {}
    for op in program.ops:
        name = OPS[op[0]].name
        lowered = name in ("scope", "end", "lend") or OWNED_FORM.get(name) in supported
        if name not in supported and (lifo or not lowered):
            missing[name] = None
    for engine in sorted(engines_of(program) - {DEFAULT}):
        if feature(engine) not in supported:
            missing[feature(engine)] = None
    return list(missing)


class Shared:
    """Executors that one replay leaves to the next: those on which nothing failed. Close it at the end."""

    def __init__(self) -> None:
        self._idle: dict[str, Oracle] = {}

    def take(self, target: str) -> Oracle | None:
        """The executor of a target, if one was left."""
        return self._idle.pop(target, None)

    def leave(self, target: str, oracle: Oracle) -> None:
        """Leaves an executor to the next replay; the one that was left first goes if there are too many."""
        self._idle[target] = oracle
        if len(self._idle) > MAX_IDLE:
            self._idle.pop(next(iter(self._idle))).close()

    def close(self) -> None:
        """Ends the executors."""
        while self._idle:
            self._idle.popitem()[1].close()


def replay(
    stored: Stored, target: str, opener: Opener, expected: Status | None = None, shared: Shared | None = None
) -> Replayed:
    """Replays a program on one target, or on two that are to agree, in fresh executors or in `shared` ones.

    A failure counts only in a fresh executor, and what other programs must precede or was flaky gets one at once.
    """
    left = shared.take(target) if shared is not None else None
    try:
        oracle = left or open_oracle(target, opener)
    except (TargetError, ExecutorError, ValueError) as error:
        return Replayed(stored, target, "ERROR", expected=expected, detail=str(error))
    clean = False
    try:
        if missing := inexpressible(stored.program, oracle.supported):
            clean = True
            detail = f"the target cannot express {', '.join(missing)}"
            return Replayed(stored, target, "ERROR", expected=expected, detail=detail)
        alone = not stored.before and "flaky" not in stored.meta
        if left is not None and alone and not oracle.see([stored.program])[-1].failures:
            verdict = None
        else:
            if left is not None:
                oracle.fresh()
            verdict = _in_fresh(stored, oracle)
        clean = verdict is None
    except ExecutorError as error:
        return Replayed(stored, target, "ERROR", expected=expected, detail=str(error))
    finally:
        if shared is not None and clean:
            shared.leave(target, oracle)
        else:
            oracle.close()
    return Replayed(stored, target, "FAILED" if verdict else "FIXED", verdict, expected, _remark(stored, verdict))


def _in_fresh(stored: Stored, oracle: Oracle) -> Verdict | None:
    """The verdict of a program in a fresh executor, of one that was flaky in several."""
    for again in range(FLAKY_TRIES if "flaky" in stored.meta else 1):
        if again:
            oracle.fresh()
        seen = oracle.see([*stored.before, stored.program])[-1]
        if verdict := chosen(seen, stored.meta.get("code"), stored.meta.get("known")):
            return verdict
    return None


def open_oracle(target: str, opener: Opener) -> Oracle:
    """What answers for a target, or for two with ` | ` between them. Raises TargetError or ExecutorError."""
    one, against, two = target.partition(AGAINST)
    return CrossOracle(one, two, opener) if against else TargetOracle(target, opener)


def chosen(seen: Seen, code: str | None, known: str | None = None) -> Verdict | None:
    """The verdict of this known defect, else with this code, else the first that nothing explains."""
    verdicts = [verdict for _, verdict in seen.failures]

    def rank(verdict: Verdict) -> tuple[bool, bool, bool]:
        return known is not None and verdict.known != known, verdict.code != code, verdict.known is not None

    return min(verdicts, key=rank, default=None)


def _remark(stored: Stored, verdict: Verdict | None) -> str:
    code = stored.meta.get("code")
    remarks = [f"{verdict.code} instead of {code}"] if verdict and code and verdict.code != code else []
    if changed(stored):
        remarks.append("not the program that was stored under this name: edited or damaged")
    return "; ".join(remarks)


def changed(stored: Stored) -> bool:
    """Whether a finding's file holds another program than its name says: half of one may well be fixed."""
    named = stored.path.stem.rpartition("-")[2]
    of_finding = len(named) == DIGEST_DIGITS and stored.path.name.startswith(stored.meta.get("signature", SUFFIX))
    return of_finding and named != digest(stored.program)


def expectations(stored: Stored) -> list[tuple[str, Status]]:
    """The targets of a record with what is recorded of them, releases spelled out. Raises TargetError."""
    return [(one, status) for name, status in _recorded(stored) for one in _spelled(name)]


def _recorded(stored: Stored) -> list[tuple[str, Status]]:
    """The names in the header of a record, with what is recorded of them."""
    failed: list[tuple[str, Status]] = [(name, "FAILED") for name in stored.targets]
    return failed + [(name, "FIXED") for name in stored.fixed]


def _spelled(name: str) -> list[str]:
    """A name with its releases spelled out. Raises TargetError."""
    return [name] if AGAINST in name else [target.name for target in expand(name)]


def replay_all(
    stored: Stored,
    override: Sequence[str],
    default: Sequence[str],
    opener: Opener,
    shared: Shared | None = None,
) -> Iterator[Replayed]:
    """Replays a program on `override`, else on what it names, else on `default`; see `replay` for the rest.

    A target of a record that this machine lacks is an error of its own: the record's other targets are replayed.
    """
    if stored.is_record and not override and (recorded := _recorded(stored)):
        for name, status in recorded:
            try:
                spelled = _spelled(name)
            except TargetError as error:
                yield Replayed(stored, name, "ERROR", expected=status, detail=str(error))
                continue
            for target in spelled:
                yield replay(stored, target, opener, status, shared)
        return
    for target in override or stored.targets or default:
        yield replay(stored, target, opener, shared=shared)
