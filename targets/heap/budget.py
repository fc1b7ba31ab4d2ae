"""What the runs of a store may use: fuel, or ticks of a clock (docs/bodies.md, limits)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

POINT_FUEL: Final = 8
"""Units of fuel from one check point to the next: about what the code between two of them takes in Wasmtime."""

FUEL: Final = "fuel"
INTERRUPT: Final = "interrupt"


class Budget:
    """The limits of one store; None is no limit. Looked at where functions begin, and at each turn of a loop.

    >>> budget = Budget()
    >>> budget.fuel = POINT_FUEL
    >>> budget.spent(), budget.spent(), budget.spent()
    (None, 'fuel', 'fuel')
    """

    __slots__ = ("fuel", "ticks")

    def __init__(self) -> None:
        self.fuel: int | None = None
        self.ticks: int | None = None

    def spent(self) -> str | None:
        """A check point: the code of the trap that ends the run here, if it is over."""
        if self.fuel is not None:
            if self.fuel <= 0:
                return FUEL
            self.fuel -= POINT_FUEL
        return INTERRUPT if self.ticks is not None and self.ticks <= 0 else None

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Runs code without limits."""
        before, self.fuel, self.ticks = (self.fuel, self.ticks), None, None
        try:
            yield
        finally:
            self.fuel, self.ticks = before

    def tick(self) -> None:
        """A host function was called: the clock goes on."""
        if self.ticks is not None:
            self.ticks -= 1
