//! Whether the process grows while roots are made and dropped (docs/spec/semantics.md 2.3).

use wasmtime::{
    AnyRef, ArrayRef, AsContextMut, ExnRef, ExternRef, Global, GlobalType, Mutability, OwnedRooted, Ref, RefType,
    RootScope, Rooted, Store, StoreContextMut, StructRef, Table, TableType, Val, ValType, I31,
};

use super::wasm::{to_the_end, Main};
use super::Machine;
use crate::kit::{self, Makers, Types};
use crate::limiter::Limits;
use crate::outcome::{Outcome, Reply, Stop, Value};

/// Objects between two collections: what they have outside the heap is released by collections.
const COLLECT_EVERY: i64 = 256;

/// Elements of an array that is made and dropped.
const LENGTH: u32 = 3;

/// Stores that `pool_fill` asks for at most: `POOL_TRIED` of model/engines.py.
const POOL_TRIED: usize = 18;

/// What `churn` makes, as the op table numbers it.
const WAYS: [&str; 11] =
    ["i31", "extern", "clone", "global", "struct", "array", "exn", "call", "cast", "field", "table"];

/// What the roots come from that are made and dropped.
enum Subject {
    I31,
    Extern,
    Struct,
    Array,
    Exn,
    Clone(OwnedRooted<AnyRef>),
    Global(Global),
    Table(Table),
    /// A main to call, what it gets, and whether it has a stack of its own.
    Call(Main, Option<OwnedRooted<ExternRef>>, bool),
    Cast(OwnedRooted<StructRef>),
    Field(OwnedRooted<StructRef>),
    /// There is no room for what they would come from.
    Nothing,
}

impl Subject {
    /// Whether each step leaves something for a collection.
    fn allocates(&self) -> bool {
        matches!(self, Subject::Extern | Subject::Struct | Subject::Array | Subject::Exn)
    }
}

type Scope<'a> = RootScope<StoreContextMut<'a, Limits>>;

impl Machine {
    pub(super) fn churn(&mut self, slot: i64, what: i64, count: i64) -> Outcome {
        let store = self.store(slot)?;
        let name = usize::try_from(what).ok().and_then(|what| WAYS.get(what));
        let name = name.ok_or_else(|| Stop::misuse(format!("there is no churn {what}")))?;
        let grown = self.unlimited(store, |machine| {
            let subject = machine.subject(store, name)?;
            let grown = growth(count, |half| {
                machine.steps(store, &subject, half)?;
                if subject.allocates() {
                    machine.run.stores.context(store)?.gc(None)?;
                }
                Ok(())
            })?;
            let from_object = matches!(subject, Subject::Call(..) | Subject::Cast(_) | Subject::Field(_));
            if let Subject::Call(main, _, fibers) = subject {
                // The instance stays, and with it what it got last.
                machine.steps(store, &Subject::Call(main, None, fibers), 1)?;
            } else {
                drop(subject);
            }
            if from_object {
                machine.run.stores.context(store)?.gc(None)?;
            }
            Ok(grown)
        })?;
        Ok(Reply::int(grown))
    }

    /// Stores with a heap until there is none left; then one of them ends, and the one that got none asks again.
    pub(super) fn pool_fill(&mut self, slot: i64) -> Outcome {
        let store = self.store(slot)?;
        let environment = self.run.stores.environment(store)?;
        let (mut stores, mut refused) = (Vec::new(), None);
        while stores.len() < POOL_TRIED && refused.is_none() {
            let mut made = Store::new(&environment.engine, ());
            match ExternRef::new(&mut made, ()) {
                Ok(_) => stores.push(made),
                Err(_) => refused = Some(made),
            }
        }
        let given = stores.len() as i64;
        let again = refused.is_none_or(|mut last| {
            stores.pop();
            ExternRef::new(&mut last, ()).is_ok()
        });
        Ok(Reply::Two([Value::Int(given), Value::Bool(again)]))
    }

    fn subject(&mut self, store: usize, name: &str) -> Result<Subject, Stop> {
        let environment = self.run.stores.environment(store)?;
        let compiled = environment.compiled()?;
        let makers = self.run.stores.makers(store)?;
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        let one = AnyRef::from_i31(&mut scope, I31::wrapping_u32(1));
        Ok(match name {
            "i31" => Subject::I31,
            "extern" => Subject::Extern,
            "struct" => Subject::Struct,
            "array" => Subject::Array,
            "exn" => Subject::Exn,
            "clone" => Subject::Clone(one.to_owned_rooted(&mut scope)?),
            "global" => {
                let ty = GlobalType::new(ValType::Ref(RefType::ANYREF), Mutability::Var);
                Subject::Global(Global::new(&mut scope, ty, Val::AnyRef(Some(one)))?)
            }
            "table" => {
                let ty = TableType::new(RefType::ANYREF, 1, None);
                Subject::Table(Table::new(&mut scope, ty, Ref::Any(Some(one)))?)
            }
            "call" => {
                let instance = environment.quiet(scope.as_context_mut())?;
                let main = instance.get_typed_func(&mut scope, "main")?;
                let given = ExternRef::new(&mut scope, ()).ok();
                let given = given.map(|made| made.to_owned_rooted(&mut scope)).transpose()?;
                Subject::Call(main, given, environment.fibers)
            }
            _ => {
                let maker = makers.structs(&mut scope, &compiled.types, kit::PAIR);
                match StructRef::new(&mut scope, maker, &[Val::ExternRef(None), Val::AnyRef(Some(one))]) {
                    Err(_) => Subject::Nothing,
                    Ok(made) if name == "cast" => Subject::Cast(made.to_owned_rooted(&mut scope)?),
                    Ok(made) => Subject::Field(made.to_owned_rooted(&mut scope)?),
                }
            }
        })
    }

