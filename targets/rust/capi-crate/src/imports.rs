//! Host functions as the C API wants them (docs/spec/capi.md 5.2). What every call relies on is said in `api.rs`.

use std::ptr::null_mut;

use crate::abi::{ByteVec, Ptr, KIND_I32};
use crate::api::Api;
use crate::wire::Trouble;

/// `wasm_valkind_t` of an externref.
const VALKIND_EXTERNREF: u8 = 128;

/// `wasmtime_func_callback_t`: environment, caller, parameters and results as values with their numbers; gives a trap.
pub type Callback = extern "C" fn(Ptr, Ptr, Ptr, usize, Ptr, usize) -> Ptr;

/// A host function: its name, the kinds of its parameters and results, and what is called.
pub struct HostFunction {
    pub name: &'static str,
    pub params: &'static [HostType],
    pub results: &'static [HostType],
    pub callback: Callback,
}

#[derive(Clone, Copy)]
pub enum HostType {
    I32,
    Externref,
}

/// Lets a linker link with a host function.
pub fn define(api: &Api, linker: Ptr, function: &HostFunction) -> Result<(), Trouble> {
    let module = b"host";
    // SAFETY: the vectors are swallowed by the type, the type is copied by the linker and deleted as ours, names are
    // only read, and the callback has the prototype that the linker calls it by. It has no environment to finalize.
    let error = unsafe {
        let (mut params, mut results) = (value_types(api, function.params), value_types(api, function.results));
        let made = (api.c.wasm_functype_new)(params.get_mut(), results.get_mut());
        let (name, callback) = (function.name, function.callback as *const () as Ptr);
        let error = (api.c.wasmtime_linker_define_func)(
            linker,
            module.as_ptr() as Ptr,
            module.len(),
            name.as_ptr() as Ptr,
            name.len(),
            made,
            callback,
            null_mut(),
            null_mut(),
        );
        (api.c.wasm_functype_delete)(made);
        error
    };
    let refused = api.failed(error).map(|failed| format!("the host function {} is refused: {failed}", function.name));
    refused.map_or(Ok(()), |text| Err(Trouble(text)))
}

/// A `wasm_valtype_vec_t` for a function that swallows it.
fn value_types(api: &Api, kinds: &[HostType]) -> ByteVec {
    let kind_of = |kind: &HostType| match kind {
        HostType::I32 => KIND_I32,
        HostType::Externref => VALKIND_EXTERNREF,
    };
    // SAFETY: the types are swallowed by the vector, which copies the pointers.
    unsafe { type_vector(api, kinds.iter().map(|kind| (api.c.wasm_valtype_new)(kind_of(kind))).collect()) }
}

/// A `wasm_valtype_vec_t` that swallows these types.
///
/// # Safety
/// Each is a `wasm_valtype_t*` that is nobody else's.
pub unsafe fn type_vector(api: &Api, mut types: Vec<Ptr>) -> ByteVec {
    let mut made = ByteVec::new();
    // SAFETY: as the caller says.
    unsafe { (api.c.wasm_valtype_vec_new)(made.get_mut(), types.len(), types.as_mut_ptr().cast()) };
    made
}
