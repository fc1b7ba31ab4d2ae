//! Structs, arrays and exceptions through the C API (docs/spec/capi.md 5.4, from 46 on). What every call relies on is
//! said in `api.rs`.
//!
//! The kit's types cannot be made in C, which has no supertypes: they are taken from the imports of a module that
//! mentions them. An object says its type, so that nobody has to remember it. All references of the `any` hierarchy are
//! the same C struct, and what is known to be a struct or array is passed as one.

use std::collections::HashMap;
use std::ptr::{from_mut, null_mut};

use crate::abi::{FieldType, Hierarchy, Item, Ptr, Val, ValType, Vals, KIND_F32, KIND_F64, KIND_I32, KIND_I64};
use crate::api::{Api, Context};
use crate::functions::ObjectFunctions;
use crate::modules::Shelf;
use crate::outcome::Stop;
use crate::types::imported_types;
use crate::wasm::type_vector;

/// Fields of the largest struct, and more: a row of values is made for any object.
pub const MAX_FIELDS: usize = 8;

/// The packed storage types by number, and the numeric types: what is beyond them is a reference.
const PACKED: [&str; 2] = ["i8", "i16"];
const NUMBERS: [&str; 4] = ["i32", "i64", "f32", "f64"];
/// The hierarchy of each heap type, by its kind.
const HEAP_KINDS: [&str; 16] = [
    "extern", "extern", "func", "func", "func", "any", "any", "any", "any", "any", "any", "any", "any", "exn", "exn",
    "exn",
];

/// What has fields or elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Struct,
    Array,
    Exn,
}

/// A type of the kit: its `wasm_valtype_t*`, and the pointer inside its opened form.
struct Known {
    valtype: Ptr,
    pointer: Ptr,
}

/// The types of one engine, and what the stores of the program that runs have for them.
pub struct Objects {
    c: ObjectFunctions,
    structs: Vec<Known>,
    arrays: Vec<Known>,
    tag_types: Vec<Ptr>,
    /// By store, kind and number.
    allocators: HashMap<(usize, Kind, usize), Ptr>,
    tags: HashMap<(usize, usize), Item>,
}

impl Objects {
    /// `shelf`: modules that were compiled for an engine of the same configuration.
    pub fn new(api: &Api, shelf: &Shelf) -> Result<Objects, Stop> {
        let c = api.objects.clone().ok_or_else(|| Stop::misuse("this release has no objects of the host"))?;
        let code = &api.facts.modules.types;
        let module = shelf
            .module(api, code)
            .map_err(|failed| Stop::misuse(format!("the library does not accept the types of the kit: {failed}")))?;
        let found = imported_types(&api.c, module);
        shelf.give_back(api, code, module);
        let mut structs: Vec<Known> = found.into_iter().map(|valtype| opened(&c, valtype)).collect();
        let arrays = structs.split_off(api.facts.structs.len());
        let tag_types = api.facts.tags.iter().map(|tag| tag_type(api, &c, tag)).collect();
        Ok(Objects { c, structs, arrays, tag_types, allocators: HashMap::new(), tags: HashMap::new() })
    }

    /// Frees what belongs to stores, before they go.
    pub fn forget(&mut self) {
        for ((_, kind, _), allocator) in self.allocators.drain() {
            // SAFETY: made by us, and used by nobody from here on.
            unsafe {
                match kind {
                    Kind::Array => (self.c.wasmtime_array_ref_pre_delete)(allocator),
                    _ => (self.c.wasmtime_struct_ref_pre_delete)(allocator),
                }
            }
        }
        self.tags.clear();
    }

