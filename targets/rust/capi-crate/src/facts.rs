//! What the Python side knows and this executor must not know otherwise: shapes of releases, texts of errors, the kit's
//! modules and types. A file of msgpack that the builder puts beside the executor (`targets/rust/native.py`).

use crate::msgpack::{Malformed, Reader};

/// How the functions of one major version are called. Sizes in bytes.
#[derive(Clone, Copy)]
pub struct Shape {
    pub major: i64,
    /// Of a `wasmtime_val_t`: the handle, and what is before it.
    pub val_size: usize,
    /// Whether clone and unroot have the context as first argument.
    pub release_takes_context: bool,
    pub gc_returns_error: bool,
    /// Up to 36 a handle means nothing once its store is gone; clone and unroot would read freed memory.
    pub prompt_release: bool,
    /// Whether the host can set a global of a type below any to null.
    pub typed_nulls: bool,
    pub exceptions: bool,
    pub objects: bool,
    /// Whether the interpreter is there: a wheel before ends the process when it is asked for it.
    pub pulley: bool,
    /// Whether an engine takes asynchronous calls beside others.
    pub fibers: bool,
    /// Whether the function that tells arrays from structs is there.
    pub array_test: bool,
}

/// An engine configuration (model/engines.py); sizes in bytes, None leaves the default.
pub struct EngineFacts {
    pub name: &'static str,
    pub reservation: Option<u64>,
    pub guard: Option<u64>,
    pub optimize: bool,
    pub pooling: bool,
    pub pulley: bool,
    pub single_pass: bool,
    pub explicit: bool,
    pub fuel: bool,
    pub epochs: bool,
    pub fibers: bool,
}

impl EngineFacts {
    /// Whether a run may be stopped at a check point (docs/bodies.md).
    pub fn limits_runs(&self) -> bool {
        self.fuel || self.epochs
    }
}

/// The modules that are needed, in the binary format.
pub struct Modules {
    /// Imports a global of each of `Facts::ref_types`.
    pub ref_types: Vec<u8>,
    pub kit: Vec<u8>,
    pub kit_with_tags: Vec<u8>,
    /// Imports a global of each struct type and each array type.
    pub types: Vec<u8>,
    /// Of instances that import a share of another one's exports, without tags and with them.
    pub links: Vec<[Vec<u8>; 2]>,
    /// Struct types that are nobody else's, in two variants: they take the places of forgotten ones.
    pub decoys: [Vec<u8>; 2],
    /// A body that does what `clear` does; and the same counting its check points.
    pub clear: Vec<u8>,
    pub clear_counted: Vec<u8>,
    /// Nothing but a tag: whether an engine takes it shows whether it knows exceptions.
    pub tag: Vec<u8>,
}

/// A part of a text, and the outcome that it means.
pub type Meaning = (&'static str, &'static str);

pub struct Facts {
    pub shapes: Vec<Shape>,
    /// What errors of the host API say; the first that occurs counts.
    pub errors: Vec<Meaning>,
    /// What traps and errors of runs say.
    pub endings: Vec<Meaning>,
    /// Panic texts that the specification quotes.
    pub panics: Vec<&'static str>,
    /// The text of the trap that a callback makes.
    pub host_trap: &'static str,
    pub modules: Modules,
    /// Storage types of each struct's fields, each array's elements, each tag's payload.
    pub structs: Vec<Vec<&'static str>>,
    pub arrays: Vec<Vec<&'static str>>,
    pub tags: Vec<Vec<&'static str>>,
    /// Storage types of the globals and tables of an instance.
    pub globals: Vec<&'static str>,
    pub tables: Vec<&'static str>,
    /// The nullable abstract reference types.
    pub ref_types: Vec<&'static str>,
    pub engines: Vec<EngineFacts>,
    pub pool_sizes: Vec<(&'static str, u32)>,
    /// Host values that a run may allocate.
    pub run_values: i64,
    /// Values of one observation.
    pub max_observed: usize,
    /// Characters of an outcome.
    pub max_text: usize,
}

type Read<T> = Result<T, Malformed>;

impl Facts {
    /// Reads the file's bytes, which live as long as the process.
    pub fn read(bytes: &'static [u8]) -> Read<Facts> {
        let reader = &mut Reader::new(bytes);
        reader.array()?;
        Ok(Facts {
            shapes: list(reader, shape)?,
            errors: list(reader, meaning)?,
            endings: list(reader, meaning)?,
            panics: list(reader, text)?,
            host_trap: text(reader)?,
            modules: modules(reader)?,
            structs: list(reader, texts)?,
            arrays: list(reader, texts)?,
            tags: list(reader, texts)?,
            globals: texts(reader)?,
            tables: texts(reader)?,
            ref_types: texts(reader)?,
            engines: list(reader, engine)?,
            pool_sizes: list(reader, |reader| pair(reader, |reader| Ok(reader.int()? as u32)))?,
            run_values: reader.int()?,
            max_observed: reader.int()? as usize,
            max_text: reader.int()? as usize,
        })
    }

