//! Wasm through the C API: compiled modules, host functions, instances and calls (docs/spec/capi.md 5.2).
//!
//! Bodies are linked, not instantiated with a list of imports: a linker takes the kit's exports as they are, while the
//! C API of 39 to 43 has no tags of its own and aborts when it is given one.

use std::ptr::{from_mut, null_mut};

use crate::abi::{ByteVec, Extern, Item, Ptr, KIND_I32};
use crate::api::{Api, Context};
use crate::modules::{Modules, Shelf};
use crate::outcome::{Outcome, Stop, OTHER};
use crate::types::compile;
use crate::wire::Trouble;

/// The export that counts the check points which an instance of a body has passed (docs/bodies.md).
const POINTS: &str = "points";

/// `wasm_valkind_t` of an externref.
const VALKIND_EXTERNREF: u8 = 128;

/// `wasmtime_func_callback_t`: environment, caller, parameters and results as values with their numbers; gives a trap.
pub type Callback = extern "C" fn(Ptr, Ptr, Ptr, usize, Ptr, usize) -> Ptr;

/// A host function: its name, the kinds of its parameters and results, and what is called.
pub struct HostFunction {
    pub name: &'static str,
    pub params: &'static [HostType],
    pub results: &'static [HostType],
    pub callback: Callback,
}

#[derive(Clone, Copy)]
pub enum HostType {
    I32,
    Externref,
}

/// An instance of the kit: its globals and tables, and the linker that links bodies with it.
pub struct Instance {
    linker: Ptr,
    pub globals: Vec<Item>,
    pub tables: Vec<Item>,
}

impl Instance {
    /// Frees what is not the store's, unless that was done before.
    pub fn drop_linker(&mut self, api: &Api) {
        let linker = std::mem::replace(&mut self.linker, null_mut());
        if !linker.is_null() {
            drop_linker(api, linker);
        }
    }
}

/// An instance of a body: its main, and the global that counts check points, if there are limits.
#[derive(Clone, Copy)]
pub struct Body {
    pub main: Item,
    pub points: Option<Item>,
}

/// Modules, host functions and instances of one engine; it stays as long as the process.
pub struct Wasm {
    host: Ptr,
    modules: Modules,
    /// The module that took the places of forgotten types last, and its variant.
    decoy: Option<(Ptr, usize)>,
    /// Whether bodies may use exceptions.
    pub exceptions: bool,
}

impl Wasm {
    /// `shelf`: modules that were compiled for an engine of the same configuration.
    pub fn new(api: &Api, functions: &[HostFunction], shelf: Shelf) -> Result<Wasm, Trouble> {
        // SAFETY: the engine is alive; the linker is never deleted.
        let host = unsafe { (api.c.wasmtime_linker_new)(api.engine) };
        for function in functions {
            define(api, host, function)?;
        }
        let exceptions = api.shape.exceptions && accepts(api, &api.facts.modules.tag);
        Ok(Wasm { host, modules: Modules::new(shelf), decoy: None, exceptions })
    }

    /// Whether modules will soon be freed to make room for others.
    pub fn crowded(&self) -> bool {
        self.modules.crowded()
    }

    /// Frees every module; then others take what places are free in the engine (`decoy_module` of model/wat.py).
    pub fn forget(&mut self, api: &Api) -> Result<(), Stop> {
        self.free(api);
        let decoys = &api.facts.modules.decoys;
        let variant = self.decoy.map_or(0, |(_, variant)| 1 - variant);
        let made = self
            .modules
            .shelf
            .module(api, &decoys[variant])
            .map_err(|failed| Stop::misuse(format!("the library refuses a module of struct types: {failed}")))?;
        if let Some((before, variant)) = self.decoy.replace((made, variant)) {
            self.modules.shelf.give_back(api, &decoys[variant], before);
        }
        Ok(())
    }

    /// Frees every module that may be used again.
    pub fn free(&mut self, api: &Api) {
        self.modules.free(api);
    }

    /// The module of the kit, or with `share` of an instance of it that imports what others have.
    fn kit_module(&mut self, api: &Api, share: Option<i64>) -> Result<Ptr, Stop> {
        let modules = &api.facts.modules;
        let code = match share {
            None if self.exceptions => &modules.kit_with_tags,
            None => &modules.kit,
            Some(share) => {
                let codes = usize::try_from(share).ok().and_then(|share| modules.links.get(share)); // without tags, with
                let codes = codes.ok_or_else(|| Stop::misuse(format!("there is no share {share}")))?;
                &codes[usize::from(self.exceptions)]
            }
        };
        let made = self.modules.get(api, code);
        made.map_err(|failed| Stop::misuse(format!("the library refuses the kit: {failed}")))
    }

