//! Instances of the kit, and bodies that run in them (docs/bodies.md).

use std::cell::Cell;
use std::collections::HashMap;
use std::ptr::{from_mut, null_mut};

use super::callbacks::Callback;
use super::host::Activity;
use super::operands::Slot;
use super::Machine;
use crate::abi::{Hierarchy, Item, Ptr, Val, Vals};
use crate::api::Context;
use crate::objects::hierarchy_of;
use crate::outcome::{Observation, Outcome, Reply, Stop, Value, Values, OOM, STOPPED};
use crate::wasm::{ending, polled, Body, Instance};
use crate::wire::Trouble;

/// Of main: two externrefs, an anyref and the selector.
pub const PARAMETERS: usize = 4;

/// The arguments of main.
pub type Arguments = Vals<PARAMETERS>;

/// The operands of a run: three handles, and the selector.
pub type Operands = ([i64; 3], i64);

const HIERARCHIES: [Hierarchy; 3] = [Hierarchy::Extern, Hierarchy::Extern, Hierarchy::Any];

/// An instance of the program, and those of its bodies, each made when it first runs.
pub struct Inst {
    pub store: usize,
    pub made: Instance,
    /// The place of the instance that it was linked with, where far helpers live.
    source: Option<usize>,
    /// Its handle, and the instances that are linked with it: as long as there are any, its linker is needed.
    users: usize,
    /// By the number of the body.
    bodies: HashMap<i64, Body>,
    /// Clears the globals, where the host cannot.
    pub clear: Option<Item>,
}

thread_local! {
    /// The machine whose call into Wasm is under way, for its host functions.
    pub static CURRENT: Cell<*mut Machine> = const { Cell::new(null_mut()) };
}

impl Machine {
    pub(super) fn inst(&mut self, at: i64, result: i64) -> Reply {
        self.instantiate(self.store(at)?, None, result)
    }

    pub(super) fn link(&mut self, at: i64, share: i64, result: i64) -> Reply {
        let source = self.inst_at(at)?;
        self.instantiate(self.instances[source].store, Some((source, share)), result)
    }

    fn instantiate(&mut self, store: usize, source: Option<(usize, i64)>, result: i64) -> Reply {
        let context = self.context(store)?;
        let left = self.lift_limits(store);
        let (wasm, api) = self.engines.wasm(self.stores[store].engine).map_err(Stop::Misuse)?;
        let made = wasm.instance(api, context, source.map(|(from, share)| (&self.instances[from].made, share)));
        self.set_limits(store, &left);
        let made = made?;
        self.put(result, Slot::Inst(self.instances.len()))?;
        let clear = if self.api.shape.typed_nulls { None } else { Some(self.clearing(store, context, &made)?) };
        let source = source.map(|(from, _)| from);
        if let Some(source) = source {
            self.instances[source].users += 1;
        }
        self.instances.push(Inst { store, made, source, users: 1, bodies: HashMap::new(), clear });
        Ok(Observation::DONE)
    }

    /// The function that clears the globals of a new instance.
    pub(super) fn clearing(&mut self, store: usize, context: Context, made: &Instance) -> Result<Item, Stop> {
        let modules = &self.api.facts.modules;
        let code = if self.config(store).limits_runs() { &modules.clear_counted } else { &modules.clear };
        let (wasm, api) = self.engines.wasm(self.stores[store].engine).map_err(Stop::Misuse)?;
        Ok(wasm.body(api, context, made, code, None)?.main)
    }

    fn inst_at(&self, at: i64) -> Result<usize, Stop> {
        match self.slot(at)? {
            Slot::Inst(at) => Ok(*at),
            _ => Err(Stop::misuse("an instance was expected")),
        }
    }

    /// Only the handle: what it is of lives as long as its store.
    pub(super) fn inst_drop(&mut self, at: i64) -> Reply {
        let inst = self.inst_at(at)?;
        self.put(at, Slot::Empty)?;
        self.instances[inst].bodies.clear();
        self.leave(inst);
        Ok(Observation::DONE)
    }

    /// One that needs the linker of an instance less: its handle, or an instance that is linked with it.
    fn leave(&mut self, inst: usize) {
        let left = &mut self.instances[inst];
        left.users -= 1;
        if left.users == 0 {
            left.made.drop_linker(&self.api);
            if let Some(source) = left.source {
                self.leave(source);
            }
        }
    }

    /// The host lets go of every module and type of a store's engine; they are made anew when they are needed.
    pub(super) fn modules_drop(&mut self, at: i64) -> Reply {
        let engine = self.stores[self.store(at)?].engine;
        self.engines.forget_types(engine);
        let (wasm, api) = self.engines.wasm(engine).map_err(Stop::Misuse)?;
        wasm.forget(api)?;
        self.engines.spoil(engine);
        Ok(Observation::DONE)
    }

    pub(super) fn inst_global(&mut self, at: i64, which: i64, result: i64) -> Reply {
        let inst = &self.instances[self.inst_at(at)?];
        let (of, item) = exported(&self.api.facts.globals, &inst.made.globals, which)?;
        self.put(result, Slot::Global(inst.store, of, item))?;
        Ok(Observation::DONE)
    }

    pub(super) fn inst_table(&mut self, at: i64, which: i64, result: i64) -> Reply {
        let inst = &self.instances[self.inst_at(at)?];
        let (of, item) = exported(&self.api.facts.tables, &inst.made.tables, which)?;
        self.put(result, Slot::Table(inst.store, of, item))?;
        Ok(Observation::DONE)
    }

    // --- runs

