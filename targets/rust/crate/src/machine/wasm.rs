//! Instances of the kit, and bodies that run in them (docs/bodies.md).

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::{AnyRef, AsContextMut, Extern, Global, Instance, Rooted, StoreContextMut, TypedFunc};

use super::operands::{handle_at, slot_at, Slot, NULL};
use super::rooting::rooted_from;
use super::roots::mistyped;
use super::Machine;
use crate::handles::{Lifo, Typed, EXTERN};
use crate::host::{self, Activity, External, Host};
use crate::kit;
use crate::limiter::Limits;
use crate::outcome::{Outcome, Reply, Stop, Value};

/// Host values that a run may allocate.
const RUN_VALUES: i64 = 8;

pub(super) type Main = TypedFunc<(External, External, Option<Rooted<AnyRef>>, i32), External>;

/// An instance of the kit, and the bodies that ran in it so far: each is instantiated once.
pub(super) struct Inst {
    pub(super) store: usize,
    instance: Instance,
    /// Where far helpers live: the instance that it was linked with, or itself.
    source: Instance,
    bodies: HashMap<usize, Body>,
}

/// An instance of a body: its main, and how many check points it has passed, if it counts them.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) main: Main,
    pub(super) points: Option<Global>,
}

impl Machine {
    pub(super) fn inst(&mut self, slot: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let environment = self.run.stores.environment(store)?;
        let instance = self.unlimited(store, |machine| {
            Ok(Instance::new(machine.run.stores.context(store)?, &environment.compiled()?.instance, &[])?)
        })?;
        self.put_instance(Inst { store, instance, source: instance, bodies: HashMap::new() }, result)
    }

    /// An instance that imports a share of what another one exports.
    pub(super) fn link(&mut self, source: i64, share: i64, result: i64) -> Outcome {
        let Inst { store, instance: source, .. } = self.run.instances[self.inst_at(source)?];
        let module = self.run.stores.environment(store)?.link(share)?;
        let instance = self.unlimited(store, |machine| {
            let mut context = machine.run.stores.context(store)?;
            let imports = module.imports().map(|import| source.get_export(&mut context, import.name()));
            let imports: Option<Vec<Extern>> = imports.collect();
            let imports = imports.ok_or_else(|| Stop::misuse("an instance lacks an export"))?;
            Ok(Instance::new(context, &module, &imports)?)
        })?;
        self.put_instance(Inst { store, instance, source, bodies: HashMap::new() }, result)
    }

    /// Only the handle: what it is of lives as long as its store.
    pub(super) fn inst_drop(&mut self, source: i64) -> Outcome {
        let at = self.inst_at(source)?;
        self.put(source, Slot::Empty)?;
        self.run.instances[at].bodies.clear();
        Ok(Reply::Done)
    }

    /// The host lets go of every module and type of a store's engine; they are made anew when they are needed.
    pub(super) fn modules_drop(&mut self, slot: i64) -> Outcome {
        let store = self.store(slot)?;
        let environment = self.run.stores.environment(store)?;
        self.modules.forget(environment.number);
        self.run.stores.forget_types(environment.number);
        self.spoilt.push(environment.number);
        environment.forget()?;
        Ok(Reply::Done)
    }

    fn put_instance(&mut self, instance: Inst, result: i64) -> Outcome {
        self.put(result, Slot::Inst(self.run.instances.len()))?;
        self.run.instances.push(instance);
        Ok(Reply::Done)
    }

    pub(super) fn inst_at(&self, source: i64) -> Result<usize, Stop> {
        match slot_at(&self.run.slots, source)? {
            Slot::Inst(at) => Ok(*at),
            _ => Err(Stop::misuse("an instance was expected")),
        }
    }

    /// Defines a slot as an export of an instance.
    pub(super) fn inst_global(&mut self, source: i64, which: i64, result: i64) -> Outcome {
        let Inst { store, instance, .. } = self.run.instances[self.inst_at(source)?];
        let of = kit::GLOBALS.get(which as usize).ok_or_else(|| no_export(which))?;
        let global = instance.get_global(self.run.stores.context(store)?, &format!("g{which}"));
        self.put(result, Slot::Global(store, *of, global.ok_or_else(|| no_export(which))?))?;
        Ok(Reply::Done)
    }

    pub(super) fn inst_table(&mut self, source: i64, which: i64, result: i64) -> Outcome {
        let Inst { store, instance, .. } = self.run.instances[self.inst_at(source)?];
        let of = kit::TABLES.get(which as usize).ok_or_else(|| no_export(which))?;
        let table = instance.get_table(self.run.stores.context(store)?, &format!("t{which}"));
        self.put(result, Slot::Table(store, *of, table.ok_or_else(|| no_export(which))?))?;
        Ok(Reply::Done)
    }