    /// A new instance of the kit, which may have a share of what another one of its store exports; the outcome if the
    /// attempt failed.
    pub fn instance(
        &mut self,
        api: &Api,
        context: Context,
        source: Option<(&Instance, i64)>,
    ) -> Result<Instance, Stop> {
        let kit = self.kit_module(api, source.map(|(_, share)| share))?;
        // SAFETY: the linker of the host functions is alive; the copy is ours.
        let linker = unsafe { (api.c.wasmtime_linker_clone)(self.host) };
        let from = source.map_or(linker, |(source, _)| source.linker);
        let made = instantiate(api, context, from, kit);
        let made = made.and_then(|made| named(api, context, linker, b"kit", made));
        if made.is_err() {
            drop_linker(api, linker);
        }
        let instance = made?;
        let exports = |prefix, count| {
            (0..count).map(|at| export(api, context, &instance, &format!("{prefix}{at}"))).collect::<Result<_, _>>()
        };
        let globals = exports("g", api.facts.globals.len())?;
        let tables = exports("t", api.facts.tables.len())?;
        Ok(Instance { linker, globals, tables })
    }

    /// A new instance of a body; the outcome if the attempt failed. `far`: where its far helpers live, and their
    /// module.
    pub fn body(
        &mut self,
        api: &Api,
        context: Context,
        instance: &Instance,
        code: &[u8],
        far: Option<(&Instance, &[u8])>,
    ) -> Result<Body, Stop> {
        let Some((source, helpers)) = far else {
            return self.linked(api, context, instance.linker, code);
        };
        let module = self.module(api, helpers)?;
        let helpers = instantiate(api, context, source.linker, module)?;
        // SAFETY: the linker of the instance is alive; the copy is ours.
        let linker = unsafe { (api.c.wasmtime_linker_clone)(instance.linker) };
        let made = named(api, context, linker, b"far", helpers).and_then(|_| self.linked(api, context, linker, code));
        drop_linker(api, linker);
        made
    }

    /// The module of a body; the outcome if the release refuses it.
    fn module(&mut self, api: &Api, code: &[u8]) -> Result<Ptr, Stop> {
        self.modules.get(api, code).map_err(|_| Stop::Failed(OTHER.into()))
    }

    fn linked(&mut self, api: &Api, context: Context, linker: Ptr, code: &[u8]) -> Result<Body, Stop> {
        let module = self.module(api, code)?;
        let made = instantiate(api, context, linker, module)?;
        let main = export(api, context, &made, "main")?;
        let points = api.config.limits_runs().then(|| export(api, context, &made, POINTS)).transpose()?;
        Ok(Body { main, points })
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

/// Adds an instance to a linker, by a name.
fn named(api: &Api, context: Context, linker: Ptr, name: &[u8], instance: Item) -> Result<Item, Stop> {
    // SAFETY: the linker is alive, and the instance is one of this context's store.
    let error = unsafe {
        let name_at = name.as_ptr() as Ptr;
        (api.c.wasmtime_linker_define_instance)(linker, context.0, name_at, name.len(), instance.get())
    };
    match api.failed(error) {
        Some(text) => Err(Stop::Failed(api.facts.failure_of(&text))),
        None => Ok(instance),
    }
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

fn define(api: &Api, linker: Ptr, function: &HostFunction) -> Result<(), Trouble> {
    let module = b"host";
    // SAFETY: the vectors are swallowed by the type, the type is copied by the linker and deleted as ours, names are
    // only read, and the callback has the prototype that the linker calls it by. It has no environment to finalize.
    let error = unsafe {
        let (mut params, mut results) = (value_types(api, function.params), value_types(api, function.results));
        let made = (api.c.wasm_functype_new)(params.get_mut(), results.get_mut());
        let (name, callback) = (function.name, function.callback as *const () as Ptr);
        let error = (api.c.wasmtime_linker_define_func)(
            linker,
            module.as_ptr() as Ptr,
            module.len(),
            name.as_ptr() as Ptr,
            name.len(),
            made,
            callback,
            null_mut(),
            null_mut(),
        );
        (api.c.wasm_functype_delete)(made);
        error
    };
    let refused = api.failed(error).map(|failed| format!("the host function {} is refused: {failed}", function.name));
    refused.map_or(Ok(()), |text| Err(Trouble(text)))
}

/// A `wasm_valtype_vec_t` for a function that swallows it.
fn value_types(api: &Api, kinds: &[HostType]) -> ByteVec {
    let kind_of = |kind: &HostType| match kind {
        HostType::I32 => KIND_I32,
        HostType::Externref => VALKIND_EXTERNREF,
    };
    // SAFETY: the types are swallowed by the vector, which copies the pointers.
    unsafe { type_vector(api, kinds.iter().map(|kind| (api.c.wasm_valtype_new)(kind_of(kind))).collect()) }
}

/// A `wasm_valtype_vec_t` that swallows these types.
///
/// # Safety
/// Each is a `wasm_valtype_t*` that is nobody else's.
pub unsafe fn type_vector(api: &Api, mut types: Vec<Ptr>) -> ByteVec {
    let mut made = ByteVec::new();
    // SAFETY: as the caller says.
    unsafe { (api.c.wasm_valtype_vec_new)(made.get_mut(), types.len(), types.as_mut_ptr().cast()) };
    made
}
