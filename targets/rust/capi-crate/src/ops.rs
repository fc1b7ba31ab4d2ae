//! The op kinds that this executor knows: their names in the handshake, and how many operands and results they have.
//!
//! The parent's codes are mapped by name, so that a parent with more op kinds, or in another order, is understood.

/// Operands and results of the longest op.
pub const MAX_ARGS: usize = 9;

/// One op of a program: operands, then results, as docs/wire.md orders them. Unused places hold zeros.
#[derive(Clone, Copy)]
pub struct Op {
    pub kind: OpKind,
    pub args: [i64; MAX_ARGS],
}

macro_rules! op_kinds {
    ($($kind:ident $name:literal $args:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OpKind { $($kind,)* }

        impl OpKind {
            /// Every kind, in the order of the op table.
            pub const ALL: &'static [OpKind] = &[$(OpKind::$kind,)*];

            /// The name in the handshake.
            pub const fn name(self) -> &'static str {
                match self { $(OpKind::$kind => $name,)* }
            }

            /// How many operands and results follow the code.
            pub const fn args(self) -> usize {
                match self { $(OpKind::$kind => $args,)* }
            }
        }
    };
}

op_kinds! {
    StoreNew "store_new" 3,
    StoreDrop "store_drop" 1,
    SetLimit "set_limit" 2,
    End "end" 0,
    ExtNewOwned "ext_new_owned" 4,
    I31NewOwned "i31_new_owned" 3,
    Oclone "oclone" 2,
    Odrop "odrop" 1,
    OwnedDropThread "owned_drop_thread" 1,
    ConvAnyOwned "conv_any_owned" 2,
    ConvExtOwned "conv_ext_owned" 2,
    Kind "kind" 1,
    Data "data" 1,
    DataSet "data_set" 2,
    Eq "eq" 2,
    ToRaw "to_raw" 2,
    FromRawOwned "from_raw_owned" 3,
    FromImmOwned "from_imm_owned" 4,
    Gc "gc" 1,
    Sync "sync" 1,
    GlobalNew "global_new" 5,
    GlobalGetOwned "global_get_owned" 2,
    GlobalSet "global_set" 2,
    TableNew "table_new" 6,
    TableGetOwned "table_get_owned" 3,
    TableSet "table_set" 3,
    TableGrow "table_grow" 3,
    TableSize "table_size" 1,
    Fill "fill" 4,
    Free "free" 2,
    WrongStore "wrong_store" 3,
    StructNew "struct_new" 9,
    StructGet "struct_get" 5,
    StructGetNumber "struct_get_number" 2,
    StructSet "struct_set" 3,
    StructSetNumber "struct_set_number" 3,
    ArrayNew "array_new" 7,
    ArrayGet "array_get" 5,
    ArrayGetNumber "array_get_number" 2,
    ArraySet "array_set" 3,
    ArraySetNumber "array_set_number" 3,
    ArrayLen "array_len" 1,
    ExnNew "exn_new" 6,
    ExnGet "exn_get" 5,
    Throw "throw" 1,
    ExnTake "exn_take" 3,
    ExnPending "exn_pending" 1,
    Chain "chain" 3,
    Inst "inst" 2,
    InstGlobal "inst_global" 3,
    InstTable "inst_table" 3,
    Run "run" 9,
    RunExn "run_exn" 9,
    Churn "churn" 3,
    Call "call" 7,
    CallExn "call_exn" 7,
    Arg "arg" 2,
    Ret "ret" 1,
    Raise "raise" 1,
    Result "result" 2,
    StoreNewIn "store_new_in" 4,
    SetFuel "set_fuel" 2,
    SetEpochDeadline "set_epoch_deadline" 2,
    RaiseExn "raise_exn" 1,
    Link "link" 3,
    InstDrop "inst_drop" 1,
    ModulesDrop "modules_drop" 1,
    TableGrowHuge "table_grow_huge" 3,
    ArrayNewHuge "array_new_huge" 2,
    NullUse "null_use" 2,
    PoolFill "pool_fill" 1,
    NullObject "null_object" 2,
}

impl OpKind {
    /// The kind that the parent calls `name`, if it is known here.
    pub fn named(name: &str) -> Option<OpKind> {
        OpKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it opens a list of ops that an `end` closes.
    pub fn is_bracket(self) -> bool {
        matches!(self, OpKind::Call | OpKind::CallExn)
    }

    /// Whether only releases with objects of the host have it.
    pub fn needs_objects(self) -> bool {
        use OpKind::*;
        matches!(
            self,
            StructNew
                | StructGet
                | StructGetNumber
                | StructSet
                | StructSetNumber
                | ArrayNew
                | ArrayNewHuge
                | NullObject
                | ArrayGet
                | ArrayGetNumber
                | ArraySet
                | ArraySetNumber
                | ArrayLen
                | ExnNew
                | ExnGet
                | Throw
                | RaiseExn
                | ExnTake
                | ExnPending
                | Chain
        )
    }

    /// Whether only engines with exceptions have it.
    pub fn needs_exceptions(self) -> bool {
        matches!(self, OpKind::RunExn | OpKind::CallExn)
    }
}
