"""Memory for handles: C structs at addresses that stay put, handed out as plain ints (docs/spec/capi.md 5.1, 5.4).

Every reference handle lives inside a wasmtime_val_t, whose kind is written once. So the same memory serves the
reference functions, which take the handle, and globals, tables and calls, which take the value, without any copying.
"""

from __future__ import annotations

import ctypes

from twinheap.targets.capi.shapes import KIND_ANYREF, KIND_EXNREF, KIND_EXTERNREF, VAL_HANDLE, Shape

# Cells are allocated this many at a time: a program of average size needs one block of each kind.
_BLOCK = 256
# The alignment of wasmtime_val_t on x86-64; create_string_buffer gives more.
_ALIGN = 8


class _Cells:
    """Equal pieces of memory, zeroed before each use and never given back to the system."""

    def __init__(self, size: int, head: bytes = b"") -> None:
        self._size = -(-size // _ALIGN) * _ALIGN
        self._fresh = head.ljust(self._size, b"\0")
        self._blocks: list[ctypes.Array[ctypes.c_char]] = []
        self._free: list[int] = []

    def take(self) -> int:
        """Return the address of a cell in its fresh state."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def give(self, address: int) -> None:
        """Take a cell back and wipe it, so that a stale use reads null."""
        ctypes.memmove(address, self._fresh, self._size)
        self._free.append(address)

    def _grow(self) -> None:
        block = ctypes.create_string_buffer(self._fresh * _BLOCK, self._size * _BLOCK)
        self._blocks.append(block)
        start = ctypes.addressof(block)
        self._free.extend(range(start + self._size * (_BLOCK - 1), start - 1, -self._size))


class Memory:
    """Cells for the handles, globals and tables of one executor.

    ``take_*`` gives an address that stays valid until it is given back with ``give_*`` of the same kind; a fresh
    handle is null. Giving memory back does not release what the handle roots: unroot it first.
    """

    def __init__(self, shape: Shape) -> None:
        self._externs = _Cells(shape.val_size, bytes([KIND_EXTERNREF]))
        self._anys = _Cells(shape.val_size, bytes([KIND_ANYREF]))
        self._exns = _Cells(shape.val_size, bytes([KIND_EXNREF]))
        self._items = _Cells(shape.item_size)

    def take_extern(self) -> int:
        """Return the address of a null wasmtime_externref_t; its wasmtime_val_t begins VAL_HANDLE bytes before."""
        return self._externs.take() + VAL_HANDLE

    def give_extern(self, handle: int) -> None:
        """Take back the memory of an externref handle."""
        self._externs.give(handle - VAL_HANDLE)

    def take_any(self) -> int:
        """Return the address of a null wasmtime_anyref_t; its wasmtime_val_t begins VAL_HANDLE bytes before."""
        return self._anys.take() + VAL_HANDLE

    def give_any(self, handle: int) -> None:
        """Take back the memory of an anyref handle."""
        self._anys.give(handle - VAL_HANDLE)

    def take_exn(self) -> int:
        """Return the address of a null wasmtime_exnref_t; its wasmtime_val_t begins VAL_HANDLE bytes before."""
        return self._exns.take() + VAL_HANDLE

    def give_exn(self, handle: int) -> None:
        """Take back the memory of an exnref handle."""
        self._exns.give(handle - VAL_HANDLE)

    def take_item(self) -> int:
        """Return the address of memory for one wasmtime_global_t or wasmtime_table_t."""
        return self._items.take()

    def give_item(self, item: int) -> None:
        """Take back the memory of a global or table, which itself lives as long as its store."""
        self._items.give(item)


def is_null(handle: int) -> bool:
    """Whether the handle at this address is the null reference, that is, its store id is 0 (docs/spec/capi.md 5.1)."""
    return ctypes.c_uint64.from_address(handle).value == 0
