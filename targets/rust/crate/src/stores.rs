//! The stores of a program: their contexts, scopes and futures.
//!
//! A future on one store lasts over many ops, and may begin and end at other depths of the scopes of other stores: no
//! nesting of borrows follows that. So the contexts of all stores are kept in one table whatever the depth, and what
//! the compiler cannot see is seen to here: each entry is the innermost context of its store, nothing else uses the
//! store while a future is pending, and a future ends before the scope or store that it borrows.

use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use wasmtime::{AsContextMut, ExternRef, Result, RootScope, Rooted, Store, StoreContextMut};

use crate::engine::{Environment, Kit};
use crate::host::External;
use crate::kit::Makers;
use crate::limiter::Limits;
use crate::outcome::Stop;

type Ctx<'a> = StoreContextMut<'a, Limits>;

/// What a future gives: the root that an allocation made, or nothing for a collection.
pub type Work = Pin<Box<dyn Future<Output = Result<Option<Rooted<ExternRef>>>>>>;

/// A future under way, and the slots into which its result goes.
struct Pending {
    work: Work,
    handle: i64,
    error: i64,
}

/// What became of a future, and the slots into which that goes.
pub struct Ended {
    pub done: Result<Option<Rooted<ExternRef>>>,
    pub handle: i64,
    pub error: i64,
}

struct Entry {
    owner: NonNull<Store<Limits>>,
    /// The innermost context: of the store, or of the scope that was opened last. None only if a scope panicked.
    context: Option<Ctx<'static>>,
    pending: Option<Pending>,
    scopes: u32,
    kit: Option<Kit>,
    makers: Rc<Makers>,
    environment: Rc<Environment>,
}

/// The stores of one program, by order of creation.
#[derive(Default)]
pub struct Stores {
    entries: Vec<Option<Entry>>,
}

