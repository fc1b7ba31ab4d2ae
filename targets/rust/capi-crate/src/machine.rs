//! The machine: runs one program after the other, with a method per op kind (docs/spec/capi.md 5.1).
//!
//! There are no scopes, LIFO handles, errors that give a value back, futures or typed calls in C: the parent lowers or
//! drops them (docs/spec/program-ir.md 8.2).

mod callbacks;
mod dispatch;
mod host;
mod limits;
mod objects;
mod operands;
mod reads;
mod resources;
mod roots;
mod slots;
mod wasm;

use std::collections::HashMap;
use std::rc::Rc;

use self::callbacks::{Callback, Returned};
use self::host::Activity;
use self::operands::{Slot, StoreState};
use self::wasm::Inst;
use crate::api::{drain, Api, Store};
use crate::engines::{Engines, DEFAULT};
use crate::facts::{Facts, Shape};
use crate::library::Library;
use crate::ops::{Op, OpKind};
use crate::other_thread::OtherThread;
use crate::outcome::{Observation, Reply, Stop, PANIC};
use crate::process::Progress;
use crate::wire::{self, Body, Program, Trouble};

/// Executes programs on one library: an engine for each configuration, a store for each of the program. A defect of the
/// runtime kills the process.
pub struct Machine {
    /// With the default engine; functions that have nothing to do with engines are called on it.
    api: Rc<Api>,
    engines: Engines,
    /// Whether bodies may use exceptions.
    exceptions: bool,
    other_thread: OtherThread,
    progress: Progress,
    // What follows is of the program that runs.
    ops: Vec<Op>,
    bodies: Vec<Body>,
    slots: Vec<Slot>,
    stores: Vec<StoreState>,
    instances: Vec<Inst>,
    /// The memory behind the data pointers, which C programs would mutate.
    payloads: HashMap<u32, i64>,
    /// Observations by place; ops of a callback that is not called are skipped.
    seen: Vec<Observation>,
    /// Of the current op; what is executed next comes after it.
    place: usize,
    /// An op panicked; and the place after it.
    over: bool,
    last: usize,
    /// The callbacks that run, the innermost last.
    calls: Vec<Callback>,
    /// By the call that was closed last.
    returned: Option<Returned>,
    /// The run of a body that is going on.
    activity: Option<Activity>,
    /// The configuration of store 0, and of what `store_new` makes.
    engine: usize,
}

impl Machine {
    /// Makes the default engine: what cannot be had is known before anything runs.
    pub fn new(library: &'static Library, facts: &'static Facts, shape: Shape) -> Result<Machine, Trouble> {
        let mut engines = Engines::new(library, facts, shape, host::FUNCTIONS);
        let api = engines.api(DEFAULT)?;
        let exceptions = engines.wasm(DEFAULT)?.0.exceptions;
        let other_thread = OtherThread::new(api.roots.clone());
        Ok(Machine {
            api,
            engines,
            exceptions,
            other_thread,
            progress: Progress::default(),
            ops: Vec::new(),
            bodies: Vec::new(),
            slots: Vec::new(),
            stores: Vec::new(),
            instances: Vec::new(),
            payloads: HashMap::new(),
            seen: Vec::new(),
            place: 0,
            over: false,
            last: 0,
            calls: Vec::new(),
            returned: None,
            activity: None,
            engine: DEFAULT,
        })
    }

    /// Notes the place in `progress` from here on.
    pub fn note_in(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// The op kinds that this release has.
    pub fn supported(&self) -> Vec<OpKind> {
        let has = |kind: &OpKind| {
            (self.api.shape.objects || !kind.needs_objects()) && (self.exceptions || !kind.needs_exceptions())
        };
        OpKind::ALL.iter().copied().filter(has).collect()
    }

    /// The names of the engine configurations that the library can have.
    pub fn engines(&mut self) -> Vec<&'static str> {
        self.engines.names()
    }

