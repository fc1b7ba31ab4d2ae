//! The host functions that bodies call, and the trace of a run (docs/bodies.md). They are the same for all stores, and
//! act on the run that is going on.

use std::borrow::Cow;
use std::ops::Range;
use std::ptr::null_mut;

use super::callbacks::Callback;
use super::wasm::{Arguments, CURRENT, PARAMETERS};
use super::Machine;
use crate::abi::{Hierarchy, Item, Ptr, Val};
use crate::api::{drain, Context};
use crate::objects::hierarchy_of;
use crate::outcome::{Value, OOM};
use crate::wasm::{HostFunction, HostType};
use crate::wire::Trouble;

/// The text of a trap that ends a run.
type Trap = Cow<'static, str>;

const FAILED: Trap = Cow::Borrowed("a host function failed");

/// The run of a body that is going on: its trace, and what it may still allocate.
pub struct Activity {
    inst: usize,
    store: usize,
    values: Range<i64>,
    callback: Option<Callback>,
    pub trace: Vec<Value>,
    pub finalized: Vec<u32>,
    pub oom: bool,
    /// The trap that the host function which is going on ends in, if it made one.
    trap: Option<Ptr>,
    /// What this executor could not do.
    pub trouble: Option<Trouble>,
}

impl Activity {
    pub fn new(inst: usize, store: usize, values: Range<i64>, callback: Option<Callback>) -> Activity {
        let (trace, finalized) = (Vec::new(), Vec::new());
        Activity { inst, store, values, callback, trace, finalized, oom: false, trap: None, trouble: None }
    }
}

/// What a host function was called with: parameters and results, as values in a row.
struct Frame {
    context: Context,
    given: Ptr,
    results: Ptr,
}

macro_rules! host_functions {
    ($($name:ident($($param:ident),*) $(-> $result:ident)?;)*) => {
        /// What bodies may import, as `HOST` of `model/wat_code.py` has it.
        pub const FUNCTIONS: &[HostFunction] = &[$(HostFunction {
            name: stringify!($name),
            params: &[$(HostType::$param),*],
            results: &[$(HostType::$result)?],
            callback: {
                extern "C" fn $name(_: Ptr, caller: Ptr, given: Ptr, _: usize, results: Ptr, _: usize) -> Ptr {
                    called(caller, given, results, functions::$name)
                }
                $name
            },
        }),*];
    };
}

host_functions! {
    see(Externref);
    note(I32);
    gc();
    clear();
    new() -> Externref;
    pass(Externref) -> Externref;
    cb(Externref) -> Externref;
}

/// Calls a host function of the machine that runs, and gives the trap that it ends in, or NULL.
fn called(
    caller: Ptr,
    given: Ptr,
    results: Ptr,
    function: fn(&mut Machine, &mut Activity, &Frame) -> Result<(), Trap>,
) -> Ptr {
    // SAFETY: `invoke` made this pointer of a unique borrow of its machine, and does not touch it before the call into
    // Wasm is over in which this function is called; a call inside this function makes one of the borrow here.
    let machine = unsafe { &mut *CURRENT.get() };
    // SAFETY: the caller is what Wasmtime gave to this function.
    let context = Context(unsafe { (machine.api.c.wasmtime_caller_context)(caller) });
    let Some(mut activity) = machine.activity.take() else { return machine.api.new_trap(&FAILED) };
    machine.tick(activity.store);
    let ended = function(machine, &mut activity, &Frame { context, given, results });
    let trap = activity.trap.take();
    machine.activity = Some(activity);
    match ended {
        Err(_) if trap.is_some() => trap.unwrap_or(null_mut()),
        Ok(()) => null_mut(),
        Err(text) => machine.api.new_trap(&text),
    }
}

impl Machine {
    /// The parameter of a host function; it belongs to the caller.
    fn given(&self, frame: &Frame) -> Val {
        let mut val = Val::null(Hierarchy::Extern);
        // SAFETY: the function has a parameter, so there is one value of the release's size; ours is no smaller.
        unsafe {
            let (from, to) = (frame.given.cast::<u8>(), val.val_mut().cast::<u8>());
            std::ptr::copy_nonoverlapping(from, to, self.api.shape.val_size);
        }
        val
    }

    /// Sets the result of a host function; a root in it goes to the caller.
    fn give(&self, frame: &Frame, val: &Val) {
        // SAFETY: the function has a result, so there is room for one value of the release's size; ours is no smaller.
        unsafe {
            let (from, to) = (val.val().cast::<u8>(), frame.results.cast::<u8>());
            std::ptr::copy_nonoverlapping(from, to, self.api.shape.val_size);
        }
    }

