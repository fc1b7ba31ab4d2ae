//! What Wasm code and the host agree on: object types, tags, the globals and tables of an instance (`model/kit.py`).
//!
//! `kit.wat` declares it, and the types are taken from there: `node` refers to itself, which the host cannot say.

use std::cell::OnceCell;

use wasmtime::{
    ArrayRefPre, ArrayType, AsContextMut, Error, ExnRefPre, ExnType, ExternType, Global, GlobalType, HeapType,
    Instance, Module, Mutability, RefType, Result, StorageType, StructRefPre, StructType, Tag, TagType, Val, ValType,
};

use crate::handles::{Lifo, ANY, ARRAY, EQ, EXN, EXTERN, STRUCT};
use crate::host::Host;

/// The module of an instance.
pub const WAT: &str = include_str!("kit.wat");

/// What an instance may have of another one, by the letters that the names of exports begin with: `SHARES` of
/// `model/kit.py`.
const SHARES: [&[&str]; 4] = [&["g", "t", "tag"], &["g"], &["t"], &["tag"]];

/// The module of an instance that imports a share of its exports from another one; none if there is no such share.
pub fn linked(share: usize) -> Option<String> {
    let shared = SHARES.get(share)?;
    let (mut imports, mut made) = (Vec::new(), Vec::new());
    for line in WAT.lines() {
        let name = line.split("(export \"").nth(1).and_then(|rest| rest.split('"').next());
        match name.filter(|name| shared.contains(&name.trim_end_matches(|at: char| at.is_ascii_digit()))) {
            None => made.push(line.to_owned()),
            Some(name) => {
                let import = format!("(export \"{name}\") (import \"kit\" \"{name}\")");
                let line = line.replace(&format!("(export \"{name}\")"), &import);
                // An imported global has no value of its own.
                let head = line.split(" (ref.null").next().unwrap_or(&line);
                imports.push(if head == line { line } else { format!("{head})") });
            }
        }
    }
    let types = made.iter().take_while(|line| line.starts_with("(module") || line.starts_with("(type")).count();
    made.splice(types..types, imports);
    Some(made.join("\n"))
}

/// Types of a module that takes the places of forgotten ones: more than the kit and a few bodies have.
const DECOYS: usize = 32;

/// A module of struct types that are nobody else's, in one of two variants that have none in common.
///
/// Once all modules with the kit's types are gone, those of this one get the places that are free; whoever still has an
/// object of such a place takes it for one of them.
pub fn decoy(variant: usize) -> String {
    let last = ["i32", "f64"][variant];
    let types = (1..=DECOYS).map(|length| format!("(type (struct{} (field {last})))", " (field i64)".repeat(length)));
    format!("(module {})", types.collect::<String>())
}

/// Struct types, array types and tags, as the op table numbers them.
const STRUCTS: [&str; 8] = ["box", "sub", "pair", "mixed", "nums", "empty", "node", "eqs"];
const ARRAYS: [&str; 6] = ["externs", "anys", "consts", "bytes", "longs", "nodes"];
const TAGS: [&str; 3] = ["tag0", "tag1", "tag2"];

/// The struct type that `chain` makes lists of.
pub const NODE: i64 = 6;

/// Others that `churn` makes: a struct, an array, an exception.
pub const PAIR: usize = 2;
pub const EXTERNS: usize = 0;
pub const ONE: usize = 0;

/// The array type with the largest elements.
pub const LONGS: usize = 4;

/// The static types of an instance's globals and tables.
pub const GLOBALS: [i64; 7] = [EXTERN, EXTERN, ANY, ANY, EQ, STRUCT, ARRAY];
pub const TABLES: [i64; 2] = [EXTERN, ANY];

/// The types, by number.
pub struct Types {
    pub structs: Vec<StructType>,
    pub arrays: Vec<ArrayType>,
    pub tags: Vec<TagType>,
}

/// The module of an instance, which also exports its object types as those of parameters.
pub fn exporting() -> String {
    let mut text = WAT.trim_end().trim_end_matches(')').to_owned();
    for name in STRUCTS.iter().chain(&ARRAYS) {
        text.push_str(&format!("(func (export \"{name}\") (param (ref null ${name})))\n"));
    }
    text + ")"
}

