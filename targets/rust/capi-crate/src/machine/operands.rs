//! Slots: what they hold, and how ops find their operands in them.

use super::Machine;
use crate::abi::{Hierarchy, Item, Ptr, Val};
use crate::api::Context;
use crate::outcome::{Observation, Outcome, Reply, Stop};

/// An absent optional operand, or a result that is not kept.
pub const NULL: i64 = -1;

/// A store of the program: its pointers, and whether it still exists.
pub struct StoreState {
    pub pointer: Ptr,
    pub context: Context,
    /// The number of its engine's configuration.
    pub engine: usize,
    /// When its runs end, in ticks of the engine's clock.
    pub deadline: u64,
    pub alive: bool,
}

/// What a slot holds; the number is that of the store.
pub enum Slot {
    Empty,
    Store(usize),
    Handle(usize, Val),
    Raw(usize, u32),
    Global(usize, Hierarchy, Item),
    Table(usize, Hierarchy, Item),
    Fill(usize, Vec<Option<Val>>),
    /// By place in the table of instances.
    Inst(usize),
}

impl Machine {
    /// What a slot holds; `Stop::Empty` if nothing.
    pub fn slot(&self, slot: i64) -> Result<&Slot, Stop> {
        let held = usize::try_from(slot).ok().and_then(|slot| self.slots.get(slot));
        match held.ok_or_else(|| no_slot(slot))? {
            Slot::Empty => Err(Stop::Empty),
            held => Ok(held),
        }
    }

    /// Defines a slot.
    pub fn put(&mut self, slot: i64, value: Slot) -> Result<(), Stop> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot));
        *place.ok_or_else(|| no_slot(slot))? = value;
        Ok(())
    }

    /// Takes the handle that a slot holds.
    pub fn take_handle(&mut self, slot: i64) -> Result<(usize, Val), Stop> {
        let held = self.handle(slot)?;
        self.put(slot, Slot::Empty)?;
        Ok(held)
    }

    /// The store in a slot.
    pub fn store(&self, slot: i64) -> Result<usize, Stop> {
        match self.slot(slot)? {
            Slot::Store(store) => Ok(*store),
            _ => Err(wrong(slot, "store")),
        }
    }

    /// The context of a store, which must be alive.
    pub fn context(&self, store: usize) -> Result<Context, Stop> {
        let state = &self.stores[store];
        state.alive.then_some(state.context).ok_or_else(|| Stop::misuse("a store was dropped, and is used again"))
    }

    /// The handle in a slot, and its store.
    pub fn handle(&self, slot: i64) -> Result<(usize, Val), Stop> {
        match self.slot(slot)? {
            Slot::Handle(store, val) => Ok((*store, *val)),
            _ => Err(wrong(slot, "handle")),
        }
    }

    /// The handle in a slot, and the context of its store, which must be alive.
    pub fn held(&self, slot: i64) -> Result<(Context, Val), Stop> {
        let (store, val) = self.handle(slot)?;
        Ok((self.context(store)?, val))
    }

    pub fn raw(&self, slot: i64) -> Result<(usize, u32), Stop> {
        match self.slot(slot)? {
            Slot::Raw(store, raw) => Ok((*store, *raw)),
            _ => Err(wrong(slot, "raw value")),
        }
    }

    pub fn global(&self, slot: i64) -> Result<(usize, Hierarchy, Item), Stop> {
        match self.slot(slot)? {
            Slot::Global(store, of, item) => Ok((*store, *of, *item)),
            _ => Err(wrong(slot, "global")),
        }
    }

    pub fn table(&self, slot: i64) -> Result<(usize, Hierarchy, Item), Stop> {
        match self.slot(slot)? {
            Slot::Table(store, of, item) => Ok((*store, *of, *item)),
            _ => Err(wrong(slot, "table")),
        }
    }

    /// The handle to store: a null of hierarchy `of` if none is given.
    pub fn value(&self, slot: i64, of: Hierarchy) -> Result<Val, Stop> {
        if slot == NULL {
            return Ok(Val::null(of));
        }
        self.handle(slot).map(|(_, val)| val)
    }

    /// Keeps a handle that was read; null leaves the slot empty.
    pub fn keep(&mut self, slot: i64, store: usize, val: Val) -> Reply {
        if val.is_null() {
            return Ok(Observation::NULL);
        }
        self.put(slot, Slot::Handle(store, val))?;
        Ok(Observation::NONNULL)
    }

    /// The observation of what gives an error's text or nothing.
    pub fn unless(&self, failed: Option<String>) -> Reply {
        failed.map_or(Ok(Observation::DONE), |text| Err(self.failure(text)))
    }

    /// How an op ends whose error says this.
    pub fn failure(&self, text: String) -> Stop {
        Stop::Failed(self.api.facts.failure_of(&text))
    }

    /// The canonical outcome of an error's text.
    pub fn outcome_of(&self, failed: Option<String>) -> Outcome {
        failed.map_or("ok".into(), |text| self.api.facts.failure_of(&text))
    }
}

/// The hierarchy that an operand of kind `type` means.
pub fn hierarchy(number: i64) -> Result<Hierarchy, Stop> {
    match number {
        0 => Ok(Hierarchy::Extern),
        1 => Ok(Hierarchy::Any),
        _ => Err(Stop::misuse(format!("there is no type {number}"))),
    }
}

/// The type of globals and tables that hold handles of a hierarchy.
pub fn type_of(of: Hierarchy) -> Result<&'static str, Stop> {
    match of {
        Hierarchy::Extern => Ok("extern"),
        Hierarchy::Any => Ok("any"),
        Hierarchy::Exn => Err(Stop::misuse("globals and tables hold no exceptions")),
    }
}

fn no_slot(slot: i64) -> Stop {
    Stop::misuse(format!("there is no slot {slot}"))
}

fn wrong(slot: i64, wanted: &str) -> Stop {
    Stop::misuse(format!("slot {slot} holds no {wanted}"))
}
