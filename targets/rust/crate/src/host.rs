//! The host functions that bodies call, and the trace of a run (docs/bodies.md).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{
    AnyRef, AsContextMut, Caller, Error, ExternRef, Func, GcHeapOutOfMemory, Global, Result, Rooted, StoreContextMut,
    ThrownException, Trap,
};

use crate::effects::HostValue;
use crate::kit;
use crate::limiter::Limits;
use crate::outcome::{self, Stop, Value};
use crate::stores::Back;

/// Entries of a trace that are kept: an observation holds no more values.
const MAX_TRACE: usize = 255;

/// The trace of a run. Shared, since that of a run whose callback panicked is told after its frames are gone.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<Value>>>);

impl Trace {
    fn entries(&self) -> MutexGuard<'_, Vec<Value>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, value: Value) {
        let mut entries = self.entries();
        if entries.len() < MAX_TRACE {
            entries.push(value);
        }
    }

    /// The entries so far, which are forgotten.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.entries())
    }
}

/// A callback ends in a trap.
#[derive(Debug)]
pub struct HostTrap;

impl fmt::Display for HostTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a callback of the host ends in a trap")
    }
}

impl std::error::Error for HostTrap {}

/// What the host does in one run of a body. A store carries the one that is under way.
#[derive(Default)]
pub struct Activity {
    pub trace: Trace,
    /// How many of the op's finalizations have their marks.
    marked: usize,
    /// The values that are left for `new`.
    values: std::ops::Range<u32>,
    /// The globals that `clear` sets to null, with their static types.
    globals: Vec<(Global, i64)>,
    /// The callback, until it is called.
    pub callback: Option<Back>,
}

impl Activity {
    pub fn new(values: std::ops::Range<u32>, globals: Vec<(Global, i64)>) -> Activity {
        Activity { trace: Trace::default(), marked: 0, values, globals, callback: None }
    }
}

