//! The machine: runs one program after the other and writes the observations of each.

mod bodies;
mod calls;
mod dispatch;
mod exceptions;
mod futures;
mod limits;
mod memory;
mod objects;
mod operands;
mod resources;
mod rooting;
mod roots;
mod slots;
mod typed;
mod values;
mod wasm;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;

use self::bodies::Modules;
use self::calls::Call;
use self::operands::Slot;
use self::wasm::Inst;
use wasmtime::{ExternRef, OwnedRooted};

use crate::compat;
use crate::effects::Log;
use crate::engine::{pooling, Environments, Options};
use crate::limiter::Limits;
use crate::msgpack::Writer;
use crate::ops::{Op, OpKind};
use crate::outcome::{Observer, Outcome, Reply, Stop};
use crate::panics;
use crate::process::Progress;
use crate::stores::{scoped, Stores};
use crate::wire::{self, Body, Program, Trouble};

/// Executes programs, in an environment for each engine configuration.
pub struct Machine {
    environments: Environments,
    /// The engine configurations in which types were freed.
    spoilt: Vec<usize>,
    observer: Observer,
    progress: Progress,
    modules: Modules,
    run: Run,
}

/// The state of the program that runs.
#[derive(Default)]
struct Run {
    stores: Stores,
    slots: Vec<Slot>,
    /// By value id: whether it is not with the host.
    given: Vec<bool>,
    bodies: Vec<Body>,
    instances: Vec<Inst>,
    /// The engine configuration of the program.
    engine: usize,
    /// Those of all stores that it made.
    entered: Vec<usize>,
    log: Arc<Log>,
    ops: Rc<[Op]>,
    /// The calls under way, the innermost last.
    calls: Vec<Call>,
    /// Of the call that ended last, if it returned: its store, and a root of what it gave.
    returned: Option<(usize, Option<OwnedRooted<ExternRef>>)>,
    /// Index of the op that runs.
    at: usize,
    /// The observations so far, encoded, and their number.
    seen: Vec<u8>,
    count: u32,
}

impl Machine {
    pub fn new(options: Options, observer: Observer) -> Self {
        Machine {
            environments: Environments::new(options),
            spoilt: Vec::new(),
            observer,
            progress: Progress::default(),
            modules: Modules::default(),
            run: Run::default(),
        }
    }

    /// The names of the engine configurations that it has. Fails if it has not even the default.
    pub fn engines(&mut self) -> Result<Vec<&'static str>, Trouble> {
        self.environments.get(0).map_err(|error| Trouble(format!("no engine: {error:#}")))?;
        Ok(self.environments.names())
    }

    /// Notes the place in `progress` from here on.
    pub fn note_in(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// Runs a program and appends its result to `out`.
    pub fn execute(&mut self, program: &Program, batch: i64, out: &mut Vec<u8>) -> Result<(), Trouble> {
        self.progress.program(program.number);
        self.begin(program).map_err(trouble_of)?;
        let ops = Rc::clone(&self.run.ops);
        let ended = catch_unwind(AssertUnwindSafe(|| self.run_ops(&ops, 0)));
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

    fn begin(&mut self, program: &Program) -> Result<(), Stop> {
        let run = &mut self.run;
        run.log = Arc::default();
        run.slots.clear();
        run.slots.resize_with(program.slots.max(1), || Slot::Empty);
        run.given.clear();
        run.given.resize(program.values, false);
        run.bodies.clone_from(&program.bodies);
        run.instances.clear();
        run.ops = Rc::from(program.ops.as_slice());
        run.calls.clear();
        run.returned = None;
        run.seen.clear();
        run.count = 0;
        run.at = 0;
        run.engine = program.engine;
        run.entered.clear();
        if program.ops.iter().any(|op| op.kind == OpKind::ModulesDrop) {
            self.spoilt.push(pooling()); // its heaps know types of earlier programs, too
        }
        self.renew();
        self.open_store(program.engine, program.limit, program.limiter, 0)
    }

    /// A heap of a pool remembers types that are gone (K53): what was freed in one program must not reach the next.
    fn renew(&mut self) {
        let spoilt = std::mem::take(&mut self.spoilt);
        if compat::REMEMBERS_TYPES {
            for number in spoilt.into_iter().chain(self.modules.crowded()) {
                self.forget_engine(number);
            }
        }
    }

    fn forget_engine(&mut self, number: usize) {
        self.environments.renew(number);
        self.modules.forget(number);
    }

    fn open_store(&mut self, engine: usize, limit: i64, limiter: i64, slot: usize) -> Result<(), Stop> {
        let environment = self.environments.get(engine)?;
        let run = &mut self.run;
        run.entered.push(engine);
        let limits = Limits::new(limit, &run.log, environment.clock.clone());
        let store = run.stores.open(environment, limits, limiter != 0);
        run.slots[slot] = Slot::Store(store);
        self.lift(store)
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
        let effects = self.forget_callback().then(self.run.log.take());
        let outcome = panics::outcome(&message);
        self.observer.write_panic(&mut Writer(&mut self.run.seen), &outcome, &effects);
        self.run.count += 1;
        self.end_calls();
        let dropped = panics::is_harmless(&message) && catch_unwind(AssertUnwindSafe(|| self.finish(true))).is_ok();
        if !dropped {
            panics::forget_message();
            self.run.stores.forget_all();
            std::mem::forget(std::mem::take(&mut self.run.slots));
            // What the stores have of a pool is gone for good, and what else the panic left in their engines is not
            // known. It touched no other engine: those of the other configurations are as they were.
            for number in std::mem::take(&mut self.run.entered) {
                self.forget_engine(number);
            }
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
                OpKind::Call | OpKind::CallExn => self.run_call(ops, op)?,
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
        let effects = self.run.log.take();
        let mut writer = Writer(&mut self.run.seen);
        self.observer.write(&mut writer, outcome, &effects).map_err(Stop::Misuse)?;
        self.run.count += 1;
        Ok(())
    }
}

fn trouble_of(stop: Stop) -> Trouble {
    match stop {
        Stop::Misuse(trouble) => trouble,
        Stop::Failed(error) => Trouble(format!("outside of any op: {error:#}")),
        Stop::Empty | Stop::OutOfMemory { .. } | Stop::Ended { .. } => {
            Trouble::new("a scope on a slot that holds no store")
        }
    }
}
