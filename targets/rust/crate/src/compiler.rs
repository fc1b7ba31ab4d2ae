//! Modules, compiled once for each engine configuration: an engine that is made anew reads them back.
//!
//! Engines do not last: a panic may leave one in a state that nobody knows, and types that were freed must not reach
//! the next program. What was compiled for another engine of the same configuration is still good, and reading it back
//! takes a tenth of the time or less.

use std::cell::RefCell;
use std::collections::HashMap;

use wasmtime::{Engine, Module, Result};

/// Modules that are kept in serialized form, of some 20 KB each: those of the kit for every configuration, and more
/// bodies than are in use at once. Those that were used longest ago make room.
const MAX_KEPT: usize = 512;

/// Compiles, and keeps what it compiled.
#[derive(Default)]
pub struct Compiler {
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By engine configuration and source: the serialized module, and when it was last used.
    modules: HashMap<(usize, Vec<u8>), (Vec<u8>, u64)>,
    clock: u64,
}

impl Compiler {
    /// The module of a source, in WAT or binary form, for an engine of the configuration `number`.
    pub fn module(&self, engine: &Engine, number: usize, source: &[u8]) -> Result<Module> {
        let mut kept = self.kept.borrow_mut();
        kept.clock += 1;
        let now = kept.clock;
        let key = (number, source.to_vec());
        if let Some((serialized, used)) = kept.modules.get_mut(&key) {
            *used = now;
            // SAFETY: these bytes are what `serialize` gave below, in this process, and nothing has changed them.
            return unsafe { Module::deserialize(engine, &*serialized) };
        }
        let module = Module::new(engine, source)?;
        if kept.modules.len() >= MAX_KEPT {
            let oldest = kept.modules.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| kept.modules.remove(&key));
        }
        kept.modules.insert(key, (module.serialize()?, now));
        Ok(module)
    }
}
