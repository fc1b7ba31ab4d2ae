"""Starting targets by name, for everything in this package."""

from __future__ import annotations

from twinheap.fuzz.differ import Differ
from twinheap.fuzz.oracle import Opener
from twinheap.targets import registry
from twinheap.targets.executor import Executor


def opener_for(expect: frozenset[str] = frozenset()) -> Opener:
    """What starts an executor by target name, to be judged with `expect` added to the known defects.

    It raises `TargetError` for a name that means nothing, and `ExecutorError` if the executor does not start.
    """

    def open_target(name: str) -> Differ:
        executor = registry.parse(name).executor()
        return Differ(name, _started(executor), expect)

    return open_target


def _started(executor: Executor) -> Executor:
    executor.start()
    return executor
