//! The functions of the C API that are used, by the release that brought them (docs/spec/capi.md 5.4). Declared by hand
//! since one executor serves every release; a test compares them with the prototypes of the Python side.

use crate::abi::Ptr;
use crate::library::Library;
use crate::wire::Trouble;

macro_rules! functions {
    ($(#[$doc:meta])* $table:ident { $($name:ident($($argument:ty),*) $(-> $result:ty)?;)* }) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $table { $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)* }

        impl $table {
            /// Finds them all. Fails with the name of the first that the library lacks.
            pub fn load(library: &Library) -> Result<$table, Trouble> {
                $(
                    let found = library.needed(stringify!($name))?;
                    // SAFETY: a symbol of this name is the function of the C API, whose prototype this is in the
                    // releases that the table is for.
                    let $name = unsafe {
                        std::mem::transmute::<Ptr, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found)
                    };
                )*
                Ok($table { $($name,)* })
            }
        }
    };
}

functions! {
    /// What every release has in this shape.
    Always {
        wasm_config_new() -> Ptr;
        wasm_engine_new_with_config(Ptr) -> Ptr;
        wasm_byte_vec_delete(Ptr);
        wasmtime_error_message(Ptr, Ptr);
        wasmtime_error_delete(Ptr);
        wasmtime_store_new(Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_store_delete(Ptr);
        wasmtime_store_context(Ptr) -> Ptr;
        wasmtime_store_limiter(Ptr, i64, i64, i64, i64, i64);
        wasmtime_module_new(Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_module_delete(Ptr);
        wasmtime_module_serialize(Ptr, Ptr) -> Ptr;
        wasmtime_module_deserialize(Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_module_imports(Ptr, Ptr);
        wasm_importtype_vec_delete(Ptr);
        wasm_importtype_type(Ptr) -> Ptr;
        wasm_externtype_as_globaltype_const(Ptr) -> Ptr;
        wasm_globaltype_content(Ptr) -> Ptr;
        wasm_globaltype_new(Ptr, u8) -> Ptr;
        wasm_tabletype_new(Ptr, Ptr) -> Ptr;
        wasm_tabletype_delete(Ptr);
        wasm_valtype_copy(Ptr) -> Ptr;
        wasmtime_externref_new(Ptr, Ptr, Ptr, Ptr) -> bool;
        wasmtime_externref_data(Ptr, Ptr) -> Ptr;
        wasmtime_externref_to_raw(Ptr, Ptr) -> u32;
        wasmtime_externref_from_raw(Ptr, u32, Ptr);
        wasmtime_anyref_to_raw(Ptr, Ptr) -> u32;
        wasmtime_anyref_from_raw(Ptr, u32, Ptr);
        wasmtime_anyref_from_i31(Ptr, u32, Ptr);
        wasmtime_anyref_i31_get_u(Ptr, Ptr, Ptr) -> bool;
        wasmtime_anyref_i31_get_s(Ptr, Ptr, Ptr) -> bool;
        wasmtime_global_new(Ptr, Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_global_get(Ptr, Ptr, Ptr);
        wasmtime_global_set(Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_table_new(Ptr, Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_table_get(Ptr, Ptr, u64, Ptr) -> bool;
        wasmtime_table_set(Ptr, Ptr, u64, Ptr) -> Ptr;
        wasmtime_table_size(Ptr, Ptr) -> u64;
        wasmtime_table_grow(Ptr, Ptr, u64, Ptr, Ptr) -> Ptr;
        wasm_valtype_new(u8) -> Ptr;
        wasm_valtype_vec_new(Ptr, usize, Ptr);
        wasm_valtype_delete(Ptr);
        wasm_functype_new(Ptr, Ptr) -> Ptr;
        wasm_functype_delete(Ptr);
        wasm_trap_message(Ptr, Ptr);
        wasm_trap_delete(Ptr);
        wasmtime_trap_new(Ptr, usize) -> Ptr;
        wasmtime_caller_context(Ptr) -> Ptr;
        wasmtime_linker_new(Ptr) -> Ptr;
        wasmtime_linker_clone(Ptr) -> Ptr;
        wasmtime_linker_delete(Ptr);
        wasmtime_linker_define_func(Ptr, Ptr, usize, Ptr, usize, Ptr, Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_linker_define_instance(Ptr, Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_linker_instantiate(Ptr, Ptr, Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_instance_export_get(Ptr, Ptr, Ptr, usize, Ptr) -> bool;
        wasmtime_func_call(Ptr, Ptr, Ptr, usize, Ptr, usize, Ptr) -> Ptr;
        wasmtime_context_set_fuel(Ptr, u64) -> Ptr;
        wasmtime_context_get_fuel(Ptr, Ptr) -> Ptr;
        wasmtime_context_set_epoch_deadline(Ptr, u64);
        wasmtime_engine_increment_epoch(Ptr);
        wasmtime_func_call_async(Ptr, Ptr, Ptr, usize, Ptr, usize, Ptr, Ptr) -> Ptr;
        wasmtime_linker_instantiate_async(Ptr, Ptr, Ptr, Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_call_future_poll(Ptr) -> bool;
        wasmtime_call_future_delete(Ptr);
    }
}

functions! {
    /// Copies and ends of roots, where they want the store's context.
    ContextualRelease {
        wasmtime_externref_clone(Ptr, Ptr, Ptr);
        wasmtime_externref_unroot(Ptr, Ptr);
        wasmtime_anyref_clone(Ptr, Ptr, Ptr);
        wasmtime_anyref_unroot(Ptr, Ptr);
        wasmtime_val_clone(Ptr, Ptr, Ptr);
        wasmtime_val_unroot(Ptr, Ptr);
    }
}

functions! {
    /// Copies and ends of roots, where the handle is enough.
    FreeRelease {
        wasmtime_externref_clone(Ptr, Ptr);
        wasmtime_externref_unroot(Ptr);
        wasmtime_anyref_clone(Ptr, Ptr);
        wasmtime_anyref_unroot(Ptr);
        wasmtime_val_clone(Ptr, Ptr);
        wasmtime_val_unroot(Ptr);
    }
}

functions! {
    /// A collection that tells nothing.
    SilentGc {
        wasmtime_context_gc(Ptr);
    }
}

functions! {
    /// A collection that may give an error.
    FallibleGc {
        wasmtime_context_gc(Ptr) -> Ptr;
    }
}

functions! {
    /// What tells arrays from structs.
    ArrayTest {
        wasmtime_anyref_is_array(Ptr, Ptr) -> bool;
    }
}

functions! {
    /// Structs, arrays and exceptions.
    ObjectFunctions {
        wasmtime_anyref_as_eqref(Ptr, Ptr, Ptr) -> bool;
        wasmtime_eqref_unroot(Ptr);
        wasmtime_context_has_exception(Ptr) -> bool;
        wasmtime_exnref_to_raw(Ptr, Ptr) -> u32;
        wasmtime_exnref_clone(Ptr, Ptr);
        wasmtime_exnref_unroot(Ptr);
        wasmtime_exnref_new(Ptr, Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_exnref_field(Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_exnref_field_count(Ptr, Ptr) -> usize;
        wasmtime_context_set_exception(Ptr, Ptr) -> Ptr;
        wasmtime_context_take_exception(Ptr, Ptr) -> bool;
        wasm_tagtype_new(Ptr) -> Ptr;
        wasm_tagtype_delete(Ptr);
        wasmtime_tag_new(Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_valtype_new(Ptr, Ptr);
        wasmtime_valtype_delete(Ptr);
        wasmtime_field_type_delete(Ptr);
        wasmtime_struct_ref_pre_new(Ptr, Ptr) -> Ptr;
        wasmtime_struct_ref_pre_delete(Ptr);
        wasmtime_struct_type_delete(Ptr);
        wasmtime_struct_type_field(Ptr, usize, Ptr) -> bool;
        wasmtime_structref_new(Ptr, Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_structref_field(Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_structref_set_field(Ptr, Ptr, usize, Ptr) -> Ptr;
        wasmtime_structref_type(Ptr, Ptr) -> Ptr;
        wasmtime_array_ref_pre_new(Ptr, Ptr) -> Ptr;
        wasmtime_array_ref_pre_delete(Ptr);
        wasmtime_array_type_delete(Ptr);
        wasmtime_array_type_element(Ptr, Ptr);
        wasmtime_arrayref_new(Ptr, Ptr, Ptr, u32, Ptr) -> Ptr;
        wasmtime_arrayref_get(Ptr, Ptr, u32, Ptr) -> Ptr;
        wasmtime_arrayref_set(Ptr, Ptr, u32, Ptr) -> Ptr;
        wasmtime_arrayref_len(Ptr, Ptr, Ptr) -> Ptr;
        wasmtime_arrayref_type(Ptr, Ptr) -> Ptr;
    }
}
