"""Ctrl-C and its relatives: what ends a search early, and what may not be cut short."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def ended_by_term() -> Iterator[None]:
    """Inside, SIGTERM is as Ctrl-C: `timeout`, a service manager or a batch system ends a search with its summary.

    Outside of the main thread, where Python hears no signals, it does nothing, and where SIGTERM is ignored neither.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Inside, neither Ctrl-C nor SIGTERM is heard: storing what was found, and saying so. It must be short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, signal.SIG_IGN) for number in _ENDINGS]
    try:
        yield
    finally:
        for number, handler in zip(_ENDINGS, before, strict=True):
            signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def delayed() -> Iterator[None]:
    """Inside, Ctrl-C waits for the end: msgspec crashes if it comes while it looks at types. It must be short.

    The handler is replaced, since blocking the signal would only send it to another thread, and so to Python as before.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            signal.raise_signal(signal.SIGINT)
