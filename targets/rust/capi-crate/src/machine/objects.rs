//! Structs, arrays and exceptions of the host (docs/spec/capi.md 5.4, from 46 on).
//!
//! What a handle's object lacks is an observation of its own, `absent`: nothing is read or rooted then.

use super::operands::{hierarchy, Slot, NULL};
use super::Machine;
use crate::abi::{Hierarchy, Val, Vals, KIND_FUNCREF};
use crate::api::{Api, Context};
use crate::objects::{hierarchy_of, number_for, Kind, Objects, MAX_FIELDS};
use crate::outcome::{Observation, Reply, Stop};

/// Uses of null handles, as the op table numbers them: `NULL_OBJECT_USES` of model/ops.py.
const NULL_OBJECT_USES: [&str; 7] =
    ["struct_get", "struct_set", "array_len", "array_get", "array_set", "exn_get", "throw"];

pub(super) type Row = Vals<MAX_FIELDS>;

impl Machine {
    /// A store's context, and the types of its engine with the functions that they need.
    pub(super) fn within(&mut self, store: usize) -> Result<(Context, &mut Objects, &Api), Stop> {
        let context = self.context(store)?;
        let (objects, api) = self.engines.objects(self.stores[store].engine)?;
        Ok((context, objects, api))
    }

    // --- new objects

    /// The values of a new object's fields: operands for references, the number for others.
    fn row(&self, fields: &[&str], number: i64, slots: &[i64]) -> Result<Row, Stop> {
        let mut row = Row::new(self.api.shape.val_size);
        let mut rest = slots.iter();
        for (at, storage) in fields.iter().enumerate() {
            let value = match hierarchy_of(storage) {
                None => number_for(storage, number),
                Some(of) => {
                    let slot =
                        rest.next().ok_or_else(|| Stop::misuse("an object has more references than operands"))?;
                    self.value(*slot, of)?
                }
            };
            row.set(at, value);
        }
        Ok(row)
    }

    fn made(&mut self, made: Result<Val, String>, store: usize, result: i64) -> Reply {
        let handle = made.map_err(|failed| self.failure(failed))?;
        self.put(result, Slot::Handle(store, handle))?;
        Ok(Observation::DONE)
    }

    pub(super) fn struct_new(&mut self, at: i64, of: i64, number: i64, slots: &[i64], result: i64) -> Reply {
        let row = self.row(known(&self.api.facts.structs, of)?, number, slots)?;
        let store = self.store(at)?;
        let (context, objects, api) = self.within(store)?;
        let made = objects.struct_new(api, (store, context), of as usize, &row);
        self.made(made, store, result)
    }

    pub(super) fn array_new(
        &mut self,
        at: i64,
        of: i64,
        (length, number): (i64, i64),
        value: i64,
        result: i64,
    ) -> Reply {
        let value = match known(&self.api.facts.arrays, of)?.first().copied() {
            None => return Err(Stop::misuse("an array has elements")),
            Some(storage) => match hierarchy_of(storage) {
                None => number_for(storage, number),
                Some(of) => self.value(value, of)?,
            },
        };
        let store = self.store(at)?;
        let (context, objects, api) = self.within(store)?;
        let made = objects.array_new(api, (store, context), of as usize, (&value, length as u32));
        self.made(made, store, result)
    }

    /// An array of numbers that no heap can hold.
    pub(super) fn array_new_huge(&mut self, at: i64, length: i64) -> Reply {
        let store = self.store(at)?;
        let longs = self.api.facts.arrays.iter().position(|fields| fields[..] == ["i64"]);
        let longs = longs.ok_or_else(|| Stop::misuse("the kit has no such type"))?;
        let (context, objects, api) = self.within(store)?;
        match objects.array_new(api, (store, context), longs, (&number_for("i64", 1), length as u32)) {
            Ok(made) => {
                api.roots.unroot(context, made);
                Ok(Observation::DONE)
            }
            Err(text) => Err(self.failure(text)),
        }
    }

    pub(super) fn exn_new(&mut self, at: i64, tag: i64, slots: &[i64], result: i64) -> Reply {
        let row = self.row(known(&self.api.facts.tags, tag)?, 0, slots)?;
        let store = self.store(at)?;
        let (context, objects, api) = self.within(store)?;
        let made = objects.exn_new(api, (store, context), tag as usize, &row);
        self.made(made, store, result)
    }

    /// A list of as many nodes as there is room for.
    pub(super) fn chain(&mut self, at: i64, count: i64, result: i64) -> Reply {
        let node = self.api.facts.structs.iter().position(|fields| fields.first() == Some(&"node"));
        let node = node.ok_or_else(|| Stop::misuse("the kit has no lists"))?;
        let store = self.store(at)?;
        let mut row = Row::new(self.api.shape.val_size);
        row.set(1, Val::null(Hierarchy::Extern));
        let (mut made, mut before) = (0, Val::null(Hierarchy::Any));
        let (context, objects, api) = self.within(store)?;
        while made < count {
            row.set(0, before);
            let Ok(link) = objects.struct_new(api, (store, context), node, &row) else { break };
            if made > 0 {
                api.roots.unroot(context, before);
            }
            before = link;
            made += 1;
        }
        if made > 0 {
            self.put(result, Slot::Handle(store, before))?;
        }
        Ok(Observation::int(made))
    }

    // --- fields and elements