    /// Frees everything.
    pub fn close(mut self, api: &Api) {
        self.forget();
        // SAFETY: all of these are copies of ours, and are used by nobody from here on.
        unsafe {
            for of in &self.structs {
                (self.c.wasmtime_struct_type_delete)(of.pointer);
            }
            for of in &self.arrays {
                (self.c.wasmtime_array_type_delete)(of.pointer);
            }
            self.structs.iter().chain(&self.arrays).for_each(|of| (api.c.wasm_valtype_delete)(of.valtype));
            self.tag_types.iter().for_each(|of| (self.c.wasm_tagtype_delete)(*of));
        }
    }

    fn allocator(&mut self, (store, context): (usize, Context), kind: Kind, number: usize) -> Ptr {
        let made = self.allocators.entry((store, kind, number));
        // SAFETY: as api.rs says; the type's pointer stays as long as the process.
        *made.or_insert_with(|| unsafe {
            match kind {
                Kind::Array => (self.c.wasmtime_array_ref_pre_new)(context.0, self.arrays[number].pointer),
                _ => (self.c.wasmtime_struct_ref_pre_new)(context.0, self.structs[number].pointer),
            }
        })
    }

    /// A struct; the error's text if there is none.
    pub fn struct_new(
        &mut self,
        api: &Api,
        store: (usize, Context),
        number: usize,
        values: &Vals<MAX_FIELDS>,
    ) -> Result<Val, String> {
        let allocator = self.allocator(store, Kind::Struct, number);
        let (mut made, count) = (Val::null(Hierarchy::Any), api.facts.structs[number].len());
        // SAFETY: as api.rs says; there are as many values as the type has fields.
        let error = unsafe {
            (self.c.wasmtime_structref_new)(store.1 .0, allocator, values.as_ptr(), count, made.handle_mut())
        };
        api.failed(error).map_or(Ok(made), Err)
    }

    /// An array of equal elements.
    pub fn array_new(
        &mut self,
        api: &Api,
        store: (usize, Context),
        number: usize,
        (value, length): (&Val, u32),
    ) -> Result<Val, String> {
        let allocator = self.allocator(store, Kind::Array, number);
        let mut made = Val::null(Hierarchy::Any);
        // SAFETY: as api.rs says.
        let error =
            unsafe { (self.c.wasmtime_arrayref_new)(store.1 .0, allocator, value.val(), length, made.handle_mut()) };
        api.failed(error).map_or(Ok(made), Err)
    }

    /// An exception; the tags of a store are made when they are first needed.
    pub fn exn_new(
        &mut self,
        api: &Api,
        (store, context): (usize, Context),
        number: usize,
        values: &Vals<MAX_FIELDS>,
    ) -> Result<Val, String> {
        let tag = match self.tags.get(&(store, number)) {
            Some(tag) => *tag,
            None => {
                let mut tag = Item::default();
                // SAFETY: as api.rs says; the type of the tag is only read.
                let error = unsafe { (self.c.wasmtime_tag_new)(context.0, self.tag_types[number], tag.get_mut()) };
                api.failed(error).map_or(Ok(()), Err)?;
                self.tags.insert((store, number), tag);
                tag
            }
        };
        let (mut made, count) = (Val::null(Hierarchy::Exn), api.facts.tags[number].len());
        // SAFETY: as api.rs says; there are as many values as the tag's payload has.
        let error =
            unsafe { (self.c.wasmtime_exnref_new)(context.0, tag.get(), values.as_ptr(), count, made.handle_mut()) };
        api.failed(error).map_or(Ok(made), Err)
    }

    /// Reads a field or an element; the error's text if there is none.
    pub fn get(&self, api: &Api, context: Context, kind: Kind, of: &Val, index: i64) -> Result<Val, String> {
        let mut found = Val::null(Hierarchy::Any);
        let (handle, out) = (of.handle(), found.val_mut());
        // SAFETY: as api.rs says; the handle denotes an object of that kind.
        let error = unsafe {
            match kind {
                Kind::Struct => (self.c.wasmtime_structref_field)(context.0, handle, index as usize, out),
                Kind::Array => (self.c.wasmtime_arrayref_get)(context.0, handle, index as u32, out),
                Kind::Exn => (self.c.wasmtime_exnref_field)(context.0, handle, index as usize, out),
            }
        };
        api.failed(error).map_or(Ok(found), Err)
    }

