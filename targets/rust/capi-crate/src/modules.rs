//! Compiled modules of one engine: those in use, and in serialized form those that the host let go of.
//!
//! Programs let go of all modules of an engine (`modules_drop`), and engines of old releases are left alone once types
//! were freed in them. What was compiled for another engine of the same configuration is still good: reading it back
//! registers types and allocates code as compiling does, and takes a tenth of the time or less.

use std::cell::RefCell;
use std::ptr::{from_mut, null_mut};
use std::rc::Rc;

use crate::abi::{ByteVec, Ptr};
use crate::api::Api;
use crate::lru::Lru;
use crate::types::compile;

/// Compiled modules that are kept, some 20 KB each: those of a batch, and of the program being shrunk.
const CACHED: usize = 256;

/// Serialized modules that are kept of an engine configuration, some 20 KB each: those of the kit, and more bodies than
/// the programs of a batch have.
const SHELVED: usize = 128;

/// Each cache here is about one engine configuration, so that it needs no number.
const ONLY: usize = 0;

/// Serialized modules of one engine configuration, whichever engine of it they were compiled for.
#[derive(Clone)]
pub struct Shelf(Rc<RefCell<Lru<Vec<u8>>>>);

impl Default for Shelf {
    fn default() -> Self {
        Shelf(Rc::new(RefCell::new(Lru::new(SHELVED))))
    }
}

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
        let image = shelf.get(ONLY, code)?;
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
        if shelf.get(ONLY, code).is_some() {
            return;
        }
        let mut image = ByteVec::new();
        // SAFETY: the module is alive; the vector takes what it is filled with, which is copied before it is freed.
        unsafe {
            if api.failed((api.c.wasmtime_module_serialize)(module, image.get_mut())).is_some() {
                return;
            }
            let bytes = std::slice::from_raw_parts(image.data.cast::<u8>(), image.size);
            shelf.insert(ONLY, code, bytes.to_vec());
            (api.c.wasm_byte_vec_delete)(image.get_mut());
        }
    }
}

/// The compiled modules of one engine.
pub struct Modules {
    compiled: Lru<Ptr>,
    pub shelf: Shelf,
}

impl Modules {
    /// None yet; `shelf`: what there is of engines of the same configuration.
    pub fn new(shelf: Shelf) -> Modules {
        Modules { compiled: Lru::new(CACHED), shelf }
    }

    /// The compiled module, from the cache or made now; or why the release refuses it.
    pub fn get(&mut self, api: &Api, code: &[u8]) -> Result<Ptr, String> {
        if let Some(module) = self.compiled.get(ONLY, code) {
            return Ok(*module);
        }
        let made = self.shelf.module(api, code)?;
        if let Some(gone) = self.compiled.insert(ONLY, code, made) {
            delete(api, gone);
        }
        Ok(made)
    }

    /// Whether modules will soon be freed to make room for others.
    pub fn crowded(&self) -> bool {
        !self.compiled.crowded().is_empty()
    }

    /// Frees every module that may be used again.
    pub fn free(&mut self, api: &Api) {
        let compiled = self.compiled.take(ONLY); // what was used last stays on the shelf
        compiled.into_iter().for_each(|(code, module)| self.shelf.give_back(api, &code, module));
    }
}

fn delete(api: &Api, module: Ptr) {
    // SAFETY: it was made by us and is in use by nobody: its instances keep what they need of it.
    unsafe { (api.c.wasmtime_module_delete)(module) };
}
