//! Whether the process grows while handles are made and dropped (docs/spec/semantics.md 2.3).

use super::objects::Row;
use super::wasm::PARAMETERS;
use super::Machine;
use crate::abi::{Hierarchy, Item, Val, Vals};
use crate::api::Context;
use crate::objects::Kind;
use crate::outcome::{Observation, Reply, Stop};

/// Externrefs between two collections: their host data is released by collections.
const COLLECT_EVERY: i64 = 256;

// The objects that `churn` makes, as the op table numbers them behind the roots; all else is 0, 1 and 2.
const STRUCT: i64 = 4;
const ARRAY: i64 = 5;
const EXN: i64 = 6;
// Other ways of making roots.
const CALL: i64 = 7;
const CAST: i64 = 8;
const FIELD: i64 = 9;
const TABLE: i64 = 10;

/// Elements of an array that is made and dropped.
const LENGTH: u32 = 3;

/// What is made and dropped again and again.
enum Churn {
    I31,
    Extern,
    Clone,
    Global(Item),
    Table(Item),
}

impl Machine {
    pub(super) fn churn(&mut self, at: i64, what: i64, count: i64) -> Reply {
        if (STRUCT..=EXN).contains(&what) {
            return self.churn_objects(at, what, count);
        }
        if what == CALL {
            return self.churn_calls(at, count);
        }
        if what == CAST || what == FIELD {
            return self.churn_reads(at, what, count);
        }
        let context = self.context(self.store(at)?)?;
        let root = self.api.new_i31(context, 1);
        let churn = match what {
            0 => Churn::I31,
            1 => Churn::Extern,
            2 => Churn::Clone,
            TABLE => {
                let made = self.api.table_new(context, "any", (1, None), &root);
                Churn::Table(made.map_err(|failed| Stop::misuse(format!("no table of type anyref: {failed}")))?)
            }
            _ => {
                let made = self.api.global_new(context, "any", true, &root);
                Churn::Global(made.map_err(|failed| Stop::misuse(format!("no global of type anyref: {failed}")))?)
            }
        };
        let grown = growth(count, |half| {
            (0..half).for_each(|at| self.step(&churn, context, &root, at));
            if let Churn::Extern = churn {
                self.api.gc(context);
            }
            Ok(())
        });
        self.api.roots.unroot(context, root);
        grown.map(Observation::int)
    }

    /// The same for objects with nothing but null in them.
    fn churn_objects(&mut self, at: i64, what: i64, count: i64) -> Reply {
        let store = self.store(at)?;
        let (facts, size) = (&self.api.facts, self.api.shape.val_size);
        let (types, wanted): (_, &[&str]) = match what {
            STRUCT => (&facts.structs, &["node", "extern"]),
            ARRAY => (&facts.arrays, &["extern"]),
            _ => (&facts.tags, &["extern"]),
        };
        let of = types.iter().position(|fields| fields[..] == *wanted);
        let of = of.ok_or_else(|| Stop::misuse("the kit has no such type"))?;
        let null = Val::null(Hierarchy::Extern);
        let mut row = Row::new(size);
        row.set(0, if what == STRUCT { Val::null(Hierarchy::Any) } else { null });
        row.set(1, null);
        let (context, objects, api) = self.within(store)?;
        let grown = growth(count, |half| {
            for at in 0..half {
                let made = match what {
                    STRUCT => objects.struct_new(api, (store, context), of, &row),
                    ARRAY => objects.array_new(api, (store, context), of, (&null, LENGTH)),
                    _ => objects.exn_new(api, (store, context), of, &row),
                };
                if let Ok(handle) = made {
                    api.roots.unroot(context, handle);
                }
                if at % COLLECT_EVERY == COLLECT_EVERY - 1 {
                    api.gc(context);
                }
            }
            api.gc(context);
            Ok(())
        });
        grown.map(Observation::int)
    }