    /// The storage type of the field, or of the elements wherever they end; None if there is no such field.
    fn field(&mut self, kind: Kind, (store, of): (usize, &Val), index: i64) -> Result<Option<&'static str>, Stop> {
        let (context, objects, api) = self.within(store)?;
        objects.storage(api, context, kind, (of, index))
    }

    /// Whether a field holds references of a hierarchy, or numbers; also if it does not exist at all.
    fn has(
        &mut self,
        kind: Kind,
        (store, of): (usize, &Val),
        index: i64,
        wanted: Option<Hierarchy>,
    ) -> Result<bool, Stop> {
        let Some(storage) = self.field(kind, (store, of), index)? else { return Ok(true) };
        if kind == Kind::Array {
            let (context, objects, api) = self.within(store)?;
            if objects.length(api, context, of).is_ok_and(|length| index >= i64::from(length)) {
                return Ok(true);
            }
        }
        // References to functions are neither: nothing is read there.
        Ok(storage != "func" && hierarchy_of(storage) == wanted)
    }

    /// Reads a reference of a hierarchy into a slot.
    pub(super) fn get(&mut self, kind: Kind, at: i64, index: i64, of: i64, result: i64) -> Reply {
        let of = hierarchy(of)?;
        match self.read(kind, at, index, Some(of))? {
            None => Ok(Observation::ABSENT),
            Some(found) => self.keep(result, self.handle(at)?.0, found.of(of)),
        }
    }

    pub(super) fn get_number(&mut self, kind: Kind, at: i64, index: i64) -> Reply {
        let found = self.read(kind, at, index, None)?;
        Ok(found.map_or(Observation::ABSENT, |found| Observation::int(found.to_number())))
    }

    fn read(&mut self, kind: Kind, at: i64, index: i64, of: Option<Hierarchy>) -> Result<Option<Val>, Stop> {
        let (store, handle) = self.handle(at)?;
        if !self.has(kind, (store, &handle), index, of)? {
            return Ok(None);
        }
        let (context, objects, api) = self.within(store)?;
        let found = objects.get(api, context, kind, &handle, index);
        found.map(Some).map_err(|failed| self.failure(failed))
    }

    pub(super) fn set(&mut self, kind: Kind, at: i64, index: i64, source: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        // Nobody looks at a null's hierarchy but the field's type: it is the field's own.
        let field = self.field(kind, (store, &handle), index)?;
        let value = match field {
            Some("func") if source == NULL => Val::number(KIND_FUNCREF, 0),
            _ => self.value(source, field.and_then(hierarchy_of).unwrap_or(Hierarchy::Extern))?,
        };
        self.write(kind, (store, &handle), index, &value)
    }

    pub(super) fn set_number(&mut self, kind: Kind, at: i64, index: i64, number: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let field = self.field(kind, (store, &handle), index)?;
        self.write(kind, (store, &handle), index, &number_for(field.unwrap_or("i32"), number))
    }

    fn write(&mut self, kind: Kind, (store, of): (usize, &Val), index: i64, value: &Val) -> Reply {
        let (context, objects, api) = self.within(store)?;
        let failed = objects.set(api, context, kind, (of, index), value);
        self.unless(failed)
    }

    pub(super) fn array_len(&mut self, at: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let (context, objects, api) = self.within(store)?;
        let length = objects.length(api, context, &handle);
        length.map(Observation::int).map_err(|failed| self.failure(failed))
    }

    /// What a function says of a null handle where an object should be; `use` as the op table numbers it.
    pub(super) fn null_object(&mut self, at: i64, number: i64) -> Reply {
        let store = self.store(at)?;
        let (context, objects, api) = self.within(store)?;
        let (null, exn) = (Val::null(Hierarchy::Any), Val::null(Hierarchy::Exn));
        let known = usize::try_from(number).ok().and_then(|number| NULL_OBJECT_USES.get(number));
        let failed = match *known.ok_or_else(|| Stop::misuse(format!("there is no use {number} of a null object")))? {
            "struct_get" => objects.get(api, context, Kind::Struct, &null, 0).err(),
            "array_get" => objects.get(api, context, Kind::Array, &null, 0).err(),
            "exn_get" => objects.get(api, context, Kind::Exn, &exn, 0).err(),
            "struct_set" => objects.set(api, context, Kind::Struct, (&null, 0), &null),
            "array_set" => objects.set(api, context, Kind::Array, (&null, 0), &null),
            "array_len" => objects.length(api, context, &null).err(),
            _ => objects.throw(api, context, exn).then(|| "a trap".into()),
        };
        self.unless(failed)
    }

    // --- exceptions

    pub(super) fn throw(&mut self, at: i64) -> Reply {
        let (store, handle) = self.handle(at)?;
        let (context, objects, api) = self.within(store)?;
        objects.throw(api, context, handle);
        Err(Stop::Failed("exn".into()))
    }

    pub(super) fn exn_take(&mut self, at: i64, result: i64) -> Reply {
        let store = self.store(at)?;
        let (context, objects, _) = self.within(store)?;
        match objects.take(context) {
            None => Ok(Observation::NULL),
            Some(taken) => self.keep(result, store, taken),
        }
    }

    pub(super) fn exn_pending(&mut self, at: i64) -> Reply {
        let store = self.store(at)?;
        let (context, objects, _) = self.within(store)?;
        Ok(Observation::bool(objects.pending(context)))
    }
}

/// The fields of a type of the kit.
fn known(types: &'static [Vec<&'static str>], number: i64) -> Result<&'static [&'static str], Stop> {
    let found = usize::try_from(number).ok().and_then(|number| types.get(number));
    found.map(Vec::as_slice).ok_or_else(|| Stop::misuse(format!("the kit has no type {number}")))
}
