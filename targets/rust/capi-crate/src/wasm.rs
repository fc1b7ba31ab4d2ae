//! Wasm through the C API: compiled modules, host functions, instances and calls (docs/spec/capi.md 5.2).
//!
//! Bodies are linked, not instantiated with a list of imports: a linker takes the kit's exports as they are, while the
//! C API of 39 to 43 has no tags of its own and aborts when it is given one.

use std::collections::HashMap;
use std::ptr::{from_mut, null_mut};

use crate::abi::{Extern, Item, Ptr};
use crate::api::{Api, Context};
use crate::imports::{define, HostFunction};
use crate::outcome::{Outcome, Stop, OTHER};
use crate::types::compile;
use crate::wire::{Body, Trouble};

/// Compiled modules that are kept, some 20 KB each: those of a batch, and of the program being shrunk.
const CACHED: usize = 256;

/// The export that counts the check points which an instance of a body has passed (docs/bodies.md).
const POINTS: &str = "points";

/// The number of a kit that imports nothing.
const NOTHING_SHARED: usize = 0;

/// The linker of an instance, alive as long as that is.
#[derive(Clone, Copy)]
pub struct Linker(Ptr);

/// What an instance shares with another one of its store.
#[derive(Clone, Copy)]
pub struct Shared {
    pub exporter: Linker,
    /// By number, from 1: see `Modules::kit`.
    pub what: usize,
}

/// An instance of the kit: its globals and tables, and the linker that links bodies with it.
pub struct Instance {
    pub linker: Linker,
    pub globals: Vec<Item>,
    pub tables: Vec<Item>,
}

impl Instance {
    /// Frees what is not the store's.
    pub fn drop_linker(self, api: &Api) {
        drop_linker(api, self.linker.0);
    }
}

/// An instance of a body: its main, and the global that counts check points, if there are limits.
#[derive(Clone, Copy)]
pub struct BodyInstance {
    pub main: Item,
    pub points: Option<Item>,
}

/// Modules, host functions and instances of one engine; it stays as long as the process.
pub struct Wasm {
    host: Ptr,
    /// By the binary: the module, and when it was last used.
    modules: HashMap<Vec<u8>, (Ptr, u64)>,
    clock: u64,
    /// By what they import, as the facts number it.
    kits: HashMap<usize, Ptr>,
    /// Whether bodies may use exceptions.
    pub exceptions: bool,
}

impl Wasm {
    pub fn new(api: &Api, functions: &[HostFunction]) -> Result<Wasm, Trouble> {
        // SAFETY: the engine is alive; the linker is never deleted.
        let host = unsafe { (api.c.wasmtime_linker_new)(api.engine) };
        for function in functions {
            define(api, host, function)?;
        }
        let exceptions = api.shape.exceptions && accepts(api, &api.facts.modules.tag);
        Ok(Wasm { host, modules: HashMap::new(), clock: 0, kits: HashMap::new(), exceptions })
    }

    /// The compiled module of a body, from the cache or made now; None if the release refuses it.
    fn module(&mut self, api: &Api, code: &[u8]) -> Option<Ptr> {
        self.clock += 1;
        if let Some((module, used)) = self.modules.get_mut(code) {
            *used = self.clock;
            return Some(*module);
        }
        let compiled = compile(&api.c, api.engine, code).ok()?;
        if self.modules.len() >= CACHED {
            let oldest = self.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(code, _)| code.clone());
            if let Some((module, _)) = oldest.and_then(|code| self.modules.remove(&code)) {
                // SAFETY: it was made by us and is in use by nobody: its instances keep what they need of it.
                unsafe { (api.c.wasmtime_module_delete)(module) };
            }
        }
        self.modules.insert(code.to_vec(), (compiled, self.clock));
        Some(compiled)
    }

    fn kit_module(&mut self, api: &Api, shares: usize) -> Result<Ptr, Stop> {
        if let Some(kit) = self.kits.get(&shares) {
            return Ok(*kit);
        }
        let modules = &api.facts.modules;
        let codes = if self.exceptions { &modules.kit_with_tags } else { &modules.kit };
        let code = codes.get(shares).ok_or_else(|| Stop::misuse(format!("there is no sharing {shares}")))?;
        let made = compile(&api.c, api.engine, code)
            .map_err(|failed| Stop::misuse(format!("the library refuses the kit: {failed}")))?;
        self.kits.insert(shares, made);
        Ok(made)
    }

    /// A new instance of the kit, which may share what another one of its store exports; the outcome if that failed.
    pub fn instance(&mut self, api: &Api, context: Context, shared: Option<Shared>) -> Result<Instance, Stop> {
        let kit = self.kit_module(api, shared.map_or(NOTHING_SHARED, |shared| shared.what))?;
        // SAFETY: the linker of the host functions is alive; the copy is ours.
        let linker = unsafe { (api.c.wasmtime_linker_clone)(self.host) };
        let made = instantiate(api, context, shared.map_or(linker, |shared| shared.exporter.0), kit)
            .and_then(|instance| define_instance(api, context, linker, "kit", &instance).map(|()| instance));
        if made.is_err() {
            drop_linker(api, linker);
        }
        let instance = made?;
        let exports = |prefix, count| {
            (0..count).map(|at| export(api, context, &instance, &format!("{prefix}{at}"))).collect::<Result<_, _>>()
        };
        let globals = exports("g", api.facts.globals.len())?;
        let tables = exports("t", api.facts.tables.len())?;
        Ok(Instance { linker: Linker(linker), globals, tables })
    }

    /// A new instance of a body; the outcome if the attempt failed. `source`: the linker of the instance where its far
    /// helpers live.
    pub fn body(
        &mut self,
        api: &Api,
        context: Context,
        (instance, source): (Linker, Linker),
        code: &Body,
    ) -> Result<BodyInstance, Stop> {
        let made = if code.far.is_empty() {
            self.linked(api, context, instance.0, &code.module)?
        } else {
            // SAFETY: the linker of the instance is alive; the copy is ours.
            let linker = unsafe { (api.c.wasmtime_linker_clone)(instance.0) };
            let made = self
                .linked(api, context, source.0, &code.far)
                .and_then(|far| define_instance(api, context, linker, "far", &far))
                .and_then(|()| self.linked(api, context, linker, &code.module));
            drop_linker(api, linker);
            made?
        };
        let main = export(api, context, &made, "main")?;
        let points = api.config.limits_runs().then(|| export(api, context, &made, POINTS)).transpose()?;
        Ok(BodyInstance { main, points })
    }

    fn linked(&mut self, api: &Api, context: Context, linker: Ptr, code: &[u8]) -> Result<Item, Stop> {
        let module = self.module(api, code).ok_or(Stop::Failed(OTHER.into()))?;
        instantiate(api, context, linker, module)
    }
}

