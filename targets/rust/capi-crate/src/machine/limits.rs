//! Limits on runs: fuel and epochs of stores (docs/bodies.md). They hold for runs of bodies and nothing else.

use std::ptr::from_mut;

use super::operands::Slot;
use super::Machine;
use crate::facts::EngineFacts;
use crate::outcome::{Observation, Reply, Stop};

/// Units of fuel, or ticks, that no program uses up.
const PLENTY: u64 = 1 << 50;

const UNLIMITED: i64 = -1;

/// What a store had left when its limits were lifted.
pub struct Left {
    fuel: u64,
    deadline: u64,
}

impl Machine {
    /// The configuration of a store's engine.
    pub(super) fn config(&self, store: usize) -> &'static EngineFacts {
        &self.api.facts.engines[self.stores[store].engine]
    }

    pub(super) fn store_new_in(&mut self, engine: i64, limit: i64, result: i64) -> Reply {
        let engine = usize::try_from(engine).map_err(|_| Stop::misuse("there is no such engine"))?;
        let store = self.open_store(limit, engine).map_err(Stop::Misuse)?;
        self.put(result, Slot::Store(store))?;
        Ok(Observation::DONE)
    }

    pub(super) fn set_fuel(&mut self, at: i64, fuel: i64) -> Reply {
        let store = self.store(at)?;
        self.context(store)?;
        self.limit_fuel(store, amount(fuel));
        Ok(Observation::DONE)
    }

    pub(super) fn set_epoch_deadline(&mut self, at: i64, ticks: i64) -> Reply {
        let store = self.store(at)?;
        self.context(store)?;
        self.limit_ticks(store, amount(ticks));
        Ok(Observation::DONE)
    }

    /// What is left from now on; of a store whose code does not consume any, nothing.
    fn limit_fuel(&mut self, store: usize, fuel: u64) {
        if self.config(store).fuel {
            // SAFETY: as api.rs says; the store is alive, and its engine consumes fuel, so that this cannot fail.
            let failed = unsafe { (self.api.c.wasmtime_context_set_fuel)(self.stores[store].context.0, fuel) };
            debug_assert!(self.api.failed(failed).is_none());
        }
    }

    /// After how many ticks runs end; nothing where code does not look at the clock.
    fn limit_ticks(&mut self, store: usize, ticks: u64) {
        if self.config(store).epochs {
            let state = &mut self.stores[store];
            state.deadline = self.engines.clock(state.engine) + ticks;
            // SAFETY: as api.rs says; the store is alive.
            unsafe { (self.api.c.wasmtime_context_set_epoch_deadline)(state.context.0, ticks) };
        }
    }

    /// The clock of a store's engine goes on.
    pub(super) fn tick(&mut self, store: usize) {
        if self.config(store).epochs {
            self.engines.tick(self.stores[store].engine);
        }
    }

    /// There is plenty of everything, as in a new store, until the limits are set again.
    pub(super) fn lift_limits(&mut self, store: usize) -> Left {
        let mut fuel = 0_u64;
        if self.config(store).fuel {
            // SAFETY: as api.rs says; the store is alive, and its engine consumes fuel, so that this cannot fail.
            let failed = unsafe {
                let out = from_mut(&mut fuel).cast();
                (self.api.c.wasmtime_context_get_fuel)(self.stores[store].context.0, out)
            };
            debug_assert!(self.api.failed(failed).is_none());
        }
        let left = Left { fuel, deadline: self.stores[store].deadline };
        self.limit_fuel(store, PLENTY);
        self.limit_ticks(store, PLENTY);
        left
    }

    /// Sets limits again that were lifted.
    pub(super) fn set_limits(&mut self, store: usize, left: &Left) {
        self.limit_fuel(store, left.fuel);
        let now = self.engines.clock(self.stores[store].engine);
        self.limit_ticks(store, left.deadline.saturating_sub(now));
    }
}

fn amount(operand: i64) -> u64 {
    if operand == UNLIMITED {
        PLENTY
    } else {
        operand.unsigned_abs()
    }
}
