//! Compiled modules of one engine: those in use, and in serialized form those that the host let go of.
//!
//! Programs let go of all modules of an engine (`modules_drop`), and engines of old releases are left alone once types
//! were freed in them. What was compiled for another engine of the same configuration is still good: reading it back
//! registers types and allocates code as compiling does, and takes a tenth of the time or less.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::{from_mut, null_mut};
use std::rc::Rc;

use crate::abi::{ByteVec, Ptr};
use crate::api::Api;
use crate::types::compile;

/// Compiled modules that are kept, some 20 KB each: those of a batch, and of the program being shrunk.
const CACHED: usize = 256;

/// Serialized modules that are kept of an engine configuration, some 20 KB each: those of the kit, and more bodies than
/// the programs of a batch have.
const SHELVED: usize = 128;

/// What was used when, by the binary that it was made of; what was used longest ago makes room.
struct Recent<T> {
    entries: HashMap<Vec<u8>, (T, u64)>,
    clock: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent { entries: HashMap::new(), clock: 0 }
    }
}

impl<T> Recent<T> {
    fn get(&mut self, code: &[u8]) -> Option<&T> {
        self.clock += 1;
        let (found, used) = self.entries.get_mut(code)?;
        *used = self.clock;
        Some(found)
    }

    /// Adds what is not there yet, as used just now; gives what made room for it.
    fn put(&mut self, code: &[u8], made: T, most: usize) -> Option<T> {
        let full = self.entries.len() >= most;
        let oldest = full.then(|| self.entries.iter().min_by_key(|(_, (_, used))| *used)).flatten();
        let oldest = oldest.map(|(code, _)| code.clone());
        let gone = oldest.and_then(|code| self.entries.remove(&code));
        self.clock += 1;
        self.entries.insert(code.to_vec(), (made, self.clock));
        gone.map(|(gone, _)| gone)
    }
}

/// Serialized modules of one engine configuration, whichever engine of it they were compiled for.
#[derive(Clone, Default)]
pub struct Shelf(Rc<RefCell<Recent<Vec<u8>>>>);

impl Shelf {
    /// A module that the caller keeps, and gives to `give_back`; or why the release refuses it, or its own image of it.
    pub fn module(&self, api: &Api, code: &[u8]) -> Result<Ptr, String> {
        self.read(api, code).unwrap_or_else(|| compile(&api.c, api.engine, code))
    }

    /// Frees a module of `module`.
    pub fn give_back(&self, api: &Api, code: &[u8], module: Ptr) {
        self.keep(api, code, module);
        delete(api, module);
    }

    /// The module, if it is there; or why the library does not take it back.
    fn read(&self, api: &Api, code: &[u8]) -> Option<Result<Ptr, String>> {
        let mut shelf = self.0.borrow_mut();
        let image = shelf.get(code)?;
        let mut module: Ptr = null_mut();
        // SAFETY: the engine lives as long as the process; these bytes are what the library gave below for an engine of
        // the same configuration, and nothing has changed them.
        let error = unsafe {
            let out = from_mut(&mut module).cast();
            (api.c.wasmtime_module_deserialize)(api.engine, image.as_ptr() as Ptr, image.len(), out)
        };
        Some(api.failed(error).map_or(Ok(module), |why| Err(format!("a serialized module: {why}"))))
    }

    /// Keeps what a module was compiled to, unless it is there.
    fn keep(&self, api: &Api, code: &[u8], module: Ptr) {
        let mut shelf = self.0.borrow_mut();
        if shelf.get(code).is_some() {
            return;
        }
        let mut image = ByteVec::new();
        // SAFETY: the module is alive; the vector takes what it is filled with, which is copied before it is freed.
        unsafe {
            if api.failed((api.c.wasmtime_module_serialize)(module, image.get_mut())).is_some() {
                return;
            }
            let bytes = std::slice::from_raw_parts(image.data.cast::<u8>(), image.size);
            shelf.put(code, bytes.to_vec(), SHELVED);
            (api.c.wasm_byte_vec_delete)(image.get_mut());
        }
    }
}

/// The compiled modules of one engine.
pub struct Modules {
    compiled: Recent<Ptr>,
    pub shelf: Shelf,
}

impl Modules {
    /// None yet; `shelf`: what there is of engines of the same configuration.
    pub fn new(shelf: Shelf) -> Modules {
        Modules { compiled: Recent::default(), shelf }
    }

    /// The compiled module, from the cache or made now; or why the release refuses it.
    pub fn get(&mut self, api: &Api, code: &[u8]) -> Result<Ptr, String> {
        if let Some(module) = self.compiled.get(code) {
            return Ok(*module);
        }
        let made = self.shelf.module(api, code)?;
        if let Some(gone) = self.compiled.put(code, made, CACHED) {
            delete(api, gone);
        }
        Ok(made)
    }

    /// Whether modules will soon be freed to make room for others.
    pub fn crowded(&self) -> bool {
        self.compiled.entries.len() > CACHED / 2
    }

    /// Frees every module that may be used again.
    pub fn free(&mut self, api: &Api) {
        let mut compiled: Vec<_> = self.compiled.entries.drain().collect();
        compiled.sort_unstable_by_key(|(_, (_, used))| *used); // what was used last stays on the shelf
        compiled.into_iter().for_each(|(code, (module, _))| self.shelf.give_back(api, &code, module));
    }
}

fn delete(api: &Api, module: Ptr) {
    // SAFETY: it was made by us and is in use by nobody: its instances keep what they need of it.
    unsafe { (api.c.wasmtime_module_delete)(module) };
}
