//! Limits on runs of bodies: fuel and epochs (docs/bodies.md). They hold for those and nothing else.

use super::Machine;
use crate::outcome::{Outcome, Reply, Stop};

/// Units of fuel, or ticks, that no program uses up.
const PLENTY: u64 = 1 << 50;

/// What a store may use: fuel that is left, and the tick at which its runs end.
#[derive(Clone, Copy)]
pub(super) struct Left {
    fuel: u64,
    deadline: u64,
}

/// An amount as programs say it: negative for no limit.
fn amount(said: i64) -> u64 {
    u64::try_from(said).unwrap_or(PLENTY)
}

impl Machine {
    pub(super) fn set_fuel(&mut self, slot: i64, fuel: i64) -> Outcome {
        let store = self.store(slot)?;
        self.run.stores.context(store)?.set_fuel(amount(fuel))?;
        Ok(Reply::Done)
    }

    pub(super) fn set_epoch_deadline(&mut self, slot: i64, ticks: i64) -> Outcome {
        let store = self.store(slot)?;
        let mut context = self.run.stores.context(store)?;
        context.data_mut().deadline = context.data().now() + amount(ticks);
        context.set_epoch_deadline(amount(ticks));
        Ok(Reply::Done)
    }

    /// There is plenty of everything from here on.
    pub(super) fn lift(&mut self, store: usize) -> Result<(), Stop> {
        self.restore(store, Left { fuel: PLENTY, deadline: u64::MAX })
    }

    /// What there is of everything, before it is lifted.
    pub(super) fn left(&mut self, store: usize) -> Result<Left, Stop> {
        let fuelled = self.run.stores.environment(store)?.fuelled;
        let context = self.run.stores.context(store)?;
        let fuel = if fuelled { context.get_fuel()? } else { 0 };
        Ok(Left { fuel, deadline: context.data().deadline })
    }

    /// There is as much as there was.
    pub(super) fn restore(&mut self, store: usize, left: Left) -> Result<(), Stop> {
        let environment = self.run.stores.environment(store)?;
        let mut context = self.run.stores.context(store)?;
        if environment.fuelled {
            context.set_fuel(left.fuel)?;
        }
        if environment.clock.is_some() {
            context.data_mut().deadline = left.deadline;
            let wait = left.deadline.saturating_sub(context.data().now());
            context.set_epoch_deadline(wait.min(PLENTY));
        }
        Ok(())
    }

    /// Does what is no run of a body without limits.
    pub(super) fn unlimited<T>(
        &mut self,
        store: usize,
        act: impl FnOnce(&mut Machine) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let left = self.left(store)?;
        self.lift(store)?;
        let done = act(self);
        self.restore(store, left)?;
        done
    }
}