/// The host functions in a store.
#[derive(Clone)]
pub struct Host {
    functions: [(&'static str, Func); 7],
}

impl Host {
    pub fn new(mut store: StoreContextMut<'_, Limits>) -> Host {
        let functions = [
            ("see", Func::wrap(&mut store, see)),
            ("note", Func::wrap(&mut store, note)),
            ("gc", Func::wrap(&mut store, gc)),
            ("clear", Func::wrap(&mut store, clear)),
            ("new", Func::wrap(&mut store, new)),
            ("pass", Func::wrap(&mut store, pass)),
            ("cb", Func::wrap(&mut store, cb)),
        ];
        Host { functions }
    }

    /// The function that bodies import as `name`.
    pub fn named(&self, name: &str) -> Option<Func> {
        self.functions.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }
}

pub type External = Option<Rooted<ExternRef>>;

/// The clock of the engine, if code looks at one, goes on at every call of a host function.
fn tick(caller: &Caller<'_, Limits>) {
    if caller.data().tick() {
        caller.engine().increment_epoch();
    }
}

fn see(mut caller: Caller<'_, Limits>, reference: External) -> Result<()> {
    tick(&caller);
    mark(caller.data_mut());
    let seen = match reference {
        None => Value::Text("null"),
        Some(reference) => seen_as(&mut caller, reference)?,
    };
    caller.data_mut().activity.trace.note(seen);
    Ok(())
}

fn seen_as(caller: &mut Caller<'_, Limits>, reference: Rooted<ExternRef>) -> Result<Value> {
    if let Some(data) = reference.data(&*caller)? {
        return Ok(data
            .downcast_ref::<HostValue>()
            .map_or(Value::Text("foreign"), |value| Value::Int(value.id.into())));
    }
    let any = AnyRef::convert_extern(&mut *caller, reference)?;
    Ok(match any.as_i31(caller)? {
        Some(i31) => Value::I31(i31.get_u32()),
        None => Value::Text("object"),
    })
}

fn note(mut caller: Caller<'_, Limits>, number: i32) {
    tick(&caller);
    mark(caller.data_mut());
    caller.data_mut().activity.trace.note(Value::Note(number));
}

fn gc(mut caller: Caller<'_, Limits>) -> Result<()> {
    tick(&caller);
    mark(caller.data_mut());
    caller.as_context_mut().gc(None)
}

fn clear(mut caller: Caller<'_, Limits>) -> Result<()> {
    tick(&caller);
    for (global, of) in caller.data().activity.globals.clone() {
        global.set(&mut caller, kit::null_of(of))?;
    }
    Ok(())
}

fn new(mut caller: Caller<'_, Limits>) -> Result<External> {
    tick(&caller);
    mark(caller.data_mut());
    let limits = caller.data_mut();
    let Some(id) = limits.activity.values.next() else { return Ok(None) };
    let value = HostValue::new(id, &limits.log);
    ExternRef::new(caller, value).map(Some)
}

/// The callback the first time, if the run has one; else what it gets.
fn cb(mut caller: Caller<'_, Limits>, reference: External) -> Result<External> {
    tick(&caller);
    mark(caller.data_mut());
    let activity = &mut caller.data_mut().activity;
    activity.trace.note(Value::Text("cb"));
    let Some(back) = activity.callback.take() else { return Ok(reference) };
    activity.marked = 0; // what is finalized in the callback belongs to its ops
    back.call(caller.as_context_mut(), reference)
}

fn pass(caller: Caller<'_, Limits>, reference: External) -> External {
    tick(&caller);
    reference
}

/// A point of the trace: what was finalized since the last one has its marks here, by number.
fn mark(limits: &mut Limits) {
    let mut gone = limits.log.finalized_since(limits.activity.marked);
    limits.activity.marked += gone.len();
    gone.sort_unstable();
    gone.into_iter().for_each(|value| limits.activity.trace.note(Value::Gone(value)));
}

// --- how a run ends

/// How an error ends a run after a trace. The error is dropped here, with a value that it may hold.
///
/// `passed`: how many check points there were, which the observation of a run that was stopped says.
pub fn ended(error: &Error, mut trace: Vec<Value>, passed: i32) -> Stop {
    let memory = error.downcast_ref::<GcHeapOutOfMemory<()>>().map(ToString::to_string);
    let memory = memory.or_else(|| error.downcast_ref::<GcHeapOutOfMemory<HostValue>>().map(ToString::to_string));
    let needed = memory.as_deref().map_or(0, outcome::bytes_needed);
    let outcome = match error.downcast_ref::<Trap>() {
        _ if memory.is_some() => "err:oom",
        _ if error.is::<ThrownException>() => "exn",
        _ if error.is::<HostTrap>() => "trap:host",
        Some(trap) => trap_outcome(*trap),
        None => outcome::outcome_of(error),
    };
    if matches!(outcome, "trap:fuel" | "trap:interrupt") {
        trace.push(Value::Passed(passed));
    }
    Stop::Ended { outcome, trace, needed }
}

/// The same for a call that has no trace.
pub fn ended_alone(error: Error) -> Stop {
    match error.downcast_ref::<Trap>() {
        Some(trap) => Stop::Ended { outcome: trap_outcome(*trap), trace: Vec::new(), needed: 0 },
        None => Stop::Failed(error),
    }
}

fn trap_outcome(trap: Trap) -> &'static str {
    match trap {
        Trap::TableOutOfBounds => "trap:table_oob",
        Trap::IndirectCallToNull => "trap:null_func",
        Trap::BadSignature => "trap:bad_sig",
        Trap::NullReference => "trap:null_ref",
        Trap::CastFailure => "trap:cast",
        Trap::ArrayOutOfBounds => "trap:array_oob",
        Trap::MemoryOutOfBounds => "trap:memory_oob",
        Trap::AllocationTooLarge => "trap:too_large",
        Trap::UnreachableCodeReached => "trap:unreachable",
        Trap::StackOverflow => "trap:stack",
        Trap::OutOfFuel => "trap:fuel",
        Trap::Interrupt => "trap:interrupt",
        _ => "trap:other",
    }
}
