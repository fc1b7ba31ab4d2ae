//! Making, copying, converting and dropping handles, raw values, and the op that ends the process.

use super::operands::{hierarchy, type_of, Slot};
use super::Machine;
use crate::abi::{Hierarchy, Val};
use crate::doomed;
use crate::outcome::{Observation, Reply, Stop, OOM};
use crate::wire::Trouble;

// What a handle is used for in another store; otherwise a global is made of it.
const USE_DATA: i64 = 0;
const USE_RAW: i64 = 1;

#[allow(clippy::wrong_self_convention, reason = "methods are named after their ops")]
impl Machine {
    /// Ends a root, as far as there is anything left of it.
    pub(super) fn release(&self, store: usize, root: Val) {
        let state = &self.stores[store];
        if state.alive || !self.api.shape.prompt_release {
            self.api.roots.unroot(state.context, root);
        }
    }

    pub(super) fn ext_new(&mut self, at: i64, value: i64, result: i64) -> Reply {
        let store = self.store(at)?;
        // C does not say why it fails; out of memory is the only reason there is (capi.md 5.1).
        let made = self.api.externref_new(self.context(store)?, value as u32).ok_or(Stop::Failed(OOM.into()))?;
        self.put(result, Slot::Handle(store, made))?;
        Ok(Observation::DONE)
    }

    pub(super) fn i31_new(&mut self, at: i64, payload: i64, result: i64) -> Reply {
        let store = self.store(at)?;
        let made = self.api.new_i31(self.context(store)?, payload as u32);
        self.put(result, Slot::Handle(store, made))?;
        Ok(Observation::DONE)
    }

    pub(super) fn oclone(&mut self, at: i64, result: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let state = &self.stores[store];
        let made = if state.alive || !self.api.shape.prompt_release {
            self.api.roots.clone_of(state.context, &handle)
        } else {
            Val::null(handle.hierarchy()) // of what is gone: it is dropped, and no more
        };
        self.put(result, Slot::Handle(store, made))?;
        Ok(Observation::DONE)
    }

    pub(super) fn odrop(&mut self, at: i64) -> Reply {
        let (store, root) = self.take_handle(at)?;
        self.release(store, root);
        Ok(Observation::DONE)
    }

    pub(super) fn owned_drop_thread(&mut self, at: i64) -> Reply {
        let (store, root) = self.take_handle(at)?;
        let state = &self.stores[store];
        if state.alive || !self.api.shape.prompt_release {
            self.other_thread.unroot(state.context, root);
        }
        Ok(Observation::DONE)
    }

    /// To the other hierarchy, through the raw value.
    pub(super) fn convert(&mut self, at: i64, to: Hierarchy, result: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let context = self.context(store)?;
        let made = self.api.root_raw(context, self.api.to_raw(context, &handle), to);
        self.put(result, Slot::Handle(store, made))?;
        Ok(Observation::DONE)
    }

    // --- raw values

    pub(super) fn to_raw(&mut self, at: i64, result: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let raw = self.api.to_raw(self.context(store)?, &handle);
        self.put(result, Slot::Raw(store, raw))?;
        Ok(if raw == 0 { Observation::NULL } else { Observation::NONNULL })
    }

    pub(super) fn from_raw(&mut self, at: i64, of: i64, result: i64) -> Reply {
        let (store, raw) = self.raw(at)?;
        self.root_raw(store, raw, of, result)
    }

    pub(super) fn from_imm(&mut self, at: i64, raw: i64, of: i64, result: i64) -> Reply {
        self.root_raw(self.store(at)?, raw as u32, of, result)
    }

    fn root_raw(&mut self, store: usize, raw: u32, of: i64, result: i64) -> Reply {
        let made = self.api.root_raw(self.context(store)?, raw, hierarchy(of)?);
        self.keep(result, store, made)
    }

    // --- the op that ends the process

    /// Uses a handle of another store; every release aborts (docs/spec-errata.md).
    pub(super) fn wrong_store(&mut self, at: i64, source: i64, usage: i64) -> Reply {
        let (_, handle) = self.handle(source)?;
        let context = self.context(self.store(at)?)?;
        let of = type_of(handle.hierarchy())?;
        let outcome = doomed::outcome_of(self.api.facts, || match usage {
            USE_DATA => {
                self.api.data(context, &handle);
                "ok".into()
            }
            USE_RAW => {
                self.api.to_raw(context, &handle);
                "ok".into()
            }
            _ => self.outcome_of(self.api.global_new(context, of, true, &handle).err()),
        });
        outcome.map(Observation::ended).map_err(|error| Stop::Misuse(Trouble::from(error)))
    }
}
