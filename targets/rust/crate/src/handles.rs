//! Handles of either kind and every type: what slots hold, and what ops do with them whatever the type.

use std::ops::Deref;

use wasmtime::{
    AnyRef, ArrayRef, AsContextMut, EqRef, ExnRef, ExternRef, GcRef, OwnedRooted, Ref, Result, RootScope, Rooted,
    RootedGcRef, StorageType, StoreContextMut, StructRef, Val,
};

use crate::outcome::{Reply, Value};

/// Something of each type of reference. The types are those that the op table numbers.
#[derive(Clone, Copy)]
pub enum Typed<E, A, Q, S, R, X> {
    Extern(E),
    Any(A),
    Eq(Q),
    Struct(S),
    Array(R),
    Exn(X),
}

/// A LIFO handle.
pub type Lifo =
    Typed<Rooted<ExternRef>, Rooted<AnyRef>, Rooted<EqRef>, Rooted<StructRef>, Rooted<ArrayRef>, Rooted<ExnRef>>;

/// An owned handle.
pub type Owned = Typed<
    OwnedRooted<ExternRef>,
    OwnedRooted<AnyRef>,
    OwnedRooted<EqRef>,
    OwnedRooted<StructRef>,
    OwnedRooted<ArrayRef>,
    OwnedRooted<ExnRef>,
>;

/// An operand: a handle of either kind, where it is.
pub type Handle<'a> = Typed<
    Root<'a, ExternRef>,
    Root<'a, AnyRef>,
    Root<'a, EqRef>,
    Root<'a, StructRef>,
    Root<'a, ArrayRef>,
    Root<'a, ExnRef>,
>;

/// A handle of either kind to a reference of one type.
pub enum Root<'a, T: GcRef> {
    Lifo(&'a Rooted<T>),
    Owned(&'a OwnedRooted<T>),
}

/// Does the same with a `Typed` of any type, giving a `Typed` of what comes out.
macro_rules! map {
    ($typed:expr, $name:ident => $body:expr) => {
        match $typed {
            Typed::Extern($name) => Typed::Extern($body),
            Typed::Any($name) => Typed::Any($body),
            Typed::Eq($name) => Typed::Eq($body),
            Typed::Struct($name) => Typed::Struct($body),
            Typed::Array($name) => Typed::Array($body),
            Typed::Exn($name) => Typed::Exn($body),
        }
    };
}

impl<T: GcRef> Deref for Root<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Root::Lifo(rooted) => rooted,
            Root::Owned(owned) => owned,
        }
    }
}

impl<T: GcRef> Root<'_, T> {
    /// A LIFO handle: the one that it is, or a new root in the current scope.
    pub fn rooted(&self, store: impl AsContextMut) -> Rooted<T> {
        match self {
            Root::Lifo(rooted) => **rooted,
            Root::Owned(owned) => owned.to_rooted(store),
        }
    }

    fn ref_eq(&self, store: impl AsContextMut, other: &Root<'_, T>) -> Result<bool> {
        match self {
            Root::Lifo(rooted) => eq_other(store, *rooted, other),
            Root::Owned(owned) => eq_other(store, *owned, other),
        }
    }
}

fn eq_other<T: GcRef>(store: impl AsContextMut, one: &impl RootedGcRef<T>, other: &Root<'_, T>) -> Result<bool> {
    match other {
        Root::Lifo(rooted) => Rooted::ref_eq(store, one, *rooted),
        Root::Owned(owned) => Rooted::ref_eq(store, one, *owned),
    }
}

