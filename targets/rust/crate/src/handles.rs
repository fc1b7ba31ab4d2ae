//! Handles of either kind and every type: what slots hold, and what ops do with them whatever the type.

use std::ops::Deref;

use wasmtime::{
    AnyRef, ArrayRef, AsContextMut, EqRef, ExternRef, GcRef, OwnedRooted, Ref, Result, RootScope, Rooted, RootedGcRef,
    StructRef, Val,
};

use crate::outcome::{Reply, Value};

/// Something of each type of reference. The types are those that the op table numbers.
#[derive(Clone, Copy)]
pub enum Typed<E, A, Q, S, R> {
    Extern(E),
    Any(A),
    Eq(Q),
    Struct(S),
    Array(R),
}

/// A LIFO handle.
pub type Lifo = Typed<Rooted<ExternRef>, Rooted<AnyRef>, Rooted<EqRef>, Rooted<StructRef>, Rooted<ArrayRef>>;

/// An owned handle.
pub type Owned = Typed<
    OwnedRooted<ExternRef>,
    OwnedRooted<AnyRef>,
    OwnedRooted<EqRef>,
    OwnedRooted<StructRef>,
    OwnedRooted<ArrayRef>,
>;

/// An operand: a handle of either kind, where it is.
pub type Handle<'a> =
    Typed<Root<'a, ExternRef>, Root<'a, AnyRef>, Root<'a, EqRef>, Root<'a, StructRef>, Root<'a, ArrayRef>>;

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

/// The static types that `cast` names, as the op table numbers them.
const EQ: i64 = 2;
const STRUCT: i64 = 3;
const ARRAY: i64 = 4;

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

    /// The reference as an element of a table; an owned one gets a root in the current scope.
    pub fn to_ref(&self, mut store: impl AsContextMut) -> Ref {
        match self {
            Typed::Extern(handle) => Ref::Extern(Some(handle.rooted(&mut store))),
            _ => Ref::Any(self.to_any(&mut store)),
        }
    }

    /// The reference as the value of a global; an owned one gets a root in the current scope.
    pub fn to_val(&self, mut store: impl AsContextMut) -> Val {
        match self {
            Typed::Extern(handle) => Val::ExternRef(Some(handle.rooted(&mut store))),
            _ => Val::AnyRef(self.to_any(&mut store)),
        }
    }

    fn to_any(&self, mut store: impl AsContextMut) -> Option<Rooted<AnyRef>> {
        match self {
            Typed::Extern(_) => None,
            Typed::Any(handle) => Some(handle.rooted(&mut store)),
            Typed::Eq(handle) => Some(handle.rooted(&mut store).to_anyref()),
            Typed::Struct(handle) => Some(handle.rooted(&mut store).to_anyref()),
            Typed::Array(handle) => Some(handle.rooted(&mut store).to_anyref()),
        }
    }
}

fn i31_reply(payload: u32) -> Reply {
    Reply::Two(Value::Text("i31"), Value::Int(i64::from(payload)))
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
