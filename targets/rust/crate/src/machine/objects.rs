//! Structs and arrays, and what they have in common with exceptions: fields.

use wasmtime::{ArrayRef, AsContextMut, HeapType, OwnedRooted, RootScope, StorageType, StructRef, Val};

use super::operands::{handle_at, lifo_at, Slot, NULL};
use super::rooting::{refused, rooted, rooted_from};
use super::roots::mistyped;
use super::Machine;
use crate::handles::{Handle, Lifo, Typed, ARRAY, EQ, EXTERN, STRUCT};
use crate::kit;
use crate::outcome::{Outcome, Reply, Stop, Value};

impl Machine {
    pub(super) fn upcast(&mut self, source: i64, to: i64, result: i64) -> Outcome {
        let (store, handle) = lifo_at(&self.run.slots, source)?;
        let up = if to == EQ { handle.to_eq().map(Typed::Eq) } else { handle.to_any().map(Typed::Any) };
        self.put(result, Slot::Lifo(store, up.ok_or_else(mistyped)?))?;
        Ok(Reply::Done)
    }

    // --- making

    pub(super) fn struct_new(
        &mut self,
        slot: i64,
        which: i64,
        number: i64,
        operands: [i64; 4],
        (form, result): (i64, i64),
    ) -> Outcome {
        let store = self.store(slot)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let types = &compiled.types;
        let ty = types.structs.get(which as usize).ok_or_else(|| no_type(which))?;
        let makers = self.run.stores.makers(store)?;
        let maker = makers.structs(self.run.stores.context(store)?, types, which as usize);
        let storages: Vec<StorageType> = ty.fields().map(|field| field.element_type().clone()).collect();
        let made = rooted_from(
            &mut self.run.stores,
            &self.run.slots,
            store,
            (form, STRUCT),
            references(&storages, &operands)?,
            |context, lent| {
                let made = StructRef::new(context, maker, &values(&storages, number, lent)).map_err(refused)?;
                Ok(Some(Typed::Struct(made)))
            },
        )?;
        self.put(result, made)?;
        Ok(Reply::Done)
    }

    /// `contents`: length, number, operand.
    pub(super) fn array_new(
        &mut self,
        slot: i64,
        which: i64,
        (length, number, operand): (i64, i64, i64),
        (form, result): (i64, i64),
    ) -> Outcome {
        let store = self.store(slot)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let types = &compiled.types;
        let storages = [types.arrays.get(which as usize).ok_or_else(|| no_type(which))?.element_type()];
        let makers = self.run.stores.makers(store)?;
        let maker = makers.arrays(self.run.stores.context(store)?, types, which as usize);
        let made = rooted_from(
            &mut self.run.stores,
            &self.run.slots,
            store,
            (form, ARRAY),
            references(&storages, &[operand])?,
            |context, lent| {
                let element = &values(&storages, number, lent)[0];
                Ok(Some(Typed::Array(ArrayRef::new(context, maker, element, length as u32).map_err(refused)?)))
            },
        )?;
        self.put(result, made)?;
        Ok(Reply::Done)
    }

    /// An array of numbers that no heap can hold.
    pub(super) fn array_new_huge(&mut self, slot: i64, length: i64) -> Outcome {
        let store = self.store(slot)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let makers = self.run.stores.makers(store)?;
        let maker = makers.arrays(self.run.stores.context(store)?, &compiled.types, kit::LONGS);
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        ArrayRef::new(&mut scope, maker, &Val::I64(1), length as u32).map_err(refused)?;
        Ok(Reply::Done)
    }

    pub(super) fn array_new_fixed(
        &mut self,
        slot: i64,
        which: i64,
        number: i64,
        operands: [i64; 3],
        (form, result): (i64, i64),
    ) -> Outcome {
        let store = self.store(slot)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let types = &compiled.types;
        let element = types.arrays.get(which as usize).ok_or_else(|| no_type(which))?.element_type();
        let storages = [element.clone(), element.clone(), element];
        let makers = self.run.stores.makers(store)?;
        let maker = makers.arrays(self.run.stores.context(store)?, types, which as usize);
        let made = rooted_from(
            &mut self.run.stores,
            &self.run.slots,
            store,
            (form, ARRAY),
            references(&storages, &operands)?,
            |context, lent| {
                let elements = values(&storages, number, lent);
                Ok(Some(Typed::Array(ArrayRef::new_fixed(context, maker, &elements).map_err(refused)?)))
            },
        )?;
        self.put(result, made)?;
        Ok(Reply::Done)
    }

    /// A list as long as memory allows, of which only the head is held.
    pub(super) fn chain(&mut self, slot: i64, count: i64, result: i64) -> Outcome {
        let store = self.store(slot)?;
        let makers = self.run.stores.makers(store)?;
        let compiled = self.run.stores.environment(store)?.compiled()?;
        let maker = makers.structs(self.run.stores.context(store)?, &compiled.types, kit::NODE as usize);
        let (mut head, mut made) = (None, 0);
        while made < count {
            let mut scope = RootScope::new(self.run.stores.context(store)?);
            let next = head.as_ref().map(|head: &OwnedRooted<StructRef>| head.to_rooted(&mut scope));
            let fields = [Val::AnyRef(next.map(|node| node.to_anyref())), Val::ExternRef(None)];
            // Out of memory, or an async limiter: that is the end of it.
            let Ok(node) = StructRef::new(&mut scope, maker, &fields) else { break };
            head = Some(node.to_owned_rooted(&mut scope)?);
            made += 1;
        }
        self.put(result, head.map_or(Slot::Empty, |head| Slot::Owned(store, Typed::Struct(head))))?;
        Ok(Reply::int(made))
    }

