//! Globals, tables, typed calls.

use wasmtime::{
    AsContextMut, ExternRef, Global, GlobalType, Mutability, OwnedRooted, Ref, RefType, RootScope, Rooted, Table,
    TableType, Val, ValType,
};

use super::operands::{handle_at, slot_at, Scope, Slot, NULL};
use super::Machine;
use crate::handles::{Lifo, Typed, EXN, EXTERN};
use crate::outcome::{Outcome, Reply, Stop};

impl Machine {
    /// Calls `write` with the value to write, null or a handle's, in a scope that only owned handles need.
    fn with_ref<T>(
        &mut self,
        store: usize,
        of: i64,
        source: i64,
        write: impl FnOnce(&mut Scope<'_>, Ref) -> wasmtime::Result<T>,
    ) -> Result<T, Stop> {
        let handle = if source == NULL { None } else { Some(handle_at(&self.run.slots, source)?.1) };
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        let value = match handle {
            None if of == EXTERN => Ref::Extern(None),
            None if of == EXN => Ref::Exn(None),
            None => Ref::Any(None),
            Some(handle) => handle.rooted(&mut scope).to_ref(),
        };
        Ok(write(&mut scope, value)?)
    }

    // --- globals

    fn global(&self, slot: i64) -> Result<(usize, i64, Global), Stop> {
        match slot_at(&self.run.slots, slot)? {
            Slot::Global(store, of, global) => Ok((*store, *of, *global)),
            _ => Err(Stop::misuse("a global was expected")),
        }
    }

    pub(super) fn global_new(&mut self, slot: i64, of: i64, mutable: i64, ends: (i64, i64)) -> Outcome {
        let (source, result) = ends;
        let store = self.store(slot)?;
        let mutability = if mutable == 0 { Mutability::Const } else { Mutability::Var };
        let ty = GlobalType::new(ValType::Ref(ref_type(of)), mutability);
        let global = self.with_ref(store, of, source, |scope, value| Global::new(scope, ty, Val::from(value)))?;
        self.put(result, Slot::Global(store, of, global))?;
        Ok(Reply::Done)
    }

    pub(super) fn global_get(&mut self, source: i64, result: i64) -> Outcome {
        let (store, of, global) = self.global(source)?;
        let value = read_global(&mut self.run.stores.context(store)?, &global, of)?;
        self.put_lifo(result, store, value)
    }

    pub(super) fn global_get_owned(&mut self, source: i64, result: i64) -> Outcome {
        let (store, of, global) = self.global(source)?;
        self.keep_owned(store, result, |scope| Ok(read_global(scope, &global, of)?))
    }

    pub(super) fn global_set(&mut self, target: i64, source: i64) -> Outcome {
        let (store, of, global) = self.global(target)?;
        self.with_ref(store, of, source, |scope, value| global.set(scope, Val::from(value)))?;
        Ok(Reply::Done)
    }

    // --- tables

    fn table(&self, slot: i64) -> Result<(usize, i64, Table), Stop> {
        match slot_at(&self.run.slots, slot)? {
            Slot::Table(store, of, table) => Ok((*store, *of, *table)),
            _ => Err(Stop::misuse("a table was expected")),
        }
    }

    pub(super) fn table_new(&mut self, slot: i64, of: i64, bounds: (i64, i64), ends: (i64, i64)) -> Outcome {
        let ty = TableType::new(ref_type(of), bounds.0 as u32, u32::try_from(bounds.1).ok());
        self.table_of(slot, of, ty, ends)
    }

    /// The same with indexes of 64 bits.
    pub(super) fn table_new64(&mut self, slot: i64, of: i64, bounds: (i64, i64), ends: (i64, i64)) -> Outcome {
        let ty = TableType::new64(ref_type(of), bounds.0 as u64, u64::try_from(bounds.1).ok());
        self.table_of(slot, of, ty, ends)
    }

    fn table_of(&mut self, slot: i64, of: i64, ty: TableType, (source, result): (i64, i64)) -> Outcome {
        let store = self.store(slot)?;
        let table = self.with_ref(store, of, source, |scope, value| Table::new(scope, ty, value))?;
        self.put(result, Slot::Table(store, of, table))?;
        Ok(Reply::Done)
    }

    pub(super) fn table_get(&mut self, source: i64, index: i64, result: i64) -> Outcome {
        let (store, of, table) = self.table(source)?;
        let mut context = self.run.stores.context(store)?;
        let Some(found) = table.get(&mut context, index as u64) else { return Ok(Reply::ABSENT) };
        let found = Lifo::read(&mut context, found, of)?;
        self.put_lifo(result, store, found)
    }

    pub(super) fn table_get_owned(&mut self, source: i64, index: i64, result: i64) -> Outcome {
        let (store, of, table) = self.table(source)?;
        let mut absent = false;
        let reply = self.keep_owned(store, result, |scope| {
            let Some(found) = table.get(&mut *scope, index as u64) else {
                absent = true;
                return Ok(None);
            };
            Ok(Lifo::read(scope, found, of)?)
        })?;
        Ok(if absent { Reply::ABSENT } else { reply })
    }

    pub(super) fn table_set(&mut self, target: i64, index: i64, source: i64) -> Outcome {
        let (store, of, table) = self.table(target)?;
        self.with_ref(store, of, source, |scope, value| table.set(scope, index as u64, value))?;
        Ok(Reply::Done)
    }

    pub(super) fn table_grow(&mut self, target: i64, delta: i64, source: i64) -> Outcome {
        let (store, of, table) = self.table(target)?;
        let before = self.with_ref(store, of, source, |scope, value| table.grow(scope, delta as u64, value))?;
        Ok(Reply::int(before as i64))
    }

    pub(super) fn table_fill(&mut self, target: i64, index: i64, source: i64, count: i64) -> Outcome {
        let (store, of, table) = self.table(target)?;
        self.with_ref(store, of, source, |scope, value| table.fill(scope, index as u64, value, count as u64))?;
        Ok(Reply::Done)
    }

    pub(super) fn table_copy(&mut self, target: i64, to: i64, source: i64, from: i64, count: i64) -> Outcome {
        let (store, _, target) = self.table(target)?;
        let (_, _, source) = self.table(source)?;
        let context = self.run.stores.context(store)?;
        Table::copy(context, &target, to as u64, &source, from as u64, count as u64)?;
        Ok(Reply::Done)
    }

    pub(super) fn table_size(&mut self, source: i64) -> Outcome {
        let (store, _, table) = self.table(source)?;
        Ok(Reply::int(table.size(self.run.stores.context(store)?) as i64))
    }

    // --- typed calls

    pub(super) fn typed_call(&mut self, slot: i64, nullable: i64, source: i64, result: i64) -> Outcome {
        let argument = match self.argument(source)? {
            None => None,
            Some(Slot::Lifo(_, Typed::Extern(rooted))) => Some(*rooted),
            Some(_) => return Err(super::roots::mistyped()),
        };
        let store = self.store(slot)?;
        let given: Option<Rooted<ExternRef>> = self.unlimited(store, |machine| {
            let kit = machine.run.stores.kit(store)?;
            let context = machine.run.stores.context(store)?;
            Ok(match (nullable, argument) {
                (0, Some(rooted)) => Some(kit.rooted.call(context, rooted)?),
                _ => kit.maybe_rooted.call(context, argument)?,
            })
        })?;
        self.put_lifo(result, store, given.map(Typed::Extern))
    }

    pub(super) fn typed_call_owned(&mut self, slot: i64, nullable: i64, source: i64, result: i64) -> Outcome {
        // It goes by value, and the slot keeps its own.
        let argument = match self.argument(source)? {
            None => None,
            Some(Slot::Owned(_, Typed::Extern(owned))) => Some(owned.clone()),
            Some(_) => return Err(super::roots::mistyped()),
        };
        let store = self.store(slot)?;
        let given: Option<OwnedRooted<ExternRef>> = self.unlimited(store, |machine| {
            let kit = machine.run.stores.kit(store)?;
            let context = machine.run.stores.context(store)?;
            Ok(match (nullable, argument) {
                (0, Some(owned)) => Some(kit.owned.call(context, owned)?),
                (_, argument) => kit.maybe_owned.call(context, argument)?,
            })
        })?;
        self.put_owned(result, store, given.map(Typed::Extern))
    }
}

fn ref_type(of: i64) -> RefType {
    if of == EXTERN {
        RefType::EXTERNREF
    } else {
        RefType::ANYREF
    }
}

/// What a global of static type `of` holds, with a new root in the current scope.
pub(super) fn read_global(store: &mut impl AsContextMut, global: &Global, of: i64) -> wasmtime::Result<Option<Lifo>> {
    match global.get(&mut *store).ref_() {
        Some(value) => Lifo::read(store, value, of),
        None => Ok(None),
    }
}
