//! Which method performs which op.

use super::Machine;
use crate::ops::{Op, OpKind};
use crate::outcome::{Outcome, Reply};

impl Machine<'_> {
    /// Performs any op but a bracket.
    pub(super) fn dispatch(&mut self, op: &Op) -> Outcome {
        let [a, b, c, d, e, f] = op.args;
        match op.kind {
            OpKind::Scope | OpKind::End => unreachable!("brackets are seen to by run_ops"),
            OpKind::StoreNew => self.store_new(a, b, c),
            OpKind::StoreDrop => self.store_drop(a),
            OpKind::SetLimit => self.set_limit(a, b),
            OpKind::ExtNew => self.ext_new(a, b, c, d),
            OpKind::ExtNewOwned => self.ext_new_owned(a, b, c, d),
            OpKind::I31New => self.i31_new(a, b, c),
            OpKind::I31NewOwned => self.i31_new_owned(a, b, c),
            OpKind::Own => self.own(a, b),
            OpKind::Lend => self.lend(a, b),
            OpKind::Oclone => self.oclone(a, b),
            OpKind::Odrop => self.odrop(a),
            OpKind::OwnedDropThread => self.owned_drop_thread(a),
            OpKind::ConvAny => self.conv_any(a, b),
            OpKind::ConvExt => self.conv_ext(a, b),
            OpKind::ConvAnyOwned => self.conv_any_owned(a, b),
            OpKind::ConvExtOwned => self.conv_ext_owned(a, b),
            OpKind::Cast => self.cast(a, b, c),
            OpKind::Kind => self.kind(a),
            OpKind::Data => self.data(a),
            OpKind::DataSet => self.data_set(a, b),
            OpKind::Eq => self.eq(a, b),
            OpKind::ToRaw => self.to_raw(a, b),
            OpKind::FromRaw => self.from_raw(a, b, c),
            OpKind::FromRawOwned => self.from_raw_owned(a, b, c),
            OpKind::FromImm => self.from_imm(a, b, c, d),
            OpKind::FromImmOwned => self.from_imm_owned(a, b, c, d),
            OpKind::Gc => self.gc(a),
            OpKind::Sync => Ok(Reply::Done),
            OpKind::GcFor => self.gc_for(a, b),
            OpKind::OomTake => self.oom_take(a),
            OpKind::OomDrop => self.oom_drop(a),
            OpKind::NewAsync => self.new_async(a, b, c, (d, e)),
            OpKind::GcAsync => self.gc_async(a, b),
            OpKind::Poll => self.poll(a, b),
            OpKind::Cancel => self.cancel(a),
            OpKind::TypedCall => self.typed_call(a, b, c, d),
            OpKind::TypedCallOwned => self.typed_call_owned(a, b, c, d),
            OpKind::GlobalNew => self.global_new(a, b, c, (d, e)),
            OpKind::GlobalGet => self.global_get(a, b),
            OpKind::GlobalGetOwned => self.global_get_owned(a, b),
            OpKind::GlobalSet => self.global_set(a, b),
            OpKind::TableNew => self.table_new(a, b, (c, d), (e, f)),
            OpKind::TableGet => self.table_get(a, b, c),
            OpKind::TableGetOwned => self.table_get_owned(a, b, c),
            OpKind::TableSet => self.table_set(a, b, c),
            OpKind::TableGrow => self.table_grow(a, b, c),
            OpKind::TableFill => self.table_fill(a, b, c, d),
            OpKind::TableCopy => self.table_copy(a, b, c, d, e),
            OpKind::TableSize => self.table_size(a),
            OpKind::Fill => self.fill(a, b, c, d),
            OpKind::Free => self.free(a, b),
            OpKind::WrongStore => self.wrong_store(a, b, c),
        }
    }
}
