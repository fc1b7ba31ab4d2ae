//! Stores, collection, fills, globals and tables (docs/spec/capi.md 5.3).

use super::operands::{hierarchy, type_of, Slot};
use super::Machine;
use crate::abi::Val;
use crate::outcome::{Observation, Reply, Stop, OTHER};

// Which handles of a fill are dropped.
const FREE_ALL: i64 = 0;
const FREE_ODD: i64 = 1;
const FREE_FIRST: i64 = 2;

impl Machine {
    // --- stores and collection

    pub(super) fn store_new(&mut self, limit: i64, result: i64) -> Reply {
        // The limiter mode is lost: C has no async limiter.
        let store = self.open_store(limit, self.engine).map_err(Stop::Misuse)?;
        self.put(result, Slot::Store(store))?;
        Ok(Observation::DONE)
    }

    pub(super) fn store_drop(&mut self, at: i64) -> Reply {
        let store = self.store(at)?;
        self.context(store)?;
        let state = &mut self.stores[store];
        state.alive = false;
        self.api.store_delete(state.pointer);
        Ok(Observation::DONE)
    }

    pub(super) fn set_limit(&mut self, at: i64, limit: i64) -> Reply {
        let store = self.store(at)?;
        self.context(store)?;
        self.api.set_limit(self.stores[store].pointer, limit);
        Ok(Observation::DONE)
    }

    pub(super) fn gc(&mut self, at: i64) -> Reply {
        let failed = self.api.gc(self.context(self.store(at)?)?);
        failed.map_or(Ok(Observation::DONE), |_| Err(Stop::Failed(OTHER.into())))
    }

    // --- bulk

    pub(super) fn fill(&mut self, at: i64, count: i64, first: i64, result: i64) -> Reply {
        let store = self.store(at)?;
        let context = self.context(store)?;
        let values = first..first + count;
        let made: Vec<_> = values.map_while(|value| self.api.externref_new(context, value as u32).map(Some)).collect();
        let reply = Observation::int(made.len() as i64);
        self.put(result, Slot::Fill(store, made))?;
        Ok(reply)
    }

    pub(super) fn free(&mut self, at: i64, pattern: i64) -> Reply {
        self.slot(at)?;
        let Some(Slot::Fill(store, made)) = self.slots.get_mut(at as usize) else {
            return Err(Stop::misuse("a fill was expected"));
        };
        let length = made.len();
        let (from, to, step) = match pattern {
            FREE_ALL => (0, length, 1),
            FREE_ODD => (1, length, 2),
            FREE_FIRST => (0, length.min(1), 1),
            _ => (length.saturating_sub(1), length, 1),
        };
        let store = *store;
        let chosen: Vec<Val> = (from..to).step_by(step).filter_map(|index| made[index].take()).collect();
        chosen.into_iter().for_each(|root| self.release(store, root));
        Ok(Observation::DONE)
    }

    // --- globals

    pub(super) fn global_new(&mut self, at: i64, of: i64, mutable: i64, (source, result): (i64, i64)) -> Reply {
        let of = hierarchy(of)?;
        let value = self.value(source, of)?;
        let store = self.store(at)?;
        let made = self.api.global_new(self.context(store)?, type_of(of)?, mutable != 0, &value);
        let item = made.map_err(|failed| self.failure(failed))?;
        self.put(result, Slot::Global(store, of, item))?;
        Ok(Observation::DONE)
    }

    pub(super) fn global_get(&mut self, at: i64, result: i64) -> Reply {
        let (store, of, item) = self.global(at)?;
        let found = self.api.global_get(self.context(store)?, &item, of);
        self.keep(result, store, found.of(of))
    }

    pub(super) fn global_set(&mut self, at: i64, source: i64) -> Reply {
        let (store, of, item) = self.global(at)?;
        let value = self.value(source, of)?;
        self.unless(self.api.global_set(self.context(store)?, &item, &value))
    }

    // --- tables

    pub(super) fn table_new(&mut self, at: i64, of: i64, sizes: (i64, i64), (source, result): (i64, i64)) -> Reply {
        let of = hierarchy(of)?;
        let value = self.value(source, of)?;
        let store = self.store(at)?;
        let sizes = (sizes.0 as u32, u32::try_from(sizes.1).ok());
        let made = self.api.table_new(self.context(store)?, type_of(of)?, sizes, &value);
        let item = made.map_err(|failed| self.failure(failed))?;
        self.put(result, Slot::Table(store, of, item))?;
        Ok(Observation::DONE)
    }

    pub(super) fn table_get(&mut self, at: i64, index: i64, result: i64) -> Reply {
        let (store, of, item) = self.table(at)?;
        match self.api.table_get(self.context(store)?, &item, index as u64, of) {
            Some(found) => self.keep(result, store, found.of(of)),
            None => Ok(Observation::ABSENT),
        }
    }

    pub(super) fn table_set(&mut self, at: i64, index: i64, source: i64) -> Reply {
        let (store, of, item) = self.table(at)?;
        let value = self.value(source, of)?;
        self.unless(self.api.table_set(self.context(store)?, &item, index as u64, &value))
    }

    pub(super) fn table_grow(&mut self, at: i64, delta: i64, source: i64) -> Reply {
        let (store, of, item) = self.table(at)?;
        let value = self.value(source, of)?;
        let grown = self.api.table_grow(self.context(store)?, &item, delta as u64, &value);
        grown.map(Observation::int).map_err(|failed| self.failure(failed))
    }

    pub(super) fn table_size(&mut self, at: i64) -> Reply {
        let (store, _, item) = self.table(at)?;
        Ok(Observation::int(self.api.table_size(self.context(store)?, &item)))
    }
}
