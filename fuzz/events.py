"""What an engine tells its listeners while it runs. Terminal and JSON are listeners; nobody imports them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from twinheap.fuzz.record import Finding
from twinheap.fuzz.stats import Statistics
from twinheap.model.judge import Behaviour
from twinheap.targets.wire import Hello


class Started(msgspec.Struct, frozen=True):
    """A run begins. `targets`: names with their handshakes; `programs`, `seconds`: its budget, None for no bound."""

    seed: int
    profile: str
    targets: dict[str, Hello]
    workers: int
    programs: int | None
    seconds: float | None


class Progress(msgspec.Struct, frozen=True):
    """How far a run is; at most a few times a second. `pending`: findings that are being shrunk."""

    elapsed: float
    programs: int
    ops: int
    findings: int
    known: int
    behaviours: int
    pending: int


class FindingMade(msgspec.Struct, frozen=True):
    """A finding, shrunk and stored. `path`: of its shrunk program, None if nothing is stored.

    `expected`: the first meeting of a known defect, which is no new finding. `new`: its signature was not in the store.
    """

    finding: Finding
    text: str
    path: Path | None
    expected: bool
    new: bool


class Warned(msgspec.Struct, frozen=True):
    """Something that the user should know and that stops nothing."""

    text: str


class Ended(msgspec.Struct, frozen=True):
    """A run is over. `interrupted`: by Ctrl-C. `missed`: behaviours of the model that nothing met."""

    summary: Summary
    interrupted: bool


class Summary(msgspec.Struct, frozen=True):
    """What a run came to. `failures`: how often anything failed, duplicates included. `missed`: of the `universe` of
    behaviours that these targets can show."""

    seed: int
    profile: str
    targets: dict[str, Hello]
    seconds: float
    statistics: Statistics
    findings: list[FindingMade]
    expected: list[FindingMade]
    failures: int
    missed: list[Behaviour]
    universe: int


Event = Started | Progress | FindingMade | Warned | Ended
Listener = Callable[[Event], None]