    /// Adds to the trace what was finalized since the last time, and this; what does not fit is left out.
    fn show(&self, activity: &mut Activity, shown: Option<Value>) {
        let finalized = drain();
        activity.trace.extend(finalized.iter().map(|value| Value::Gone(*value)));
        activity.trace.extend(shown);
        activity.trace.truncate(self.api.facts.max_observed - 1); // the result comes after it
        activity.finalized.extend(finalized);
    }

    /// What a reference is to the one who sees it.
    fn seen_as(&self, context: Context, handle: &Val) -> Value {
        if handle.is_null() {
            return Value::Text("null");
        }
        if let Some(value) = self.api.data(context, handle) {
            return Value::Int(value.into());
        }
        // Both kinds of handle are the same, and the function of anyrefs looks at the reference only. The raw value
        // would tell as well, but asking for it leaks the object up to 44 (capi.md 5.4, K1).
        self.api.i31_get_u(context, handle).map_or(Value::Text("object"), Value::I31)
    }

    fn clear_in_wasm(&mut self, store: usize, context: Context, clear: &Item) -> Result<(), Trap> {
        let mut arguments = Arguments::new(self.api.shape.val_size);
        arguments.set(2, Val::null(Hierarchy::Any));
        arguments.set(PARAMETERS - 1, Val::i32(0));
        let left = self.lift_limits(store);
        let ended = self.invoke(store, context, clear, &arguments);
        self.set_limits(store, &left);
        ended.map(drop)
    }
}

/// The functions by the names that bodies import.
mod functions {
    use super::*;

    type Ended = Result<(), Trap>;

    pub(super) fn see(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        let seen = machine.seen_as(frame.context, &machine.given(frame));
        machine.show(activity, Some(seen));
        Ok(())
    }

    pub(super) fn note(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        let number = machine.given(frame).to_number() as i32;
        machine.show(activity, Some(Value::Note(number)));
        Ok(())
    }

    pub(super) fn gc(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        machine.show(activity, None);
        machine.api.gc(frame.context).map_or(Ok(()), |failed| Err(failed.into()))
    }

    /// Sets every global of the instance to null.
    pub(super) fn clear(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        let inst = &machine.instances[activity.inst];
        if let Some(clear) = inst.clear {
            return machine.clear_in_wasm(activity.store, frame.context, &clear);
        }
        for (item, storage) in inst.made.globals.iter().zip(&machine.api.facts.globals) {
            let null = Val::null(hierarchy_of(storage).unwrap_or(Hierarchy::Any));
            if let Some(failed) = machine.api.global_set(frame.context, item, &null) {
                return Err(failed.into());
            }
        }
        Ok(())
    }

    pub(super) fn new(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        machine.show(activity, None);
        let Some(value) = activity.values.next() else {
            machine.give(frame, &Val::null(Hierarchy::Extern));
            return Ok(());
        };
        let Some(made) = machine.api.externref_new(frame.context, value as u32) else {
            activity.oom = true;
            return Err(OOM.into());
        };
        machine.give(frame, &made);
        Ok(())
    }

    pub(super) fn pass(machine: &mut Machine, _: &mut Activity, frame: &Frame) -> Ended {
        // Parameters belong to the caller, and results go to it: this has to be another handle.
        let again = machine.api.roots.clone_of(frame.context, &machine.given(frame));
        machine.give(frame, &again);
        Ok(())
    }

    /// The first time the callback, if the run has one; else it gives back what it gets.
    pub(super) fn cb(machine: &mut Machine, activity: &mut Activity, frame: &Frame) -> Ended {
        machine.show(activity, Some(Value::Text("cb")));
        let Some(call) = activity.callback.take() else { return pass(machine, activity, frame) };
        let arg = machine.given(frame);
        let mut call = match machine.call_back(call, activity.store, arg) {
            Ok(call) => call,
            Err(trouble) => {
                activity.trouble = Some(trouble);
                return Err(FAILED);
            }
        };
        let trap = if machine.over {
            Ok(Some(machine.api.new_trap(machine.api.facts.host_trap)))
        } else {
            machine.trap_of(&mut call)
        };
        if !matches!(trap, Ok(None)) {
            machine.release_return(&mut call);
            activity.trap = trap.unwrap_or_default();
            return Err(FAILED);
        }
        let returned = machine.returned_by(&mut call);
        machine.give(frame, &returned);
        Ok(())
    }
}