impl Types {
    /// Those of a module of `exporting`.
    pub fn of(module: &Module) -> Result<Types> {
        let heap_type = |name: &&str| -> Result<HeapType> {
            let exported = module.get_export(name);
            let ty = exported.as_ref().and_then(ExternType::func).and_then(|function| function.param(0));
            match ty {
                Some(ValType::Ref(of)) => Ok(of.heap_type().clone()),
                _ => Err(Error::msg(format!("the kit has no type {name}"))),
            }
        };
        let structs = STRUCTS.iter().map(|name| heap_type(name).map(|ty| ty.unwrap_concrete_struct().clone()));
        let arrays = ARRAYS.iter().map(|name| heap_type(name).map(|ty| ty.unwrap_concrete_array().clone()));
        let tags = TAGS.iter().map(|name| match module.get_export(name) {
            Some(ExternType::Tag(tag)) => Ok(tag),
            _ => Err(Error::msg(format!("the kit has no tag {name}"))),
        });
        Ok(Types {
            structs: structs.collect::<Result<_>>()?,
            arrays: arrays.collect::<Result<_>>()?,
            tags: tags.collect::<Result<_>>()?,
        })
    }

    /// An object type by name.
    pub fn named(&self, name: &str) -> Option<HeapType> {
        let at = |names: &[&str]| names.iter().position(|known| *known == name);
        let of_struct = at(&STRUCTS).map(|at| HeapType::ConcreteStruct(self.structs[at].clone()));
        of_struct.or_else(|| at(&ARRAYS).map(|at| HeapType::ConcreteArray(self.arrays[at].clone())))
    }

    /// The types in words, which a test on either side compares.
    #[cfg(test)]
    pub fn listing(&self) -> String {
        let mut lines = Vec::new();
        for (name, ty) in STRUCTS.iter().zip(&self.structs) {
            let parent = ty.supertype().and_then(|of| self.structs.iter().position(|other| StructType::eq(other, &of)));
            let above = parent.map_or(String::new(), |at| format!(" below {}", STRUCTS[at]));
            let open = if ty.finality().is_final() { "" } else { " open" };
            let fields = ty.fields().map(|field| self.words(field.element_type(), field.mutability()));
            lines.push(format!("struct {name}{above}{open}:{}", fields.collect::<String>()));
        }
        for (name, ty) in ARRAYS.iter().zip(&self.arrays) {
            lines.push(format!("array {name}:{}", self.words(&ty.element_type(), ty.mutability())));
        }
        for (name, tag) in TAGS.iter().zip(&self.tags) {
            let fields = tag.ty().params().map(|of| self.words(&StorageType::ValType(of), Mutability::Var));
            lines.push(format!("tag {name}:{}", fields.collect::<String>()));
        }
        let words = |types: &[i64]| -> String {
            let names = ["extern", "any", "eq", "struct", "array", "exn"];
            types.iter().map(|of| format!(" {}", names[*of as usize])).collect()
        };
        lines.push(format!("globals:{}", words(&GLOBALS)));
        lines.push(format!("tables:{}", words(&TABLES)));
        lines.join("\n") + "\n"
    }

    #[cfg(test)]
    fn words(&self, storage: &StorageType, mutability: Mutability) -> String {
        let name = match storage {
            StorageType::ValType(ValType::Ref(of)) => match of.heap_type() {
                HeapType::ConcreteStruct(ty) => {
                    let at = self.structs.iter().position(|other| StructType::eq(other, ty));
                    STRUCTS[at.expect("fields refer to types of the kit")].to_owned()
                }
                other => other.to_string(),
            },
            other => other.to_string(),
        };
        format!(" {name}{}", if mutability.is_var() { "" } else { "!" })
    }
}

// --- values of fields

/// What a numeric field is given for `number`, as `stored_number` of `model/kit.py` has it; an i32 for others.
pub fn number_for(storage: &StorageType, number: i64) -> Val {
    match storage {
        StorageType::ValType(ValType::I64) => Val::I64(number << 32 | number),
        StorageType::ValType(ValType::F32) => Val::F32(((number & 0xff_ffff) as f32).to_bits()),
        StorageType::ValType(ValType::F64) => Val::F64((number as f64).to_bits()),
        _ => Val::I32(number as i32),
    }
}

