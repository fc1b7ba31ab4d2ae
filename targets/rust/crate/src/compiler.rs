//! Modules, compiled once for each engine configuration: an engine that is made anew reads them back.
//!
//! Engines do not last: a panic may leave one in a state that nobody knows, and types that were freed must not reach
//! the next program. What was compiled for another engine of the same configuration is still good, and reading it back
//! takes a tenth of the time or less.

use std::cell::RefCell;

use wasmtime::{Engine, Module, Result};

use crate::lru::Lru;

/// Modules that are kept in serialized form, of some 20 KB each: those of the kit for every configuration, and more
/// bodies than are in use at once.
const MAX_KEPT: usize = 512;

/// Compiles, and keeps what it compiled.
pub struct Compiler {
    serialized: RefCell<Lru<Vec<u8>>>,
}

impl Default for Compiler {
    fn default() -> Self {
        Compiler { serialized: RefCell::new(Lru::new(MAX_KEPT)) }
    }
}

impl Compiler {
    /// The module of a source, in WAT or binary form, for an engine of the configuration `number`.
    pub fn module(&self, engine: &Engine, number: usize, source: &[u8]) -> Result<Module> {
        let mut kept = self.serialized.borrow_mut();
        if let Some(serialized) = kept.get(number, source) {
            // SAFETY: these bytes are what `serialize` gave below, in this process, and nothing has changed them.
            return unsafe { Module::deserialize(engine, serialized) };
        }
        let module = Module::new(engine, source)?;
        kept.insert(number, source, module.serialize()?);
        Ok(module)
    }
}
