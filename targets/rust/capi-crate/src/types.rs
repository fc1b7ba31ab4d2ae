//! Types of globals and tables, made in a way that works in every release (docs/spec/capi.md 5.3).
//!
//! `wasm_valtype_new` knows only externref and funcref. But a module may import a global of any type, and the C API
//! gives the types of imports back whole.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::{from_mut, null_mut};

use crate::abi::{ByteVec, Limits, Ptr};
use crate::api::failed;
use crate::facts::Facts;
use crate::functions::Always;
use crate::wire::Trouble;

/// What `wasm_limits_t` has for a table without a maximum.
const UNBOUNDED: u32 = u32::MAX;

/// The reference types of one engine by name, and the global types made of them: both stay as long as the process.
pub struct RefTypes {
    types: HashMap<&'static str, Ptr>,
    globals: RefCell<HashMap<(&'static str, bool), Ptr>>,
}

impl RefTypes {
    /// Compiles the module that imports them.
    pub fn read(c: &Always, engine: Ptr, facts: &Facts) -> Result<RefTypes, Trouble> {
        let module = compile(c, engine, &facts.modules.ref_types)
            .map_err(|failed| Trouble(format!("the library does not accept reference types: {failed}")))?;
        let found = imported_types(c, module);
        // SAFETY: it was just made, and what was taken from it are copies.
        unsafe { (c.wasmtime_module_delete)(module) };
        let types = facts.ref_types.iter().copied().zip(found).collect();
        Ok(RefTypes { types, globals: RefCell::default() })
    }

    /// A `wasm_valtype_t*` for a function that swallows it.
    pub fn copy(&self, c: &Always, of: &str) -> Ptr {
        // SAFETY: the type is alive as long as this object.
        unsafe { (c.wasm_valtype_copy)(self.types[of]) }
    }

    /// The `wasm_globaltype_t*`; it stays this object's.
    pub fn global_type(&self, c: &Always, of: &'static str, mutable: bool) -> Ptr {
        let mut globals = self.globals.borrow_mut();
        // SAFETY: the constructor swallows the value type.
        *globals
            .entry((of, mutable))
            .or_insert_with(|| unsafe { (c.wasm_globaltype_new)(self.copy(c, of), u8::from(mutable)) })
    }

    /// A `wasm_tabletype_t*` that the caller must delete; sizes in elements.
    pub fn new_table_type(&self, c: &Always, of: &str, minimum: u32, maximum: Option<u32>) -> Ptr {
        let mut limits = Limits { min: minimum, max: maximum.unwrap_or(UNBOUNDED) };
        // SAFETY: the constructor swallows the value type and reads the limits.
        unsafe { (c.wasm_tabletype_new)(self.copy(c, of), from_mut(&mut limits).cast()) }
    }
}

/// Copies of the types of the globals that a module imports, in order.
pub fn imported_types(c: &Always, module: Ptr) -> Vec<Ptr> {
    let mut imports = ByteVec::new();
    // SAFETY: the module is alive; it fills the vector with pointers to import types, which live until the vector is
    // deleted, and each is that of a global. The copies of their content are ours.
    unsafe {
        (c.wasmtime_module_imports)(module, imports.get_mut());
        let pointers = std::slice::from_raw_parts(imports.data.cast::<Ptr>(), imports.size);
        let types = pointers.iter().map(|import| {
            let global = (c.wasm_externtype_as_globaltype_const)((c.wasm_importtype_type)(*import));
            (c.wasm_valtype_copy)((c.wasm_globaltype_content)(global))
        });
        let types = types.collect();
        (c.wasm_importtype_vec_delete)(imports.get_mut());
        types
    }
}

/// A compiled module, or why there is none.
pub fn compile(c: &Always, engine: Ptr, code: &[u8]) -> Result<Ptr, String> {
    let mut module: Ptr = null_mut();
    // SAFETY: the engine lives as long as the process, the code is only read.
    let error =
        unsafe { (c.wasmtime_module_new)(engine, code.as_ptr() as Ptr, code.len(), from_mut(&mut module).cast()) };
    failed(c, error).map_or(Ok(module), Err)
}
