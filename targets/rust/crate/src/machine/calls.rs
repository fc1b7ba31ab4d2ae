//! Runs that call back: the ops of a callback are performed while Wasm's frames are on the stack (docs/bodies.md).

use std::mem::{self, ManuallyDrop};
use std::rc::Rc;

use wasmtime::{AsContextMut, Error, ExnRef, ExternRef, OwnedRooted, Result, RootScope, Rooted, ThrownException};

use super::operands::{handle_at, slot_at, Slot, NULL};
use super::roots::mistyped;
use super::wasm::{any, external, passed, to_the_end};
use super::Machine;
use crate::effects::Effects;
use crate::handles::{Lifo, Owned, Typed};
use crate::host::{self, Activity, External, HostTrap, Trace};
use crate::msgpack::Writer;
use crate::ops::{Op, OpKind};
use crate::outcome::{Outcome, Reply, Stop, Value};
use crate::stores::{self, open, scoped, Stores};

/// A call under way.
pub(super) struct Call {
    at: usize,
    store: usize,
    /// Where its observation goes, which is told after those of its callback, and how many are before it.
    seen: usize,
    count: u32,
    /// What happened before the callback.
    before: Effects,
    trace: Trace,
    reached: bool,
    /// Its callback is under way.
    inside: bool,
    arg: External,
    returns: Option<OwnedRooted<ExternRef>>,
    ending: Ending,
    /// What keeps the program from going on.
    trouble: Option<Stop>,
}

/// How a callback ends.
#[derive(Default)]
enum Ending {
    #[default]
    Returns,
    Traps,
    /// It throws this, or what is pending.
    Throws(Option<OwnedRooted<ExnRef>>),
}

/// An argument, whose slot may change while the body runs.
enum Given {
    Lifo(Lifo),
    Owned(Owned),
}

impl Machine {
    /// Performs a call and its callback; after it, the place is at its `end`.
    pub(super) fn run_call(&mut self, ops: &[Op], op: &Op) -> Result<(), Stop> {
        let at = self.run.at;
        let end = closing(ops, at);
        self.run.returned = None;
        self.run.calls.push(Call {
            at,
            store: 0,
            seen: self.run.seen.len(),
            count: self.run.count,
            before: Effects::default(),
            trace: Trace::default(),
            reached: false,
            inside: false,
            arg: None,
            returns: None,
            ending: Ending::Returns,
            trouble: None,
        });
        let outcome = self.perform_call(op);
        let call = self.run.calls.pop().ok_or_else(|| Stop::misuse("a call that is not under way"))?;
        if let Some(stop) = call.trouble {
            return Err(stop);
        }
        self.progress.op(at);
        if ops.get(end + 1).is_none_or(|next| next.kind != OpKind::Result) {
            self.run.returned = None;
        }
        let effects = call.before.then(self.run.log.take());
        let mut seen = Vec::new();
        self.observer.write(&mut Writer(&mut seen), outcome, &effects).map_err(Stop::Misuse)?;
        self.insert(call.seen, &seen);
        if !call.reached {
            for _ in at + 1..ops.len().min(end + 1) {
                self.observe(Err(Stop::Empty))?;
            }
        }
        self.run.at = end;
        Ok(())
    }

    fn insert(&mut self, at: usize, seen: &[u8]) {
        self.run.seen.splice(at..at, seen.iter().copied());
        self.run.count += 1;
    }

    /// If it was a call itself that panicked, what its callback did is not told. What happened in it before.
    pub(super) fn forget_callback(&mut self) -> Effects {
        match self.run.calls.pop_if(|call| !call.inside) {
            None => Effects::default(),
            Some(call) => {
                self.run.seen.truncate(call.seen);
                self.run.count = call.count;
                call.before
            }
        }
    }

    /// An op of a callback panicked: the calls around it end so.
    pub(super) fn end_calls(&mut self) {
        while let Some(call) = self.run.calls.pop() {
            let ended = Stop::Ended { outcome: "trap:host", trace: call.trace.take(), needed: 0 };
            let mut seen = Vec::new();
            if self.observer.write(&mut Writer(&mut seen), Err(ended), &call.before).is_ok() {
                self.insert(call.seen, &seen);
            }
        }
    }

