"""Limits on runs: where fuel or the clock stops one (docs/bodies.md, limits).

A run is stopped at a check point: where a function begins, and each turn of a loop. The observation says how many were
passed. In many releases code that fills or copies many elements looks as well, uncounted:
if such a form came after the last check point, the run may have been stopped inside it, and where the forms
after it changed something, the state is not known and judging ends (`Lost`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.model.body import Tree
from twinheap.model.contents import BodyState
from twinheap.model.declared import Types
from twinheap.model.engines import ENGINES
from twinheap.model.observation import STOPPED, TRAP
from twinheap.model.run_trace import Trace
from twinheap.model.state import Budget, Store
from twinheap.model.world import Broken, Lost

BULK: Final = frozenset(
    {
        *("table.fill", "table.copy", "table.init", "table.grow"),
        *("array.new", "array.new_default", "array.new_fixed", "array.new_elem", "array.new_data"),
        *("array.fill", "array.copy", "array.init_elem", "array.init_data"),
    }
)
"""Forms inside which a run may be stopped."""


class Stopped(Exception):
    """The run was stopped here, where it may have been; `outcome` says how."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class RunLimits:
    """Where one run is stopped, if it is. `changes`: how many lasting effects it had so far."""

    def __init__(self, store: Store, trace: Trace) -> None:
        self.store = store
        self.trace = trace
        self.outcome = TRAP + ("fuel" if ENGINES[store.engine].fuel else "interrupt")
        self.after = trace.passed if trace.obs.outcome in STOPPED else None
        self.changes = 0
        self._body = BodyState()
        self._start = (0, 0)
        self._half_made = False  # a form that makes an array of references may be where it is stopped (K37)
        self._doubt: tuple[int, int] | None = None  # entries of the trace and changes before the first doubtful form

    def begin(self, body: BodyState, show: Callable[[], None]) -> None:
        """The function `main` of a body's instance is called. Raises Stopped if there is nothing left to use.

        `show` says that the body was instantiated, and raises what ended that.
        """
        self._body, self._start, self._doubt = body, (body.points, body.drifts), None
        if self.store.budget is Budget.NOTHING:
            show()
            raise Stopped(self.outcome)

    def point(self, own: BodyState) -> None:
        """A check point in a body's code. Raises Stopped if the run was stopped here; Lost."""
        body = self._body
        if own is not body:  # a function of another body, which counts for that
            own.points += 1
            if self.after is not None:
                raise Lost
            return
        if self._here:
            self._check_doubt()
            self._stop()
        body.points += 1
        self._doubt, self._half_made = None, False

    def bulk(self, tree: Tree, types: Types) -> None:
        """A form that may have been stopped inside begins: its operands are there. `types`: those of the body."""
        if self._here:
            self.store.forget_exactness()  # whether it is stopped in here, nothing tells
        makes = str(tree[0]).startswith("array.new") and types.objects[str(tree[1])].fields[0].is_reference
        self._half_made = self._half_made or makes
        if not self._doubted:
            self._doubt = self.trace.at, self.changes

    def over(self) -> None:
        """The run is at its end, at another trap, or would show more. Raises Stopped if it was stopped before; Lost."""
        if self._here and self._doubted:
            self._check_doubt()
            self._stop()

    @property
    def _here(self) -> bool:
        """Whether as many points were passed as the observation says."""
        if self.after is None:
            return False
        if self._body.drifts != self._start[1]:  # a run inside ended nobody knows where
            raise Lost
        return self._body.points - self._start[0] == self.after

    @property
    def _doubted(self) -> bool:
        """Whether there was such a form, and nothing in the trace says that the run went on."""
        return self._doubt is not None and self._doubt[0] == self.trace.at

    def _check_doubt(self) -> None:
        if self._doubted and self._doubt != (self.trace.at, self.changes):
            raise Lost

    def _stop(self) -> None:
        if self.store.budget is Budget.PLENTY:
            raise Broken("TH106", f"the run goes on: the store has plenty, and {self.trace.obs.outcome} came")
        if self._half_made and self.store.profile.collector == "drc":  # elsewhere what is not reachable is not traced
            self.store.harm("K37")
        raise Stopped(self.outcome)