    pub(super) fn run(&mut self, at: i64, body: i64, value: i64, operands: Operands, result: i64) -> Reply {
        let (seen, returned) = self.ran(at, body, value, operands, None)?;
        if let Some((store, handle)) = returned.filter(|(_, handle)| !handle.is_null()) {
            self.put(result, Slot::Handle(store, handle))?;
        }
        Ok(seen)
    }

    /// Runs a body; gives the store and its result, too, if it returned.
    pub(super) fn ran(
        &mut self,
        at: i64,
        body: i64,
        value: i64,
        (handles, selector): Operands,
        callback: Option<Callback>,
    ) -> Result<(Observation, Option<(usize, Val)>), Stop> {
        let inst = self.inst_at(at)?;
        let mut arguments = Vals::new(self.api.shape.val_size);
        for (place, (slot, of)) in handles.into_iter().zip(HIERARCHIES).enumerate() {
            arguments.set(place, self.value(slot, of)?); // of an empty one, nothing runs
        }
        arguments.set(PARAMETERS - 1, Val::i32(selector as i32));
        let store = self.instances[inst].store;
        let context = self.context(store)?;
        let values = value..value + self.api.facts.run_values;
        let before = self.activity.replace(Activity::new(inst, store, values, callback));
        let (ended, passed) = self.start(inst, body, context, &arguments);
        let activity = std::mem::replace(&mut self.activity, before).expect("set above, and put back by runs inside");
        if let Some(trouble) = activity.trouble {
            return Err(Stop::Misuse(trouble));
        }
        let mut trace = activity.trace;
        let (outcome, returned) = match ended {
            _ if activity.oom => (OOM.into(), None),
            Err(Stop::Failed(outcome)) => {
                if STOPPED.contains(&&*outcome) {
                    trace.push(Value::Passed(passed));
                }
                (outcome, None)
            }
            Err(stop) => return Err(stop),
            Ok(handle) => {
                trace.push(Value::Text(if handle.is_null() { "null" } else { "nonnull" }));
                ("ok".into(), Some((store, handle)))
            }
        };
        let observation = Observation { outcome, values: Values::Many(trace), finalized: activity.finalized };
        Ok((observation, returned))
    }

    /// Runs a body: how it ended, and how many check points it passed if there are limits.
    fn start(&mut self, inst: usize, body: i64, context: Context, arguments: &Arguments) -> (Result<Val, Stop>, i32) {
        let body = match self.body(inst, body, context) {
            Ok(body) => body,
            Err(stop) => return (Err(stop), 0),
        };
        let before = self.passed(context, &body);
        let ended = self.invoke(self.instances[inst].store, context, &body.main, arguments);
        (ended.map_err(Stop::Failed), self.passed(context, &body) - before)
    }

    /// How many check points an instance of a body has passed.
    fn passed(&self, context: Context, body: &Body) -> i32 {
        let counted = body.points.map(|points| self.api.global_get(context, &points, Hierarchy::Extern));
        counted.map_or(0, |points| points.to_number() as i32)
    }

    fn body(&mut self, inst: usize, number: i64, context: Context) -> Result<Body, Stop> {
        if let Some(body) = self.instances[inst].bodies.get(&number) {
            return Ok(*body);
        }
        let store = self.instances[inst].store;
        let left = self.lift_limits(store);
        let code = usize::try_from(number).ok().and_then(|body| self.bodies.get(body));
        let code = code.ok_or_else(|| Stop::misuse(format!("there is no body {number}")))?;
        let source = &self.instances[self.instances[inst].source.unwrap_or(inst)].made;
        let far = (!code.far.is_empty()).then_some((source, code.far.as_slice()));
        let (wasm, api) = self.engines.wasm(self.stores[store].engine).map_err(Stop::Misuse)?;
        let made = wasm.body(api, context, &self.instances[inst].made, &code.module, far);
        self.set_limits(store, &left);
        let body = made?;
        self.instances[inst].bodies.insert(number, body);
        Ok(body)
    }

    /// Calls a function of main's type; how it ended if it did not return. Host functions run inside.
    pub(super) fn invoke(
        &mut self,
        store: usize,
        context: Context,
        function: &Item,
        arguments: &Arguments,
    ) -> Result<Val, Outcome> {
        let (call, call_async) = (self.api.c.wasmtime_func_call, self.api.c.wasmtime_func_call_async);
        let (api, fibers) = (self.api.clone(), self.config(store).fibers);
        let (mut result, mut trap) = (Val::null(Hierarchy::Extern), null_mut());
        let before = CURRENT.replace(from_mut(self));
        // SAFETY: as api.rs says; the function is one of this context's store, of that many parameters and one result.
        // The host functions get at this machine through `CURRENT`, and it is not used here until the call is over;
        // what the call reads and writes besides is on this frame, or counted.
        let error = unsafe {
            let trap_at = from_mut::<Ptr>(&mut trap).cast();
            let (given, out) = (arguments.as_ptr(), result.val_mut());
            if fibers {
                let begin = |error| call_async(context.0, function.get(), given, PARAMETERS, out, 1, trap_at, error);
                polled(&api, begin)
            } else {
                call(context.0, function.get(), given, PARAMETERS, out, 1, trap_at)
            }
        };
        CURRENT.set(before);
        ending(&api, error, trap).map_or(Ok(result.of(Hierarchy::Extern)), Err)
    }
}

fn exported(types: &[&str], items: &[Item], which: i64) -> Result<(Hierarchy, Item), Stop> {
    let at = usize::try_from(which).unwrap_or(usize::MAX);
    let of = types.get(at).and_then(|storage| hierarchy_of(storage));
    match (of, items.get(at)) {
        (Some(of), Some(item)) => Ok((of, *item)),
        _ => Err(Stop::Misuse(Trouble(format!("an instance of the kit has no export {which}")))),
    }
}