    /// The shape of a major version; one newer than is known has the newest shape.
    pub fn shape_of(&self, major: i64) -> Option<Shape> {
        let newest = self.shapes.last()?;
        let found = self.shapes.iter().find(|shape| shape.major == major.min(newest.major));
        found.map(|shape| Shape { major, ..*shape })
    }
}

fn list<'a, T>(reader: &mut Reader<'a>, read: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    (0..reader.array()?).map(|_| read(reader)).collect()
}

fn text(reader: &mut Reader<'static>) -> Read<&'static str> {
    reader.text()
}

fn texts(reader: &mut Reader<'static>) -> Read<Vec<&'static str>> {
    list(reader, text)
}

fn pair<T>(reader: &mut Reader<'static>, read: impl Fn(&mut Reader<'static>) -> Read<T>) -> Read<(&'static str, T)> {
    reader.array()?;
    Ok((reader.text()?, read(reader)?))
}

fn meaning(reader: &mut Reader<'static>) -> Read<Meaning> {
    pair(reader, text)
}

fn flag(reader: &mut Reader) -> Read<bool> {
    Ok(reader.int()? != 0)
}

fn shape(reader: &mut Reader<'static>) -> Read<Shape> {
    reader.array()?;
    Ok(Shape {
        major: reader.int()?,
        val_size: reader.int()? as usize,
        release_takes_context: flag(reader)?,
        gc_returns_error: flag(reader)?,
        prompt_release: flag(reader)?,
        typed_nulls: flag(reader)?,
        exceptions: flag(reader)?,
        objects: flag(reader)?,
        pulley: flag(reader)?,
        fibers: flag(reader)?,
        array_test: flag(reader)?,
    })
}

fn modules(reader: &mut Reader<'static>) -> Read<Modules> {
    reader.array()?;
    Ok(Modules {
        ref_types: code(reader)?,
        kit: code(reader)?,
        kit_with_tags: code(reader)?,
        types: code(reader)?,
        clear: code(reader)?,
        clear_counted: code(reader)?,
        tag: code(reader)?,
        links: list(reader, two)?,
        decoys: two(reader)?,
    })
}

fn two(reader: &mut Reader<'static>) -> Read<[Vec<u8>; 2]> {
    reader.array()?;
    Ok([code(reader)?, code(reader)?])
}

fn code(reader: &mut Reader<'static>) -> Read<Vec<u8>> {
    reader.bytes().map(<[u8]>::to_vec)
}

fn engine(reader: &mut Reader<'static>) -> Read<EngineFacts> {
    reader.array()?;
    Ok(EngineFacts {
        name: reader.text()?,
        reservation: u64::try_from(reader.int()?).ok(),
        guard: u64::try_from(reader.int()?).ok(),
        optimize: flag(reader)?,
        pooling: flag(reader)?,
        pulley: flag(reader)?,
        single_pass: flag(reader)?,
        explicit: flag(reader)?,
        fuel: flag(reader)?,
        epochs: flag(reader)?,
        fibers: flag(reader)?,
    })
}
