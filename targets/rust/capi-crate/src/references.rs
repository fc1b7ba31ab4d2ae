//! References through the C API (docs/spec/capi.md 5.1). What every call relies on is said in `api.rs`.

use crate::abi::{Hierarchy, Ptr, Val};
use crate::api::{finalize, Api, Context, DATA_BASE};

impl Api {
    /// A new externref with a host value; None on any error, with the value already finalized (5.1).
    pub fn externref_new(&self, context: Context, value: u32) -> Option<Val> {
        let data = (value as usize + DATA_BASE) as Ptr;
        self.new_extern(context, data, finalize as *const () as Ptr)
    }

    /// A new externref without host data or finalizer; None on any error (semantics.md 4.4).
    pub fn externref_plain(&self, context: Context) -> Option<Val> {
        self.new_extern(context, std::ptr::null_mut(), std::ptr::null_mut())
    }

    fn new_extern(&self, context: Context, data: Ptr, finalizer: Ptr) -> Option<Val> {
        let mut made = Val::null(Hierarchy::Extern);
        // SAFETY: as api.rs says; the finalizer takes the data as the number that it is.
        let ok = unsafe { (self.c.wasmtime_externref_new)(context.0, data, finalizer, made.handle_mut()) };
        ok.then_some(made)
    }

    /// The value id behind a handle; None for null, i31, any-objects and errors (5.1).
    pub fn data(&self, context: Context, of: &Val) -> Option<u32> {
        // SAFETY: as api.rs says; handles of the other hierarchy are the same struct.
        let data = unsafe { (self.c.wasmtime_externref_data)(context.0, of.handle()) };
        (!data.is_null()).then(|| (data as usize - DATA_BASE) as u32)
    }

    /// The 32-bit value, 0 for null; exposes the object (5.1).
    pub fn to_raw(&self, context: Context, of: &Val) -> u32 {
        // SAFETY: as api.rs says; each function gets handles of its hierarchy.
        unsafe {
            match (of.hierarchy(), &self.objects) {
                (Hierarchy::Extern, _) => (self.c.wasmtime_externref_to_raw)(context.0, of.handle()),
                (Hierarchy::Exn, Some(objects)) => (objects.wasmtime_exnref_to_raw)(context.0, of.handle()),
                _ => (self.c.wasmtime_anyref_to_raw)(context.0, of.handle()),
            }
        }
    }

    /// A root for a raw value.
    pub fn root_raw(&self, context: Context, raw: u32, of: Hierarchy) -> Val {
        let mut made = Val::null(of);
        let function = match of {
            Hierarchy::Extern => self.c.wasmtime_externref_from_raw,
            _ => self.c.wasmtime_anyref_from_raw,
        };
        // SAFETY: as api.rs says; whether the raw value means something is the program's affair.
        unsafe { function(context.0, raw, made.handle_mut()) };
        made
    }

    /// An i31 of a payload that wraps to 31 bits.
    pub fn new_i31(&self, context: Context, payload: u32) -> Val {
        let mut made = Val::null(Hierarchy::Any);
        // SAFETY: as api.rs says.
        unsafe { (self.c.wasmtime_anyref_from_i31)(context.0, payload, made.handle_mut()) };
        made
    }

    /// The payload of an i31, zero-extended; None for anything else.
    pub fn i31_get_u(&self, context: Context, of: &Val) -> Option<u32> {
        let mut payload = 0_u32;
        let at = std::ptr::from_mut(&mut payload).cast();
        // SAFETY: as api.rs says; handles of the other hierarchy are the same struct, and only the reference is looked
        // at.
        let found = unsafe { (self.c.wasmtime_anyref_i31_get_u)(context.0, of.handle(), at) };
        found.then_some(payload)
    }

    /// The payload of an i31, sign-extended; None for anything else.
    pub fn i31_get_s(&self, context: Context, of: &Val) -> Option<i32> {
        let mut payload = 0_i32;
        let at = std::ptr::from_mut(&mut payload).cast();
        // SAFETY: as above.
        let found = unsafe { (self.c.wasmtime_anyref_i31_get_s)(context.0, of.handle(), at) };
        found.then_some(payload)
    }

    /// Whether a struct or array is an array, if the release can say that.
    pub fn is_array(&self, context: Context, of: &Val) -> Option<bool> {
        // SAFETY: as api.rs says.
        self.array_test.as_ref().map(|test| unsafe { (test.wasmtime_anyref_is_array)(context.0, of.handle()) })
    }
}
