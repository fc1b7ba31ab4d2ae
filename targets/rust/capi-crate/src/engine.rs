//! Engines: every proposal that references need, and the settings that programs ask for (model/engines.py).

use crate::abi::Ptr;
use crate::facts::{EngineFacts, Facts};
use crate::functions::Always;
use crate::library::Library;
use crate::wire::Trouble;

/// What is switched on where the release knows it.
const WANTED: &[&str] = &[
    "wasmtime_config_wasm_reference_types_set",
    "wasmtime_config_wasm_function_references_set",
    "wasmtime_config_wasm_gc_set",
    "wasmtime_config_wasm_exceptions_set",
    "wasmtime_config_wasm_tail_call_set",
    "wasmtime_config_gc_support_set",
];

/// `WASMTIME_OPT_LEVEL_NONE`
const OPT_NONE: u8 = 0;

/// A `wasm_engine_t*`, with the collector that the release chooses by itself.
pub fn new_engine(library: &'static Library, c: &Always, facts: &Facts, engine: &EngineFacts) -> Result<Ptr, Trouble> {
    // SAFETY: a new configuration, which the engine swallows; each setter is for one, and gets a number of its type.
    unsafe {
        let config = (c.wasm_config_new)();
        for name in WANTED {
            if let Some(set) = library.setter::<bool>(name) {
                set(config, true);
            }
        }
        configure(library, config, facts, engine)?;
        let made = (c.wasm_engine_new_with_config)(config);
        if made.is_null() {
            return Err(Trouble::new("the library refuses an engine with garbage collection: use another build"));
        }
        Ok(made)
    }
}

/// Applies what a configuration asks for. Fails if the release has no such setting.
///
/// # Safety
/// `config` is a `wasm_config_t*`.
unsafe fn configure(library: &Library, config: Ptr, facts: &Facts, engine: &EngineFacts) -> Result<(), Trouble> {
    // SAFETY: see `new_engine`; the pool's configuration is copied into the engine's and then deleted.
    unsafe {
        if !engine.optimize {
            set(library, "wasmtime_config_cranelift_opt_level_set", config, OPT_NONE)?;
        }
        for (name, size) in [
            ("wasmtime_config_memory_reservation_set", engine.reservation),
            ("wasmtime_config_memory_reservation_for_growth_set", engine.reservation),
            ("wasmtime_config_memory_guard_size_set", engine.guard),
        ] {
            if let Some(size) = size {
                set(library, name, config, size)?;
            }
        }
        if engine.pooling {
            let new = library.needed("wasmtime_pooling_allocation_config_new")?;
            let new = std::mem::transmute::<Ptr, unsafe extern "C" fn() -> Ptr>(new);
            let pool = new();
            for (name, value) in &facts.pool_sizes {
                set(library, &format!("wasmtime_pooling_allocation_config_{name}_set"), pool, *value)?;
            }
            set(library, "wasmtime_pooling_allocation_strategy_set", config, pool)?;
            let delete = library.needed("wasmtime_pooling_allocation_config_delete")?;
            std::mem::transmute::<Ptr, unsafe extern "C" fn(Ptr)>(delete)(pool);
        }
    }
    Ok(())
}

/// # Safety
/// `config` and `N` are what the setter of that name takes.
unsafe fn set<N>(library: &Library, name: &str, config: Ptr, value: N) -> Result<(), Trouble> {
    let setter = library.setter::<N>(name).ok_or_else(|| Trouble(format!("the library has no {name}")))?;
    // SAFETY: as the caller says.
    unsafe { setter(config, value) };
    Ok(())
}