    /// Which collector runs: a moving one changes raw values, and only null finalizes nothing.
    pub fn collector(&self) -> &'static str {
        let Store { pointer, context } = self.api.store_new(-1);
        let (kept, dropped) = (self.api.externref_new(context, 0), self.api.externref_new(context, 1));
        let raw = || kept.as_ref().map(|kept| self.api.to_raw(context, kept));
        let before = raw();
        dropped.into_iter().for_each(|root| self.api.roots.unroot(context, root));
        self.api.gc(context);
        let finalized = drain();
        let moved = raw() != before;
        kept.into_iter().for_each(|root| self.api.roots.unroot(context, root));
        self.api.store_delete(pointer);
        drain();
        match (moved, finalized.is_empty()) {
            (true, _) => "copying",
            (false, false) => "drc",
            (false, true) => "null",
        }
    }

    /// Runs a program, of which it takes the ops and bodies, and appends its result to `out`. Call `finish` before the
    /// next one.
    pub fn execute(&mut self, program: &mut Program, batch: i64, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.progress.program(program.number);
        std::mem::swap(&mut self.ops, &mut program.ops);
        std::mem::swap(&mut self.bodies, &mut program.bodies);
        self.begin(program)?;
        let stop = self.perform(0, self.ops.len())?;
        wire::write_frame(out, |writer| {
            let place = wire::begin_result(writer, batch, program.number);
            self.seen[..stop].iter().for_each(|observation| observation.write(writer));
            writer.set_array(place, stop as u32);
        });
        Ok(())
    }

    fn begin(&mut self, program: &Program) -> Result<(), Trouble> {
        drain();
        self.slots.clear();
        self.slots.resize_with(program.slots.max(1), || Slot::Empty);
        self.payloads.clear();
        self.seen.clear();
        self.seen.resize(self.ops.len(), Observation::SKIPPED);
        self.over = false;
        self.place = 0;
        self.engine = program.engine;
        if self.ops.iter().any(|op| op.kind == OpKind::ModulesDrop) {
            self.engines.renew_pools();
        }
        let store = self.open_store(program.limit, program.engine)?;
        self.slots[0] = Slot::Store(store);
        Ok(())
    }

    fn open_store(&mut self, limit: i64, engine: usize) -> Result<usize, Trouble> {
        let Store { pointer, context } = self.engines.api(engine)?.store_new(limit);
        let store = self.stores.len();
        self.stores.push(StoreState { pointer, context, engine, deadline: 0, alive: true });
        self.lift_limits(store);
        Ok(store)
    }

    /// Drops what the last program left, however far it came: handles, what is made of its types, linkers, stores.
    pub fn finish(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            match slot {
                Slot::Handle(store, root) => self.release(store, root),
                Slot::Fill(store, made) => made.into_iter().flatten().for_each(|root| self.release(store, root)),
                _ => {}
            }
        }
        self.engines.forget_stores();
        self.drop_returned();
        for mut instance in std::mem::take(&mut self.instances) {
            instance.made.drop_linker(&self.api);
        }
        for store in std::mem::take(&mut self.stores) {
            if store.alive {
                self.api.store_delete(store.pointer);
            }
        }
        self.calls.clear();
        self.engines.renew();
        drain();
    }

    /// Executes the ops from `index` to `stop`, and gives the place after the last that was executed.
    ///
    /// Host functions call it for the ops of a callback, inside an op that is under way. After a panic nothing more is
    /// executed, and the place is that after the op that panicked.
    fn perform(&mut self, mut index: usize, stop: usize) -> Result<usize, Trouble> {
        while index < stop {
            self.place = index;
            self.progress.op(index);
            let op = self.ops[index];
            let mut observation = observed(self.dispatch(&op))?;
            observation.finalized.append(&mut drain());
            let panicked = observation.outcome.starts_with(PANIC);
            self.seen[index] = observation;
            if self.over || panicked {
                if !self.over {
                    self.over = true;
                    self.last = index + 1;
                }
                return Ok(self.last);
            }
            index = self.place + 1;
        }
        Ok(stop)
    }
}

fn observed(reply: Reply) -> Result<Observation, Trouble> {
    match reply {
        Ok(observation) => Ok(observation),
        Err(Stop::Empty) => Ok(Observation::SKIPPED),
        Err(Stop::Failed(outcome)) => Ok(Observation::ended(outcome)),
        Err(Stop::Misuse(trouble)) => Err(trouble),
    }
}