impl Lifo {
    /// The handle as an operand.
    pub fn handle(&self) -> Handle<'_> {
        map!(self, rooted => Root::Lifo(rooted))
    }

    /// An owned root for the same reference.
    pub fn to_owned_rooted(self, mut store: impl AsContextMut) -> Result<Owned> {
        Ok(map!(self, rooted => rooted.to_owned_rooted(&mut store)?))
    }

    /// The same root as an any reference; none if it is of another hierarchy.
    pub fn to_any(self) -> Option<Rooted<AnyRef>> {
        match self {
            Typed::Extern(_) | Typed::Exn(_) => None,
            Typed::Any(rooted) => Some(rooted),
            Typed::Eq(rooted) => Some(rooted.to_anyref()),
            Typed::Struct(rooted) => Some(rooted.to_anyref()),
            Typed::Array(rooted) => Some(rooted.to_anyref()),
        }
    }

    /// The same root as an eq reference; none if its static type is not below that.
    pub fn to_eq(self) -> Option<Rooted<EqRef>> {
        match self {
            Typed::Eq(rooted) => Some(rooted),
            Typed::Struct(rooted) => Some(rooted.to_eqref()),
            Typed::Array(rooted) => Some(rooted.to_eqref()),
            Typed::Extern(_) | Typed::Any(_) | Typed::Exn(_) => None,
        }
    }

    /// The reference as a value of a field, element, global or table.
    pub fn to_ref(self) -> Ref {
        match self {
            Typed::Extern(rooted) => Ref::Extern(Some(rooted)),
            Typed::Exn(rooted) => Ref::Exn(Some(rooted)),
            _ => Ref::Any(self.to_any()),
        }
    }

    /// What a field, element, global or table of static type `of` gave, as a handle of that type; none for null. It
    /// is the root that reading made.
    pub fn read(store: impl AsContextMut, value: Ref, of: i64) -> Result<Option<Lifo>> {
        let any = match value {
            Ref::Extern(rooted) => return Ok(rooted.map(Typed::Extern)),
            Ref::Exn(rooted) => return Ok(rooted.map(Typed::Exn)),
            Ref::Any(Some(rooted)) => rooted,
            _ => return Ok(None),
        };
        match of {
            EQ | STRUCT | ARRAY => Typed::Any(Root::Lifo(&any)).cast(store, of),
            _ => Ok(Some(Typed::Any(any))),
        }
    }
}

impl Owned {
    /// The handle as an operand.
    pub fn handle(&self) -> Handle<'_> {
        map!(self, owned => Root::Owned(owned))
    }

    /// A LIFO root for the same reference.
    pub fn to_rooted(&self, mut store: impl AsContextMut) -> Lifo {
        map!(self, owned => owned.to_rooted(&mut store))
    }
}

/// Static types, as the op table numbers them.
pub const EXTERN: i64 = 0;
pub const ANY: i64 = 1;
pub const EQ: i64 = 2;
pub const STRUCT: i64 = 3;
pub const ARRAY: i64 = 4;
pub const EXN: i64 = 5;

