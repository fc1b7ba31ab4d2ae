//! Typed functions: how references of every type cross into Wasm and back (docs/spec/semantics.md 3.3).
//!
//! A module has a function for each way, type and nullability, named `way form type nullability`. `call`: the identity;
//! `wrap`: what a host function makes of the parameter; `give`: what a host function gives without one.

use std::cell::OnceCell;

use wasmtime::{
    AnyRef, ArrayRef, AsContextMut, Caller, Engine, EqRef, Error, ExnRef, ExternRef, HeapType, Instance, InstancePre,
    Linker, OwnedRooted, Result, Rooted, StoreContextMut, StructRef, WasmParams, WasmResults, I31,
};

use crate::engine::Environment;
use crate::handles::{Handle, Lifo, Owned, Typed, ANY, ARRAY, EQ, EXN, EXTERN, STRUCT};
use crate::kit;
use crate::limiter::Limits;

/// The types of parameters and results, as the op table numbers them, with the type of the host's handles. The last
/// ones are object types, which the host has no types for.
const TYPES: [(&str, i64); 10] = [
    ("extern", EXTERN),
    ("any", ANY),
    ("eq", EQ),
    ("struct", STRUCT),
    ("array", ARRAY),
    ("exn", EXN),
    ("$box", STRUCT),
    ("$sub", STRUCT),
    ("$externs", ARRAY),
    ("$nodes", ARRAY),
];

/// The object types among them, by name; none for abstract ones.
fn object_type(types: &kit::Types, to: i64) -> Option<HeapType> {
    let name = TYPES.get(to as usize)?.0.strip_prefix('$')?;
    types.named(name)
}

/// Whether a reference is of a type; nothing for a handle that cannot be asked that. Fails for one that is stale.
pub fn matches(handle: &Handle<'_>, store: impl AsContextMut, types: &kit::Types, to: i64) -> Option<Result<bool>> {
    let wanted = match TYPES.get(to as usize)?.0 {
        "any" => HeapType::Any,
        "eq" => HeapType::Eq,
        "struct" => HeapType::Struct,
        "array" => HeapType::Array,
        _ => object_type(types, to)?,
    };
    Some(match (handle, &wanted) {
        (Typed::Any(handle), wanted) => handle.matches_ty(store, wanted),
        (Typed::Eq(handle), wanted) => handle.matches_ty(store, wanted),
        (Typed::Struct(handle), HeapType::ConcreteStruct(wanted)) => handle.matches_ty(store, wanted),
        (Typed::Array(handle), HeapType::ConcreteArray(wanted)) => handle.matches_ty(store, wanted),
        _ => return None,
    })
}

/// The ways, as the op table numbers them.
const WAYS: [&str; 3] = ["call", "wrap", "give"];
const GIVE: i64 = 2;

/// The names of host functions by whether what they take is a LIFO or an owned handle.
const FORMS: [&str; 2] = ["lifo", "owned"];

/// Nullability: of names, and as WAT has it.
const NULLS: [(&str, &str); 2] = [("nonnull", ""), ("nullable", "null ")];

/// What a host function of the way `give` is to give next.
pub enum Given {
    Nothing,
    Lifo(Lifo),
    Owned(Owned),
    Integer(I31),
}

/// The module, compiled when a program first needs it.
#[derive(Default)]
pub struct Crossing(OnceCell<InstancePre<Limits>>);

impl Crossing {
    /// An instance in a store.
    pub fn instance(&self, environment: &Environment, store: StoreContextMut<'_, Limits>) -> Result<Instance> {
        if self.0.get().is_none() {
            let linker = linker(&environment.engine)?;
            let made = linker.instantiate_pre(&environment.module(text().as_bytes())?)?;
            let _ = self.0.set(made);
        }
        self.0.get().ok_or_else(|| Error::msg("it was just made"))?.instantiate(store)
    }
}

// --- the module

