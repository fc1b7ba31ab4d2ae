"""Engine configurations on the C API: an engine for each that programs ask for (model/engines.py, docs/wire.md)."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from twinheap.model.engines import DEFAULT, ENGINES, POOL_HEAPS, POOL_MEMORIES, Engine
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import Library, LibraryError

_PTR: Final = ctypes.c_void_p
_POOL: Final = "wasmtime_pooling_allocation"
_OPT_NONE: Final = 0  # WASMTIME_OPT_LEVEL_NONE
_SINGLE_PASS: Final = 1  # WASMTIME_REGALLOC_SINGLE_PASS
_PULLEY: Final = b"pulley64"
_SIZES: Final = {
    "memory_reservation": "reservation",
    "memory_reservation_for_growth": "reservation",
    "memory_guard_size": "guard",
}
"""Settings in bytes, and the attribute of `Engine` that says them."""

POOL_SIZES: Final = {
    "total_gc_heaps": POOL_HEAPS,
    "total_memories": POOL_MEMORIES,
    "max_tables_per_module": 4,
    "total_tables": 1000,
    "total_stacks": 8,
}
"""Heaps have memories of the pool, and there are no others: by default a pool keeps 1000, and the address space is full
after some twenty engines. A kit has two tables, a body that calls indirectly one more; by default there are 1000. No
run in such an engine has a stack of its own; of 1000, as by default, each has a page that is protected, and a process
may have some 65,000 mappings in all: after thirty engines "failed to protect stack guard page"."""

PULLEY_FROM: Final = 37
"""The release from which the interpreter is there: a wheel before ends the process when it is asked for it."""

TYPES_GO_FROM: Final = 46
"""The release from which an engine in which types were freed is as good as a new one (K52 before 32, K53 before 46)."""

FIBERS_FROM: Final = 42
"""The release from which an engine takes asynchronous calls beside others; before, it refuses all others."""


def configure(library: Library, config: int, engine: Engine) -> None:
    """Applies what `engine` asks for to a wasm_config_t*. Raises LibraryError if the release has no such setting."""
    for wanted, name, of, value in (
        (not engine.optimize, "cranelift_opt_level", ctypes.c_uint8, _OPT_NONE),
        (engine.single_pass, "cranelift_regalloc_algorithm", ctypes.c_uint8, _SINGLE_PASS),
        (engine.explicit, "signals_based_traps", ctypes.c_bool, False),
        (engine.fuel, "consume_fuel", ctypes.c_bool, True),
        (engine.epochs, "epoch_interruption", ctypes.c_bool, True),
    ):
        if wanted:
            _set(library, f"wasmtime_config_{name}_set", of, config, value)
    if engine.fibers and library.shape.major < FIBERS_FROM:
        raise LibraryError(f"{library.path} has asynchronous calls only in engines that have no others")
    if engine.pulley:
        _interpret(library, config)
    for name, attribute in _SIZES.items():
        size = getattr(engine, attribute)
        if size is not None:
            _set(library, f"wasmtime_config_{name}_set", ctypes.c_uint64, config, size)
    if engine.pooling:
        _pool(library, config)


def _interpret(library: Library, config: int) -> None:
    if library.shape.major < PULLEY_FROM:
        raise LibraryError(f"{library.path} has no Pulley")
    if library.function("wasmtime_config_target_set", _PTR, _PTR, ctypes.c_char_p)(config, _PULLEY):
        raise LibraryError(f"{library.path} was built without Pulley")


def _pool(library: Library, config: int) -> None:
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


class Engines:
    """The engines of one library by number of their configuration, each made when it is first asked for."""

    def __init__(self, first: CApi) -> None:
        """`first`: the facade with the default engine."""
        self._library = first.library
        self._made = {DEFAULT: first}

    def api(self, number: int) -> CApi:
        """The facade with an engine. Raises LibraryError if the library cannot have it.

        Only what is done with engines and their types differs from one to the other.
        """
        made = self._made.get(number)
        if made is None:
            engine = ENGINES[number]
            made = CApi(self._library, lambda config: configure(self._library, config, engine))
            self._made[number] = made
        return made

    def renew(self, number: int) -> None:
        """Forgets an engine, which stays until the process ends; in the next one no types were freed (K52, K53)."""
        self._made.pop(number, None)

    def names(self) -> frozenset[str]:
        """The names of those that the library can have; all of them are made."""
        return frozenset(engine.name for number, engine in enumerate(ENGINES) if self._can(number))

    def _can(self, number: int) -> bool:
        try:
            self.api(number)
        except LibraryError:
            return False
        return True