impl Handle<'_> {
    /// What the reference is: its kind, and the payload of an i31.
    pub fn kind(&self, mut store: impl AsContextMut) -> Result<Reply> {
        match self {
            Typed::Extern(handle) => {
                if handle.data(store.as_context())?.is_some() {
                    return Ok(Reply::One(Value::Text("extern")));
                }
                // Only an any reference tells what it is. The roots that this takes are seen by nobody.
                let mut scope = RootScope::new(&mut store);
                let rooted = handle.rooted(&mut scope);
                let any = AnyRef::convert_extern(&mut scope, rooted)?;
                kind_of_any(&any, &mut scope)
            }
            Typed::Any(handle) => kind_of_any(handle, store),
            Typed::Eq(handle) => {
                if let Some(i31) = handle.as_i31(&mut store)? {
                    return Ok(i31_reply(i31.get_u32()));
                }
                Ok(Reply::One(Value::Text(if handle.is_struct(&mut store)? { "struct" } else { "array" })))
            }
            Typed::Struct(handle) => handle.ty(&mut store).map(|_| Reply::One(Value::Text("struct"))),
            Typed::Array(handle) => handle.ty(&mut store).map(|_| Reply::One(Value::Text("array"))),
            Typed::Exn(handle) => handle.ty(&mut store).map(|_| Reply::One(Value::Text("exn"))),
        }
    }

    /// The `as_*` form for type `to`; none if the reference is not of that type, or there is no such form.
    pub fn cast(&self, store: impl AsContextMut, to: i64) -> Result<Option<Lifo>> {
        Ok(match (self, to) {
            (Typed::Any(handle), EQ) => handle.as_eqref(store)?.map(Typed::Eq),
            (Typed::Any(handle), STRUCT) => handle.as_struct(store)?.map(Typed::Struct),
            (Typed::Any(handle), ARRAY) => handle.as_array(store)?.map(Typed::Array),
            (Typed::Eq(handle), STRUCT) => handle.as_struct(store)?.map(Typed::Struct),
            (Typed::Eq(handle), ARRAY) => handle.as_array(store)?.map(Typed::Array),
            _ => None,
        })
    }

    /// Whether two handles of one static type denote the same reference; nothing if their types differ.
    pub fn ref_eq(&self, store: impl AsContextMut, other: &Handle) -> Option<Result<bool>> {
        Some(match (self, other) {
            (Typed::Extern(one), Typed::Extern(two)) => one.ref_eq(store, two),
            (Typed::Any(one), Typed::Any(two)) => one.ref_eq(store, two),
            (Typed::Eq(one), Typed::Eq(two)) => one.ref_eq(store, two),
            (Typed::Struct(one), Typed::Struct(two)) => one.ref_eq(store, two),
            (Typed::Array(one), Typed::Array(two)) => one.ref_eq(store, two),
            (Typed::Exn(one), Typed::Exn(two)) => one.ref_eq(store, two),
            _ => return None,
        })
    }

    /// The raw value; nothing for types that have none.
    pub fn to_raw(&self, store: impl AsContextMut) -> Option<Result<u32>> {
        match self {
            Typed::Extern(handle) => Some(handle.to_raw(store)),
            Typed::Any(handle) => Some(handle.to_raw(store)),
            _ => None,
        }
    }

    /// A LIFO handle: the one that it is, or a new root in the current scope.
    pub fn rooted(&self, mut store: impl AsContextMut) -> Lifo {
        map!(self, handle => handle.rooted(&mut store))
    }

    /// Whether a LIFO handle needs a root that this one does not have.
    pub fn is_owned(&self) -> bool {
        match self {
            Typed::Extern(handle) => matches!(handle, Root::Owned(_)),
            Typed::Any(handle) => matches!(handle, Root::Owned(_)),
            Typed::Eq(handle) => matches!(handle, Root::Owned(_)),
            Typed::Struct(handle) => matches!(handle, Root::Owned(_)),
            Typed::Array(handle) => matches!(handle, Root::Owned(_)),
            Typed::Exn(handle) => matches!(handle, Root::Owned(_)),
        }
    }

    /// The type of a field or of the elements; none without a field of that number. Fails for a handle that is stale.
    pub fn storage(&self, store: impl AsContextMut, field: usize) -> Result<Option<StorageType>> {
        let found = match self {
            Typed::Struct(handle) => handle.ty(store)?.field(field),
            Typed::Array(handle) => Some(handle.ty(store)?.field_type()),
            Typed::Exn(handle) => handle.ty(store)?.field(field),
            _ => None,
        };
        Ok(found.map(|field| field.element_type().clone()))
    }

    /// A field or element; reading a reference makes a root in the current scope. None of a handle without fields.
    pub fn get(&self, store: impl AsContextMut, field: usize) -> Option<Result<Val>> {
        Some(match self {
            Typed::Struct(handle) => handle.field(store, field),
            Typed::Array(handle) => handle.get(store, field as u32),
            Typed::Exn(handle) => handle.field(store, field),
            _ => return None,
        })
    }

    /// Shows all fields or elements, in order. None of a handle without fields.
    pub fn each_field<T: 'static>(&self, store: StoreContextMut<'_, T>, see: impl FnMut(Val)) -> Option<Result<()>> {
        Some(match self {
            Typed::Struct(handle) => handle.fields(store).map(|fields| fields.for_each(see)),
            Typed::Array(handle) => handle.elems(store).map(|elements| elements.for_each(see)),
            Typed::Exn(handle) => handle.fields(store).map(|fields| fields.for_each(see)),
            _ => return None,
        })
    }

    /// Sets a field or element. None of a handle without fields that can be set.
    pub fn set(&self, store: impl AsContextMut, field: usize, value: Val) -> Option<Result<()>> {
        Some(match self {
            Typed::Struct(handle) => handle.set_field(store, field, value),
            Typed::Array(handle) => handle.set(store, field as u32, value),
            _ => return None,
        })
    }
}

fn i31_reply(payload: u32) -> Reply {
    Reply::Two([Value::Text("i31"), Value::Int(i64::from(payload))])
}

fn kind_of_any(any: &AnyRef, mut store: impl AsContextMut) -> Result<Reply> {
    if let Some(i31) = any.as_i31(&mut store)? {
        return Ok(i31_reply(i31.get_u32()));
    }
    let kind = if any.is_struct(&mut store)? {
        "struct"
    } else if any.is_array(&mut store)? {
        "array"
    } else {
        "extern"
    };
    Ok(Reply::One(Value::Text(kind)))
}