    /// `target`: the slot of an instance, and the number of a body.
    pub(super) fn run_body(
        &mut self,
        target: (i64, i64),
        value: i64,
        operands: [i64; 3],
        selector: i64,
        (form, result): (i64, i64),
    ) -> Outcome {
        let at = self.inst_at(target.0)?;
        for operand in operands.into_iter().filter(|operand| *operand != NULL) {
            handle_at(&self.run.slots, operand)?; // of an empty one, nothing runs
        }
        let values = self.give_run(value)?;
        let store = self.run.instances[at].store;
        let activity = Activity::new(values, self.globals_of(at)?);
        let outer = std::mem::replace(&mut self.run.stores.context(store)?.data_mut().activity, activity);
        let fibers = self.run.stores.environment(store)?.fibers;
        let mut points = None;
        let mut before = 0;
        let ran = self.unlimited(store, |machine| machine.body(at, target.1)).and_then(|body| {
            points = body.points;
            before = passed(self.run.stores.context(store)?, points);
            rooted_from(&mut self.run.stores, &self.run.slots, store, (form, EXTERN), &operands, |mut context, lent| {
                let arguments = (external(lent[0])?, external(lent[1])?, any(lent[2])?, selector as i32);
                let given = if fibers {
                    to_the_end(body.main.call_async(&mut context, arguments))
                } else {
                    body.main.call(&mut context, arguments)
                };
                Ok(given?.map(Typed::Extern))
            })
        });
        let after = passed(self.run.stores.context(store)?, points);
        let activity = std::mem::replace(&mut self.run.stores.context(store)?.data_mut().activity, outer);
        let mut trace = activity.trace.take();
        let made = match ran {
            Err(Stop::Failed(error)) => return Err(host::ended(&error, trace, after.wrapping_sub(before))),
            ran => ran?,
        };
        trace.push(Value::Text(if matches!(made, Slot::Empty) { "null" } else { "nonnull" }));
        self.put(result, made)?;
        Ok(Reply::Many(trace))
    }

    /// The values that a run may allocate: no other op can, whether the run does or not.
    pub(super) fn give_run(&mut self, first: i64) -> Result<std::ops::Range<u32>, Stop> {
        let end = first + RUN_VALUES;
        let given = usize::try_from(first).ok().and_then(|first| self.run.given.get_mut(first..end as usize));
        given.ok_or_else(|| Stop::misuse(format!("there is no value {first}")))?.fill(true);
        Ok(first as u32..end as u32)
    }

    pub(super) fn globals_of(&mut self, at: usize) -> Result<Vec<(Global, i64)>, Stop> {
        let Inst { store, instance, .. } = self.run.instances[at];
        let mut context = self.run.stores.context(store)?;
        let globals = kit::GLOBALS.iter().enumerate().map(|(number, of)| {
            let global = instance.get_global(&mut context, &format!("g{number}"));
            global.map(|global| (global, *of)).ok_or_else(|| no_export(number as i64))
        });
        globals.collect()
    }

    /// A body in an instance of the kit.
    pub(super) fn body(&mut self, at: usize, body: i64) -> Result<Body, Stop> {
        let body = body as usize;
        if let Some(made) = self.run.instances[at].bodies.get(&body) {
            return Ok(made.clone());
        }
        let sent = self.run.bodies.get(body).cloned();
        let sent = sent.ok_or_else(|| Stop::misuse(format!("there is no body {body}")))?;
        let Inst { store, instance, source, .. } = self.run.instances[at];
        let far = if sent.far.is_empty() { None } else { Some(self.linked(store, source, &sent.far, None)?) };
        let instance = self.linked(store, instance, &sent.module, far)?;
        let mut context = self.run.stores.context(store)?;
        let main = instance.get_typed_func(&mut context, "main");
        let main: Main = main.map_err(|error| Stop::misuse(format!("a body has another main: {error:#}")))?;
        let made = Body { main, points: instance.get_global(&mut context, "points") };
        self.run.instances[at].bodies.insert(body, made.clone());
        Ok(made)
    }

    /// An instance of a module that imports from the kit, from the host and from far helpers.
    fn linked(
        &mut self,
        store: usize,
        instance: Instance,
        binary: &[u8],
        far: Option<Instance>,
    ) -> Result<Instance, Stop> {
        let environment = self.run.stores.environment(store)?;
        let module = self.modules.compile(&environment, binary)?;
        let makers = self.run.stores.makers(store)?;
        let mut context = self.run.stores.context(store)?;
        let mut imports = Vec::new();
        for import in module.imports() {
            let found = match import.module() {
                "kit" => instance.get_export(&mut context, import.name()),
                "far" => far.and_then(|far| far.get_export(&mut context, import.name())),
                "host" => {
                    let host = makers.host(|| Host::new(context.as_context_mut()));
                    host.named(import.name()).map(Extern::Func)
                }
                _ => None,
            };
            imports.push(found.ok_or_else(|| Stop::misuse(format!("a body imports {:?}", import.name())))?);
        }
        Ok(Instance::new(&mut context, &module, &imports)?)
    }
}

/// The check points that a body's instance has passed so far, if it counts them.
pub(super) fn passed(mut context: StoreContextMut<'_, Limits>, points: Option<Global>) -> i32 {
    points.map_or(0, |points| points.get(&mut context).unwrap_i32())
}

/// Polls a call on a stack of its own to its end.
pub(super) fn to_the_end<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = call.as_mut().poll(&mut context) {
            return done;
        }
    }
}

pub(super) fn external(operand: Option<Lifo>) -> Result<External, Stop> {
    match operand {
        None => Ok(None),
        Some(Typed::Extern(rooted)) => Ok(Some(rooted)),
        Some(_) => Err(mistyped()),
    }
}

pub(super) fn any(operand: Option<Lifo>) -> Result<Option<Rooted<AnyRef>>, Stop> {
    operand.map(|handle| handle.to_any().ok_or_else(mistyped)).transpose()
}

fn no_export(which: i64) -> Stop {
    Stop::misuse(format!("an instance of the kit has no export {which}"))
}
