//! Allocation, collection, out-of-memory errors, bulk.

use std::thread;

use wasmtime::{AsContextMut, Error, ExternRef, GcHeapOutOfMemory, OwnedRooted, Result, RootScope, StoreContextMut};

use super::operands::{slot_at, Kept, Slot, NULL};
use super::Machine;
use crate::effects::HostValue;
use crate::handles::Typed;
use crate::limiter::Limits;
use crate::outcome::{bytes_needed, Outcome, Reply, Stop};

/// What `free` gives back, as the op table numbers it.
const FREE_ALL: i64 = 0;
const FREE_ODD: i64 = 1;
const FREE_FIRST: i64 = 2;

impl Machine {
    /// A host value for the store; `Stop::Empty` if it is not with the host.
    pub(super) fn give(&mut self, value: i64) -> Result<HostValue, Stop> {
        let given = usize::try_from(value).ok().and_then(|value| self.run.given.get_mut(value));
        if std::mem::replace(given.ok_or_else(|| Stop::misuse(format!("there is no value {value}")))?, true) {
            return Err(Stop::Empty);
        }
        Ok(HostValue::new(value as u32, &self.run.log))
    }

    pub(super) fn ext_new(&mut self, slot: i64, value: i64, handle: i64, error: i64) -> Outcome {
        let store = self.store(slot)?;
        let value = self.give(value)?;
        match ExternRef::new(self.run.stores.context(store)?, value) {
            Ok(rooted) => {
                self.put(handle, Slot::Lifo(store, Typed::Extern(rooted)))?;
                Ok(Reply::Done)
            }
            Err(failed) => Err(self.refused(store, failed, error)),
        }
    }

    pub(super) fn ext_new_owned(&mut self, slot: i64, value: i64, handle: i64, error: i64) -> Outcome {
        let store = self.store(slot)?;
        let value = self.give(value)?;
        match new_owned(self.run.stores.context(store)?, value) {
            Ok(owned) => {
                self.put(handle, Slot::Owned(store, Typed::Extern(owned)))?;
                Ok(Reply::Done)
            }
            Err(failed) => Err(self.refused(store, failed, error)),
        }
    }

    /// An allocation failed: an out-of-memory error is kept if the program wants it, else dropped with its value.
    pub(super) fn refused(&mut self, store: usize, failed: Error, slot: i64) -> Stop {
        match failed.downcast::<GcHeapOutOfMemory<HostValue>>() {
            Ok(oom) => {
                let needed = bytes_needed(&oom.to_string());
                if slot == NULL {
                    drop(oom);
                } else if let Err(stop) = self.put(slot, Slot::Error(store, Kept::Whole(oom))) {
                    return stop;
                }
                Stop::OutOfMemory { needed }
            }
            Err(other) => Stop::Failed(other),
        }
    }

    // --- collection and errors

    pub(super) fn gc(&mut self, slot: i64) -> Outcome {
        let store = self.store(slot)?;
        self.run.stores.context(store)?.gc(None)?;
        Ok(Reply::Done)
    }

    pub(super) fn gc_for(&mut self, slot: i64, error: i64) -> Outcome {
        let store = self.store(slot)?;
        let kept = match self.take(error)? {
            Slot::Error(of, Kept::Whole(oom)) => {
                let (value, oom) = oom.take_inner();
                Slot::Error(of, Kept::Split(value, oom))
            }
            kept => kept,
        };
        self.put(error, kept)?; // back in its place before anything can panic
        let Slot::Error(_, Kept::Split(_, oom)) = slot_at(&self.run.slots, error)? else {
            return Err(Stop::misuse("an error was expected"));
        };
        self.run.stores.context(store)?.gc(Some(oom))?;
        Ok(Reply::Done)
    }

    pub(super) fn oom_take(&mut self, error: i64) -> Outcome {
        let Slot::Error(_, kept) = self.take(error)? else {
            return Err(Stop::misuse("an error was expected"));
        };
        let value = match kept {
            Kept::Whole(oom) => oom.into_inner(),
            Kept::Split(value, _) => value,
        };
        let id = value.returned();
        self.run.given[id as usize] = false;
        Ok(Reply::int(id))
    }

    pub(super) fn oom_drop(&mut self, error: i64) -> Outcome {
        drop(self.take(error)?);
        Ok(Reply::Done)
    }

    // --- bulk

    pub(super) fn fill(&mut self, slot: i64, count: i64, first: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let mut made = Vec::new();
        for value in first..first + count {
            let value = self.give(value)?;
            match new_owned(self.run.stores.context(store)?, value) {
                Ok(owned) => made.push(Some(owned)),
                Err(failed) => {
                    drop(failed); // out of memory, or an async limiter: the value goes with the error
                    break;
                }
            }
        }
        let reply = Reply::int(made.len() as i64);
        self.put(result, Slot::Fill(made))?;
        Ok(reply)
    }

    /// `ends`: the fill whose handles go meanwhile, and the slot of the result.
    pub(super) fn fill_race(&mut self, slot: i64, count: i64, first: i64, ends: (i64, i64)) -> Outcome {
        self.race(ends.0, |machine| machine.fill(slot, count, first, ends.1))
    }

    pub(super) fn store_drop_race(&mut self, slot: i64, raced: i64) -> Outcome {
        self.race(raced, |machine| machine.store_drop(slot))
    }

    /// Does something while another thread drops the handles of a fill.
    fn race(&mut self, raced: i64, work: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        slot_at(&self.run.slots, raced)?;
        let Some(Slot::Fill(made)) = self.run.slots.get_mut(raced as usize) else {
            return Err(Stop::misuse("a fill was expected"));
        };
        let handles: Vec<_> = made.iter_mut().map(Option::take).collect();
        let other = thread::spawn(move || handles.into_iter().for_each(drop));
        let done = work(self);
        other.join().map_err(|_| Stop::misuse("a drop on another thread panicked"))?;
        done
    }

    pub(super) fn free(&mut self, source: i64, pattern: i64) -> Outcome {
        slot_at(&self.run.slots, source)?;
        let Some(Slot::Fill(made)) = self.run.slots.get_mut(source as usize) else {
            return Err(Stop::misuse("a fill was expected"));
        };
        let length = made.len();
        let (from, to, step) = match pattern {
            FREE_ALL => (0, length, 1),
            FREE_ODD => (1, length, 2),
            FREE_FIRST => (0, length.min(1), 1),
            _ => (length.saturating_sub(1), length, 1),
        };
        for index in (from..to).step_by(step) {
            made[index] = None;
        }
        Ok(Reply::Done)
    }
}

/// An owned root for a fresh externref: a LIFO root in a scope of its own, as the C API does it.
fn new_owned(mut context: StoreContextMut<'_, Limits>, value: HostValue) -> Result<OwnedRooted<ExternRef>> {
    let mut scope = RootScope::new(context.as_context_mut());
    let rooted = ExternRef::new(&mut scope, value)?;
    rooted.to_owned_rooted(&mut scope)
}
