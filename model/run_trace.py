"""The trace of a run as the interpreter meets it: a cursor over what `see` and `note` told (docs/bodies.md).

Markers `f:V` before an entry say what was finalized since the one before. Points without an entry of their own (`gc`,
`new`) cannot be told apart in a trace, so markers are judged at the next entry, and those after the last one at the
end of the op with all that was finalized in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinheap.model.entities import Obj, Ref
from twinheap.model.observation import IS_NULL, NONNULL, OK, PASSED, STOPPED, Observation, Value
from twinheap.model.world import Broken, Lost, World

MARK: Final = "f:"
CALLED: Final = "cb"
"""The entry of a call of the host's `cb`."""

TRACE_ENTRIES: Final = 255
"""Entries that executors keep; a run that has as many may have had more (docs/bodies.md)."""


class Trace:
    """A cursor over the entries of one observation. `result`: what an `ok` says of the run's result."""

    def __init__(self, w: World, obs: Observation) -> None:
        self.w = w
        self.obs = obs
        if len(obs.values) >= TRACE_ENTRIES:
            raise Lost  # the rest was cut off
        self.entries: tuple[Value, ...] = obs.values
        self.result: Value = None
        self.at = 0
        if obs.outcome == OK:
            if not obs.values or obs.values[-1] not in (NONNULL, IS_NULL):
                raise Broken("TH404", "the trace of a run that is ok ends with nonnull or null")
            self.entries, self.result = obs.values[:-1], obs.values[-1]
        self.passed = 0
        """Of a run that was stopped: how many check points it passed."""
        if obs.outcome in STOPPED:
            last = obs.values[-1] if obs.values else None
            if not isinstance(last, str) or not last.startswith(PASSED) or not last[len(PASSED) :].isdecimal():
                raise Broken("TH404", f"the trace of a run that is stopped ends with {PASSED} and a number")
            self.entries, self.passed = obs.values[:-1], int(last[len(PASSED) :])
        self.end = 0
        marked = []
        for at, entry in enumerate(self.entries, 1):
            value = _marked(entry)
            if value is None:
                self.end = at
            else:
                marked.append(value)
        if marked and not set(marked) <= set(obs.finalized):
            raise Broken("TH404", "every value that the trace marks as finalized is among those of the op")

    @property
    def over(self) -> bool:
        """Whether no entry is left."""
        return self.at >= self.end

    @property
    def next_entry(self) -> Value:
        """The next entry, once `marks` was called; None if the trace is over."""
        return None if self.over else self.entries[self.at]

    def marks(self) -> None:
        """What was finalized before the next entry is judged now."""
        while not self.over and (value := _marked(self.entries[self.at])) is not None:
            self.w.finalized_early(value)
            self.at += 1

    def marks_exactly(self, values: Sequence[int]) -> None:
        """Exact mode: `values` were finalized since the marks before, and that is said here."""
        for value in values:
            entry = self.entries[self.at] if self.at < len(self.entries) else None
            if _marked(entry) != value:
                raise Broken("TH205", f"v{value} finalized at this point of the run, before {entry}")
            self.w.finalized_early(value)
            self.at += 1

    def unmarked(self) -> None:
        """Exact mode: nothing else was finalized since the marks before."""
        if self.at < len(self.entries) and (value := _marked(self.entries[self.at])) is not None:
            raise Broken("TH205", f"v{value} not finalized at this point of the run")

    def expect(self, entry: Value, code: str, obj: Obj | None = None) -> None:
        """The next entry must be `entry`."""
        if self.over:
            if self.obs.outcome == OK:
                raise Broken(code, f"{entry}: next in the trace, which is over", obj)
            raise Broken("TH106", f"{entry}: next in the trace, and no {self.obs.outcome} before it", obj)
        got = self.entries[self.at]
        if got != entry or type(got) is not type(entry):
            raise Broken(code, f"{entry}: entry {self.at} of the trace, not {got}", obj)
        self.at += 1

    def check_over(self) -> None:
        """The run is over: so must the trace be."""
        if not self.over:
            raise Broken("TH106", f"the run ends here, and entry {self.at} of its trace is {self.entries[self.at]}")


def seen(ref: Ref) -> Value:
    """The entry for a reference that is seen.

    >>> seen(None), seen(7)
    ('null', 'i31:7')
    """
    if ref is None:
        return IS_NULL
    if not isinstance(ref, Obj):
        return f"i31:{ref}"
    return ref.value if ref.kind == "extern" else "object"


def _marked(entry: Value) -> int | None:
    """The value that a marker names."""
    if isinstance(entry, str) and entry.startswith(MARK) and entry[len(MARK) :].isdecimal():
        return int(entry[len(MARK) :])
    return None