    fn perform_call(&mut self, op: &Op) -> Outcome {
        let [source, body, value, a, b, c, selector, ..] = op.args;
        let at = self.inst_at(source)?;
        let given = [a, b, c].map(|operand| self.given(operand));
        let [a, b, c] = given;
        let given = [a?, b?, c?];
        let values = self.give_run(value)?;
        let store = self.run.instances[at].store;
        let activity = Activity::new(values, self.globals_of(at)?);
        let trace = activity.trace.clone();
        if let Some(call) = self.run.calls.last_mut() {
            (call.store, call.trace) = (store, trace.clone());
        }
        let outer = mem::replace(&mut self.run.stores.context(store)?.data_mut().activity, activity);
        let fibers = self.run.stores.environment(store)?.fibers;
        let mut points = None;
        let mut before = 0;
        let made = self.unlimited(store, |machine| machine.body(at, body));
        let ran = made.and_then(|body| {
            points = body.points;
            before = passed(self.run.stores.context(store)?, points);
            open(self, store, |mut context, back| {
                context.data_mut().activity.callback = Some(back);
                // A panic leaves the scope open: to close it could panic once more, and end the process.
                let mut scope = ManuallyDrop::new(RootScope::new(context));
                let lent = given.map(|given| given.map(|given| given.rooted(&mut *scope)));
                let arguments = (external(lent[0])?, external(lent[1])?, any(lent[2])?, selector as i32);
                let made = if fibers {
                    to_the_end(body.main.call_async(scope.as_context_mut(), arguments))
                } else {
                    body.main.call(&mut *scope, arguments)
                };
                let made = made.and_then(|made| made.map(|rooted| rooted.to_owned_rooted(&mut *scope)).transpose());
                drop(ManuallyDrop::into_inner(scope));
                Ok(made?)
            })
        });
        let after = passed(self.run.stores.context(store)?, points);
        self.run.stores.context(store)?.data_mut().activity = outer;
        let mut trace = trace.take();
        let made = match ran {
            Err(Stop::Failed(error)) => return Err(host::ended(&error, trace, after.wrapping_sub(before))),
            ran => ran?,
        };
        trace.push(Value::Text(if made.is_some() { "nonnull" } else { "null" }));
        self.run.returned = Some((store, made));
        Ok(Reply::Many(trace))
    }

    fn given(&self, operand: i64) -> Result<Option<Given>, Stop> {
        if operand == NULL {
            return Ok(None);
        }
        match slot_at(&self.run.slots, operand)? {
            Slot::Lifo(_, handle) => Ok(Some(Given::Lifo(*handle))),
            Slot::Owned(_, handle) => Ok(Some(Given::Owned(handle.clone()))),
            _ => Err(Stop::misuse(format!("slot {operand} holds no handle"))),
        }
    }

    /// The ops of the callback of the innermost call, in a scope that its `end` leaves.
    fn run_callback(&mut self, store: usize, at: usize) -> Result<(), Stop> {
        let ops = Rc::clone(&self.run.ops);
        self.run.at = at + 1;
        scoped(self, |machine| &mut machine.run.stores, store, |machine| machine.run_ops(&ops, 1))?;
        if self.run.at < ops.len() {
            self.observe(Ok(Reply::Done))?; // the end, with what leaving the scope finalized
        }
        Ok(())
    }

    /// What the callback gives, or how else it ends.
    fn ended(&mut self, call: (Option<OwnedRooted<ExternRef>>, Ending), store: usize) -> Result<External> {
        let (returns, ending) = call;
        let mut context = self.run.stores.context(store).map_err(|_| Error::msg("its store is gone"))?;
        let given = returns.map(|owned| owned.to_rooted(&mut context));
        match ending {
            Ending::Returns => Ok(given),
            Ending::Traps => Err(Error::new(HostTrap)),
            Ending::Throws(Some(exn)) => {
                let rooted = exn.to_rooted(&mut context);
                drop(exn);
                Ok(context.throw(rooted)?)
            }
            Ending::Throws(None) if context.has_pending_exception() => Err(Error::new(ThrownException)),
            Ending::Throws(None) => Ok(given),
        }
    }

