//! Exceptions: made, thrown into the pending slot, taken out of it.

use wasmtime::{AsContextMut, ExnRef, RootScope, StorageType};

use super::objects::{no_type, references, values};
use super::operands::handle_at;
use super::rooting::{refused, rooted, rooted_from};
use super::roots::mistyped;
use super::Machine;
use crate::handles::{Typed, EXN};
use crate::outcome::{Outcome, Reply, Stop, Value};

impl Machine {
    pub(super) fn exn_new(&mut self, slot: i64, which: i64, operands: [i64; 2], ends: (i64, i64)) -> Outcome {
        let (form, result) = ends;
        let store = self.store(slot)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let types = &compiled.types;
        let tag = types.tags.get(which as usize).ok_or_else(|| no_type(which))?;
        let storages: Vec<StorageType> = tag.ty().params().map(StorageType::ValType).collect();
        let makers = self.run.stores.makers(store)?;
        let (maker, tag) = makers.exceptions(self.run.stores.context(store)?, types, which as usize)?;
        let made = rooted_from(
            &mut self.run.stores,
            &self.run.slots,
            store,
            (form, EXN),
            references(&storages, &operands)?,
            |context, lent| {
                let made = ExnRef::new(context, maker, tag, &values(&storages, 0, lent)).map_err(refused)?;
                Ok(Some(Typed::Exn(made)))
            },
        )?;
        self.put(result, made)?;
        Ok(Reply::Done)
    }

    /// The outcome is that of the error which throwing gives.
    pub(super) fn throw(&mut self, source: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let Typed::Exn(handle) = handle else { return Err(mistyped()) };
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        handle.ty(&mut scope)?; // the error of a stale handle, with which throwing would panic
        let rooted = handle.rooted(&mut scope);
        match scope.as_context_mut().throw::<()>(rooted) {
            Ok(()) => Ok(Reply::Done), // it never does
            Err(_) => Err(Stop::Ended { outcome: "exn", trace: Vec::new(), needed: 0 }),
        }
    }

    pub(super) fn exn_take(&mut self, slot: i64, form: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let taken = rooted(&mut self.run.stores, store, form, |mut context| {
            Ok(context.take_pending_exception().map(Typed::Exn))
        })?;
        self.put_found(result, taken)
    }

    pub(super) fn exn_pending(&mut self, slot: i64) -> Outcome {
        let store = self.store(slot)?;
        Ok(Reply::One(Value::Bool(self.run.stores.context(store)?.has_pending_exception())))
    }
}
