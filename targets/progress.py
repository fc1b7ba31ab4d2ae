"""The progress file: eight bytes of shared memory in which an executor notes its place (docs/wire.md)."""

from __future__ import annotations

import mmap
import os
from typing import Final

NOWHERE: Final = 0xFFFFFFFF
"""What both numbers are before the first op."""

_SIZE: Final = 8  # program number and op index, each 32 bits in the machine's byte order


class ProgressFile:
    """The parent's side: makes the file, reads the place.

    It is memory with a name in no folder: whoever is killed, and when, nothing is left behind. The path goes through
    this process's open files, and means nothing once `forget_name` was called.
    """

    def __init__(self) -> None:
        self._handle = os.memfd_create("twinheap-progress")
        self.path = f"/proc/{os.getpid()}/fd/{self._handle}"
        os.write(self._handle, NOWHERE.to_bytes(4, "little") * 2)
        self._map = mmap.mmap(self._handle, _SIZE)
        self._numbers = memoryview(self._map).cast("I")

    @property
    def place(self) -> tuple[int, int]:
        """Program number and op index that were noted last."""
        return self._numbers[0], self._numbers[1]

    def forget_name(self) -> None:
        """Closes the file, whose memory stays; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

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
