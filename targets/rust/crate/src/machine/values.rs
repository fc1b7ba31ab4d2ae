//! Reading through handles: kind, data, identity, raw values; and the op that ends a program.

use wasmtime::{AnyRef, ExternRef, Global, GlobalType, Mutability, Val, ValType};

use super::operands::{handle_at, lifo_at, slot_at, Scope, Slot};
use super::roots::mistyped;
use super::Machine;
use crate::effects::HostValue;
use crate::handles::{Lifo, Typed, EXTERN};
use crate::outcome::{Outcome, Reply, Stop, Value};

/// What `wrong_store` does, as the op table numbers it.
const USE_DATA: i64 = 0;
const USE_TO_RAW: i64 = 1;
const USE_OWN: i64 = 2;

#[allow(clippy::wrong_self_convention, reason = "methods are named after their ops")]
impl Machine {
    pub(super) fn kind(&mut self, source: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        Ok(handle.kind(self.run.stores.context(store)?)?)
    }

    pub(super) fn data(&mut self, source: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let Typed::Extern(handle) = handle else { return Err(mistyped()) };
        let context = self.run.stores.context(store)?;
        Ok(match handle.data(&context)?.map(|data| data.downcast_ref::<HostValue>()) {
            None => Reply::NONE,
            Some(None) => Reply::One(Value::Text("foreign")), // no program wraps anything else
            Some(Some(value)) => Reply::Two([Value::Int(i64::from(value.id)), Value::Int(value.payload)]),
        })
    }

    pub(super) fn data_set(&mut self, source: i64, number: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let Typed::Extern(handle) = handle else { return Err(mistyped()) };
        let mut context = self.run.stores.context(store)?;
        Ok(match handle.data_mut(&mut context)?.map(|data| data.downcast_mut::<HostValue>()) {
            None => Reply::NONE,
            Some(None) => Reply::One(Value::Text("foreign")),
            Some(Some(value)) => {
                value.payload = number;
                Reply::Done
            }
        })
    }

    pub(super) fn eq(&mut self, left: i64, right: i64) -> Outcome {
        let (store, one) = handle_at(&self.run.slots, left)?;
        let (_, two) = handle_at(&self.run.slots, right)?;
        let same = one.ref_eq(self.run.stores.context(store)?, &two).ok_or_else(mistyped)??;
        Ok(Reply::One(Value::Bool(same)))
    }

    // --- raw values

    pub(super) fn to_raw(&mut self, source: i64, result: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let raw = handle.to_raw(self.run.stores.context(store)?).ok_or_else(mistyped)??;
        self.put(result, Slot::Raw(store, raw))?;
        Ok(if raw == 0 { Reply::NULL } else { Reply::NONNULL })
    }

    fn raw_at(&self, source: i64) -> Result<(usize, u32), Stop> {
        match slot_at(&self.run.slots, source)? {
            Slot::Raw(store, raw) => Ok((*store, *raw)),
            _ => Err(Stop::misuse("a raw value was expected")),
        }
    }

    pub(super) fn from_raw(&mut self, source: i64, of: i64, result: i64) -> Outcome {
        let (store, raw) = self.raw_at(source)?;
        self.root_raw(store, raw, of, result)
    }

    pub(super) fn from_raw_owned(&mut self, source: i64, of: i64, result: i64) -> Outcome {
        let (store, raw) = self.raw_at(source)?;
        self.keep_owned(store, result, |scope| Ok(rooted(scope, raw, of)))
    }

    pub(super) fn from_imm(&mut self, slot: i64, raw: i64, of: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        self.root_raw(store, raw as u32, of, result)
    }

    pub(super) fn from_imm_owned(&mut self, slot: i64, raw: i64, of: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        self.keep_owned(store, result, |scope| Ok(rooted(scope, raw as u32, of)))
    }

    fn root_raw(&mut self, store: usize, raw: u32, of: i64, result: i64) -> Outcome {
        let context = self.run.stores.context(store)?;
        let rooted = match of {
            EXTERN => ExternRef::from_raw(context, raw).map(Typed::Extern),
            _ => AnyRef::from_raw(context, raw).map(Typed::Any),
        };
        self.put_lifo(result, store, rooted)
    }

    // --- the op that ends the program

    pub(super) fn wrong_store(&mut self, slot: i64, source: i64, how: i64) -> Outcome {
        let store = self.store(slot)?;
        let (_, handle) = handle_at(&self.run.slots, source)?;
        let mut context = self.run.stores.context(store)?;
        match how {
            USE_DATA => {
                let Typed::Extern(handle) = handle else { return Err(mistyped()) };
                handle.data(&context)?;
            }
            USE_TO_RAW => {
                handle.to_raw(context).ok_or_else(mistyped)??;
            }
            USE_OWN => {
                lifo_at(&self.run.slots, source)?.1.to_owned_rooted(context)?;
            }
            _ => {
                let of = if matches!(handle, Typed::Extern(_)) { ValType::EXTERNREF } else { ValType::ANYREF };
                let value = handle.rooted(&mut context).to_ref();
                Global::new(context, GlobalType::new(of, Mutability::Const), Val::from(value))?;
            }
        }
        Ok(Reply::Done)
    }
}

fn rooted(scope: &mut Scope<'_>, raw: u32, of: i64) -> Option<Lifo> {
    match of {
        EXTERN => ExternRef::from_raw(scope, raw).map(Typed::Extern),
        _ => AnyRef::from_raw(scope, raw).map(Typed::Any),
    }
}
