//! Compiled bodies: kept over programs, since shrinking and mutation run the same ones again and again.

use std::collections::HashMap;

use wasmtime::Module;

use crate::engine::Environment;
use crate::outcome::Stop;

/// Modules that are kept, of a few pages each; those that were used longest ago make room.
const MAX_MODULES: usize = 256;

#[derive(Default)]
pub(super) struct Modules {
    /// By engine configuration and binary: the module, and when it was last used.
    compiled: HashMap<(usize, Vec<u8>), (Module, u64)>,
    clock: u64,
}

impl Modules {
    /// Lets go of the modules of an engine configuration.
    pub(super) fn forget(&mut self, number: usize) {
        self.compiled.retain(|(of, _), _| *of != number);
    }

    /// The engine configurations of all modules, if some of these will soon go to make room for others.
    pub(super) fn crowded(&self) -> Vec<usize> {
        if self.compiled.len() <= MAX_MODULES / 2 {
            return Vec::new();
        }
        self.compiled.keys().map(|(number, _)| *number).collect()
    }

    /// The module in these bytes.
    pub(super) fn compile(&mut self, environment: &Environment, binary: &[u8]) -> Result<Module, Stop> {
        self.clock += 1;
        let key = (environment.number, binary.to_vec());
        if let Some((module, used)) = self.compiled.get_mut(&key) {
            *used = self.clock;
            return Ok(module.clone());
        }
        let compiled = environment.module(binary);
        let module = compiled.map_err(|error| Stop::misuse(format!("a body does not compile: {error:#}")))?;
        if self.compiled.len() >= MAX_MODULES {
            let oldest = self.compiled.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.compiled.remove(&key));
        }
        self.compiled.insert(key, (module.clone(), self.clock));
        Ok(module)
    }
}