    /// Calls of Wasm that get a reference; their result is null.
    fn churn_calls(&mut self, at: i64, count: i64) -> Reply {
        let store = self.store(at)?;
        let context = self.context(store)?;
        let left = self.lift_limits(store);
        let (wasm, api) = self.engines.wasm(self.stores[store].engine).map_err(Stop::Misuse)?;
        let mut instance = wasm.instance(api, context, None)?;
        let main = self.clearing(store, context, &instance)?;
        instance.drop_linker(&self.api);
        let subject = self.api.externref_plain(context);
        let mut arguments = Vals::new(self.api.shape.val_size);
        arguments.set(0, subject.unwrap_or(Val::null(Hierarchy::Extern)));
        arguments.set(1, Val::null(Hierarchy::Extern));
        arguments.set(2, Val::null(Hierarchy::Any));
        arguments.set(PARAMETERS - 1, Val::i32(0));
        let grown = growth(count, |half| {
            for at in 0..half {
                self.invoke(store, context, &main, &arguments).map_err(Stop::Failed)?;
                if at % COLLECT_EVERY == COLLECT_EVERY - 1 {
                    self.api.gc(context);
                }
            }
            Ok(())
        })?;
        self.set_limits(store, &left);
        subject.into_iter().for_each(|root| self.api.roots.unroot(context, root));
        self.api.gc(context);
        Ok(Observation::int(grown))
    }

    /// A struct is cast to a type above its own again and again, or a field of it is read.
    fn churn_reads(&mut self, at: i64, what: i64, count: i64) -> Reply {
        let store = self.store(at)?;
        let size = self.api.shape.val_size;
        let pair = self.api.facts.structs.iter().position(|fields| fields[..] == ["extern", "any"]);
        let pair = pair.ok_or_else(|| Stop::misuse("the kit has no such type"))?;
        let (context, objects, api) = self.within(store)?;
        let root = api.new_i31(context, 1);
        let mut row = Row::new(size);
        row.set(0, Val::null(Hierarchy::Extern));
        row.set(1, root);
        let mut grown = 0;
        if let Ok(subject) = objects.struct_new(api, (store, context), pair, &row) {
            grown = growth(count, |half| {
                for _ in 0..half {
                    if what == CAST {
                        objects.cast_and_drop(context, &subject);
                    } else if let Ok(found) = objects.get(api, context, Kind::Struct, &subject, 1) {
                        api.roots.unroot(context, found);
                    }
                }
                Ok(())
            })?;
            api.roots.unroot(context, subject);
        }
        api.roots.unroot(context, root);
        api.gc(context);
        Ok(Observation::int(grown))
    }

    /// One handle made and dropped.
    fn step(&self, churn: &Churn, context: Context, root: &Val, at: i64) {
        let api = &self.api;
        match churn {
            Churn::I31 => api.roots.unroot(context, api.new_i31(context, at as u32)),
            Churn::Clone => api.roots.unroot(context, api.roots.clone_of(context, root)),
            Churn::Global(global) => api.roots.unroot(context, api.global_get(context, global, Hierarchy::Any)),
            Churn::Table(table) => {
                if let Some(found) = api.table_get(context, table, 0, Hierarchy::Any) {
                    api.roots.unroot(context, found);
                }
            }
            Churn::Extern => {
                if let Some(made) = api.externref_plain(context) {
                    api.roots.unroot(context, made);
                }
                if at % COLLECT_EVERY == COLLECT_EVERY - 1 {
                    api.gc(context);
                }
            }
        }
    }
}

/// By how many bytes the second half of so many steps makes the process grow; the first half warms up.
fn growth(count: i64, mut steps: impl FnMut(i64) -> Result<(), Stop>) -> Result<i64, Stop> {
    steps(count - count / 2)?;
    let start = bytes_in_use();
    steps(count / 2)?;
    Ok((bytes_in_use() - start).max(0))
}

/// What malloc has handed out and not got back, mapped blocks included.
fn bytes_in_use() -> i64 {
    // SAFETY: it only counts.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as i64
}