    /// Makes a root of an object as an eqref, and ends it.
    pub fn cast_and_drop(&self, context: Context, of: &Val) {
        let mut made = Val::null(Hierarchy::Any);
        // SAFETY: as api.rs says; an eqref has the size of an anyref, and is ended where it was made.
        unsafe {
            if (self.c.wasmtime_anyref_as_eqref)(context.0, of.handle(), made.handle_mut()) {
                (self.c.wasmtime_eqref_unroot)(made.handle_mut());
            }
        }
    }

    /// Writes a field of a struct or an element; the error's text if it is refused.
    pub fn set(
        &self,
        api: &Api,
        context: Context,
        kind: Kind,
        (of, index): (&Val, i64),
        value: &Val,
    ) -> Option<String> {
        let (handle, value) = (of.handle(), value.val());
        // SAFETY: as api.rs says; the handle denotes an object of that kind.
        let error = unsafe {
            match kind {
                Kind::Array => (self.c.wasmtime_arrayref_set)(context.0, handle, index as u32, value),
                _ => (self.c.wasmtime_structref_set_field)(context.0, handle, index as usize, value),
            }
        };
        api.failed(error)
    }

    /// The length of an array, or why there is none.
    pub fn length(&self, api: &Api, context: Context, of: &Val) -> Result<u32, String> {
        let mut length = 0_u32;
        // SAFETY: as api.rs says.
        let error = unsafe { (self.c.wasmtime_arrayref_len)(context.0, of.handle(), from_mut(&mut length).cast()) };
        api.failed(error).map_or(Ok(length), Err)
    }

    /// Makes an exception the pending one. Whether a trap says so, which before 47 is not so of a null (K62).
    pub fn throw(&self, api: &Api, context: Context, exception: Val) -> bool {
        let trap = self.thrown(context, exception);
        if trap.is_null() {
            return false;
        }
        // SAFETY: the trap is ours to free.
        unsafe { (api.c.wasm_trap_delete)(trap) };
        true
    }

    /// Makes an exception the pending one: the trap by which a callback throws it.
    pub fn thrown(&self, context: Context, mut exception: Val) -> Ptr {
        // SAFETY: as api.rs says.
        unsafe { (self.c.wasmtime_context_set_exception)(context.0, exception.handle_mut()) }
    }

    /// The pending exception, which it is no longer.
    pub fn take(&self, context: Context) -> Option<Val> {
        let mut made = Val::null(Hierarchy::Exn);
        // SAFETY: as api.rs says.
        let there = unsafe { (self.c.wasmtime_context_take_exception)(context.0, made.handle_mut()) };
        there.then_some(made)
    }

    /// Whether an exception is pending.
    pub fn pending(&self, context: Context) -> bool {
        // SAFETY: as api.rs says.
        unsafe { (self.c.wasmtime_context_has_exception)(context.0) }
    }

