//! How a result becomes a root: a LIFO one in the current scope, or an owned one.

use wasmtime::{AsContextMut, Error, GcHeapOutOfMemory, RootScope, StoreContextMut, Val};

use super::operands::{handle_at, Slot, NULL};
use super::slots::read_global;
use super::Machine;
use crate::handles::{Handle, Lifo};
use crate::kit;
use crate::limiter::Limits;
use crate::outcome::{bytes_needed, Outcome, Reply, Stop};
use crate::stores::Stores;

/// The form of a result, as the op table numbers it; the other one is owned.
const LIFO: i64 = 0;

type Made = Result<Option<Lifo>, Stop>;

/// What the slot of a result is to hold for what `make` roots; empty if it gives nothing.
pub(super) fn rooted(
    stores: &mut Stores,
    store: usize,
    form: i64,
    make: impl FnOnce(StoreContextMut<'_, Limits>) -> Made,
) -> Result<Slot, Stop> {
    if form == LIFO {
        let made = make(stores.context(store)?)?;
        return Ok(made.map_or(Slot::Empty, |handle| Slot::Lifo(store, handle)));
    }
    let mut scope = RootScope::new(stores.context(store)?);
    Ok(match make(scope.as_context_mut())? {
        None => Slot::Empty,
        Some(handle) => Slot::Owned(store, handle.to_owned_rooted(&mut scope)?),
    })
}

/// As `rooted`, where `make` needs LIFO handles for operands (none: null), and gives a handle of static type `of`.
///
/// Owned operands need roots, which are not to outlast the op: they are in a scope of their own, which a LIFO result
/// leaves through a global.
pub(super) fn rooted_from(
    stores: &mut Stores,
    slots: &[Slot],
    store: usize,
    (form, of): (i64, i64),
    operands: &[i64],
    make: impl FnOnce(StoreContextMut<'_, Limits>, &[Option<Lifo>]) -> Made,
) -> Result<Slot, Stop> {
    let handles = operands.iter().map(|operand| match *operand {
        NULL => Ok(None),
        slot => handle_at(slots, slot).map(|(_, handle)| Some(handle)),
    });
    let handles = handles.collect::<Result<Vec<Option<Handle>>, Stop>>()?;
    let make = |mut context: StoreContextMut<'_, Limits>| {
        let lent = handles.iter().map(|handle| handle.as_ref().map(|handle| handle.rooted(&mut context)));
        let lent: Vec<Option<Lifo>> = lent.collect();
        make(context, &lent)
    };
    if form != LIFO || !handles.iter().flatten().any(Handle::is_owned) {
        return rooted(stores, store, form, make);
    }
    let carrier = stores.makers(store)?.carrier(stores.context(store)?, of)?;
    let mut scope = RootScope::new(stores.context(store)?);
    let Some(made) = make(scope.as_context_mut())? else { return Ok(Slot::Empty) };
    carrier.set(&mut scope, Val::from(made.to_ref()))?;
    drop(scope);
    let mut context = stores.context(store)?;
    let handle = read_global(&mut context, &carrier, of)?;
    carrier.set(context, kit::null_of(of))?;
    Ok(handle.map_or(Slot::Empty, |handle| Slot::Lifo(store, handle)))
}

/// An allocation failed: for want of memory, or otherwise.
pub(super) fn refused(error: Error) -> Stop {
    match error.downcast_ref::<GcHeapOutOfMemory<()>>() {
        Some(memory) => Stop::OutOfMemory { needed: bytes_needed(&memory.to_string()) },
        None => Stop::Failed(error),
    }
}

impl Machine {
    /// Defines a result slot and says whether there is a reference.
    pub(super) fn put_found(&mut self, result: i64, found: Slot) -> Outcome {
        let reply = if matches!(found, Slot::Empty) { Reply::NULL } else { Reply::NONNULL };
        self.put(result, found)?;
        Ok(reply)
    }
}
