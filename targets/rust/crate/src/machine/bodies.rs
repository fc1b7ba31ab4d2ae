//! Compiled bodies: kept over programs, since shrinking and mutation run the same ones again and again.

use wasmtime::Module;

use crate::engine::Environment;
use crate::lru::Lru;
use crate::outcome::Stop;

/// Modules that are kept, of a few pages each.
const MAX_MODULES: usize = 256;

pub(super) struct Modules(Lru<Module>);

impl Default for Modules {
    fn default() -> Self {
        Modules(Lru::new(MAX_MODULES))
    }
}

impl Modules {
    /// Lets go of the modules of an engine configuration.
    pub(super) fn forget(&mut self, number: usize) {
        self.0.take(number);
    }

    /// The engine configurations of all modules, if some of these will soon go to make room for others.
    pub(super) fn crowded(&self) -> Vec<usize> {
        self.0.crowded()
    }

    /// The module in these bytes.
    pub(super) fn compile(&mut self, environment: &Environment, binary: &[u8]) -> Result<Module, Stop> {
        let number = environment.number;
        if let Some(module) = self.0.get(number, binary) {
            return Ok(module.clone());
        }
        let compiled = environment.module(binary);
        let module = compiled.map_err(|error| Stop::misuse(format!("a body does not compile: {error:#}")))?;
        self.0.insert(number, binary, module.clone());
        Ok(module)
    }
}
