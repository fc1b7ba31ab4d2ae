//! Engines: every proposal that references need, and the settings that programs ask for (model/engines.py).

use std::ffi::{c_char, CStr};

use crate::abi::Ptr;
use crate::facts::{EngineFacts, Facts, Shape};
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
    "wasmtime_config_wasm_memory64_set",
    "wasmtime_config_gc_support_set",
];

/// Modules are small, and other workers have the other cores: to hand functions from thread to thread only costs time.
const PARALLEL: &str = "wasmtime_config_parallel_compilation_set";

/// `WASMTIME_OPT_LEVEL_NONE`
const OPT_NONE: u8 = 0;
/// `WASMTIME_REGALLOC_SINGLE_PASS`
const SINGLE_PASS: u8 = 1;
const PULLEY: &CStr = c"pulley64";

/// A `wasm_engine_t*`, with the collector that the release chooses by itself.
pub fn new_engine(
    library: &'static Library,
    c: &Always,
    facts: &Facts,
    (shape, engine): (Shape, &EngineFacts),
) -> Result<Ptr, Trouble> {
    // SAFETY: a new configuration, which the engine swallows; each setter is for one, and gets a number of its type.
    unsafe {
        let config = (c.wasm_config_new)();
        for name in WANTED {
            if let Some(set) = library.setter::<bool>(name) {
                set(config, true);
            }
        }
        if let Some(set) = library.setter::<bool>(PARALLEL) {
            set(config, false);
        }
        configure(library, shape, config, facts, engine)?;
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
unsafe fn configure(
    library: &Library,
    shape: Shape,
    config: Ptr,
    facts: &Facts,
    engine: &EngineFacts,
) -> Result<(), Trouble> {
    // SAFETY: see `new_engine`.
    unsafe {
        if !engine.optimize {
            set(library, "wasmtime_config_cranelift_opt_level_set", config, OPT_NONE)?;
        }
        if engine.single_pass {
            set(library, "wasmtime_config_cranelift_regalloc_algorithm_set", config, SINGLE_PASS)?;
        }
        for (wanted, name, value) in [
            (engine.explicit, "wasmtime_config_signals_based_traps_set", false),
            (engine.fuel, "wasmtime_config_consume_fuel_set", true),
            (engine.epochs, "wasmtime_config_epoch_interruption_set", true),
        ] {
            if wanted {
                set(library, name, config, value)?;
            }
        }
        if engine.fibers && !shape.fibers {
            return Err(Trouble::new("the library has asynchronous calls only in engines that have no others"));
        }
        if engine.pulley {
            interpret(library, shape, config)?;
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
            pool(library, config, facts)?;
        }
    }
    Ok(())
}

/// # Safety
/// `config` is a `wasm_config_t*`.
unsafe fn interpret(library: &Library, shape: Shape, config: Ptr) -> Result<(), Trouble> {
    if !shape.pulley {
        return Err(Trouble::new("the library has no Pulley"));
    }
    let target_set = library.needed("wasmtime_config_target_set")?;
    // SAFETY: the function takes the configuration and a C string, and gives an error or NULL.
    let refused = unsafe {
        std::mem::transmute::<Ptr, unsafe extern "C" fn(Ptr, *const c_char) -> Ptr>(target_set)(config, PULLEY.as_ptr())
    };
    if refused.is_null() {
        Ok(())
    } else {
        Err(Trouble::new("the library was built without Pulley"))
    }
}

/// # Safety
/// `config` is a `wasm_config_t*`.
unsafe fn pool(library: &Library, config: Ptr, facts: &Facts) -> Result<(), Trouble> {
    // SAFETY: the pool's configuration is copied into the engine's and then deleted; its settings are 32-bit numbers.
    unsafe {
        let new = library.needed("wasmtime_pooling_allocation_config_new")?;
        let pool = std::mem::transmute::<Ptr, unsafe extern "C" fn() -> Ptr>(new)();
        for (name, value) in &facts.pool_sizes {
            set(library, &format!("wasmtime_pooling_allocation_config_{name}_set"), pool, *value)?;
        }
        set(library, "wasmtime_pooling_allocation_strategy_set", config, pool)?;
        let delete = library.needed("wasmtime_pooling_allocation_config_delete")?;
        std::mem::transmute::<Ptr, unsafe extern "C" fn(Ptr)>(delete)(pool);
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
