"""The progress file: eight bytes of shared memory in which an executor notes its place (docs/wire.md)."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from pathlib import Path
from typing import Final

NOWHERE: Final = 0xFFFFFFFF
"""What both numbers are before the first op."""

_SIZE: Final = 8  # program number and op index, each 32 bits in the machine's byte order
_SHARED: Final = Path("/dev/shm")  # a disk would write the page back now and then


class ProgressFile:
    """The parent's side: makes the file, reads the place.

    The name goes away as soon as the child has mapped the file, so that kill -9 leaves nothing behind.
    """

    def __init__(self) -> None:
        folder = _SHARED if os.access(_SHARED, os.W_OK) else None
        handle, self.path = tempfile.mkstemp(prefix="twinheap-progress-", dir=folder)
        try:
            os.write(handle, NOWHERE.to_bytes(4, "little") * 2)
            self._map = mmap.mmap(handle, _SIZE)
        finally:
            os.close(handle)
        self._numbers = memoryview(self._map).cast("I")

    @property
    def place(self) -> tuple[int, int]:
        """Program number and op index that were noted last."""
        return self._numbers[0], self._numbers[1]

    def forget_name(self) -> None:
        """Removes the file's name; a second call does nothing."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def close(self) -> None:
        """Gives back the memory too."""
        self.forget_name()
        self._numbers.release()
        self._map.close()


def open_progress(path: str) -> memoryview:
    """The executor's side: the file as two writable numbers that the parent sees at once.

    The mapping stays when the name goes away. Raises OSError, or ValueError for a file that is too short.
    """
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return memoryview(mmap.mmap(handle, _SIZE)).cast("I")
    finally:
        os.close(handle)
