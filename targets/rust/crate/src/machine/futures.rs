//! Asynchronous allocation and collection, polled by hand: they last over several ops, and can be dropped half-way.

use wasmtime::ExternRef;

use super::operands::{slot_at, Slot, NULL};
use super::Machine;
use crate::compat;
use crate::handles::Typed;
use crate::outcome::{Outcome, Reply, Stop};

impl Machine {
    pub(super) fn new_async(&mut self, slot: i64, value: i64, pending: i64, results: (i64, i64)) -> Outcome {
        let store = self.store(slot)?;
        let host_value = self.give(value)?;
        let (handle, error) = results;
        self.run.stores.begin(store, (handle, error), |context| {
            Box::pin(async move { ExternRef::new_async(context, host_value).await.map(Some) })
        })?;
        self.put(pending, Slot::Pending(store))?;
        self.progress_of(store, pending, 1)
    }

    pub(super) fn gc_async(&mut self, slot: i64, pending: i64) -> Outcome {
        let store = self.store(slot)?;
        self.run.stores.begin(store, (NULL, NULL), |context| {
            Box::pin(async move { compat::gc_async(context).await.map(|()| None) })
        })?;
        self.put(pending, Slot::Pending(store))?;
        self.progress_of(store, pending, 1)
    }

    fn pending_at(&self, source: i64) -> Result<usize, Stop> {
        match slot_at(&self.run.slots, source)? {
            Slot::Pending(store) => Ok(*store),
            _ => Err(Stop::misuse("a future was expected")),
        }
    }

    pub(super) fn poll(&mut self, source: i64, polls: i64) -> Outcome {
        let store = self.pending_at(source)?;
        self.progress_of(store, source, polls)
    }

    /// Polls so many times, or until it is done for 0.
    fn progress_of(&mut self, store: usize, slot: i64, polls: i64) -> Outcome {
        let Some(ended) = self.run.stores.poll(store, polls)? else {
            return Ok(Reply::PENDING);
        };
        self.put(slot, Slot::Empty)?;
        match ended.done {
            Ok(None) => Ok(Reply::Done),
            Ok(Some(rooted)) => {
                self.put(ended.handle, Slot::Lifo(store, Typed::Extern(rooted)))?;
                Ok(Reply::Done)
            }
            Err(failed) => Err(self.refused(store, failed, ended.error)),
        }
    }

    pub(super) fn cancel(&mut self, source: i64) -> Outcome {
        let store = self.pending_at(source)?;
        self.put(source, Slot::Empty)?;
        self.run.stores.cancel(store)?;
        Ok(Reply::Done)
    }
}