    /// So many roots made and dropped, each in a scope of its own.
    fn steps(&mut self, store: usize, subject: &Subject, count: i64) -> Result<(), Stop> {
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let makers = self.run.stores.makers(store)?;
        for at in 0..count {
            let mut scope = RootScope::new(self.run.stores.context(store)?);
            if subject.allocates() {
                allocate(&mut scope, subject, &makers, &compiled.types)?;
            } else {
                step(&mut scope, subject, at)?;
            }
            drop(scope);
            let collects = subject.allocates() || matches!(subject, Subject::Call(..));
            if collects && at % COLLECT_EVERY == COLLECT_EVERY - 1 {
                self.run.stores.context(store)?.gc(None)?;
            }
        }
        Ok(())
    }
}

/// An object made and dropped; without room there is nothing to drop.
fn allocate(mut scope: &mut Scope<'_>, subject: &Subject, makers: &Makers, types: &Types) -> Result<(), Stop> {
    match subject {
        Subject::Struct => {
            let maker = makers.structs(&mut scope, types, kit::NODE as usize);
            let made = StructRef::new(&mut scope, maker, &[Val::null_any_ref(), Val::null_extern_ref()]);
            drop(made.map(|made| made.to_owned_rooted(&mut scope)));
        }
        Subject::Array => {
            let maker = makers.arrays(&mut scope, types, kit::EXTERNS);
            let made = ArrayRef::new(&mut scope, maker, &Val::null_extern_ref(), LENGTH);
            drop(made.map(|made| made.to_owned_rooted(&mut scope)));
        }
        Subject::Exn => {
            let (maker, tag) = makers.exceptions(&mut scope, types, kit::ONE)?;
            let made = ExnRef::new(&mut scope, maker, tag, &[Val::null_extern_ref()]);
            drop(made.map(|made| made.to_owned_rooted(&mut scope)));
        }
        _ => drop(ExternRef::new(&mut scope, ()).map(|made| made.to_owned_rooted(&mut scope))),
    }
    Ok(())
}

/// A root made from what is there, and dropped.
fn step(mut scope: &mut Scope<'_>, subject: &Subject, at: i64) -> Result<(), Stop> {
    let found: Option<Rooted<AnyRef>> = match subject {
        Subject::I31 => Some(AnyRef::from_i31(&mut scope, I31::wrapping_u32(at as u32))),
        Subject::Clone(owned) => Some(owned.to_rooted(&mut scope)),
        Subject::Global(global) => global.get(&mut scope).any_ref().flatten().copied(),
        Subject::Table(table) => match table.get(&mut scope, 0) {
            Some(Ref::Any(found)) => found,
            _ => None,
        },
        Subject::Field(owned) => {
            let rooted = owned.to_rooted(&mut scope);
            rooted.field(&mut scope, 1)?.any_ref().flatten().copied()
        }
        Subject::Cast(owned) => {
            let rooted = owned.to_rooted(&mut scope).to_anyref();
            rooted.as_eqref(&mut scope)?.map(|cast| cast.to_anyref())
        }
        Subject::Call(main, given, fibers) => {
            let given = given.as_ref().map(|given| given.to_rooted(&mut scope));
            if *fibers {
                to_the_end(main.call_async(&mut scope, (given, None, None, 0)))?;
            } else {
                main.call(&mut scope, (given, None, None, 0))?;
            }
            None
        }
        _ => None,
    };
    found.map(|found| found.to_owned_rooted(&mut scope)).transpose()?;
    Ok(())
}

/// By how many bytes the second half of so many steps makes the process grow; the first half warms up.
fn growth(count: i64, mut steps: impl FnMut(i64) -> Result<(), Stop>) -> Result<i64, Stop> {
    steps(count - count / 2)?;
    let start = bytes_in_use();
    steps(count / 2)?;
    Ok((bytes_in_use() - start).max(0))
}

/// `struct mallinfo2` of malloc.h.
#[repr(C)]
struct Mallinfo2([usize; 10]);

// The places of what is counted: bytes in mapped blocks, and bytes handed out of the others.
const HBLKHD: usize = 4;
const UORDBLKS: usize = 7;

extern "C" {
    fn mallinfo2() -> Mallinfo2;
}

/// What malloc has handed out and not got back, mapped blocks included.
fn bytes_in_use() -> i64 {
    // SAFETY: it only counts; the C library that this is linked with has had it since 2.33.
    let Mallinfo2(info) = unsafe { mallinfo2() };
    (info[UORDBLKS] + info[HBLKHD]) as i64
}
