"""Stored programs as tests: each is replayed, and fails if what happens differs from what is recorded.

* A seed, which names no targets, must pass on the targets of the session.
* A finding must be fixed on the targets that it names.
* A record (in a folder `known` or `mutants`) must fail with its `code:` on its `targets:`, and pass on `fixed:` ones.

With chosen targets each program runs on those instead: where a record says nothing of one, it must pass there, or show
a defect that the target's release is known to have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.replay import Replayed, Status, Stored, expectations, load, replay
from twinheap.fuzz.store import StoreError
from twinheap.pytest_checker import Divergence
from twinheap.pytest_plugin import targets_of
from twinheap.pytest_targets import runner_of
from twinheap.targets import registry

COMPANIONS: Final = frozenset({"original", "before"})
"""Roles of programs that only go with another one."""


class OtherStatus(AssertionError):
    """A program was replayed with another status than the recorded one. The message is one line."""


class ProgramFile(pytest.File):
    """A file with one program."""

    def collect(self) -> Iterator[pytest.Item]:
        """One test per target."""
        try:
            stored = load(self.path)
            recorded = dict(expectations(stored)) if stored.is_record else dict.fromkeys(stored.targets, "FIXED")
        except (StoreError, registry.TargetError) as error:
            raise self.CollectError(str(error)) from None
        if stored.meta.get("role") in COMPANIONS:
            return
        targets = targets_of(self.config)
        for name in targets.names if targets.chosen or not recorded else recorded:
            item: ProgramItem = ProgramItem.from_parent(self, name=name, stored=stored, status=recorded.get(name))
            yield item


class ProgramItem(pytest.Item):
    """One program on one target. `status`: the one that a replay must have; None for a program that must pass."""

    def __init__(self, *, stored: Stored, status: Status | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stored = stored
        self.status = status

    def runtest(self) -> None:
        """Replays the program. Raises Divergence or OtherStatus."""
        if self.status is None:
            targets_of(self.config).checker(self.name).check(self.stored.program)
            return
        replayed = replay(self.stored, self.name, _open, self.status)
        if not replayed.as_recorded:
            raise OtherStatus(f"{self.path.name} on {self.name}: {self._difference(replayed)}")

    def _difference(self, replayed: Replayed) -> str:
        """What was recorded and what happened instead."""
        code = self.stored.meta.get("code", "")
        recorded = f"recorded as {self.status}" + (f" with {code}" if self.status == "FAILED" else "")
        verdict = replayed.verdict
        if verdict is None:
            return f"{recorded}, and now {replayed.status}{replayed.detail and ': ' + replayed.detail}"
        now = f"{replayed.status} with {verdict.code}: allowed {verdict.allowed}; observed {verdict.observed}"
        return f"{recorded}, and now {now}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report itself; where TwinHeap raised it is of no interest."""
        if isinstance(excinfo.value, Divergence | OtherStatus):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The file and the target."""
        return self.path, None, f"{self.path.name}[{self.name}]"


def _open(name: str) -> Differ:
    """A target of its own for each replay: what ran before must not matter."""
    return Differ(name, runner_of(registry.parse(name)))
