//! Which method performs which op.

use super::Machine;
use crate::abi::Hierarchy;
use crate::objects::Kind;
use crate::ops::{Op, OpKind};
use crate::outcome::{Observation, Reply};

impl Machine {
    pub(super) fn dispatch(&mut self, op: &Op) -> Reply {
        let [a, b, c, d, e, f, g, _, i] = op.args;
        match op.kind {
            OpKind::StoreNew => self.store_new(a, c),
            OpKind::StoreNewIn => self.store_new_in(a, b, d),
            OpKind::SetFuel => self.set_fuel(a, b),
            OpKind::SetEpochDeadline => self.set_epoch_deadline(a, b),
            OpKind::StoreDrop => self.store_drop(a),
            OpKind::SetLimit => self.set_limit(a, b),
            OpKind::End | OpKind::Sync => Ok(Observation::DONE),
            OpKind::ExtNewOwned => self.ext_new(a, b, c),
            OpKind::I31NewOwned => self.i31_new(a, b, c),
            OpKind::Oclone => self.oclone(a, b),
            OpKind::Odrop => self.odrop(a),
            OpKind::OwnedDropThread => self.owned_drop_thread(a),
            OpKind::ConvAnyOwned => self.convert(a, Hierarchy::Any, b),
            OpKind::ConvExtOwned => self.convert(a, Hierarchy::Extern, b),
            OpKind::Kind => self.kind(a),
            OpKind::Data => self.data(a),
            OpKind::DataSet => self.data_set(a, b),
            OpKind::Eq => self.eq(a, b),
            OpKind::ToRaw => self.to_raw(a, b),
            OpKind::FromRawOwned => self.from_raw(a, b, c),
            OpKind::FromImmOwned => self.from_imm(a, b, c, d),
            OpKind::Gc => self.gc(a),
            OpKind::GlobalNew => self.global_new(a, b, c, (d, e)),
            OpKind::GlobalGetOwned => self.global_get(a, b),
            OpKind::GlobalSet => self.global_set(a, b),
            OpKind::TableNew => self.table_new(a, b, (c, d), (e, f)),
            OpKind::TableGetOwned => self.table_get(a, b, c),
            OpKind::TableSet => self.table_set(a, b, c),
            OpKind::TableGrow => self.table_grow(a, b, c),
            OpKind::TableSize => self.table_size(a),
            OpKind::Fill => self.fill(a, b, c, d),
            OpKind::Free => self.free(a, b),
            OpKind::WrongStore => self.wrong_store(a, b, c),
            OpKind::StructNew => self.struct_new(a, b, c, &[d, e, f, g], i),
            OpKind::StructGet => self.get(Kind::Struct, a, b, c, e),
            OpKind::StructGetNumber => self.get_number(Kind::Struct, a, b),
            OpKind::StructSet => self.set(Kind::Struct, a, b, c),
            OpKind::StructSetNumber => self.set_number(Kind::Struct, a, b, c),
            OpKind::ArrayNew => self.array_new(a, b, (c, d), e, g),
            OpKind::ArrayGet => self.get(Kind::Array, a, b, c, e),
            OpKind::ArrayGetNumber => self.get_number(Kind::Array, a, b),
            OpKind::ArraySet => self.set(Kind::Array, a, b, c),
            OpKind::ArraySetNumber => self.set_number(Kind::Array, a, b, c),
            OpKind::ArrayLen => self.array_len(a),
            OpKind::ExnNew => self.exn_new(a, b, &[c, d], f),
            OpKind::ExnGet => self.get(Kind::Exn, a, b, c, e),
            OpKind::Throw => self.throw(a),
            OpKind::ExnTake => self.exn_take(a, c),
            OpKind::ExnPending => self.exn_pending(a),
            OpKind::Chain => self.chain(a, b, c),
            OpKind::Inst => self.inst(a, b),
            OpKind::InstGlobal => self.inst_global(a, b, c),
            OpKind::InstTable => self.inst_table(a, b, c),
            OpKind::Run | OpKind::RunExn => self.run(a, b, c, ([d, e, f], g), i),
            OpKind::Churn => self.churn(a, b, c),
            OpKind::Call | OpKind::CallExn => self.call(a, b, c, ([d, e, f], g)),
            OpKind::Arg => self.arg(b),
            OpKind::Ret => self.ret(a),
            OpKind::Raise => self.raise(),
            OpKind::RaiseExn => self.raise_exn(a),
            OpKind::Link => self.link(a, b, c),
            OpKind::InstDrop => self.inst_drop(a),
            OpKind::ModulesDrop => self.modules_drop(a),
            OpKind::Result => self.result(b),
        }
    }
}