    fn call(&mut self) -> Result<&mut Call, Stop> {
        self.run.calls.last_mut().ok_or_else(|| Stop::misuse("an op that is only for callbacks"))
    }

    pub(super) fn arg(&mut self, form: i64, result: i64) -> Outcome {
        let Call { store, arg, .. } = *self.call()?;
        let owned = match arg {
            Some(arg) => Some(arg.to_owned_rooted(self.run.stores.context(store)?)?),
            None => None,
        };
        self.again(store, owned, form, result)
    }

    /// Keeps another root for what is rooted already.
    fn again(&mut self, store: usize, owned: Option<OwnedRooted<ExternRef>>, form: i64, result: i64) -> Outcome {
        if form != 0 {
            return self.put_owned(result, store, owned.map(Typed::Extern));
        }
        let rooted: Option<Rooted<ExternRef>> = match owned {
            Some(owned) => Some(owned.to_rooted(self.run.stores.context(store)?)),
            None => None,
        };
        self.put_lifo(result, store, rooted.map(Typed::Extern))
    }

    pub(super) fn ret(&mut self, source: i64) -> Outcome {
        let store = self.call()?.store;
        let returns = match self.kept(source, store)? {
            None => None,
            Some(Typed::Extern(owned)) => Some(owned),
            Some(_) => return Err(mistyped()),
        };
        self.call()?.returns = returns;
        Ok(Reply::Done)
    }

    /// Another owned root for an operand.
    fn kept(&mut self, source: i64, store: usize) -> Result<Option<Owned>, Stop> {
        if source == NULL {
            return Ok(None);
        }
        handle_at(&self.run.slots, source)?;
        match self.given(source)? {
            Some(Given::Lifo(handle)) => Ok(Some(handle.to_owned_rooted(self.run.stores.context(store)?)?)),
            Some(Given::Owned(handle)) => Ok(Some(handle)),
            None => Ok(None),
        }
    }

    pub(super) fn raise(&mut self) -> Outcome {
        self.call()?.ending = Ending::Traps;
        Ok(Reply::Done)
    }

    pub(super) fn raise_exn(&mut self, source: i64) -> Outcome {
        let store = self.call()?.store;
        let exn = match self.kept(source, store)? {
            None => None,
            Some(Typed::Exn(owned)) => Some(owned),
            Some(_) => return Err(mistyped()),
        };
        self.call()?.ending = Ending::Throws(exn);
        Ok(Reply::Done)
    }

    pub(super) fn result(&mut self, form: i64, result: i64) -> Outcome {
        let (store, owned) = self.run.returned.take().ok_or(Stop::Empty)?;
        self.again(store, owned, form, result)
    }
}

impl stores::Machine for Machine {
    fn stores(&mut self) -> &mut Stores {
        &mut self.run.stores
    }

    fn called_back(&mut self, store: usize, given: External) -> Result<External> {
        let earlier = self.run.log.take();
        let Some(call) = self.run.calls.last_mut() else { return Ok(given) };
        (call.reached, call.inside, call.arg, call.before) = (true, true, given, earlier);
        let at = call.at;
        let done = self.run_callback(store, at);
        self.progress.op(at);
        let Some(call) = self.run.calls.last_mut() else { return Ok(given) };
        (call.inside, call.arg) = (false, None);
        if let Err(stop) = done {
            call.trouble = Some(stop);
            return Err(Error::msg("the program cannot go on"));
        }
        let ends = (call.returns.take(), mem::take(&mut call.ending));
        self.ended(ends, store)
    }
}

impl Given {
    /// A LIFO root in the current scope, and no other any more.
    fn rooted(self, store: impl AsContextMut) -> Lifo {
        match self {
            Given::Lifo(handle) => handle,
            Given::Owned(handle) => handle.to_rooted(store),
        }
    }
}

/// The place of the `end` that closes the bracket at `at`, or that after the last op.
fn closing(ops: &[Op], at: usize) -> usize {
    let mut depth = 0usize;
    for (place, op) in ops.iter().enumerate().skip(at) {
        match op.kind {
            OpKind::Scope | OpKind::Call | OpKind::CallExn => depth += 1,
            OpKind::End => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    ops.len()
}
