//! Stores, handles made and dropped, conversions.

use std::thread;

use wasmtime::{AnyRef, ExternRef, RootScope, I31};

use super::operands::{handle_at, lifo_at, owned_at, Scope, Slot};
use super::Machine;
use crate::handles::{Lifo, Typed};
use crate::outcome::{Outcome, Reply, Stop};

impl Machine {
    pub(super) fn store_new(&mut self, limit: i64, limiter: i64, slot: i64) -> Outcome {
        self.put(slot, Slot::Empty)?; // there is such a slot
        self.open_store(self.run.engine, limit, limiter, slot as usize)?;
        Ok(Reply::Done)
    }

    pub(super) fn store_new_in(&mut self, engine: i64, limit: i64, limiter: i64, slot: i64) -> Outcome {
        self.put(slot, Slot::Empty)?;
        self.open_store(engine as usize, limit, limiter, slot as usize)?;
        Ok(Reply::Done)
    }

    pub(super) fn store_drop(&mut self, slot: i64) -> Outcome {
        let store = self.store(slot)?;
        for held in &mut self.run.slots {
            if matches!(held, Slot::Error(of, _) if *of == store) {
                *held = Slot::Empty; // so the values in kept errors end with their store, and not at random
            }
        }
        self.run.stores.close(store)?;
        Ok(Reply::Done)
    }

    pub(super) fn set_limit(&mut self, slot: i64, limit: i64) -> Outcome {
        let store = self.store(slot)?;
        self.run.stores.context(store)?.data_mut().bytes = usize::try_from(limit).ok();
        Ok(Reply::Done)
    }

    pub(super) fn set_limiter(&mut self, slot: i64, answer: i64) -> Outcome {
        let store = self.store(slot)?;
        self.run.stores.context(store)?.data_mut().answer = answer;
        Ok(Reply::Done)
    }

    // --- i31

    pub(super) fn i31_new(&mut self, slot: i64, payload: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let rooted = AnyRef::from_i31(self.run.stores.context(store)?, I31::wrapping_u32(payload as u32));
        self.put(result, Slot::Lifo(store, Typed::Any(rooted)))?;
        Ok(Reply::Done)
    }

    pub(super) fn i31_new_owned(&mut self, slot: i64, payload: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let i31 = I31::wrapping_u32(payload as u32);
        self.keep_owned(store, result, |scope| Ok(Some(Typed::Any(AnyRef::from_i31(scope, i31)))))?;
        Ok(Reply::Done)
    }

    /// Keeps an owned root for what `make` roots in a scope of its own, as the C API does it.
    pub(super) fn keep_owned(
        &mut self,
        store: usize,
        result: i64,
        make: impl FnOnce(&mut Scope<'_>) -> Result<Option<Lifo>, Stop>,
    ) -> Outcome {
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        let owned = match make(&mut scope)? {
            Some(rooted) => Some(rooted.to_owned_rooted(&mut scope)?),
            None => None,
        };
        drop(scope);
        self.put_owned(result, store, owned)
    }

    // --- owned roots

    pub(super) fn own(&mut self, source: i64, result: i64) -> Outcome {
        let (store, handle) = lifo_at(&self.run.slots, source)?;
        let owned = handle.to_owned_rooted(self.run.stores.context(store)?)?;
        self.put(result, Slot::Owned(store, owned))?;
        Ok(Reply::Done)
    }

    pub(super) fn lend(&mut self, source: i64, result: i64) -> Outcome {
        let (store, owned) = owned_at(&self.run.slots, source)?;
        let rooted = owned.to_rooted(self.run.stores.context(store)?);
        self.put(result, Slot::Lifo(store, rooted))?;
        Ok(Reply::Done)
    }

    pub(super) fn oclone(&mut self, source: i64, result: i64) -> Outcome {
        let (store, owned) = owned_at(&self.run.slots, source)?;
        let clone = owned.clone();
        self.put(result, Slot::Owned(store, clone))?;
        Ok(Reply::Done)
    }

    pub(super) fn odrop(&mut self, source: i64) -> Outcome {
        owned_at(&self.run.slots, source)?;
        drop(self.take(source)?);
        Ok(Reply::Done)
    }

    pub(super) fn owned_drop_thread(&mut self, source: i64) -> Outcome {
        owned_at(&self.run.slots, source)?;
        let Slot::Owned(_, owned) = self.take(source)? else { unreachable!("it is an owned handle") };
        thread::spawn(move || drop(owned)).join().map_err(|_| Stop::misuse("a drop on another thread panicked"))?;
        Ok(Reply::Done)
    }

    // --- conversions

    pub(super) fn conv_any(&mut self, source: i64, result: i64) -> Outcome {
        let (store, handle) = lifo_at(&self.run.slots, source)?;
        let Typed::Extern(rooted) = handle else { return Err(mistyped()) };
        let any = AnyRef::convert_extern(self.run.stores.context(store)?, rooted)?;
        self.put(result, Slot::Lifo(store, Typed::Any(any)))?;
        Ok(Reply::Done)
    }

    pub(super) fn conv_ext(&mut self, source: i64, result: i64) -> Outcome {
        let (store, handle) = lifo_at(&self.run.slots, source)?;
        let Typed::Any(rooted) = handle else { return Err(mistyped()) };
        let external = ExternRef::convert_any(self.run.stores.context(store)?, rooted)?;
        self.put(result, Slot::Lifo(store, Typed::Extern(external)))?;
        Ok(Reply::Done)
    }

    pub(super) fn conv_any_owned(&mut self, source: i64, result: i64) -> Outcome {
        let (store, owned) = owned_at(&self.run.slots, source)?;
        let Typed::Extern(owned) = owned.clone() else { return Err(mistyped()) };
        self.keep_owned(store, result, |scope| {
            let rooted = owned.to_rooted(&mut *scope);
            Ok(Some(Typed::Any(AnyRef::convert_extern(scope, rooted)?)))
        })?;
        Ok(Reply::Done)
    }

    pub(super) fn conv_ext_owned(&mut self, source: i64, result: i64) -> Outcome {
        let (store, owned) = owned_at(&self.run.slots, source)?;
        let Typed::Any(owned) = owned.clone() else { return Err(mistyped()) };
        self.keep_owned(store, result, |scope| {
            let rooted = owned.to_rooted(&mut *scope);
            Ok(Some(Typed::Extern(ExternRef::convert_any(scope, rooted)?)))
        })?;
        Ok(Reply::Done)
    }

    pub(super) fn cast(&mut self, source: i64, to: i64, result: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let cast = handle.cast(self.run.stores.context(store)?, to)?;
        self.put_lifo(result, store, cast)
    }
}

/// The resolver sees to the types of operands.
pub(super) fn mistyped() -> Stop {
    Stop::misuse("an operand of another type than the op takes")
}
