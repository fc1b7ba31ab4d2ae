//! Engines, one for each configuration that programs ask for, and the kit: Wasm that is compiled once for each.

use std::num::NonZeroU32;

use wasmtime::{
    AsContextMut, Collector, Config, Engine, ExternRef, Instance, InstanceAllocationStrategy, Module, OptLevel,
    OwnedRooted, PoolingAllocationConfig, Result, Rooted, TypedFunc,
};

use crate::compat;
use crate::crossing::Crossing;
use crate::kit::{self, Types};

/// The identity function, with a nullable and with a non-null reference (docs/spec/semantics.md 3.3).
const IDENTITY: &str = r#"(module
    (func (export "nullable") (param externref) (result externref) local.get 0)
    (func (export "nonnull") (param (ref extern)) (result (ref extern)) local.get 0))"#;

/// What the command line chooses.
#[derive(Clone, Copy)]
pub struct Options {
    pub collector: (&'static str, Collector),
    /// Collect at every so many allocations.
    pub zeal: Option<NonZeroU32>,
}

/// Engine configurations beside the default, by number: `ENGINES` of model/engines.py.
const UNOPTIMIZED: usize = 1;
const POOLING: usize = 2;
const MOVING: usize = 3;

/// GC heaps of a pool: `POOL_HEAPS` of model/engines.py.
const POOL_HEAPS: u32 = 16;

/// Tables of a module: an instance of the kit has two, a body one more.
const POOL_TABLES: u32 = 4;

/// Applies an engine configuration; those that are not known are the default.
fn configure(config: &mut Config, number: usize) {
    match number {
        UNOPTIMIZED => {
            config.cranelift_opt_level(OptLevel::None);
        }
        POOLING => {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_gc_heaps(POOL_HEAPS).max_tables_per_module(POOL_TABLES);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        MOVING => {
            config.memory_reservation(0).memory_reservation_for_growth(0).memory_guard_size(0);
        }
        _ => {}
    }
}

/// What programs run in.
pub struct Environment {
    pub engine: Engine,
    pub types: Types,
    /// The module of an instance.
    pub instance: Module,
    /// Typed functions on references of every type.
    pub crossing: Crossing,
    identity: Module,
}

impl Environment {
    pub fn new(options: Options, number: usize) -> Result<Environment> {
        let mut config = Config::new();
        config
            .wasm_reference_types(true)
            .wasm_function_references(true)
            .wasm_gc(true)
            .wasm_exceptions(true)
            .collector(options.collector.1);
        if let Some(every) = options.zeal {
            compat::set_zeal(&mut config, every)?;
        }
        configure(&mut config, number);
        let engine = Engine::new(&config)?;
        let identity = Module::new(&engine, IDENTITY)?;
        let instance = Module::new(&engine, kit::WAT)?;
        let types = Types::new(&engine)?;
        Ok(Environment { engine, types, instance, crossing: Crossing::default(), identity })
    }

    /// The kit in a store.
    pub fn kit(&self, mut store: impl AsContextMut) -> Result<Kit> {
        let instance = Instance::new(&mut store, &self.identity, &[])?;
        Ok(Kit {
            rooted: instance.get_typed_func(&mut store, "nonnull")?,
            maybe_rooted: instance.get_typed_func(&mut store, "nullable")?,
            owned: instance.get_typed_func(&mut store, "nonnull")?,
            maybe_owned: instance.get_typed_func(&mut store, "nullable")?,
        })
    }
}

type Identity<T> = TypedFunc<T, T>;

/// The four ways in which a reference crosses into Wasm and back.
#[derive(Clone)]
pub struct Kit {
    pub rooted: Identity<Rooted<ExternRef>>,
    pub maybe_rooted: Identity<Option<Rooted<ExternRef>>>,
    pub owned: Identity<OwnedRooted<ExternRef>>,
    pub maybe_owned: Identity<Option<OwnedRooted<ExternRef>>>,
}
