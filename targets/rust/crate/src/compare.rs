//! Comparisons of handles whatever their types: of the roots that they name, and of the references in those
//! (docs/spec/semantics.md 2.2).

use std::hash::{DefaultHasher, Hasher};

use wasmtime::{AnyRef, AsContextMut, ExnRef, ExternRef, GcRef, OwnedRooted, Result, Rooted};

use crate::handles::{Handle, Root, Typed};

/// A handle, as of the top type of its hierarchy: only handles of one type can be compared.
enum Top {
    Extern(Held<ExternRef>),
    Any(Held<AnyRef>),
    Exn(Held<ExnRef>),
}

/// A handle of either kind.
enum Held<T: GcRef> {
    Lifo(Rooted<T>),
    Owned(OwnedRooted<T>),
}

fn held<T: GcRef>(root: &Root<'_, T>) -> Held<T> {
    match root {
        Root::Lifo(rooted) => Held::Lifo(**rooted),
        Root::Owned(owned) => Held::Owned((*owned).clone()),
    }
}

/// An up-cast of a handle of either kind.
macro_rules! up {
    ($root:expr) => {
        Top::Any(match $root {
            Root::Lifo(rooted) => Held::Lifo(rooted.to_anyref()),
            Root::Owned(owned) => Held::Owned((*owned).clone().to_anyref()),
        })
    };
}

impl Top {
    fn of(handle: &Handle<'_>) -> Top {
        match handle {
            Typed::Extern(root) => Top::Extern(held(root)),
            Typed::Any(root) => Top::Any(held(root)),
            Typed::Eq(root) => up!(root),
            Typed::Struct(root) => up!(root),
            Typed::Array(root) => up!(root),
            Typed::Exn(root) => Top::Exn(held(root)),
        }
    }
}

impl<T: GcRef> Held<T> {
    fn ref_eq(&self, store: impl AsContextMut, other: &Held<T>) -> Result<bool> {
        match (self, other) {
            (Held::Lifo(one), Held::Lifo(two)) => Rooted::ref_eq(store, one, two),
            (Held::Lifo(one), Held::Owned(two)) => Rooted::ref_eq(store, one, two),
            (Held::Owned(one), Held::Lifo(two)) => OwnedRooted::ref_eq(store, one, two),
            (Held::Owned(one), Held::Owned(two)) => OwnedRooted::ref_eq(store, one, two),
        }
    }

    fn ref_hash(&self, store: impl AsContextMut, hasher: &mut impl Hasher) -> Result<()> {
        match self {
            Held::Lifo(rooted) => rooted.ref_hash(store, hasher),
            Held::Owned(owned) => {
                owned.ref_hash(store, hasher);
                Ok(())
            }
        }
    }

    fn rooted_hash(&self, hasher: &mut impl Hasher) {
        match self {
            Held::Lifo(rooted) => rooted.rooted_hash(hasher),
            Held::Owned(owned) => owned.rooted_hash(hasher),
        }
    }

    fn rooted_eq(&self, other: &Held<T>) -> Option<bool> {
        match (self, other) {
            (Held::Lifo(one), Held::Lifo(two)) => Some(Rooted::rooted_eq(*one, *two)),
            _ => None,
        }
    }
}

/// Does the same with a `Top` of any type.
macro_rules! each {
    ($top:expr, $name:ident => $body:expr) => {
        match $top {
            Top::Extern($name) => $body,
            Top::Any($name) => $body,
            Top::Exn($name) => $body,
        }
    };
}

impl Handle<'_> {
    /// Whether two handles denote the same reference; nothing if they are of two hierarchies.
    pub fn same_ref(&self, store: impl AsContextMut, other: &Handle) -> Option<Result<bool>> {
        Some(match (Top::of(self), Top::of(other)) {
            (Top::Extern(one), Top::Extern(two)) => one.ref_eq(store, &two),
            (Top::Any(one), Top::Any(two)) => one.ref_eq(store, &two),
            (Top::Exn(one), Top::Exn(two)) => one.ref_eq(store, &two),
            _ => return None,
        })
    }

    /// The hash of the reference.
    pub fn hash_of_ref(&self, store: impl AsContextMut) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        each!(Top::of(self), held => held.ref_hash(store, &mut hasher)?);
        Ok(hasher.finish())
    }

    /// Whether two LIFO handles name the same root; nothing if they are of two hierarchies, or owned.
    pub fn same_root(&self, other: &Handle) -> Option<bool> {
        match (Top::of(self), Top::of(other)) {
            (Top::Extern(one), Top::Extern(two)) => one.rooted_eq(&two),
            (Top::Any(one), Top::Any(two)) => one.rooted_eq(&two),
            (Top::Exn(one), Top::Exn(two)) => one.rooted_eq(&two),
            _ => None,
        }
    }

    /// The hash of the root.
    pub fn hash_of_root(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        each!(Top::of(self), held => held.rooted_hash(&mut hasher));
        hasher.finish()
    }
}