fn text() -> String {
    let (mut imports, mut functions) = (String::new(), String::new());
    let types: String = kit::WAT.lines().filter(|line| line.starts_with("(type ")).collect();
    for (nulls, null) in NULLS {
        for form in FORMS {
            for (name, host) in TYPES {
                let (ty, host) = (format!("(ref {null}{name})"), host as usize);
                let host_ty = format!("(ref {null}{})", TYPES[host].0);
                let (wrap, give) = (format!("${form}-wrap-{host}-{nulls}"), format!("${form}-give-{host}-{nulls}"));
                let key = format!("{form} {} {nulls}", name.trim_start_matches('$'));
                if host_ty == ty {
                    imports += &format!("(import \"host\" \"wrap {key}\" (func {wrap} (param {ty}) (result {ty})))");
                    imports += &format!("(import \"host\" \"give {key}\" (func {give} (result {ty})))");
                }
                let cast = |code: String| if host_ty == ty { code } else { format!("(ref.cast {ty} {code})") };
                functions += &format!(
                    "(func (export \"call {key}\") (param {ty}) (result {ty}) (local.get 0))
                    (func (export \"wrap {key}\") (param {ty}) (result {ty}) {})
                    (func (export \"give {key}\") (result {ty}) {})",
                    cast(format!("(call {wrap} (local.get 0))")),
                    cast(format!("(call {give})")),
                );
            }
        }
        let (ty, wrap, give) = (format!("(ref {null}i31)"), format!("$wrap-{nulls}"), format!("$give-{nulls}"));
        imports += &format!("(import \"host\" \"wrap i31 {nulls}\" (func {wrap} (param {ty}) (result {ty})))");
        imports += &format!("(import \"host\" \"give i31 {nulls}\" (func {give} (result {ty})))");
        functions += &format!(
            "(func (export \"call i31 {nulls}\") (param {ty}) (result {ty}) (local.get 0))
            (func (export \"wrap i31 {nulls}\") (param {ty}) (result {ty}) (call {wrap} (local.get 0)))
            (func (export \"give i31 {nulls}\") (result {ty}) (call {give}))"
        );
    }
    format!("(module {types}{imports}{functions})")
}

fn linker(engine: &Engine) -> Result<Linker<Limits>> {
    let mut linker = Linker::new(engine);
    macro_rules! host_functions {
        ($($name:literal $kind:ident $ty:ty;)*) => {$(
            linker.func_wrap("host", concat!("wrap lifo ", $name, " nonnull"), |given: Rooted<$ty>| given)?;
            linker.func_wrap("host", concat!("wrap lifo ", $name, " nullable"), |given: Option<Rooted<$ty>>| given)?;
            linker.func_wrap("host", concat!("wrap owned ", $name, " nonnull"), |given: OwnedRooted<$ty>| given)?;
            linker.func_wrap(
                "host", concat!("wrap owned ", $name, " nullable"), |given: Option<OwnedRooted<$ty>>| given)?;
            let lifo = |mut caller: Caller<'_, Limits>| match next(&mut caller) {
                Given::Lifo(Typed::$kind(rooted)) => Some(rooted),
                _ => None,
            };
            let owned = |mut caller: Caller<'_, Limits>| match next(&mut caller) {
                Given::Owned(Typed::$kind(owned)) => Some(owned),
                _ => None,
            };
            linker.func_wrap("host", concat!("give lifo ", $name, " nullable"), lifo)?;
            linker.func_wrap("host", concat!("give owned ", $name, " nullable"), owned)?;
            linker.func_wrap("host", concat!("give lifo ", $name, " nonnull"), move |caller: Caller<'_, Limits>| {
                lifo(caller).ok_or_else(nothing)
            })?;
            linker.func_wrap("host", concat!("give owned ", $name, " nonnull"), move |caller: Caller<'_, Limits>| {
                owned(caller).ok_or_else(nothing)
            })?;
        )*};
    }
    host_functions! {
        "extern" Extern ExternRef;
        "any" Any AnyRef;
        "eq" Eq EqRef;
        "struct" Struct StructRef;
        "array" Array ArrayRef;
        "exn" Exn ExnRef;
    }
    let integer = |mut caller: Caller<'_, Limits>| match next(&mut caller) {
        Given::Integer(i31) => Some(i31),
        _ => None,
    };
    linker.func_wrap("host", "wrap i31 nonnull", |given: I31| given)?;
    linker.func_wrap("host", "wrap i31 nullable", |given: Option<I31>| given)?;
    linker.func_wrap("host", "give i31 nullable", integer)?;
    linker
        .func_wrap("host", "give i31 nonnull", move |caller: Caller<'_, Limits>| integer(caller).ok_or_else(nothing))?;
    Ok(linker)
}

fn next(caller: &mut Caller<'_, Limits>) -> Given {
    std::mem::replace(&mut caller.data_mut().given, Given::Nothing)
}

fn nothing() -> Error {
    Error::msg("the host function has nothing to give")
}

// --- calls

/// One call of a function of the module.
pub struct Call<'a> {
    pub store: StoreContextMut<'a, Limits>,
    pub instance: Instance,
    pub way: i64,
    pub to: i64,
    pub nullable: bool,
}

impl Call<'_> {
    fn run<P: WasmParams, R: WasmResults>(&mut self, name: &str, argument: P) -> Result<R> {
        let nulls = NULLS[usize::from(self.nullable)].0;
        let name = format!("{} {name} {nulls}", WAYS[self.way as usize]);
        self.instance.get_typed_func::<P, R>(&mut self.store, &name)?.call(&mut self.store, argument)
    }

    /// What comes out for an integer, or for null.
    pub fn pass_i31(mut self, argument: Option<I31>) -> Result<Option<I31>> {
        if self.way == GIVE {
            self.store.data_mut().given = argument.map_or(Given::Nothing, Given::Integer);
            return if self.nullable { self.run("i31", ()) } else { self.run("i31", ()).map(Some) };
        }
        match argument {
            Some(i31) if !self.nullable => self.run("i31", i31).map(Some),
            _ => self.run("i31", argument),
        }
    }
}

impl Call<'_> {
    fn name(&self, form: &str) -> String {
        let to = TYPES.get(self.to as usize).map_or("", |(name, _)| name);
        format!("{form} {}", to.trim_start_matches('$'))
    }

    fn crossed<P, R>(&mut self, form: &str, argument: Option<P>) -> Result<Option<R>>
    where
        P: WasmParams,
        Option<P>: WasmParams,
        R: WasmResults,
        Option<R>: WasmResults,
    {
        let name = self.name(form);
        match argument {
            Some(argument) if !self.nullable => self.run(&name, argument).map(Some),
            argument => self.run(&name, argument),
        }
    }

    fn given<R>(&mut self, form: &str) -> Result<Option<R>>
    where
        R: WasmResults,
        Option<R>: WasmResults,
    {
        let name = self.name(form);
        if self.nullable {
            self.run(&name, ())
        } else {
            self.run(&name, ()).map(Some)
        }
    }
}

/// Passes a handle: which types of parameters and results there are for handles of one form.
macro_rules! pass {
    ($call:expr, $argument:expr, $form:literal, $root:ident, $given:path) => {
        pass!(
            $call, $argument, $form, $root, $given;
            EXTERN: Extern ExternRef: Extern;
            ANY: Any AnyRef: Any Eq Struct Array;
            EQ: Eq EqRef: Eq Struct Array;
            STRUCT: Struct StructRef: Any Eq Struct Array;
            ARRAY: Array ArrayRef: Any Eq Struct Array;
            EXN: Exn ExnRef: Exn;
        )
    };
    ($call:expr, $argument:expr, $form:literal, $root:ident, $given:path;
     $($to:path: $out:ident $ty:ident: $($in:ident)*;)*) => {{
        let to = TYPES.get($call.to as usize).map(|(_, of)| *of);
        if $call.way == GIVE {
            $call.store.data_mut().given = $argument.map_or(Given::Nothing, $given);
            return match to {
                $(Some($to) => Ok($call.given::<$root<$ty>>($form)?.map(Typed::$out)),)*
                _ => Err(mistyped()),
            };
        }
        match (to, $argument) {
            $(
                (Some($to), None) => Ok($call.crossed::<$root<$ty>, $root<$ty>>($form, None)?.map(Typed::$out)),
                $((Some($to), Some(Typed::$in(given))) => {
                    Ok($call.crossed::<_, $root<$ty>>($form, Some(given))?.map(Typed::$out))
                })*
            )*
            _ => Err(mistyped()),
        }
    }};
}

impl Call<'_> {
    /// What comes out for a LIFO handle, or for null.
    pub fn pass_lifo(mut self, argument: Option<Lifo>) -> Result<Option<Lifo>> {
        pass!(self, argument, "lifo", Rooted, Given::Lifo)
    }

    /// What comes out for an owned handle, which goes by value, or for null.
    pub fn pass_owned(mut self, argument: Option<Owned>) -> Result<Option<Owned>> {
        pass!(self, argument, "owned", OwnedRooted, Given::Owned)
    }
}

/// The resolver sees to the types of operands.
fn mistyped() -> Error {
    Error::msg("a handle of another type than the function takes")
}
