//! What an op did, in canonical form, and how that is written; the C API gives texts and no codes (docs/spec/capi.md
//! 5.2, 5.3).

use std::borrow::Cow;

use crate::facts::{Facts, Meaning};
use crate::msgpack::Writer;
use crate::wire::Trouble;

pub const OOM: &str = "err:oom";
pub const OTHER: &str = "err:other";
pub const PANIC: &str = "panic:";
/// How a run ends that a limit stopped (docs/bodies.md).
pub const STOPPED: [&str; 2] = ["trap:fuel", "trap:interrupt"];

/// One value of an observation.
#[derive(Clone)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// In the trace of a run: an i31 that was seen, by its unsigned payload.
    I31(u32),
    /// In the trace of a run: a number that was noted.
    Note(i32),
    /// In the trace of a run: a value that was finalized.
    Gone(u32),
    /// After the trace of a run that was stopped: how many check points it passed.
    Passed(i32),
}

/// The values of an observation; most have none or one.
#[derive(Clone)]
pub enum Values {
    None,
    One(Value),
    Two([Value; 2]),
    Many(Vec<Value>),
}

impl Values {
    fn as_slice(&self) -> &[Value] {
        match self {
            Values::None => &[],
            Values::One(value) => std::slice::from_ref(value),
            Values::Two(values) => values,
            Values::Many(values) => values,
        }
    }
}

/// The outcome of an op: one of the canonical texts, or a panic's.
pub type Outcome = Cow<'static, str>;

/// What an op did.
#[derive(Clone)]
pub struct Observation {
    pub outcome: Outcome,
    pub values: Values,
    pub finalized: Vec<u32>,
}

impl Observation {
    pub const DONE: Observation = Observation::gives(Values::None);
    pub const SKIPPED: Observation =
        Observation { outcome: Cow::Borrowed("skip"), values: Values::None, finalized: Vec::new() };
    pub const NONNULL: Observation = Observation::text("nonnull");
    pub const NULL: Observation = Observation::text("null");
    pub const ABSENT: Observation = Observation::text("absent");
    pub const NONE: Observation = Observation::gives(Values::One(Value::None));

    pub const fn gives(values: Values) -> Observation {
        Observation { outcome: Cow::Borrowed("ok"), values, finalized: Vec::new() }
    }

    pub const fn text(text: &'static str) -> Observation {
        Observation::gives(Values::One(Value::Text(text)))
    }

    pub fn int(value: impl Into<i64>) -> Observation {
        Observation::gives(Values::One(Value::Int(value.into())))
    }

    pub const fn bool(value: bool) -> Observation {
        Observation::gives(Values::One(Value::Bool(value)))
    }

    pub fn ended(outcome: impl Into<Outcome>) -> Observation {
        Observation { outcome: outcome.into(), values: Values::None, finalized: Vec::new() }
    }

    /// Writes it; trailing fields that are empty are left out.
    pub fn write(&self, writer: &mut Writer) {
        let values = self.values.as_slice();
        let fields = match (values.is_empty(), self.finalized.is_empty()) {
            (true, true) => 1,
            (false, true) => 2,
            (_, false) => 3,
        };
        writer.array(fields);
        writer.text(&self.outcome);
        if fields > 1 {
            writer.array(values.len());
            values.iter().for_each(|value| write_value(writer, value));
        }
        if fields > 2 {
            writer.array(self.finalized.len());
            self.finalized.iter().for_each(|value| writer.int(i64::from(*value)));
        }
    }
}

fn write_value(writer: &mut Writer, value: &Value) {
    match value {
        Value::None => writer.nil(),
        Value::Bool(value) => writer.bool(*value),
        Value::Int(value) => writer.int(*value),
        Value::Text(text) => writer.text(text),
        Value::I31(payload) => writer.text(&format!("i31:{payload}")),
        Value::Note(number) => writer.text(&format!("n:{number}")),
        Value::Passed(number) => writer.text(&format!("p:{number}")),
        Value::Gone(value) => writer.text(&format!("f:{value}")),
    }
}

/// Why an op has no observation of its own.
pub enum Stop {
    /// An operand's producer gave nothing: the op is skipped.
    Empty,
    /// An error of the runtime, by its outcome.
    Failed(Outcome),
    /// The parent asked for what no program can say, or the library is not what it seems.
    Misuse(Trouble),
}

impl Stop {
    pub fn misuse(text: impl Into<String>) -> Stop {
        Stop::Misuse(Trouble::new(text))
    }
}

pub type Reply = Result<Observation, Stop>;

impl Facts {
    /// The canonical outcome of an error's text.
    pub fn failure_of(&self, text: &str) -> Outcome {
        found(&self.errors, text).unwrap_or(OTHER).into()
    }

    /// How Wasm code ended, by the text of the trap or error, if it says something of that.
    pub fn ending_of(&self, text: &str) -> Option<Outcome> {
        found(&self.endings, text).map(Outcome::from)
    }

    /// The canonical outcome for a panic message: the first quoted text in it, else its first line.
    pub fn panic_of(&self, message: &str) -> Outcome {
        let quoted = self.panics.iter().find(|text| message.contains(**text)).copied();
        let line = message.trim().lines().next().unwrap_or("no message");
        let text = format!("{PANIC}{}", quoted.unwrap_or(line));
        Outcome::Owned(text.chars().take(self.max_text).collect())
    }
}

fn found(meanings: &[Meaning], text: &str) -> Option<&'static str> {
    meanings.iter().find(|(part, _)| text.contains(part)).map(|(_, outcome)| *outcome)
}
