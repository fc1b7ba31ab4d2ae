"""Resource limiters: who may say no to growth (`docs/spec/semantics.md` 1.5)."""

from abc import ABC, abstractmethod


class ResourceLimiter(ABC):
    """Asked before the GC heap or a table grows, by operations that do not wait."""

    @abstractmethod
    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May the heap grow from `current` to `desired` bytes? An exception counts as no."""

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May a table grow from `current` to `desired` slots? An exception fails the host's call."""
        return maximum is None or desired <= maximum


class AsyncResourceLimiter:
    """As `ResourceLimiter`, but may wait; a store that has one refuses the synchronous operations.

    A plain class, because every allocation asks whether the limiter is one, and asking an abstract
    class is slow.
    """

    async def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May the heap grow from `current` to `desired` bytes? An exception counts as no."""
        raise NotImplementedError

    async def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May a table grow from `current` to `desired` slots?"""
        return maximum is None or desired <= maximum


class StoreLimits(ResourceLimiter):
    """Fixed limits, changeable at any time; lowering one shrinks nothing.

    `memory_size` is in bytes, `table_elements` in slots; None is no limit.

    >>> limits = StoreLimits(memory_size=192 * 1024)
    >>> limits.memory_growing(65536, 131072, None), limits.memory_growing(131072, 262144, None)
    (True, False)
    """

    __slots__ = ("memory_size", "table_elements")

    def __init__(self, memory_size: int | None = None, table_elements: int | None = None) -> None:
        self.memory_size = memory_size
        self.table_elements = table_elements

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """Up to `memory_size` bytes."""
        if self.memory_size is not None and desired > self.memory_size:
            return False
        return maximum is None or desired <= maximum

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """Up to `table_elements` slots."""
        if self.table_elements is not None and desired > self.table_elements:
            return False
        return maximum is None or desired <= maximum
