"""Limits on runs: fuel and epochs of stores (docs/bodies.md). They hold for runs of bodies and nothing else."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from twinheap.model.engines import ENGINES
from twinheap.model.ops import UNLIMITED
from twinheap.targets.capi.engines import Engines

PLENTY: Final = 1 << 50
"""Units of fuel, or ticks, that no program uses up."""


class StoreState:
    """A store of the program: its pointers, its engine, and whether it still exists."""

    __slots__ = ("alive", "context", "deadline", "engine", "pointer")

    def __init__(self, pointer: int, context: int, engine: int) -> None:
        self.engine = engine  # the number of its configuration
        self.deadline = 0  # in ticks of the engine's clock
        self.pointer = pointer
        self.context = context
        self.alive = True


class Limits:
    """What stores may use, and the clock of each engine: it ticks at every call of a host function in a run."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        library = engines.api(0).library
        bound = library.bound
        self._set_fuel, self._get_fuel = bound("wasmtime_context_set_fuel"), bound("wasmtime_context_get_fuel")
        self._set_deadline = bound("wasmtime_context_set_epoch_deadline")
        self._increment = bound("wasmtime_engine_increment_epoch")
        self._fuel = ctypes.c_uint64()
        self._clocks = [0] * len(ENGINES)

    def begin(self, store: StoreState) -> None:
        """A new store: there is plenty of everything."""
        self.set_fuel(store, UNLIMITED)
        self.set_deadline(store, UNLIMITED)

    def set_fuel(self, store: StoreState, fuel: int) -> None:
        """What is left from now on; of a store whose code does not consume any, nothing."""
        if ENGINES[store.engine].fuel:
            assert not self._set_fuel(store.context, PLENTY if fuel == UNLIMITED else fuel)

    def set_deadline(self, store: StoreState, ticks: int) -> None:
        """After how many ticks runs end; nothing where code does not look at the clock."""
        if ENGINES[store.engine].epochs:
            wait = PLENTY if ticks == UNLIMITED else ticks
            store.deadline = self._clocks[store.engine] + wait
            self._set_deadline(store.context, wait)

    def tick(self, store: StoreState) -> None:
        """The clock of a store's engine goes on."""
        if ENGINES[store.engine].epochs:
            self._clocks[store.engine] += 1
            self._increment(self._engines.api(store.engine).engine)

    @contextmanager
    def lifted(self, store: StoreState) -> Iterator[None]:
        """Runs code that is no body without limits."""
        engine = ENGINES[store.engine]
        if engine.fuel:
            assert not self._get_fuel(store.context, ctypes.addressof(self._fuel))
        left, deadline = self._fuel.value, store.deadline
        self.begin(store)
        try:
            yield
        finally:
            if engine.fuel:
                self.set_fuel(store, left)
            if engine.epochs:
                self.set_deadline(store, max(0, deadline - self._clocks[store.engine]))
