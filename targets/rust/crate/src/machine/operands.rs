//! Slots: what they hold, and how ops find their operands in them.

use wasmtime::{ExternRef, GcHeapOutOfMemory, Global, OwnedRooted, RootScope, StoreContextMut, Table};

use super::Machine;
use crate::effects::HostValue;
use crate::handles::{Handle, Lifo, Owned};
use crate::limiter::Limits;
use crate::outcome::{Outcome, Reply, Stop};

/// An absent optional operand, or a result that is not kept.
pub(super) const NULL: i64 = -1;

/// What a slot holds; the number is that of the store.
pub(super) enum Slot {
    Empty,
    Store(usize),
    Lifo(usize, Lifo),
    Owned(usize, Owned),
    Raw(usize, u32),
    Global(usize, i64, Global),
    Table(usize, i64, Table),
    Error(usize, Kept),
    Pending(usize),
    Fill(Vec<Option<OwnedRooted<ExternRef>>>),
    /// By place in the table of instances.
    Inst(usize),
}

/// A kept out-of-memory error; split once a collection was asked for its sake.
pub(super) enum Kept {
    Whole(GcHeapOutOfMemory<HostValue>),
    Split(HostValue, GcHeapOutOfMemory<()>),
}

/// A scope of its own for what one op roots.
pub(super) type Scope<'a> = RootScope<StoreContextMut<'a, Limits>>;

impl Machine {
    /// The store in a slot.
    pub(super) fn store(&self, slot: i64) -> Result<usize, Stop> {
        match slot_at(&self.run.slots, slot)? {
            Slot::Store(store) => Ok(*store),
            _ => Err(Stop::misuse(format!("slot {slot} holds no store"))),
        }
    }

    /// Defines a slot.
    pub(super) fn put(&mut self, slot: i64, value: Slot) -> Result<(), Stop> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.run.slots.get_mut(slot));
        *place.ok_or_else(|| no_slot(slot))? = value;
        Ok(())
    }

    /// Takes what a slot holds.
    pub(super) fn take(&mut self, slot: i64) -> Result<Slot, Stop> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.run.slots.get_mut(slot));
        match std::mem::replace(place.ok_or_else(|| no_slot(slot))?, Slot::Empty) {
            Slot::Empty => Err(Stop::Empty),
            held => Ok(held),
        }
    }

    /// Defines a slot as a LIFO handle, if there is one.
    pub(super) fn put_lifo(&mut self, slot: i64, store: usize, handle: Option<Lifo>) -> Outcome {
        let Some(handle) = handle else {
            return Ok(Reply::NULL);
        };
        self.put(slot, Slot::Lifo(store, handle))?;
        Ok(Reply::NONNULL)
    }

    /// Defines a slot as an owned handle, if there is one.
    pub(super) fn put_owned(&mut self, slot: i64, store: usize, handle: Option<Owned>) -> Outcome {
        let Some(handle) = handle else {
            return Ok(Reply::NULL);
        };
        self.put(slot, Slot::Owned(store, handle))?;
        Ok(Reply::NONNULL)
    }
}

fn no_slot(slot: i64) -> Stop {
    Stop::misuse(format!("there is no slot {slot}"))
}

/// What a slot holds; `Stop::Empty` if nothing.
pub(super) fn slot_at(slots: &[Slot], slot: i64) -> Result<&Slot, Stop> {
    let held = usize::try_from(slot).ok().and_then(|slot| slots.get(slot));
    match held.ok_or_else(|| no_slot(slot))? {
        Slot::Empty => Err(Stop::Empty),
        held => Ok(held),
    }
}

/// The handle in a slot, and its store.
pub(super) fn handle_at(slots: &[Slot], slot: i64) -> Result<(usize, Handle<'_>), Stop> {
    match slot_at(slots, slot)? {
        Slot::Lifo(store, handle) => Ok((*store, handle.handle())),
        Slot::Owned(store, handle) => Ok((*store, handle.handle())),
        _ => Err(Stop::misuse(format!("slot {slot} holds no handle"))),
    }
}

/// The LIFO handle in a slot, and its store.
pub(super) fn lifo_at(slots: &[Slot], slot: i64) -> Result<(usize, Lifo), Stop> {
    match slot_at(slots, slot)? {
        Slot::Lifo(store, handle) => Ok((*store, *handle)),
        _ => Err(Stop::misuse(format!("slot {slot} holds no LIFO handle"))),
    }
}

/// The owned handle in a slot, and its store.
pub(super) fn owned_at(slots: &[Slot], slot: i64) -> Result<(usize, &Owned), Stop> {
    match slot_at(slots, slot)? {
        Slot::Owned(store, handle) => Ok((*store, handle)),
        _ => Err(Stop::misuse(format!("slot {slot} holds no owned handle"))),
    }
}