/// The same context with a lifetime that the compiler does not check.
///
/// # Safety
///
/// The context must not be used after what `context` borrows is gone, nor while something else uses the store.
unsafe fn extend(context: Ctx<'_>) -> Ctx<'static> {
    // SAFETY: the two types differ in the lifetime only; the rest is the caller's to keep.
    unsafe { mem::transmute::<Ctx<'_>, Ctx<'static>>(context) }
}

impl Stores {
    /// Makes a store and gives its number.
    pub fn open(&mut self, environment: Rc<Environment>, limits: Limits, is_async: bool) -> usize {
        let mut store = Box::new(Store::new(&environment.engine, limits));
        if is_async {
            store.limiter_async(|limits| limits);
        } else {
            store.limiter(|limits| limits);
        }
        let mut owner = NonNull::from(Box::leak(store));
        // SAFETY: just leaked, so it is there until `close` takes it back, and nothing else refers to it.
        let context = unsafe { owner.as_mut() }.as_context_mut();
        let makers = Rc::default();
        let context = Some(context);
        self.entries.push(Some(Entry { owner, context, pending: None, scopes: 0, kit: None, makers, environment }));
        self.entries.len() - 1
    }

    fn entry(&mut self, store: usize) -> Result<&mut Entry, Stop> {
        self.entries[store].as_mut().ok_or_else(|| Stop::misuse("an op on a store that was dropped"))
    }

    /// A store to be used by one op.
    pub fn context(&mut self, store: usize) -> Result<Ctx<'_>, Stop> {
        let entry = self.entry(store)?;
        if entry.pending.is_some() {
            return Err(Stop::misuse("an op on a store whose future is pending"));
        }
        let context = entry.context.as_mut().expect("no program goes on after a panic");
        Ok(context.as_context_mut())
    }

    /// The kit in a store, made when it is first asked for.
    pub fn kit(&mut self, store: usize) -> Result<Kit, Stop> {
        if let Some(kit) = &self.entry(store)?.kit {
            return Ok(kit.clone());
        }
        let kit = self.environment(store)?.kit(self.context(store)?)?;
        self.entry(store)?.kit = Some(kit.clone());
        Ok(kit)
    }

    /// The environment that a store is in.
    pub fn environment(&mut self, store: usize) -> Result<Rc<Environment>, Stop> {
        Ok(Rc::clone(&self.entry(store)?.environment))
    }

    /// What a store needs to make objects.
    pub fn makers(&mut self, store: usize) -> Result<Rc<Makers>, Stop> {
        Ok(Rc::clone(&self.entry(store)?.makers))
    }

    /// Lets go of what knows types in the stores of an engine configuration.
    pub fn forget_types(&mut self, number: usize) {
        for entry in self.entries.iter_mut().flatten().filter(|entry| entry.environment.number == number) {
            entry.makers = Rc::new(entry.makers.without_types());
        }
    }

    /// Drops a store, and its future if one is pending.
    pub fn close(&mut self, store: usize) -> Result<(), Stop> {
        if self.entry(store)?.scopes > 0 {
            return Err(Stop::misuse("a store is dropped in the midst of its scopes"));
        }
        if let Some(entry) = self.entries[store].take() {
            drop(entry.pending);
            // SAFETY: `open` leaked it, this is the only place that takes it back, and the entry's context and future
            // are gone.
            drop(unsafe { Box::from_raw(entry.owner.as_ptr()) });
        }
        Ok(())
    }

    /// Drops what a program left. `scopes_left`: a panic left scopes that nobody closes any more.
    pub fn close_all(&mut self, scopes_left: bool) {
        for store in 0..self.entries.len() {
            if let Some(entry) = &mut self.entries[store] {
                entry.scopes = if scopes_left { 0 } else { entry.scopes };
                let closed = self.close(store);
                assert!(closed.is_ok(), "scopes end before the program");
            }
        }
        self.entries.clear();
    }

    /// Forgets every store: after a panic their state is not known.
    pub fn forget_all(&mut self) {
        mem::forget(mem::take(&mut self.entries));
    }

    // --- futures

    /// Begins a future on a store; `make` gets the store for as long as it lasts. `slots`: for the handle, the error.
    pub fn begin(
        &mut self,
        store: usize,
        slots: (i64, i64),
        make: impl FnOnce(Ctx<'static>) -> Work,
    ) -> Result<(), Stop> {
        let context = self.context(store)?;
        // SAFETY: `context` refuses the store while the future is pending, and the future is dropped before the store
        // (`close`) and before the scope whose context this is (`scoped`).
        let context = unsafe { extend(context) };
        let (handle, error) = slots;
        self.entry(store)?.pending = Some(Pending { work: make(context), handle, error });
        Ok(())
    }

    /// Polls a store's future up to so many times, or until it is done for 0. None: it is still pending.
    pub fn poll(&mut self, store: usize, polls: i64) -> Result<Option<Ended>, Stop> {
        let slot = &mut self.entry(store)?.pending;
        let pending = slot.as_mut().ok_or(Stop::Empty)?;
        let mut context = Context::from_waker(Waker::noop());
        let mut left = polls;
        loop {
            if let Poll::Ready(done) = pending.work.as_mut().poll(&mut context) {
                let ended = Ended { done, handle: pending.handle, error: pending.error };
                *slot = None;
                return Ok(Some(ended));
            }
            left -= 1;
            if left == 0 {
                return Ok(None);
            }
        }
    }

    /// Drops a store's future half-way; whether there was one.
    pub fn cancel(&mut self, store: usize) -> Result<bool, Stop> {
        Ok(self.entry(store)?.pending.take().is_some())
    }
}

/// What host functions may come back to while Wasm runs.
pub trait Machine {
    /// Its table of stores.
    fn stores(&mut self) -> &mut Stores;

    /// Wasm calls back, in this store, with this argument: what it gets.
    fn called_back(&mut self, store: usize, given: External) -> Result<External>;
}

/// The way back into the machine from a host function.
pub struct Back {
    machine: *mut (),
    store: usize,
    enter: unsafe fn(*mut (), usize, Ctx<'_>, External) -> Result<External>,
}

// SAFETY: a store is used by one thread, that of its machine; only its data has to be `Send`.
unsafe impl Send for Back {}

impl Back {
    /// Calls back. `context`: the store as Wasm's caller has it.
    pub fn call(self, context: Ctx<'_>, given: External) -> Result<External> {
        // SAFETY: `open` made it, and the machine is lent to whoever has it as long as `body` runs, which Wasm's frames
        // do not outlast.
        unsafe { (self.enter)(self.machine, self.store, context, given) }
    }
}

/// Lets `body` use a store, and lets what that calls come back into the machine, which nothing else uses meanwhile.
///
/// `body` gets the way back, and keeps it no longer than it runs.
pub fn open<M: Machine, T>(
    machine: &mut M,
    store: usize,
    body: impl FnOnce(Ctx<'_>, Back) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let machine: *mut M = machine;
    // SAFETY: it comes from the reference just above. The context that `body` gets is the innermost one of its store;
    // whoever comes back has one that Wasm made of it, and puts that into the table for as long (`enter`).
    let context = unsafe { extend((*machine).stores().context(store)?) };
    body(context, Back { machine: machine.cast(), store, enter: enter::<M> })
}

/// # Safety
///
/// `machine` is the one that `open` lent, and `context` that store's.
unsafe fn enter<M: Machine>(machine: *mut (), store: usize, context: Ctx<'_>, given: External) -> Result<External> {
    // SAFETY: the caller's to keep; `open` uses nothing of it before `body` is over.
    let machine = unsafe { &mut *machine.cast::<M>() };
    let Ok(entry) = machine.stores().entry(store) else { return Ok(given) };
    // SAFETY: taken out of the table again below; after a panic the table is good for `close_all` and `forget_all` only.
    let outer = entry.context.replace(unsafe { extend(context) });
    let done = machine.called_back(store, given);
    if let Ok(entry) = machine.stores().entry(store) {
        entry.context = outer;
    }
    done
}

/// Runs `body` in a scope of a store. `stores` finds the table in the machine that `body` runs.
pub fn scoped<M, T>(
    machine: &mut M,
    stores: impl Fn(&mut M) -> &mut Stores,
    store: usize,
    body: impl FnOnce(&mut M) -> Result<T, Stop>,
) -> Result<T, Stop> {
    stores(machine).context(store)?; // refuses a store that cannot be used now
    let mut outer = stores(machine).entry(store)?.context.take().expect("no program goes on after a panic");
    // A panic leaves the scope open: the store is not used again, and closing it could panic once more.
    let mut scope = ManuallyDrop::new(RootScope::new(&mut outer));
    let entry = stores(machine).entry(store)?;
    // SAFETY: the table is given another context below, before the scope ends; if `body` panics, the table is only
    // good for `close_all` and `forget_all`, which use no context.
    entry.context = Some(unsafe { extend(scope.as_context_mut()) });
    entry.scopes += 1;
    let done = body(machine);
    let entry = stores(machine).entry(store)?;
    entry.scopes -= 1;
    entry.pending = None;
    entry.context = None;
    drop(ManuallyDrop::into_inner(scope));
    stores(machine).entry(store)?.context = Some(outer);
    done
}