    // --- fields and elements

    pub(super) fn get(&mut self, source: i64, field: i64, of: i64, (form, result): (i64, i64)) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let field = field as usize;
        let context = self.run.stores.context(store)?;
        if is_absent(&handle, context, field, |storage| is_of(storage, of))? {
            return Ok(Reply::ABSENT);
        }
        let found = rooted(&mut self.run.stores, store, form, |mut context| {
            let value = handle.get(&mut context, field).ok_or_else(mistyped)??;
            Ok(match value.ref_() {
                Some(value) => Lifo::read(context, value, of)?,
                None => None,
            })
        })?;
        self.put_found(result, found)
    }

    pub(super) fn get_number(&mut self, source: i64, field: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let field = field as usize;
        let mut context = self.run.stores.context(store)?;
        if is_absent(&handle, &mut context, field, |storage| kit::reference(storage).is_none())? {
            return Ok(Reply::ABSENT);
        }
        let value = handle.get(&mut context, field).ok_or_else(mistyped)??;
        let storage = handle.storage(context, field)?.ok_or_else(mistyped)?;
        Ok(Reply::int(kit::number_of(&storage, &value).ok_or_else(mistyped)?))
    }

    pub(super) fn set(&mut self, source: i64, field: i64, operand: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let given = if operand == NULL { None } else { Some(handle_at(&self.run.slots, operand)?.1) };
        // For the root that an owned value needs.
        let mut scope = RootScope::new(self.run.stores.context(store)?);
        let value = match given {
            Some(given) => Val::from(given.rooted(&mut scope).to_ref()),
            None => match handle.storage(&mut scope, field as usize)? {
                Some(storage) => kit::null_for(&storage),
                None => Val::null_any_ref(),
            },
        };
        handle.set(&mut scope, field as usize, value).ok_or_else(mistyped)??;
        Ok(Reply::Done)
    }

    pub(super) fn set_number(&mut self, source: i64, field: i64, number: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let mut context = self.run.stores.context(store)?;
        let storage = handle.storage(&mut context, field as usize)?;
        let value = storage.map_or(Val::I32(number as i32), |storage| kit::number_for(&storage, number));
        handle.set(context, field as usize, value).ok_or_else(mistyped)??;
        Ok(Reply::Done)
    }

    /// All of them at once; each reference gets a root in the current scope.
    pub(super) fn fields(&mut self, source: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let context = self.run.stores.context(store)?;
        let (mut count, mut references) = (0, 0);
        handle
            .each_field(context, |value| {
                count += 1;
                references += i64::from(value.ref_().is_some_and(|value| !value.is_null()));
            })
            .ok_or_else(mistyped)??;
        Ok(Reply::Two([Value::Int(count), Value::Int(references)]))
    }

    pub(super) fn array_len(&mut self, source: i64) -> Outcome {
        let (store, handle) = handle_at(&self.run.slots, source)?;
        let Typed::Array(array) = handle else { return Err(mistyped()) };
        Ok(Reply::int(array.len(self.run.stores.context(store)?)?))
    }
}

/// Whether there is such a field, but not of the kind that is asked for: then it is not read, which would make a root.
fn is_absent(
    handle: &Handle<'_>,
    mut store: impl AsContextMut,
    field: usize,
    is_wanted: impl FnOnce(&StorageType) -> bool,
) -> Result<bool, Stop> {
    let Some(storage) = handle.storage(&mut store, field)? else { return Ok(false) };
    let is_there = match handle {
        Typed::Array(array) => field < array.len(&store)? as usize,
        _ => true,
    };
    Ok(is_there && !is_wanted(&storage))
}

/// Whether a field holds references of the hierarchy of static type `of`.
fn is_of(storage: &StorageType, of: i64) -> bool {
    match kit::reference(storage).map(HeapType::top) {
        Some(HeapType::Extern) => of == EXTERN,
        Some(HeapType::Any) => of != EXTERN,
        _ => false,
    }
}

/// The operands that fields of these types take: one for each that holds references.
pub(super) fn references<'a>(storages: &[StorageType], operands: &'a [i64]) -> Result<&'a [i64], Stop> {
    let count = storages.iter().filter(|storage| kit::reference(storage).is_some()).count();
    operands.get(..count).ok_or_else(|| Stop::misuse("fewer operands than fields"))
}

/// The values of fields of these types: the references in order, and the number.
pub(super) fn values(storages: &[StorageType], number: i64, lent: &[Option<Lifo>]) -> Vec<Val> {
    let mut lent = lent.iter();
    let value = |storage: &StorageType| {
        let given = kit::reference(storage).and_then(|_| lent.next().copied().flatten());
        kit::value_for(storage, number, given)
    };
    storages.iter().map(value).collect()
}

pub(super) fn no_type(which: i64) -> Stop {
    Stop::misuse(format!("the kit has no type or tag {which}"))
}
