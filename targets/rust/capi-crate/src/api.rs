//! The reference functions of the C API, as `targets/capi/api.py` has them (docs/spec/capi.md 5.1 to 5.3).
//!
//! What holds for every call below: a `Context` is that of a store that is alive, which the machine checks when it
//! looks one up; a handle is one that a function of the same store wrote, and was not unrooted; every pointer is to
//! memory that is alive during the call and as large as the release's struct, since our structs are the largest there
//! are. A handle of another store aborts the process, as in C; the machine gives one only where the program asks for
//! that.

use std::sync::Mutex;

use crate::abi::{ByteVec, Ptr};
use crate::facts::{EngineFacts, Facts, Shape};
use crate::functions::{Always, ArrayTest, FallibleGc, ObjectFunctions, SilentGc};
use crate::library::Library;
use crate::roots::Roots;
use crate::types::RefTypes;
use crate::wire::Trouble;

/// Host data is an opaque pointer and nothing is behind it: value id + 1, so that no id looks like NULL.
pub const DATA_BASE: usize = 1;
/// Old builds append where in Wasmtime an error was made; it says nothing about the program.
const BACKTRACE: &str = "\n\nStack backtrace:";
/// In `wasmtime_store_limiter` a negative number means no limit.
const UNLIMITED: i64 = -1;

/// The host data finalized since the last look. A finalizer may run on whichever thread gives a root back.
static FINALIZED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

pub extern "C" fn finalize(data: Ptr) {
    let value = (data as usize).wrapping_sub(DATA_BASE) as u32;
    FINALIZED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(value);
}

/// The values finalized since the last call, in the order in which their finalizers ran.
pub fn drain() -> Vec<u32> {
    std::mem::take(&mut FINALIZED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// A `wasmtime_store_t*` and its `wasmtime_context_t*`, which dies with it.
#[derive(Clone, Copy)]
pub struct Store {
    pub pointer: Ptr,
    pub context: Context,
}

/// A `wasmtime_context_t*`.
#[derive(Clone, Copy)]
pub struct Context(pub Ptr);

enum Gc {
    Silent(SilentGc),
    Fallible(FallibleGc),
}

/// One library with one engine.
pub struct Api {
    pub facts: &'static Facts,
    pub shape: Shape,
    pub c: Always,
    /// From 46 on.
    pub objects: Option<ObjectFunctions>,
    pub array_test: Option<ArrayTest>,
    pub roots: Roots,
    gc: Gc,
    pub engine: Ptr,
    pub config: &'static EngineFacts,
    pub types: RefTypes,
}

impl Api {
    pub fn new(
        library: &'static Library,
        facts: &'static Facts,
        shape: Shape,
        config: &'static EngineFacts,
    ) -> Result<Api, Trouble> {
        let c = Always::load(library)?;
        let gc = if shape.gc_returns_error {
            Gc::Fallible(FallibleGc::load(library)?)
        } else {
            Gc::Silent(SilentGc::load(library)?)
        };
        let objects = shape.objects.then(|| ObjectFunctions::load(library)).transpose()?;
        let array_test = shape.array_test.then(|| ArrayTest::load(library)).transpose()?;
        let roots = Roots::load(library, shape, objects.as_ref())?;
        let engine = crate::engine::new_engine(library, &c, facts, (shape, config))?;
        let types = RefTypes::read(&c, engine, facts)?;
        Ok(Api { facts, shape, c, objects, array_test, roots, gc, engine, config, types })
    }

    // --- stores

    /// A new store; `limit` in bytes bounds its GC heap, a negative one does not.
    pub fn store_new(&self, limit: i64) -> Store {
        // SAFETY: the engine lives as long as the process; no host data, so no finalizer.
        let pointer = unsafe { (self.c.wasmtime_store_new)(self.engine, std::ptr::null_mut(), std::ptr::null_mut()) };
        if limit >= 0 {
            self.set_limit(pointer, limit);
        }
        // SAFETY: the store was just made.
        Store { pointer, context: Context(unsafe { (self.c.wasmtime_store_context)(pointer) }) }
    }

    /// Replaces the limit of a store, in bytes; a negative one lifts it.
    pub fn set_limit(&self, store: Ptr, limit: i64) {
        let memory = limit.max(UNLIMITED);
        // SAFETY: as said at the top.
        unsafe { (self.c.wasmtime_store_limiter)(store, memory, UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED) };
    }

    /// Deletes a store: everything left in it is finalized.
    pub fn store_delete(&self, store: Ptr) {
        // SAFETY: the machine deletes a store once, and marks it dead.
        unsafe { (self.c.wasmtime_store_delete)(store) };
    }

    /// Collects; the error's text if it fails.
    pub fn gc(&self, context: Context) -> Option<String> {
        // SAFETY: as said at the top.
        unsafe {
            match &self.gc {
                Gc::Silent(gc) => {
                    (gc.wasmtime_context_gc)(context.0);
                    None
                }
                Gc::Fallible(gc) => self.failed((gc.wasmtime_context_gc)(context.0)),
            }
        }
    }

    // --- errors

    /// The message of a `wasmtime_error_t*` without backtrace, if there is one; the error is freed.
    pub fn failed(&self, error: Ptr) -> Option<String> {
        failed(&self.c, error)
    }

    /// The message of a trap, which is freed.
    pub fn trap_text(&self, trap: Ptr) -> String {
        let mut text = ByteVec::new();
        // SAFETY: the trap was just given to us, and is ours to free; the vector takes the message.
        unsafe {
            (self.c.wasm_trap_message)(trap, text.get_mut());
            (self.c.wasm_trap_delete)(trap);
        }
        take_text(&self.c, text).trim_end_matches('\0').to_owned()
    }

    /// A trap for a callback to return.
    pub fn new_trap(&self, text: &str) -> Ptr {
        // SAFETY: the text is copied.
        unsafe { (self.c.wasmtime_trap_new)(text.as_ptr() as Ptr, text.len()) }
    }
}

/// As `Api::failed`, before there is one.
pub fn failed(c: &Always, error: Ptr) -> Option<String> {
    if error.is_null() {
        return None;
    }
    let mut text = ByteVec::new();
    // SAFETY: the error was just given to us, and is ours to free; the vector takes the message.
    unsafe {
        (c.wasmtime_error_message)(error, text.get_mut());
        (c.wasmtime_error_delete)(error);
    }
    let text = take_text(c, text);
    Some(text.split(BACKTRACE).next().unwrap_or_default().trim_end().to_owned())
}

/// The text in a vector, which is freed.
fn take_text(c: &Always, mut text: ByteVec) -> String {
    if text.data.is_null() {
        return String::new();
    }
    // SAFETY: the runtime filled the vector: its data are so many bytes, ours until they are deleted here.
    unsafe {
        let bytes = std::slice::from_raw_parts(text.data.cast::<u8>(), text.size);
        let copied = String::from_utf8_lossy(bytes).into_owned();
        (c.wasm_byte_vec_delete)(text.get_mut());
        copied
    }
}
