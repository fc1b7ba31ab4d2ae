//! Copies and ends of roots: functions whose shape differs most over the releases (docs/spec/capi.md 5.4). They can be
//! taken to another thread. What every call relies on is said in `api.rs`.

use std::ptr::null_mut;

use crate::abi::{Hierarchy, Ptr, Val};
use crate::api::Context;
use crate::facts::Shape;
use crate::functions::{ContextualRelease, FreeRelease, ObjectFunctions};
use crate::library::Library;
use crate::wire::Trouble;

#[derive(Clone)]
enum Release {
    Contextual(ContextualRelease),
    Free(FreeRelease),
}

/// Copies and ends roots of one library.
#[derive(Clone)]
pub struct Roots {
    release: Release,
    /// Clone and unroot of exceptions, where hosts have them.
    exn: Option<(unsafe extern "C" fn(Ptr, Ptr), unsafe extern "C" fn(Ptr))>,
}

impl Roots {
    pub fn load(library: &Library, shape: Shape, objects: Option<&ObjectFunctions>) -> Result<Roots, Trouble> {
        let release = if shape.release_takes_context {
            Release::Contextual(ContextualRelease::load(library)?)
        } else {
            Release::Free(FreeRelease::load(library)?)
        };
        let exn = objects.map(|objects| (objects.wasmtime_exnref_clone, objects.wasmtime_exnref_unroot));
        Ok(Roots { release, exn })
    }

    /// A second root of the same.
    pub fn clone_of(&self, context: Context, of: &Val) -> Val {
        let mut made = Val::null(of.hierarchy());
        let (from, out) = (of.handle(), made.handle_mut());
        // SAFETY: as api.rs says; where the context is wanted it is that of the handle's store.
        unsafe {
            match (of.hierarchy(), &self.release, self.exn) {
                (Hierarchy::Exn, _, Some((clone, _))) => clone(from, out),
                (Hierarchy::Extern, Release::Contextual(c), _) => (c.wasmtime_externref_clone)(context.0, from, out),
                (Hierarchy::Extern, Release::Free(c), _) => (c.wasmtime_externref_clone)(from, out),
                (_, Release::Contextual(c), _) => (c.wasmtime_anyref_clone)(context.0, from, out),
                (_, Release::Free(c), _) => (c.wasmtime_anyref_clone)(from, out),
            }
        }
        made
    }

    /// A copy of a value as a whole, as `clone_of` makes one of a reference.
    pub fn clone_of_value(&self, context: Context, of: &Val) -> Val {
        let mut made = Val::null(of.hierarchy());
        // SAFETY: as api.rs says.
        unsafe {
            match &self.release {
                Release::Contextual(c) => (c.wasmtime_val_clone)(context.0, of.val(), made.val_mut()),
                Release::Free(c) => (c.wasmtime_val_clone)(of.val(), made.val_mut()),
            }
        }
        made
    }

    /// Ends a value as a whole, of which the caller keeps no copy.
    pub fn unroot_value(&self, context: Context, mut root: Val) {
        // SAFETY: as api.rs says.
        unsafe {
            match &self.release {
                Release::Contextual(c) => (c.wasmtime_val_unroot)(context.0, root.val_mut()),
                Release::Free(c) => (c.wasmtime_val_unroot)(root.val_mut()),
            }
        }
    }

    /// Ends no root at all: the pointers to the references are NULL.
    pub fn unroot_nothing(&self, context: Context) {
        // SAFETY: the functions take such pointers (docs/spec/capi.md 5.1).
        unsafe {
            match &self.release {
                Release::Contextual(c) => {
                    (c.wasmtime_externref_unroot)(context.0, null_mut());
                    (c.wasmtime_anyref_unroot)(context.0, null_mut());
                }
                Release::Free(c) => {
                    (c.wasmtime_externref_unroot)(null_mut());
                    (c.wasmtime_anyref_unroot)(null_mut());
                }
            }
        }
    }

    /// Ends a root, of which the caller keeps no copy that is used again. The context means nothing to releases whose
    /// handles outlive their stores.
    pub fn unroot(&self, context: Context, mut root: Val) {
        let (of, at) = (root.hierarchy(), root.handle_mut());
        // SAFETY: as api.rs says; the machine asks only while the store is alive or the context means nothing.
        unsafe {
            match (of, &self.release, self.exn) {
                (Hierarchy::Exn, _, Some((_, unroot))) => unroot(at),
                (Hierarchy::Extern, Release::Contextual(c), _) => (c.wasmtime_externref_unroot)(context.0, at),
                (Hierarchy::Extern, Release::Free(c), _) => (c.wasmtime_externref_unroot)(at),
                (_, Release::Contextual(c), _) => (c.wasmtime_anyref_unroot)(context.0, at),
                (_, Release::Free(c), _) => (c.wasmtime_anyref_unroot)(at),
            }
        }
    }
}
