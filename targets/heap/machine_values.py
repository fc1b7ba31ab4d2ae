"""What programs put into the in-tree heap, and what they do to it over time: host values, limiters, futures."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from twinheap.model.ops import INT_KINDS
from twinheap.targets.heap import AsyncResourceLimiter, HeapFuture, LimiterError, ResourceLimiter, Store

LIMIT: Final = INT_KINDS["answer"].names.index("limit")
ERROR: Final = INT_KINDS["answer"].names.index("error")


class HostValue:
    """What programs wrap in externrefs: its value id, and a payload that can change."""

    __slots__ = ("id", "payload")

    def __init__(self, value: int) -> None:
        self.id = value
        self.payload = 0


class Answers:
    """How a limiter answers: by its limit in bytes, always no, or always with an error."""

    def __init__(self, memory_size: int | None) -> None:
        self.memory_size = memory_size
        self.answer = LIMIT

    def memory(self, desired: int, maximum: int | None) -> bool:
        """May the heap grow to `desired` bytes? Raises `LimiterError` if that is the answer."""
        return self.may() and not any(top is not None and desired > top for top in (self.memory_size, maximum))

    def may(self) -> bool:
        """May anything grow that has no limit of its own? Raises `LimiterError` if that is the answer."""
        if self.answer == ERROR:
            raise LimiterError("the limiter fails")
        return self.answer == LIMIT


class PlainLimits(Answers, ResourceLimiter):
    """The ordinary interface."""

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May the heap grow from `current` to `desired` bytes?"""
        return self.memory(desired, maximum)

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May a table grow from `current` to `desired` slots?"""
        return self.may() and (maximum is None or desired <= maximum)


class AsyncLimits(Answers, AsyncResourceLimiter):
    """The asynchronous interface; it waits once in each question about memory."""

    async def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May the heap grow from `current` to `desired` bytes?"""
        await _Yield()
        return self.memory(desired, maximum)


class _Yield:
    """Pending once, then ready."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Pending:
    """A future under way: where its result goes, and which host value it holds."""

    __slots__ = ("error", "future", "handle", "store", "value")

    def __init__(self, store: Store, future: HeapFuture[Any], handle: int, error: int, value: int) -> None:
        self.store = store
        self.future = future
        self.handle = handle
        self.error = error
        self.value = value
