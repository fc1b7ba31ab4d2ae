//! Typed functions on references of any type, and comparisons of roots and references.

use wasmtime::I31;

use super::operands::{handle_at, slot_at, Slot, NULL};
use super::roots::mistyped;
use super::Machine;
use crate::crossing::{self, Call};
use crate::host;
use crate::outcome::{Outcome, Reply, Stop, Value};

/// How a value goes: the way, the type, and whether null could.
type How = (i64, i64, i64);

impl Machine {
    /// Makes a call, which is no run of a body: it has no limits.
    fn cross<T>(
        &mut self,
        store: usize,
        (way, to, nullable): How,
        pass: impl FnOnce(Call<'_>) -> wasmtime::Result<T>,
    ) -> Result<T, Stop> {
        self.unlimited(store, |machine| {
            let stores = &mut machine.run.stores;
            let (makers, environment) = (stores.makers(store)?, stores.environment(store)?);
            let instance = makers.crossing(
                |context| environment.compiled()?.crossing.instance(&environment, context),
                stores.context(store)?,
            )?;
            let call = Call { store: stores.context(store)?, instance, way, to, nullable: nullable != 0 };
            pass(call).map_err(host::ended_alone)
        })
    }

    pub(super) fn typed_pass(&mut self, slot: i64, how: How, source: i64, result: i64) -> Outcome {
        let argument = match self.argument(source)? {
            None => None,
            Some(Slot::Lifo(_, handle)) => Some(*handle),
            Some(_) => return Err(mistyped()),
        };
        let store = self.store(slot)?;
        let given = self.cross(store, how, |call| call.pass_lifo(argument))?;
        self.put_lifo(result, store, given)
    }

    pub(super) fn typed_pass_owned(&mut self, slot: i64, how: How, source: i64, result: i64) -> Outcome {
        // It goes by value, and the slot keeps its own.
        let argument = match self.argument(source)? {
            None => None,
            Some(Slot::Owned(_, owned)) => Some(owned.clone()),
            Some(_) => return Err(mistyped()),
        };
        let store = self.store(slot)?;
        let given = self.cross(store, how, |call| call.pass_owned(argument))?;
        self.put_owned(result, store, given)
    }

    pub(super) fn typed_i31(&mut self, slot: i64, way: i64, nullable: i64, payload: i64) -> Outcome {
        let argument = if payload == NULL { None } else { Some(I31::wrapping_u32(payload as u32)) };
        let store = self.store(slot)?;
        Ok(match self.cross(store, (way, 0, nullable), |call| call.pass_i31(argument))? {
            None => Reply::NULL,
            Some(i31) => Reply::Two([Value::Text("i31"), Value::Int(i64::from(i31.get_u32()))]),
        })
    }

    pub(super) fn matches(&mut self, source: i64, to: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let context = self.run.stores.context(store)?;
        let found = crossing::matches(&handle, context, &compiled.types, to).ok_or_else(mistyped)??;
        Ok(Reply::One(Value::Bool(found)))
    }

    /// What the slot of an optional operand holds; none for a null reference.
    pub(super) fn argument(&self, source: i64) -> Result<Option<&Slot>, Stop> {
        if source == NULL {
            return Ok(None);
        }
        slot_at(&self.run.slots, source).map(Some)
    }

    // --- comparisons

    pub(super) fn ref_eq(&mut self, left: i64, right: i64) -> Outcome {
        let (store, one) = handle_at(&self.run.slots, left)?;
        let (_, two) = handle_at(&self.run.slots, right)?;
        let same = one.same_ref(self.run.stores.context(store)?, &two).ok_or_else(mistyped)??;
        Ok(Reply::One(Value::Bool(same)))
    }

    pub(super) fn ref_hash(&mut self, left: i64, right: i64) -> Outcome {
        let (store, one) = handle_at(&self.run.slots, left)?;
        let (_, two) = handle_at(&self.run.slots, right)?;
        let first = one.hash_of_ref(self.run.stores.context(store)?)?;
        Ok(Reply::One(Value::Bool(first == two.hash_of_ref(self.run.stores.context(store)?)?)))
    }

    pub(super) fn rooted_eq(&mut self, left: i64, right: i64) -> Outcome {
        let (_, one) = handle_at(&self.run.slots, left)?;
        let (_, two) = handle_at(&self.run.slots, right)?;
        Ok(Reply::One(Value::Bool(one.same_root(&two).ok_or_else(mistyped)?)))
    }

    pub(super) fn rooted_hash(&mut self, left: i64, right: i64) -> Outcome {
        let (_, one) = handle_at(&self.run.slots, left)?;
        let (_, two) = handle_at(&self.run.slots, right)?;
        Ok(Reply::One(Value::Bool(one.hash_of_root() == two.hash_of_root())))
    }
}
