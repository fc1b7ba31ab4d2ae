//! Calls: runs whose callback is a list of ops (docs/bodies.md).

use super::operands::{Slot, NULL};
use super::wasm::Operands;
use super::Machine;
use crate::abi::{Hierarchy, Ptr, Val};
use crate::ops::OpKind;
use crate::outcome::{Observation, Reply, Stop};
use crate::wire::Trouble;

/// A call under way: its place, that of its `end`, and what its callback does.
pub struct Callback {
    at: usize,
    end: usize,
    store: usize,
    /// The argument, which is the caller's.
    arg: Val,
    /// What will be returned: a root of its own.
    returns: Option<Val>,
    /// How it will end.
    ending: Ending,
}

/// How a callback ends.
enum Ending {
    Returns,
    Traps,
    /// It throws this, a root of its own, or what is pending.
    Throws(Option<Val>),
}

/// What a call returned: its store, and the handle unless it is null.
pub type Returned = (usize, Option<Val>);

impl Machine {
    pub(super) fn call(&mut self, at: i64, body: i64, value: i64, operands: Operands) -> Reply {
        let call = self.called();
        let end = call.end;
        self.drop_returned();
        let ran = self.ran(at, body, value, operands, Some(call));
        self.drop_returned(); // of a call inside
        let (seen, returned) = ran?;
        self.returned = returned.map(|(store, handle)| (store, (!handle.is_null()).then_some(handle)));
        if self.ops.get(end + 1).is_none_or(|next| next.kind != OpKind::Result) {
            self.drop_returned();
        }
        Ok(seen)
    }

    /// The call that begins here; what comes after its callback is executed next.
    fn called(&mut self) -> Callback {
        let at = self.place;
        let end = self.closing(at);
        self.place = end;
        let arg = Val::null(Hierarchy::Extern);
        Callback { at, end, store: 0, arg, returns: None, ending: Ending::Returns }
    }

    /// Where the bracket at `at` is closed; the end of the ops if it is not, as in a part of a program.
    fn closing(&self, at: usize) -> usize {
        let mut depth = 0;
        for (place, op) in self.ops.iter().enumerate().skip(at) {
            if op.kind.is_bracket() {
                depth += 1;
            } else if op.kind == OpKind::End {
                depth -= 1;
                if depth == 0 {
                    return place;
                }
            }
        }
        self.ops.len()
    }

    /// Executes the ops of a callback with its argument. `over` is set if one of them panicked: then the run must end.
    pub(super) fn call_back(&mut self, mut call: Callback, store: usize, arg: Val) -> Result<Callback, Trouble> {
        (call.store, call.arg) = (store, arg);
        let (at, end) = (call.at, call.end);
        self.calls.push(call);
        let performed = self.perform(at + 1, self.ops.len().min(end + 1));
        let call = self.calls.pop().expect("pushed above, and callbacks inside are popped");
        self.progress.op(at);
        self.place = end;
        performed.map(|_| call)
    }

    /// What a callback returns: a handle that goes to the runtime.
    pub(super) fn returned_by(&mut self, call: &mut Callback) -> Val {
        call.returns.take().unwrap_or(Val::null(Hierarchy::Extern))
    }

    pub(super) fn release_return(&mut self, call: &mut Callback) {
        if let Some(root) = call.returns.take() {
            self.release(call.store, root);
        }
    }

    fn innermost(&mut self) -> Result<&mut Callback, Stop> {
        self.calls.last_mut().ok_or_else(|| Stop::misuse("there is no call around this op"))
    }

    pub(super) fn arg(&mut self, result: i64) -> Reply {
        let call = self.innermost()?;
        let (store, arg) = (call.store, call.arg);
        self.again(store, arg, result)
    }

    /// Another handle for what there is one for.
    fn again(&mut self, store: usize, handle: Val, result: i64) -> Reply {
        if handle.is_null() {
            return Ok(Observation::NULL);
        }
        let made = self.api.roots.clone_of(self.context(store)?, &handle.of(Hierarchy::Extern));
        self.put(result, Slot::Handle(store, made))?;
        Ok(Observation::NONNULL)
    }

    pub(super) fn ret(&mut self, source: i64) -> Reply {
        let held = self.value(source, Hierarchy::Extern)?.of(Hierarchy::Extern);
        let mut call = self.calls.pop().ok_or_else(|| Stop::misuse("there is no call around this op"))?;
        self.release_return(&mut call);
        if source != NULL {
            call.returns = Some(self.api.roots.clone_of(self.context(call.store)?, &held));
        }
        self.calls.push(call);
        Ok(Observation::DONE)
    }

    pub(super) fn raise(&mut self) -> Reply {
        self.ends(Ending::Traps)
    }

    pub(super) fn raise_exn(&mut self, source: i64) -> Reply {
        if source == NULL {
            return self.ends(Ending::Throws(None));
        }
        let (store, held) = self.handle(source)?;
        let kept = self.api.roots.clone_of(self.context(store)?, &held);
        self.ends(Ending::Throws(Some(kept)))
    }

    fn ends(&mut self, ending: Ending) -> Reply {
        let call = self.innermost()?;
        let (store, before) = (call.store, std::mem::replace(&mut call.ending, ending));
        if let Ending::Throws(Some(root)) = before {
            self.release(store, root);
        }
        Ok(Observation::DONE)
    }

    /// The trap that a callback ends in, if it does; by one it throws, too.
    pub(super) fn trap_of(&mut self, call: &mut Callback) -> Result<Option<Ptr>, Stop> {
        let kept = match std::mem::replace(&mut call.ending, Ending::Returns) {
            Ending::Returns => return Ok(None),
            Ending::Traps => return Ok(Some(self.api.new_trap(self.api.facts.host_trap))),
            Ending::Throws(kept) => kept,
        };
        let (context, objects, _) = self.within(call.store)?;
        // What is pending is taken and thrown once more: C makes no other trap of it.
        let Some(exception) = kept.or_else(|| objects.take(context)) else { return Ok(None) };
        let trap = objects.thrown(context, exception);
        self.release(call.store, exception);
        Ok(Some(trap))
    }

    pub(super) fn result(&mut self, result: i64) -> Reply {
        let (store, handle) = self.returned.ok_or(Stop::Empty)?;
        let seen = self.again(store, handle.unwrap_or(Val::null(Hierarchy::Extern)), result);
        self.drop_returned();
        seen
    }

    /// Lets go of what the call returned that was closed last.
    pub(super) fn drop_returned(&mut self) {
        if let Some((store, Some(root))) = self.returned.take() {
            self.release(store, root);
        }
    }
}
