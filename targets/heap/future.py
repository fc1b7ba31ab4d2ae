"""Operations that can be suspended: generators dressed as awaitables.

Everything that may collect is written once, as a generator that yields where Wasmtime's future
would be pending. A synchronous operation runs it to its end; an asynchronous one wraps it here.
"""

import contextlib
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from twinheap.targets.heap.errors import HeapPanic

T = TypeVar("T")
Steps = Generator[Any, None, T]  # what is yielded goes to the event loop, as an `await` would


def run_to_end(steps: Steps[T]) -> T:
    """Run an operation without suspending it."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


class HeapFuture(Generic[T]):
    """An operation under way: `await` it, or poll it by hand with `send(None)`.

    `send` returns while the operation is pending and raises `StopIteration` with the result
    when it is done, as a coroutine does; errors of the operation come out of it. Nothing happens
    before the first poll. `cancel` drops the operation, started or not; afterwards the store is
    whole, but what was dead may or may not be finalized until the next complete collection.

    >>> from twinheap.targets.heap import Store
    >>> future = Store("drc").gc_async()
    >>> future.poll(), future.done
    (True, True)
    """

    __slots__ = ("_on_cancel", "_result", "_steps", "done")

    def __init__(self, steps: Steps[T], on_cancel: Callable[[], None] | None = None) -> None:
        self._steps = steps
        self._on_cancel = on_cancel
        self.done = False
        self._result: T | None = None

    def send(self, value: None) -> object:
        """Go on until the next suspension; see the class."""
        if self.done:
            raise HeapPanic("`async fn` resumed after completion")
        try:
            return self._steps.send(None)
        except StopIteration as stop:
            self._finish()
            self._result = stop.value
            raise
        except BaseException:
            self._finish()
            raise

    def poll(self) -> bool:
        """Go on until the next suspension; True when the operation is done and `result` there."""
        with contextlib.suppress(StopIteration):
            self.send(None)
        return self.done

    @property
    def result(self) -> T:
        """What the finished operation returned."""
        if not self.done:
            raise HeapPanic("the operation is still under way")
        return self._result  # type: ignore[return-value]  # None only where T is None

    def cancel(self) -> None:
        """Drop the operation. A host value it still holds is finalized now; a finished one is left alone."""
        if self.done:
            return
        on_cancel = self._on_cancel
        self._finish()
        self._steps.close()
        if on_cancel is not None:
            # mutant a03: on_cancel()
            on_cancel()  # mutant a01: pass

    close = cancel

    def _finish(self) -> None:
        self.done = True
        self._on_cancel = None

    def __await__(self) -> Steps[T]:
        while True:
            try:
                yield self.send(None)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def __del__(self) -> None:
        self.cancel()
