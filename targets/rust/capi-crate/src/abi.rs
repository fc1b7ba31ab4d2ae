//! The C structs that cross the boundary. Their sizes differ by release (docs/spec/capi.md 5.4): each is declared as
//! large as it ever gets, and where several stand in a row the release's own size is the stride.

use std::ffi::c_void;

/// Any pointer of the C API.
pub type Ptr = *mut c_void;

/// Bytes before the handle in a `wasmtime_val_t`: the kind, padded to the alignment of the union.
pub const VAL_HANDLE: usize = 8;

/// The kinds of a `wasmtime_val_t`, the same in every release.
pub const KIND_I32: u8 = 0;
pub const KIND_I64: u8 = 1;
pub const KIND_F32: u8 = 2;
pub const KIND_F64: u8 = 3;
pub const KIND_FUNCREF: u8 = 5;
pub const KIND_EXTERNREF: u8 = 6;
pub const KIND_ANYREF: u8 = 7;
pub const KIND_EXNREF: u8 = 8;

/// A hierarchy of references: the kind of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hierarchy {
    Extern = KIND_EXTERNREF,
    Any = KIND_ANYREF,
    Exn = KIND_EXNREF,
}

/// A `wasmtime_val_t`. References are kept as whole values: the functions of references take a pointer to the handle
/// inside, those of globals, tables and calls one to the value. All references are the same C struct.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct Val {
    kind: u8,
    padding: [u8; VAL_HANDLE - 1],
    handle: [u64; 3],
}

impl Val {
    /// A null reference.
    pub const fn null(of: Hierarchy) -> Val {
        Val { kind: of as u8, padding: [0; VAL_HANDLE - 1], handle: [0; 3] }
    }

    pub const fn i32(number: i32) -> Val {
        Val::number(KIND_I32, number as u32 as u64)
    }

    /// A number by its bits.
    pub const fn number(kind: u8, bits: u64) -> Val {
        Val { kind, padding: [0; VAL_HANDLE - 1], handle: [bits, 0, 0] }
    }

    /// The whole number in it; those in floats are whole.
    pub fn to_number(self) -> i64 {
        let bits = self.handle[0];
        match self.kind {
            KIND_I64 => bits as i64,
            KIND_F32 => f32::from_bits(bits as u32) as i64,
            KIND_F64 => f64::from_bits(bits) as i64,
            _ => i64::from(bits as u32 as i32),
        }
    }

    pub fn hierarchy(&self) -> Hierarchy {
        match self.kind {
            KIND_ANYREF => Hierarchy::Any,
            KIND_EXNREF => Hierarchy::Exn,
            _ => Hierarchy::Extern,
        }
    }

    /// The same reference as one of another hierarchy: only the place of its kind says which it is.
    pub fn of(mut self, hierarchy: Hierarchy) -> Val {
        self.kind = hierarchy as u8;
        self
    }

    /// Whether the reference is null: its store id is 0 then (docs/spec/capi.md 5.1).
    pub fn is_null(&self) -> bool {
        self.handle[0] == 0
    }

    /// The handle inside, to be read by C.
    pub fn handle(&self) -> Ptr {
        self.handle.as_ptr() as Ptr
    }

    /// The handle inside, to be written by C.
    pub fn handle_mut(&mut self) -> Ptr {
        self.handle.as_mut_ptr().cast()
    }

    /// The value, to be read by C.
    pub fn val(&self) -> Ptr {
        std::ptr::from_ref(self) as Ptr
    }

    /// The value, to be written by C.
    pub fn val_mut(&mut self) -> Ptr {
        std::ptr::from_mut(self).cast()
    }
}

/// Values in a row, as many as an object has fields or a function parameters.
pub struct Vals<const N: usize> {
    stride: usize,
    memory: [Val; N],
}

impl<const N: usize> Vals<N> {
    /// Null externrefs. `stride`: the release's size of a value.
    pub fn new(stride: usize) -> Vals<N> {
        debug_assert!(stride <= size_of::<Val>());
        let null = Val::null(Hierarchy::Extern);
        let mut made = Vals { stride, memory: [null; N] };
        (0..N).for_each(|at| made.set(at, null));
        made
    }

    pub fn set(&mut self, at: usize, val: Val) {
        assert!(at < N, "a value beyond its row");
        // SAFETY: `at` is in bounds, a stride is at most the size of a `Val`, so the bytes are inside `memory`; any
        // bytes are a `Val`, since each of its fields takes any.
        unsafe {
            let base = self.memory.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping(val.val().cast::<u8>(), base.add(at * self.stride), self.stride);
        }
    }

    pub fn as_ptr(&self) -> Ptr {
        self.memory.as_ptr() as Ptr
    }
}

/// A `wasmtime_global_t`, `wasmtime_table_t`, `wasmtime_tag_t`, `wasmtime_func_t` or `wasmtime_instance_t`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Item([u64; 3]);

impl Item {
    pub fn get(&self) -> Ptr {
        self.0.as_ptr() as Ptr
    }

    pub fn get_mut(&mut self) -> Ptr {
        self.0.as_mut_ptr().cast()
    }
}

/// A `wasmtime_extern_t`: what kind of item, and the item.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Extern {
    kind: u64,
    pub item: Item,
}

impl Extern {
    pub fn get_mut(&mut self) -> Ptr {
        std::ptr::from_mut(self).cast()
    }
}

/// A `wasm_byte_vec_t`, also the shape of every other vector of the C API.
#[repr(C)]
pub struct ByteVec {
    pub size: usize,
    pub data: Ptr,
}

impl ByteVec {
    pub const fn new() -> ByteVec {
        ByteVec { size: 0, data: std::ptr::null_mut() }
    }

    pub fn get_mut(&mut self) -> Ptr {
        std::ptr::from_mut(self).cast()
    }
}

/// `wasm_limits_t`.
#[repr(C)]
pub struct Limits {
    pub min: u32,
    pub max: u32,
}

/// `wasmtime_field_type_t`: whether it can be set, what kind of storage it is, and the type of one that is not packed.
#[repr(C)]
pub struct FieldType {
    pub mutable: u64,
    pub kind: u8,
    pub valtype: Ptr,
}

/// `wasmtime_valtype_t`, as far as it is needed: what kind of type, whether nullable, which heap type, and its pointer.
#[repr(C)]
pub struct ValType {
    pub kind: u64,
    pub nullable: u64,
    pub heap_kind: u64,
    pub pointer: Ptr,
}