/// How something ended that gave an error or a trap, which are freed; None if neither.
pub fn ending(api: &Api, error: Ptr, trap: Ptr) -> Option<Outcome> {
    if let Some(text) = api.failed(error) {
        return Some(api.facts.ending_of(&text).unwrap_or_else(|| api.facts.failure_of(&text)));
    }
    if trap.is_null() {
        return None;
    }
    let text = api.trap_text(trap);
    // A panic is caught, and then a trap (capi.md 5).
    Some(api.facts.ending_of(&text).unwrap_or_else(|| api.facts.panic_of(&text)))
}

/// Lets a linker link with what an instance exports.
fn define_instance(api: &Api, context: Context, linker: Ptr, name: &str, instance: &Item) -> Result<(), Stop> {
    // SAFETY: the linker is alive, and the instance is one of this context's store.
    let error = unsafe {
        let name_at = name.as_ptr() as Ptr;
        (api.c.wasmtime_linker_define_instance)(linker, context.0, name_at, name.len(), instance.get())
    };
    api.failed(error).map_or(Ok(()), |text| Err(Stop::Failed(api.facts.failure_of(&text))))
}

/// An instance, as a `wasmtime_instance_t`; the outcome if that failed.
fn instantiate(api: &Api, context: Context, linker: Ptr, module: Ptr) -> Result<Item, Stop> {
    let (mut made, mut trap) = (Item::default(), null_mut());
    let out = made.get_mut();
    // SAFETY: linker and module are alive; an instance is 16 bytes, which an item holds. What a future writes to is
    // here until it has ended.
    let error = unsafe {
        let trap_at = from_mut::<Ptr>(&mut trap).cast();
        if api.config.fibers {
            let link = api.c.wasmtime_linker_instantiate_async;
            polled(api, |error| link(linker, context.0, module, out, trap_at, error))
        } else {
            (api.c.wasmtime_linker_instantiate)(linker, context.0, module, out, trap_at)
        }
    };
    ending(api, error, trap).map_or(Ok(made), |ended| Err(Stop::Failed(ended)))
}

/// What begins with a place for an error, on a stack of its own, polled to its end: the error.
///
/// # Safety
/// `begin` makes a `wasmtime_call_future_t*` that writes to that place and to others that outlive this call.
pub unsafe fn polled(api: &Api, begin: impl FnOnce(Ptr) -> Ptr) -> Ptr {
    let mut error: Ptr = null_mut();
    let future = begin(from_mut(&mut error).cast());
    // SAFETY: as the caller says; the future is deleted once, when it has ended.
    unsafe {
        while !(api.c.wasmtime_call_future_poll)(future) {}
        (api.c.wasmtime_call_future_delete)(future);
    }
    error
}

fn export(api: &Api, context: Context, instance: &Item, name: &str) -> Result<Item, Stop> {
    let mut found = Extern::default();
    // SAFETY: the instance is one of this context's store; the name is only read.
    let there = unsafe {
        let name_at = name.as_ptr() as Ptr;
        (api.c.wasmtime_instance_export_get)(context.0, instance.get(), name_at, name.len(), found.get_mut())
    };
    there.then_some(found.item).ok_or_else(|| Stop::misuse(format!("an instance has no {name}")))
}

fn drop_linker(api: &Api, linker: Ptr) {
    // SAFETY: a linker of ours that is not used again.
    unsafe { (api.c.wasmtime_linker_delete)(linker) };
}

fn accepts(api: &Api, code: &[u8]) -> bool {
    let Ok(module) = compile(&api.c, api.engine, code) else { return false };
    // SAFETY: just made, used by nobody.
    unsafe { (api.c.wasmtime_module_delete)(module) };
    true
}
