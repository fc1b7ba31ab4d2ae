//! What an op did, in canonical form (docs/spec/program-ir.md 8), and how that is written.

use wasmtime::{Error, Trap};

use crate::effects::Effects;
use crate::msgpack::Writer;
use crate::wire::Trouble;

/// One value of an observation.
#[derive(Clone, Copy)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// In the trace of a run: an i31 that was seen, by its unsigned payload.
    I31(u32),
    /// In the trace of a run: a number that was noted.
    Note(i32),
    /// After the trace of a run that was stopped: how many check points it passed.
    Passed(i32),
    /// In the trace of a run: a value that was finalized.
    Gone(u32),
}

/// What an op that succeeded gives.
#[derive(Clone)]
pub enum Reply {
    Done,
    One(Value),
    Two([Value; 2]),
    Many(Vec<Value>),
}

impl Reply {
    pub const NONNULL: Reply = Reply::One(Value::Text("nonnull"));
    pub const NULL: Reply = Reply::One(Value::Text("null"));
    pub const ABSENT: Reply = Reply::One(Value::Text("absent"));
    pub const NONE: Reply = Reply::One(Value::None);
    pub const PENDING: Reply = Reply::One(Value::Text("pending"));

    pub fn int(value: impl Into<i64>) -> Reply {
        Reply::One(Value::Int(value.into()))
    }

    fn values(&self) -> &[Value] {
        match self {
            Reply::Done => &[],
            Reply::One(value) => std::slice::from_ref(value),
            Reply::Two(values) => values,
            Reply::Many(values) => values,
        }
    }
}

/// Why an op gives nothing.
pub enum Stop {
    /// An operand's producer gave nothing.
    Empty,
    /// Out of memory; the error is already put where it belongs.
    OutOfMemory { needed: i64 },
    /// Wasm ended with this outcome, after this trace; `needed` if it was for want of memory.
    Ended { outcome: &'static str, trace: Vec<Value>, needed: i64 },
    /// An error of the runtime.
    Failed(Error),
    /// The parent asked for what no program can say.
    Misuse(Trouble),
}

pub type Outcome = Result<Reply, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl Stop {
    pub fn misuse(text: impl Into<String>) -> Stop {
        Stop::Misuse(Trouble::new(text))
    }
}

/// Parts of error texts and the outcomes that they mean.
const TEXTS: &[(&str, &str)] = &[
    ("has been unrooted", "err:unrooted"),
    ("immutable", "err:immutable"),
    ("not mutable", "err:immutable"),
    ("out of bounds", "err:oob"),
    ("failed to grow", "err:grow"),
    ("type mismatch", "err:type"),
    ("cross-`Store`", "err:type"),
];

/// The canonical outcome of an error of the runtime: the outermost text decides, since a type check that meets a stale
/// handle is a type mismatch over the unrooted error (docs/spec/semantics.md 7).
pub fn outcome_of(error: &Error) -> &'static str {
    if matches!(error.downcast_ref(), Some(Trap::TableOutOfBounds)) {
        return "err:oob";
    }
    let known = error.chain().find_map(|cause| {
        let text = cause.to_string();
        TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, outcome)| *outcome)
    });
    known.unwrap_or("err:other")
}

/// The bytes that an out-of-memory error says were needed: only its text tells.
pub fn bytes_needed(text: &str) -> i64 {
    let digits = text.split(|at: char| !at.is_ascii_digit()).find(|part| !part.is_empty());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Writes observations; trailing fields that are empty are left out.
pub struct Observer {
    /// Whether limiter calls and needed bytes are part of observations.
    pub exact: bool,
}

impl Observer {
    /// Writes what one op did. Gives the trouble back if it was no outcome at all.
    pub fn write(&self, writer: &mut Writer, outcome: Outcome, effects: &Effects) -> Result<(), Trouble> {
        let (name, reply, needed) = match outcome {
            Ok(reply) => ("ok", reply, 0),
            Err(Stop::Empty) => ("skip", Reply::Done, 0),
            Err(Stop::OutOfMemory { needed }) => ("err:oom", Reply::Done, needed),
            Err(Stop::Ended { outcome, trace, needed }) => (outcome, Reply::Many(trace), needed),
            Err(Stop::Failed(error)) => (outcome_of(&error), Reply::Done, 0),
            Err(Stop::Misuse(trouble)) => return Err(trouble),
        };
        self.fields(writer, name, &reply, effects, if self.exact { needed } else { 0 });
        Ok(())
    }

    /// Writes the observation of the op that panicked.
    pub fn write_panic(&self, writer: &mut Writer, outcome: &str, effects: &Effects) {
        self.fields(writer, outcome, &Reply::Done, effects, 0);
    }

    fn fields(&self, writer: &mut Writer, name: &str, reply: &Reply, effects: &Effects, needed: i64) {
        let limiter: &[_] = if self.exact { &effects.limiter } else { &[] };
        let values = reply.values();
        let fields = match (values.is_empty(), effects.finalized.is_empty(), limiter.is_empty(), needed) {
            (true, true, true, 0) => 1,
            (_, true, true, 0) => 2,
            (_, false, true, 0) => 3,
            (_, _, false, 0) => 4,
            _ => 5,
        };
        writer.array(fields);
        writer.text(name);
        if fields > 1 {
            writer.array(values.len());
            values.iter().for_each(|value| write_value(writer, *value));
        }
        if fields > 2 {
            writer.array(effects.finalized.len());
            effects.finalized.iter().for_each(|value| writer.int(i64::from(*value)));
        }
        if fields > 3 {
            writer.array(limiter.len());
            for (current, desired) in limiter {
                writer.array(2);
                writer.int(*current as i64);
                writer.int(*desired as i64);
            }
        }
        if fields > 4 {
            writer.int(needed);
        }
    }
}

fn write_value(writer: &mut Writer, value: Value) {
    match value {
        Value::None => writer.nil(),
        Value::Bool(value) => writer.bool(value),
        Value::Int(value) => writer.int(value),
        Value::Text(text) => writer.text(text),
        Value::I31(payload) => writer.text(&format!("i31:{payload}")),
        Value::Note(number) => writer.text(&format!("n:{number}")),
        Value::Passed(number) => writer.text(&format!("p:{number}")),
        Value::Gone(value) => writer.text(&format!("f:{value}")),
    }
}