/// What a numeric field gives as a number; packed ones are unsigned.
pub fn number_of(storage: &StorageType, value: &Val) -> Option<i64> {
    Some(match (storage, value) {
        (StorageType::I8, Val::I32(number)) => i64::from(*number as u8),
        (StorageType::I16, Val::I32(number)) => i64::from(*number as u16),
        (_, Val::I32(number)) => i64::from(*number),
        (_, Val::I64(number)) => *number,
        (_, Val::F32(bits)) => f32::from_bits(*bits) as i64,
        (_, Val::F64(bits)) => f64::from_bits(*bits) as i64,
        _ => return None,
    })
}

/// The type of the references that a field holds; none of numbers.
pub fn reference(storage: &StorageType) -> Option<&HeapType> {
    match storage {
        StorageType::ValType(ValType::Ref(of)) => Some(of.heap_type()),
        _ => None,
    }
}

/// A null reference for a field; one that does not fit for a field of numbers.
pub fn null_for(storage: &StorageType) -> Val {
    reference(storage).map_or(Val::null_any_ref(), Val::null_ref)
}

/// What a field is given: a number, or the reference `given`.
pub fn value_for(storage: &StorageType, number: i64, given: Option<Lifo>) -> Val {
    match (reference(storage), given) {
        (None, _) => number_for(storage, number),
        (Some(_), Some(handle)) => Val::from(handle.to_ref()),
        (Some(_), None) => null_for(storage),
    }
}

/// A null reference of a static type.
pub fn null_of(of: i64) -> Val {
    match of {
        EXTERN => Val::ExternRef(None),
        EXN => Val::ExnRef(None),
        _ => Val::AnyRef(None),
    }
}

// --- what a store needs to make objects

/// Made when they are first needed.
#[derive(Default)]
pub struct Makers {
    structs: [OnceCell<StructRefPre>; STRUCTS.len()],
    arrays: [OnceCell<ArrayRefPre>; ARRAYS.len()],
    exceptions: [OnceCell<(ExnRefPre, Tag)>; TAGS.len()],
    carriers: [OnceCell<Global>; 3],
    host: OnceCell<Host>,
    crossing: OnceCell<Instance>,
}

impl Makers {
    /// The same without what knows types.
    pub fn without_types(&self) -> Makers {
        let Makers { carriers, host, crossing, .. } = self;
        Makers { carriers: carriers.clone(), host: host.clone(), crossing: crossing.clone(), ..Makers::default() }
    }

    pub fn structs(&self, store: impl AsContextMut, types: &Types, which: usize) -> &StructRefPre {
        self.structs[which].get_or_init(|| StructRefPre::new(store, types.structs[which].clone()))
    }

    pub fn arrays(&self, store: impl AsContextMut, types: &Types, which: usize) -> &ArrayRefPre {
        self.arrays[which].get_or_init(|| ArrayRefPre::new(store, types.arrays[which].clone()))
    }

    pub fn exceptions(&self, mut store: impl AsContextMut, types: &Types, which: usize) -> Result<&(ExnRefPre, Tag)> {
        try_once(&self.exceptions[which], || {
            let ty = &types.tags[which];
            let tag = Tag::new(&mut store, ty)?;
            Ok((ExnRefPre::new(&mut store, ExnType::from_tag_type(ty)?), tag))
        })
    }

    /// A global that holds a reference of static type `of` while it leaves the scope in which it was made.
    pub fn carrier(&self, store: impl AsContextMut, of: i64) -> Result<Global> {
        let (place, ty) = match of {
            EXTERN => (0, RefType::EXTERNREF),
            EXN => (2, RefType::new(true, HeapType::Exn)),
            _ => (1, RefType::ANYREF),
        };
        let ty = GlobalType::new(ValType::Ref(ty), Mutability::Var);
        try_once(&self.carriers[place], || Global::new(store, ty, null_of(of))).copied()
    }

    /// The instance with the typed functions.
    pub fn crossing<S>(&self, make: impl FnOnce(S) -> Result<Instance>, store: S) -> Result<Instance> {
        try_once(&self.crossing, || make(store)).copied()
    }

    /// The host functions.
    pub fn host(&self, make: impl FnOnce() -> Host) -> &Host {
        self.host.get_or_init(make)
    }
}

fn try_once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
