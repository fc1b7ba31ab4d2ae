//! The machine: runs one program after the other and writes the observations of each.

mod futures;
mod memory;
mod roots;
mod slots;
mod values;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use wasmtime::{ExternRef, GcHeapOutOfMemory, Global, OwnedRooted, RootScope, StoreContextMut, Table};

use crate::effects::{Effects, HostValue, Log};
use crate::engine::Environment;
use crate::handles::{Handle, Lifo, Owned};
use crate::limiter::Limits;
use crate::msgpack::Writer;
use crate::ops::{Op, OpKind};
use crate::outcome::{Observer, Outcome, Reply, Stop};
use crate::panics;
use crate::process::Progress;
use crate::stores::{scoped, Stores};
use crate::wire::{self, Program, Trouble};

/// An absent optional operand, or a result that is not kept.
const NULL: i64 = -1;

/// What a slot holds; the number is that of the store.
enum Slot {
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
}

/// A kept out-of-memory error; split once a collection was asked for its sake.
enum Kept {
    Whole(GcHeapOutOfMemory<HostValue>),
    Split(HostValue, GcHeapOutOfMemory<()>),
}

/// A scope of its own for what one op roots.
type Scope<'a> = RootScope<StoreContextMut<'a, Limits>>;

/// Executes programs in an environment.
pub struct Machine<'e> {
    environment: &'e Environment,
    observer: Observer,
    progress: Progress,
    run: Run,
}

/// The state of the program that runs.
#[derive(Default)]
struct Run {
    stores: Stores,
    slots: Vec<Slot>,
    /// By value id: whether it is not with the host.
    given: Vec<bool>,
    log: Arc<Log>,
    /// Index of the op that runs.
    at: usize,
    /// The observations so far, encoded, and their number.
    seen: Vec<u8>,
    count: u32,
}

impl<'e> Machine<'e> {
    pub fn new(environment: &'e Environment, observer: Observer) -> Self {
        Machine { environment, observer, progress: Progress::default(), run: Run::default() }
    }

