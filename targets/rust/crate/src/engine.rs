//! Engines, one for each configuration that programs ask for, and the kit: Wasm that is compiled once for each.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

use wasmtime::{
    AsContextMut, Collector, Config, Engine, Error, ExternRef, Instance, InstanceAllocationStrategy, Module, OptLevel,
    OwnedRooted, PoolingAllocationConfig, RegallocAlgorithm, Result, Rooted, TypedFunc,
};

use crate::compat;
use crate::compiler::Compiler;
use crate::crossing::Crossing;
use crate::kit::{self, Types};
use crate::outcome::Stop;

/// The identity function, with a nullable and with a non-null reference (docs/spec/semantics.md 3.3).
const IDENTITY: &str = r#"(module
    (func (export "nullable") (param externref) (result externref) local.get 0)
    (func (export "nonnull") (param (ref extern)) (result (ref extern)) local.get 0))"#;

/// A main, as bodies have them, that calls nothing and gives nothing.
const QUIET: &str = r#"(module
    (global $kept (mut externref) (ref.null extern))
    (func (export "main") (param externref externref anyref i32) (result externref)
        (global.set $kept (local.get 0))
        (ref.null extern)))"#;

/// What the command line chooses.
#[derive(Clone, Copy)]
pub struct Options {
    pub collector: (&'static str, Collector),
    /// Collect at every so many allocations.
    pub zeal: Option<NonZeroU32>,
}

/// The names of the engine configurations, by number: `ENGINES` of model/engines.py.
pub const ENGINES: [&str; 10] =
    ["default", "unoptimized", "pooling", "moving", "pulley", "single_pass", "explicit", "fuel", "epochs", "fibers"];

/// The name of the configuration with a pool.
const POOLING: &str = "pooling";

/// GC heaps of a pool: `POOL_HEAPS` of model/engines.py.
const POOL_HEAPS: u32 = 16;

/// Memories of a pool: `POOL_MEMORIES` of model/engines.py.
const POOL_MEMORIES: u32 = 18;

/// Stacks of a pool, each of which has a page that is protected: no run in such an engine has one of its own.
const POOL_STACKS: u32 = 8;

/// Tables of a module: an instance of the kit has two, a body one more.
const POOL_TABLES: u32 = 4;

/// The number of the configuration with a pool.
pub fn pooling() -> usize {
    ENGINES.iter().position(|name| *name == POOLING).expect("one of them has a pool")
}

/// Applies an engine configuration.
fn configure(config: &mut Config, name: &str) -> Result<()> {
    match name {
        "default" | "fibers" => {}
        "unoptimized" => {
            config.cranelift_opt_level(OptLevel::None);
        }
        POOLING => {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_gc_heaps(POOL_HEAPS)
                .total_memories(POOL_MEMORIES)
                .max_tables_per_module(POOL_TABLES)
                .total_stacks(POOL_STACKS);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        "moving" => {
            config.memory_reservation(0).memory_reservation_for_growth(0).memory_guard_size(0);
        }
        "pulley" => {
            config.target("pulley64")?;
        }
        "single_pass" => {
            config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        }
        "explicit" => {
            config.signals_based_traps(false).table_lazy_init(false).memory_guard_size(0);
            compat::without_backtraces(config);
        }
        "fuel" => {
            config.consume_fuel(true);
        }
        "epochs" => {
            config.epoch_interruption(true);
        }
        _ => return Err(Error::msg(format!("there is no engine {name}"))),
    }
    Ok(())
}

/// What programs run in.
pub struct Environment {
    pub engine: Engine,
    /// The number of its configuration.
    pub number: usize,
    /// Ticks of the clock that code looks at, if it does.
    pub clock: Option<Arc<AtomicU64>>,
    /// Whether code consumes fuel.
    pub fuelled: bool,
    /// Whether runs have stacks of their own.
    pub fibers: bool,
    compiler: Rc<Compiler>,
    compiled: RefCell<Option<Rc<Compiled>>>,
    /// The module that took the places of forgotten types last, and its variant.
    decoy: RefCell<Option<(Module, usize)>>,
}

/// What is compiled for an engine, and the types that come with it; all of it can be forgotten and made anew.
pub struct Compiled {
    pub types: Types,
    /// The module of an instance.
    pub instance: Module,
    /// Typed functions on references of every type.
    pub crossing: Crossing,
    /// The modules of instances that share what others have, by what; made when they are first needed.
    links: RefCell<HashMap<i64, Module>>,
    identity: Module,
}

impl Compiled {
    fn new(environment: &Environment) -> Result<Compiled> {
        let identity = environment.module(IDENTITY.as_bytes())?;
        let instance = environment.module(kit::WAT.as_bytes())?;
        let types = Types::of(&environment.module(kit::exporting().as_bytes())?)?;
        Ok(Compiled { types, instance, crossing: Crossing::default(), links: RefCell::default(), identity })
    }
}

impl Environment {
    fn new(options: Options, number: usize, compiler: &Rc<Compiler>) -> Result<Environment> {
        let name = ENGINES.get(number).copied().unwrap_or_default();
        Ok(Environment {
            engine: Environment::engine(options, name)?,
            number,
            clock: (name == "epochs").then(Arc::default),
            fuelled: name == "fuel",
            fibers: name == "fibers",
            compiler: Rc::clone(compiler),
            compiled: RefCell::default(),
            decoy: RefCell::default(),
        })
    }

    /// A module, in WAT or binary form.
    pub fn module(&self, source: &[u8]) -> Result<Module> {
        self.compiler.module(&self.engine, self.number, source)
    }

    /// What is compiled, made when it is first needed or was forgotten.
    pub fn compiled(&self) -> Result<Rc<Compiled>> {
        if let Some(compiled) = &*self.compiled.borrow() {
            return Ok(Rc::clone(compiled));
        }
        let made = Rc::new(Compiled::new(self)?);
        *self.compiled.borrow_mut() = Some(Rc::clone(&made));
        Ok(made)
    }

    /// An instance of a module with a main that calls nothing.
    pub fn quiet(&self, store: impl AsContextMut) -> Result<Instance> {
        Instance::new(store, &self.module(QUIET.as_bytes())?, &[])
    }

    /// Lets go of every module and type; then others take what places are free in the engine.
    pub fn forget(&self) -> Result<()> {
        self.compiled.take();
        let mut decoy = self.decoy.borrow_mut();
        let variant = decoy.as_ref().map_or(0, |(_, variant)| 1 - variant);
        // Made before the last one goes.
        *decoy = Some((self.module(kit::decoy(variant).as_bytes())?, variant));
        Ok(())
    }

    /// The module of an instance that has such a share of another one.
    pub fn link(&self, share: i64) -> Result<Module, Stop> {
        let compiled = self.compiled()?;
        if let Some(module) = compiled.links.borrow().get(&share) {
            return Ok(module.clone());
        }
        let text = usize::try_from(share).ok().and_then(kit::linked);
        let text = text.ok_or_else(|| Stop::misuse(format!("there is no share {share}")))?;
        let module = self.module(text.as_bytes())?;
        compiled.links.borrow_mut().insert(share, module.clone());
        Ok(module)
    }

    fn engine(options: Options, name: &str) -> Result<Engine> {
        let mut config = Config::new();
        config
            .wasm_reference_types(true)
            .wasm_function_references(true)
            .wasm_gc(true)
            .wasm_exceptions(true)
            .wasm_memory64(true)
            .collector(options.collector.1);
        if let Some(every) = options.zeal {
            compat::set_zeal(&mut config, every)?;
        }
        configure(&mut config, name)?;
        Engine::new(&config)
    }

    /// The kit in a store.
    pub fn kit(&self, mut store: impl AsContextMut) -> Result<Kit> {
        let instance = Instance::new(&mut store, &self.compiled()?.identity, &[])?;
        Ok(Kit {
            rooted: instance.get_typed_func(&mut store, "nonnull")?,
            maybe_rooted: instance.get_typed_func(&mut store, "nullable")?,
            owned: instance.get_typed_func(&mut store, "nonnull")?,
            maybe_owned: instance.get_typed_func(&mut store, "nullable")?,
        })
    }
}

/// The environments by engine configuration, each made when it is first asked for.
pub struct Environments {
    options: Options,
    compiler: Rc<Compiler>,
    made: BTreeMap<usize, Rc<Environment>>,
}

impl Environments {
    pub fn new(options: Options) -> Environments {
        Environments { options, compiler: Rc::default(), made: BTreeMap::new() }
    }

    pub fn get(&mut self, number: usize) -> Result<Rc<Environment>> {
        if let Some(found) = self.made.get(&number) {
            return Ok(Rc::clone(found));
        }
        let made = Rc::new(Environment::new(self.options, number, &self.compiler)?);
        self.made.insert(number, Rc::clone(&made));
        Ok(made)
    }

    /// The names of the configurations that can be had here; all of them are made.
    pub fn names(&mut self) -> Vec<&'static str> {
        ENGINES
            .iter()
            .copied()
            .enumerate()
            .filter(|(number, _)| self.get(*number).is_ok())
            .map(|(_, name)| name)
            .collect()
    }

    /// Makes one of them anew when it is asked for: whoever still has the old one keeps it.
    pub fn renew(&mut self, number: usize) {
        self.made.remove(&number);
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