    /// What a field of an object holds, or the elements of an array: a numeric storage type, or a hierarchy. None if
    /// there is no such field.
    pub fn storage(
        &self,
        api: &Api,
        context: Context,
        kind: Kind,
        (of, index): (&Val, i64),
    ) -> Result<Option<&'static str>, Stop> {
        if kind == Kind::Exn {
            // SAFETY: as api.rs says. The tags of the kit differ in how many fields they have.
            let count = unsafe { (self.c.wasmtime_exnref_field_count)(context.0, of.handle()) };
            let found = api.facts.tags.iter().find(|tag| tag.len() == count);
            let tag = found.ok_or_else(|| Stop::misuse("an exception has a tag that is not the kit's"))?;
            return Ok(tag.get(index as usize).copied());
        }
        let mut field = FieldType { mutable: 0, kind: 0, valtype: null_mut() };
        let out = from_mut(&mut field).cast();
        // SAFETY: as api.rs says; the object's type is ours to free, and its field's, once it was written.
        unsafe {
            let there = match kind {
                Kind::Array => {
                    let ty = (self.c.wasmtime_arrayref_type)(context.0, of.handle());
                    (self.c.wasmtime_array_type_element)(ty, out);
                    (self.c.wasmtime_array_type_delete)(ty);
                    true
                }
                _ => {
                    let ty = (self.c.wasmtime_structref_type)(context.0, of.handle());
                    let there = (self.c.wasmtime_struct_type_field)(ty, index as usize, out);
                    (self.c.wasmtime_struct_type_delete)(ty);
                    there
                }
            };
            Ok(there.then(|| self.storage_of(&mut field)))
        }
    }

    /// What a field's type says, which is freed.
    ///
    /// # Safety
    ///
    /// The library wrote it, and nobody freed it.
    unsafe fn storage_of(&self, field: &mut FieldType) -> &'static str {
        if let Some(packed) = PACKED.get(usize::from(field.kind)) {
            return packed;
        }
        let mut opened = ValType { kind: 0, nullable: 0, heap_kind: 0, pointer: null_mut() };
        let out: Ptr = from_mut(&mut opened).cast();
        // SAFETY: a field that is not packed has a value type, which is written in its opened form here.
        unsafe {
            (self.c.wasmtime_valtype_new)(field.valtype, out);
            (self.c.wasmtime_valtype_delete)(out);
            (self.c.wasmtime_field_type_delete)(from_mut(field).cast());
        }
        // Both are bytes, with nothing said of what is behind them.
        match NUMBERS.get(usize::from(opened.kind as u8)) {
            Some(number) => number,
            None => HEAP_KINDS[usize::from(opened.heap_kind as u8)],
        }
    }
}

fn opened(c: &ObjectFunctions, valtype: Ptr) -> Known {
    let mut opened = ValType { kind: 0, nullable: 0, heap_kind: 0, pointer: null_mut() };
    // SAFETY: the type is a copy of ours; what it is opened into is as large as a `wasmtime_valtype_t`, and is kept.
    unsafe { (c.wasmtime_valtype_new)(valtype, from_mut(&mut opened).cast()) };
    Known { valtype, pointer: opened.pointer }
}

fn tag_type(api: &Api, c: &ObjectFunctions, payload: &[&'static str]) -> Ptr {
    // SAFETY: the types are copies, swallowed by the vector; that and the empty one by the function type, that by the
    // tag's.
    unsafe {
        let mut params = type_vector(api, payload.iter().map(|of| api.types.copy(&api.c, of)).collect());
        let mut results = type_vector(api, Vec::new());
        (c.wasm_tagtype_new)((api.c.wasm_functype_new)(params.get_mut(), results.get_mut()))
    }
}

/// The value for a numeric field of that storage type; the runtime wraps packed ones.
pub fn number_for(storage: &str, number: i64) -> Val {
    match storage {
        // 64-bit ones get the number in both halves, so that each is checked; floats what they can hold exactly.
        "i64" => Val::number(KIND_I64, (number << 32 | number) as u64),
        "f32" => Val::number(KIND_F32, u64::from(((number & 0xff_ffff) as f32).to_bits())),
        "f64" => Val::number(KIND_F64, (number as f64).to_bits()),
        _ => Val::number(KIND_I32, u64::from(number as u32)),
    }
}

/// The hierarchy that a storage type belongs to; None for numbers.
pub fn hierarchy_of(storage: &str) -> Option<Hierarchy> {
    match storage {
        "extern" => Some(Hierarchy::Extern),
        "exn" => Some(Hierarchy::Exn),
        "any" | "eq" | "i31" | "struct" | "array" | "node" => Some(Hierarchy::Any),
        _ => None,
    }
}
