"""A second thread that does one thing at a time while the first waits: for handles dropped on another thread."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any

Job = Callable[[], object]


class OtherThread:
    """Runs functions on a thread of its own, which starts at the first and ends with this object.

    A new thread for each would cost half a millisecond under load, as much as a whole program.

    >>> here, there = threading.get_ident(), []
    >>> OtherThread().run(lambda: there.append(threading.get_ident()))
    >>> there != [here]
    True
    """

    def __init__(self) -> None:
        self._wake = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._job: list[Job | Exception | None] = [None]  # what to do; then what it raised
        self._started = False

    def run(self, job: Job) -> None:
        """Runs `job` there, and waits for it. Raises what it raises."""
        if not self._started:
            self._started = True
            self._wake.acquire()
            self._done.acquire()
            # The thread knows the locks and not this object, so that the object can end.
            threading.Thread(target=_work, args=(self._wake, self._done, self._job), daemon=True).start()
        self._job[0] = job
        self._wake.release()
        self._done.acquire()
        raised = self._job[0]
        if isinstance(raised, Exception):
            raise raised

    def __del__(self) -> None:
        if self._started:
            self._job[0] = None
            self._wake.release()


def _work(wake: Any, done: Any, job: list[Any]) -> None:
    while True:
        wake.acquire()
        todo, job[0] = job[0], None
        if todo is None:
            return
        try:
            todo()
        except Exception as error:
            job[0] = error
        del todo  # it holds the handle
        done.release()
