"""What programs put into the in-tree heap, and what they do to it over time: host values, limiters, futures."""

from __future__ import annotations

from typing import Any

from twinheap.targets.heap import AsyncResourceLimiter, HeapFuture, Store


class HostValue:
    """What programs wrap in externrefs: its value id, and a payload that can change."""

    __slots__ = ("id", "payload")

    def __init__(self, value: int) -> None:
        self.id = value
        self.payload = 0


class AsyncLimits(AsyncResourceLimiter):
    """A limit in bytes behind the asynchronous interface; it never waits."""

    def __init__(self, memory_size: int | None) -> None:
        self.memory_size = memory_size

    async def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """May the heap grow from `current` to `desired` bytes?"""
        return (self.memory_size is None or desired <= self.memory_size) and (maximum is None or desired <= maximum)


class Pending:
    """A future under way: where its result goes, and which host value it holds."""

    __slots__ = ("error", "future", "handle", "store", "value")

    def __init__(self, store: Store, future: HeapFuture[Any], handle: int, error: int, value: int) -> None:
        self.store = store
        self.future = future
        self.handle = handle
        self.error = error
        self.value = value
