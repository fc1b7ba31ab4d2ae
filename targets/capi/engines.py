"""Engine configurations on the C API: a machine for each that programs ask for (model/engines.py, docs/wire.md)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from twinheap.model.engines import ENGINES, POOL_HEAPS, Engine
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import Library, LibraryError
from twinheap.targets.capi.machine import CapiMachine
from twinheap.targets.machine import Raw
from twinheap.targets.wire import Hello, WireProgram

_PTR: Final = ctypes.c_void_p
_POOL: Final = "wasmtime_pooling_allocation"
_OPT_NONE: Final = 0  # WASMTIME_OPT_LEVEL_NONE
_SIZES: Final = {
    "memory_reservation": "reservation",
    "memory_reservation_for_growth": "reservation",
    "memory_guard_size": "guard",
}
"""Settings in bytes, and the attribute of `Engine` that says them."""

POOL_SIZES: Final = {"total_gc_heaps": POOL_HEAPS, "max_tables_per_module": 4, "total_tables": 1000}
"""A kit has two tables, and a body that calls indirectly one more; a thousand are there by default."""


def configure(library: Library, config: int, engine: Engine) -> None:
    """Applies what `engine` asks for to a wasm_config_t*. Raises LibraryError if the release has no such setting."""
    if not engine.optimize:
        _set(library, "wasmtime_config_cranelift_opt_level_set", ctypes.c_uint8, config, _OPT_NONE)
    for name, attribute in _SIZES.items():
        size = getattr(engine, attribute)
        if size is not None:
            _set(library, f"wasmtime_config_{name}_set", ctypes.c_uint64, config, size)
    if engine.pooling:
        if not library.has(f"{_POOL}_config_new"):
            raise LibraryError(f"{library.path} has no pooling allocator")
        pool = library.function(f"{_POOL}_config_new", _PTR)()
        for name, value in POOL_SIZES.items():
            _set(library, f"{_POOL}_config_{name}_set", ctypes.c_uint32, pool, value)
        library.function(f"{_POOL}_strategy_set", None, _PTR, _PTR)(config, pool)
        library.function(f"{_POOL}_config_delete", None, _PTR)(pool)


def _set(library: Library, name: str, of: Any, config: int, value: int) -> None:
    if not library.has(name):
        raise LibraryError(f"{library.path} has no {name}")
    library.function(name, None, _PTR, of)(config, value)


class EngineMachines:
    """The machines of one library by engine configuration; what this library cannot have runs on the default one."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._machines = {0: CapiMachine(CApi(library))}
        self._current = self._machines[0]

    def hello(self) -> Hello:
        """What the handshake says: the same for all."""
        return self._machines[0].hello()

    def execute(self, program: WireProgram, note: Any) -> Sequence[Raw]:
        """As `PythonMachine.execute`, on the engine that the program asks for."""
        self._current = self._machines.get(program.engine) or self._made(program.engine)
        return self._current.execute(program, note)

    def finish(self) -> None:
        """Drops what the last program left."""
        self._current.finish()

    def _made(self, number: int) -> CapiMachine:
        try:
            engine = ENGINES[number]
            made = CapiMachine(CApi(self._library, lambda config: configure(self._library, config, engine)))
        except (LibraryError, IndexError):
            made = self._machines[0]
        self._machines[number] = made
        return made