    /// Notes the place in `progress` from here on.
    pub fn note_in(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Runs a program and appends its result to `out`.
    pub fn execute(&mut self, program: &Program, batch: i64, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.progress.program(program.number);
        self.begin(program);
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_ops(&program.ops, 0)));
        let finished = match ended {
            Ok(Ok(())) => {
                self.finish(false);
                Ok(())
            }
            Ok(Err(stop)) => Err(trouble_of(stop)),
            Err(_) => {
                self.panicked();
                Ok(())
            }
        };
        finished?;
        let run = &self.run;
        wire::write_frame(out, |writer| {
            let place = wire::begin_result(writer, batch, program.number);
            writer.0.extend_from_slice(&run.seen);
            writer.set_array(place, run.count);
        });
        Ok(())
    }

    fn begin(&mut self, program: &Program) {
        let run = &mut self.run;
        run.log = Arc::default();
        run.slots.clear();
        run.slots.resize_with(program.slots.max(1), || Slot::Empty);
        run.given.clear();
        run.given.resize(program.values, false);
        run.seen.clear();
        run.count = 0;
        run.at = 0;
        self.open_store(program.limit, program.limiter, 0);
    }

    fn open_store(&mut self, limit: i64, limiter: i64, slot: usize) {
        let run = &mut self.run;
        let store = run.stores.open(self.environment, Limits::new(limit, &run.log), limiter != 0);
        run.slots[slot] = Slot::Store(store);
    }

    /// Leaves nothing behind: what holds no store first, then the stores.
    fn finish(&mut self, scopes_left: bool) {
        for slot in &mut self.run.slots {
            if let Slot::Error(..) | Slot::Pending(_) = slot {
                *slot = Slot::Empty;
            }
        }
        self.run.stores.close_all(scopes_left);
        self.run.slots.clear();
    }

    fn panicked(&mut self) {
        let message = panics::take_message();
        let effects = self.run.log.take();
        let outcome = panics::outcome(&message);
        self.observer.write_panic(&mut Writer(&mut self.run.seen), &outcome, &effects);
        self.run.count += 1;
        let dropped = panics::is_harmless(&message) && catch_unwind(AssertUnwindSafe(|| self.finish(true))).is_ok();
        if !dropped {
            panics::forget_message();
            self.run.stores.forget_all();
            std::mem::forget(std::mem::take(&mut self.run.slots));
        }
    }

    /// Runs ops until the end of the program, or of the scope at `depth`.
    fn run_ops(&mut self, ops: &[Op], depth: usize) -> Result<(), Stop> {
        while let Some(op) = ops.get(self.run.at) {
            self.progress.op(self.run.at);
            match op.kind {
                OpKind::End if depth > 0 => return Ok(()),
                OpKind::End => return Err(Stop::misuse("an end without a scope")),
                OpKind::Scope => self.run_scope(ops, op, depth)?,
                _ => {
                    let outcome = self.dispatch(op);
                    self.observe(outcome)?;
                }
            }
            self.run.at += 1;
        }
        Ok(())
    }

    /// Runs the ops of a scope; after it, the place is at its end, or at that of the program.
    fn run_scope(&mut self, ops: &[Op], op: &Op, depth: usize) -> Result<(), Stop> {
        let store = self.store(op.args[0])?;
        scoped(
            self,
            |machine| &mut machine.run.stores,
            store,
            |machine| {
                machine.observe(Ok(Reply::Done))?;
                machine.run.at += 1;
                machine.run_ops(ops, depth + 1)
            },
        )?;
        if self.run.at < ops.len() {
            self.observe(Ok(Reply::Done))?; // the end, with what leaving the scope finalized
        }
        Ok(())
    }

    fn observe(&mut self, outcome: Outcome) -> Result<(), Stop> {
        let effects: Effects = self.run.log.take();
        let mut writer = Writer(&mut self.run.seen);
        self.observer.write(&mut writer, outcome, &effects).map_err(Stop::Misuse)?;
        self.run.count += 1;
        Ok(())
    }

    fn dispatch(&mut self, op: &Op) -> Outcome {
        let [a, b, c, d, e, f] = op.args;
        match op.kind {
            OpKind::Scope | OpKind::End => unreachable!("brackets are seen to by run_ops"),
            OpKind::StoreNew => self.store_new(a, b, c),
            OpKind::StoreDrop => self.store_drop(a),
            OpKind::SetLimit => self.set_limit(a, b),
            OpKind::ExtNew => self.ext_new(a, b, c, d),
            OpKind::ExtNewOwned => self.ext_new_owned(a, b, c, d),
            OpKind::I31New => self.i31_new(a, b, c),
            OpKind::I31NewOwned => self.i31_new_owned(a, b, c),
            OpKind::Own => self.own(a, b),
            OpKind::Lend => self.lend(a, b),
            OpKind::Oclone => self.oclone(a, b),
            OpKind::Odrop => self.odrop(a),
            OpKind::OwnedDropThread => self.owned_drop_thread(a),
            OpKind::ConvAny => self.conv_any(a, b),
            OpKind::ConvExt => self.conv_ext(a, b),
            OpKind::ConvAnyOwned => self.conv_any_owned(a, b),
            OpKind::ConvExtOwned => self.conv_ext_owned(a, b),
            OpKind::Cast => self.cast(a, b, c),
            OpKind::Kind => self.kind(a),
            OpKind::Data => self.data(a),
            OpKind::DataSet => self.data_set(a, b),
            OpKind::Eq => self.eq(a, b),
            OpKind::ToRaw => self.to_raw(a, b),
            OpKind::FromRaw => self.from_raw(a, b, c),
            OpKind::FromRawOwned => self.from_raw_owned(a, b, c),
            OpKind::FromImm => self.from_imm(a, b, c, d),
            OpKind::FromImmOwned => self.from_imm_owned(a, b, c, d),
            OpKind::Gc => self.gc(a),
            OpKind::Sync => Ok(Reply::Done),
            OpKind::GcFor => self.gc_for(a, b),
            OpKind::OomTake => self.oom_take(a),
            OpKind::OomDrop => self.oom_drop(a),
            OpKind::NewAsync => self.new_async(a, b, c, (d, e)),
            OpKind::GcAsync => self.gc_async(a, b),
            OpKind::Poll => self.poll(a, b),
            OpKind::Cancel => self.cancel(a),
            OpKind::TypedCall => self.typed_call(a, b, c, d),
            OpKind::TypedCallOwned => self.typed_call_owned(a, b, c, d),
            OpKind::GlobalNew => self.global_new(a, b, c, (d, e)),
            OpKind::GlobalGet => self.global_get(a, b),
            OpKind::GlobalGetOwned => self.global_get_owned(a, b),
            OpKind::GlobalSet => self.global_set(a, b),
            OpKind::TableNew => self.table_new(a, b, (c, d), (e, f)),
            OpKind::TableGet => self.table_get(a, b, c),
            OpKind::TableGetOwned => self.table_get_owned(a, b, c),
            OpKind::TableSet => self.table_set(a, b, c),
            OpKind::TableGrow => self.table_grow(a, b, c),
            OpKind::TableFill => self.table_fill(a, b, c, d),
            OpKind::TableCopy => self.table_copy(a, b, c, d, e),
            OpKind::TableSize => self.table_size(a),
            OpKind::Fill => self.fill(a, b, c, d),
            OpKind::Free => self.free(a, b),
            OpKind::WrongStore => self.wrong_store(a, b, c),
        }
    }

    // --- slots

    /// The store in a slot.
    fn store(&self, slot: i64) -> Result<usize, Stop> {
        match slot_at(&self.run.slots, slot)? {
            Slot::Store(store) => Ok(*store),
            _ => Err(Stop::misuse(format!("slot {slot} holds no store"))),
        }
    }

    /// Defines a slot.
    fn put(&mut self, slot: i64, value: Slot) -> Result<(), Stop> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.run.slots.get_mut(slot));
        *place.ok_or_else(|| no_slot(slot))? = value;
        Ok(())
    }

    /// Takes what a slot holds.
    fn take(&mut self, slot: i64) -> Result<Slot, Stop> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.run.slots.get_mut(slot));
        match std::mem::replace(place.ok_or_else(|| no_slot(slot))?, Slot::Empty) {
            Slot::Empty => Err(Stop::Empty),
            held => Ok(held),
        }
    }

    /// Defines a slot as a LIFO handle, if there is one.
    fn put_lifo(&mut self, slot: i64, store: usize, handle: Option<Lifo>) -> Outcome {
        let Some(handle) = handle else {
            return Ok(Reply::NULL);
        };
        self.put(slot, Slot::Lifo(store, handle))?;
        Ok(Reply::NONNULL)
    }

    /// Defines a slot as an owned handle, if there is one.
    fn put_owned(&mut self, slot: i64, store: usize, handle: Option<Owned>) -> Outcome {
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
fn slot_at(slots: &[Slot], slot: i64) -> Result<&Slot, Stop> {
    let held = usize::try_from(slot).ok().and_then(|slot| slots.get(slot));
    match held.ok_or_else(|| no_slot(slot))? {
        Slot::Empty => Err(Stop::Empty),
        held => Ok(held),
    }
}

/// The handle in a slot, and its store.
fn handle_at(slots: &[Slot], slot: i64) -> Result<(usize, Handle<'_>), Stop> {
    match slot_at(slots, slot)? {
        Slot::Lifo(store, handle) => Ok((*store, handle.handle())),
        Slot::Owned(store, handle) => Ok((*store, handle.handle())),
        _ => Err(Stop::misuse(format!("slot {slot} holds no handle"))),
    }
}

/// The LIFO handle in a slot, and its store.
fn lifo_at(slots: &[Slot], slot: i64) -> Result<(usize, Lifo), Stop> {
    match slot_at(slots, slot)? {
        Slot::Lifo(store, handle) => Ok((*store, *handle)),
        _ => Err(Stop::misuse(format!("slot {slot} holds no LIFO handle"))),
    }
}

/// The owned handle in a slot, and its store.
fn owned_at(slots: &[Slot], slot: i64) -> Result<(usize, &Owned), Stop> {
    match slot_at(slots, slot)? {
        Slot::Owned(store, handle) => Ok((*store, handle)),
        _ => Err(Stop::misuse(format!("slot {slot} holds no owned handle"))),
    }
}

fn trouble_of(stop: Stop) -> Trouble {
    match stop {
        Stop::Misuse(trouble) => trouble,
        Stop::Failed(error) => Trouble(format!("outside of any op: {error:#}")),
        Stop::Empty | Stop::OutOfMemory { .. } => Trouble::new("a scope on a slot that holds no store"),
    }
}
