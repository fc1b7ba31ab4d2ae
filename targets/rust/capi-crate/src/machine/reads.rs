//! What a handle denotes (docs/spec/capi.md 5.1).

use super::Machine;
use crate::abi::{Hierarchy, Val};
use crate::api::Context;
use crate::outcome::{Observation, Reply, Stop, Value, Values};

/// Uses of null handles, as the op table numbers them: `NULL_USES` of model/ops.py.
const NULL_USES: [&str; 12] = [
    "extern_clone",
    "extern_unroot",
    "extern_data",
    "extern_to_raw",
    "any_clone",
    "any_unroot",
    "any_to_raw",
    "i31_get_u",
    "i31_get_s",
    "val_clone",
    "val_unroot",
    "unroot_nothing",
];

impl Machine {
    pub(super) fn kind(&mut self, at: i64) -> Reply {
        let (context, handle) = self.held(at)?;
        if handle.hierarchy() == Hierarchy::Exn {
            return Ok(Observation::text("exn"));
        }
        // The functions look at the reference only, and all handles are the same C struct.
        if self.api.data(context, &handle).is_some() {
            return Ok(Observation::text("extern"));
        }
        let Some(mut payload) = self.api.i31_get_u(context, &handle) else {
            let is_array = self.is_array(context, &handle)?;
            return Ok(Observation::text(if is_array { "array" } else { "struct" }));
        };
        if handle.hierarchy() == Hierarchy::Extern {
            payload = self.api.to_raw(context, &handle) >> 1; // aborts without a heap from 32 to 45 (K6)
        }
        Ok(Observation::gives(Values::Two([Value::Text("i31"), Value::Int(payload.into())])))
    }

    /// Of a struct or array.
    fn is_array(&self, context: Context, handle: &Val) -> Result<bool, Stop> {
        if let Some(known) = self.api.is_array(context, handle) {
            return Ok(known);
        }
        // Before 44 only the types of globals tell. What is written is let go at once.
        let null = Val::null(Hierarchy::Any);
        let made = self.api.global_new(context, "array", true, &null);
        let global = made.map_err(|failed| Stop::misuse(format!("no global of type arrayref: {failed}")))?;
        let fits = self.api.global_set(context, &global, handle).is_none();
        if fits {
            self.api.global_set(context, &global, &null);
        }
        Ok(fits)
    }

    /// What a function makes of a null handle, or of none at all; `use` as the op table numbers it.
    pub(super) fn null_use(&mut self, at: i64, number: i64) -> Reply {
        let context = self.context(self.store(at)?)?;
        let (api, roots) = (&self.api, &self.api.roots);
        let (external, any) = (Val::null(Hierarchy::Extern), Val::null(Hierarchy::Any));
        let given = |null: bool| Ok(if null { Observation::NULL } else { Observation::NONNULL });
        let known = usize::try_from(number).ok().and_then(|number| NULL_USES.get(number));
        match *known.ok_or_else(|| Stop::misuse(format!("there is no use {number} of a null")))? {
            "extern_clone" => given(roots.clone_of(context, &external).is_null()),
            "any_clone" => given(roots.clone_of(context, &any).is_null()),
            "val_clone" => given(roots.clone_of_value(context, &any).is_null()),
            "extern_to_raw" => given(api.to_raw(context, &external) == 0),
            "any_to_raw" => given(api.to_raw(context, &any) == 0),
            "i31_get_u" => Ok(Observation::bool(api.i31_get_u(context, &any).is_some())),
            "i31_get_s" => Ok(Observation::bool(api.i31_get_s(context, &any).is_some())),
            "extern_data" if api.data(context, &external).is_none() => Ok(Observation::NONE),
            "extern_data" => given(false),
            way => {
                match way {
                    "extern_unroot" => roots.unroot(context, external),
                    "any_unroot" => roots.unroot(context, any),
                    "val_unroot" => roots.unroot_value(context, any),
                    _ => roots.unroot_nothing(context),
                }
                Ok(Observation::DONE)
            }
        }
    }

    pub(super) fn data(&mut self, at: i64) -> Reply {
        let (context, handle) = self.held(at)?;
        let Some(value) = self.api.data(context, &handle) else { return Ok(Observation::NONE) };
        let payload = self.payloads.get(&value).copied().unwrap_or(0);
        Ok(Observation::gives(Values::Two([Value::Int(value.into()), Value::Int(payload)])))
    }

    pub(super) fn data_set(&mut self, at: i64, number: i64) -> Reply {
        let (context, handle) = self.held(at)?;
        let Some(value) = self.api.data(context, &handle) else { return Ok(Observation::NONE) };
        self.payloads.insert(value, number);
        Ok(Observation::DONE)
    }

    pub(super) fn eq(&mut self, left: i64, right: i64) -> Reply {
        let (_, right) = self.handle(right)?;
        let (context, left) = self.held(left)?;
        let of = left.hierarchy();
        if of == Hierarchy::Extern {
            let (one, two) = (self.api.data(context, &left), self.api.data(context, &right));
            if one.is_some() || two.is_some() {
                return Ok(Observation::bool(one == two)); // every object has a pointer of its own
            }
        }
        let (one, two) = (self.api.to_raw(context, &left), self.api.to_raw(context, &right.of(of)));
        Ok(Observation::bool(one == two))
    }
}
