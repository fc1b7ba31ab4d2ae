//! Globals and tables through the C API (docs/spec/capi.md 5.3). What every call relies on is said in `api.rs`.

use crate::abi::{Hierarchy, Item, Val};
use crate::api::{Api, Context};

impl Api {
    /// A global with an initial value, or the error's text (5.3). `of`: one of the facts' reference types.
    pub fn global_new(&self, context: Context, of: &'static str, mutable: bool, value: &Val) -> Result<Item, String> {
        let mut made = Item::default();
        let kind = self.types.global_type(&self.c, of, mutable);
        // SAFETY: as api.rs says; the type is read only.
        let error = unsafe { (self.c.wasmtime_global_new)(context.0, kind, value.val(), made.get_mut()) };
        self.failed(error).map_or(Ok(made), Err)
    }

    /// What a global holds, as a new root; cannot fail (5.3).
    pub fn global_get(&self, context: Context, global: &Item, of: Hierarchy) -> Val {
        let mut made = Val::null(of);
        // SAFETY: as api.rs says.
        unsafe { (self.c.wasmtime_global_get)(context.0, global.get(), made.val_mut()) };
        made
    }

    /// Writes a global; the error's text if it is immutable or of another type (5.3).
    pub fn global_set(&self, context: Context, global: &Item, value: &Val) -> Option<String> {
        // SAFETY: as api.rs says.
        self.failed(unsafe { (self.c.wasmtime_global_set)(context.0, global.get(), value.val()) })
    }

    // --- tables

    /// A table filled with a value, or the error's text; sizes in elements (5.3).
    pub fn table_new(
        &self,
        context: Context,
        of: &str,
        (minimum, maximum): (u32, Option<u32>),
        value: &Val,
    ) -> Result<Item, String> {
        let mut made = Item::default();
        let kind = self.types.new_table_type(&self.c, of, minimum, maximum);
        // SAFETY: as api.rs says; the type is copied, and deleted as ours.
        let error = unsafe {
            let error = (self.c.wasmtime_table_new)(context.0, kind, value.val(), made.get_mut());
            (self.c.wasm_tabletype_delete)(kind);
            error
        };
        self.failed(error).map_or(Ok(made), Err)
    }

    /// An element as a new root; None out of bounds (5.3).
    pub fn table_get(&self, context: Context, table: &Item, index: u64, of: Hierarchy) -> Option<Val> {
        let mut made = Val::null(of);
        // SAFETY: as api.rs says.
        let found = unsafe { (self.c.wasmtime_table_get)(context.0, table.get(), index, made.val_mut()) };
        found.then_some(made)
    }

    /// Writes an element; the error's text out of bounds or with another type (5.3).
    pub fn table_set(&self, context: Context, table: &Item, index: u64, value: &Val) -> Option<String> {
        // SAFETY: as api.rs says.
        self.failed(unsafe { (self.c.wasmtime_table_set)(context.0, table.get(), index, value.val()) })
    }

    /// Appends elements: the previous size, or the error's text if it is refused (5.3).
    pub fn table_grow(&self, context: Context, table: &Item, delta: u64, value: &Val) -> Result<i64, String> {
        let mut previous = 0_u64;
        let at = std::ptr::from_mut(&mut previous).cast();
        // SAFETY: as api.rs says.
        let error = unsafe { (self.c.wasmtime_table_grow)(context.0, table.get(), delta, value.val(), at) };
        self.failed(error).map_or(Ok(previous as i64), Err)
    }

    pub fn table_size(&self, context: Context, table: &Item) -> i64 {
        // SAFETY: as api.rs says.
        unsafe { (self.c.wasmtime_table_size)(context.0, table.get()) as i64 }
    }
}
