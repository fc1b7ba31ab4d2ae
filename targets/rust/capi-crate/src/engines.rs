//! What there is for each engine configuration, made when it is first asked for: the engine, the modules and host
//! functions of its instances, the types of its objects, its clock.

use std::rc::Rc;

use crate::api::Api;
use crate::facts::{Facts, Shape};
use crate::library::Library;
use crate::modules::Shelf;
use crate::objects::Objects;
use crate::outcome::Stop;
use crate::wasm::{HostFunction, Wasm};
use crate::wire::Trouble;

/// The number of the configuration that every target has.
pub const DEFAULT: usize = 0;

/// The release from which an engine in which types were freed is as good as a new one.
const TYPES_GO_FROM: i64 = 46;

/// What belongs to one engine.
struct Part {
    api: Rc<Api>,
    wasm: Option<Wasm>,
    objects: Option<Objects>,
    /// How often its epoch was incremented.
    clock: u64,
    /// Types were freed.
    spoilt: bool,
}

/// The engines of one library, by number of their configuration; they stay as long as the process.
pub struct Engines {
    library: &'static Library,
    facts: &'static Facts,
    shape: Shape,
    functions: &'static [HostFunction],
    parts: Vec<Option<Part>>,
    /// Of each configuration the modules that some engine of it was rid of.
    shelves: Vec<Shelf>,
}

impl Engines {
    pub fn new(
        library: &'static Library,
        facts: &'static Facts,
        shape: Shape,
        functions: &'static [HostFunction],
    ) -> Engines {
        let parts = facts.engines.iter().map(|_| None).collect();
        let shelves = facts.engines.iter().map(|_| Shelf::default()).collect();
        Engines { library, facts, shape, functions, parts, shelves }
    }

    fn part(&mut self, number: usize) -> Result<&mut Part, Trouble> {
        let there = self.parts.get_mut(number).ok_or_else(|| Trouble::new("there is no such engine"))?;
        if there.is_none() {
            let api = Api::new(self.library, self.facts, self.shape, &self.facts.engines[number])?;
            *there = Some(Part { api: Rc::new(api), wasm: None, objects: None, clock: 0, spoilt: false });
        }
        there.as_mut().ok_or_else(|| Trouble::new("an engine was just made"))
    }

    /// Serialized modules of a configuration.
    fn shelf(&self, number: usize) -> Shelf {
        self.shelves.get(number).cloned().unwrap_or_default()
    }

    /// The functions with an engine. Fails if the library cannot have it.
    ///
    /// Only what is done with engines and their types differs from one to the other.
    pub fn api(&mut self, number: usize) -> Result<Rc<Api>, Trouble> {
        self.part(number).map(|part| part.api.clone())
    }

    /// Types were freed in an engine.
    pub fn spoil(&mut self, number: usize) {
        self.parts[number].iter_mut().for_each(|part| part.spoilt = true);
    }

    /// Before release 32 types that refer to each other need free places in a row (K52), and before 46 a heap of a pool
    /// remembers the types that were in a place before (K53): what was freed in an engine must not change what later
    /// programs meet. Such an engine, and one that soon will be, is left alone until the process ends.
    pub fn renew(&mut self) {
        if self.shape.major < TYPES_GO_FROM {
            for part in &mut self.parts {
                let gone = part.take_if(|part| part.spoilt || part.wasm.as_ref().is_some_and(Wasm::crowded));
                if let Some(Part { api, wasm: Some(mut wasm), .. }) = gone {
                    wasm.free(&api);
                }
            }
        }
    }

    /// A heap of a pool remembers types of earlier programs, too: one that frees types needs pools that have seen none.
    pub fn renew_pools(&mut self) {
        for (part, engine) in self.parts.iter_mut().zip(&self.facts.engines) {
            let used = part.iter_mut().filter(|part| part.wasm.is_some());
            used.for_each(|part| part.spoilt |= engine.pooling);
        }
        self.renew();
    }

    /// The names of those that the library can have; all of them are made.
    pub fn names(&mut self) -> Vec<&'static str> {
        let named = self.facts.engines.iter().enumerate();
        named.filter(|(number, _)| self.part(*number).is_ok()).map(|(_, engine)| engine.name).collect()
    }

    /// Modules and host functions of an engine.
    pub fn wasm(&mut self, number: usize) -> Result<(&mut Wasm, &Api), Trouble> {
        let functions = self.functions;
        let shelf = self.shelf(number);
        let part = self.part(number)?;
        let wasm = match &mut part.wasm {
            Some(wasm) => wasm,
            none => none.insert(Wasm::new(&part.api, functions, shelf)?),
        };
        Ok((wasm, &part.api))
    }

    /// The types of an engine's objects.
    pub fn objects(&mut self, number: usize) -> Result<(&mut Objects, &Api), Stop> {
        let shelf = self.shelf(number);
        let part = self.part(number).map_err(Stop::Misuse)?;
        let objects = match &mut part.objects {
            Some(objects) => objects,
            none => none.insert(Objects::new(&part.api, &shelf)?),
        };
        Ok((objects, &part.api))
    }

    /// Frees the types of an engine's objects.
    pub fn forget_types(&mut self, number: usize) {
        if let Some(part) = &mut self.parts[number] {
            if let Some(objects) = part.objects.take() {
                objects.close(&part.api);
            }
        }
    }

    /// The clock of an engine, in ticks.
    pub fn clock(&self, number: usize) -> u64 {
        self.parts[number].as_ref().map_or(0, |part| part.clock)
    }

    /// The clock of an engine goes on.
    pub fn tick(&mut self, number: usize) {
        if let Some(part) = &mut self.parts[number] {
            part.clock += 1;
            // SAFETY: the engine lives as long as the process.
            unsafe { (part.api.c.wasmtime_engine_increment_epoch)(part.api.engine) };
        }
    }

    /// Frees what belongs to the stores of a program, before they go.
    pub fn forget_stores(&mut self) {
        self.parts.iter_mut().flatten().filter_map(|part| part.objects.as_mut()).for_each(Objects::forget);
    }
}
