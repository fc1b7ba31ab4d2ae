//! Frames and messages between the parent and this executor, as docs/wire.md describes them.

use std::io::{self, Read};

use crate::msgpack::{Malformed, Reader, Writer};
use crate::ops::{Op, OpKind, MAX_ARGS};

/// The version of the wire that is spoken here.
pub const WIRE_VERSION: i64 = 1;

/// Bytes of one message; more is garbage.
const MAX_FRAME: usize = 64 << 20;

/// Slots and host values of one program; the op table allows fewer.
const MAX_SLOTS: i64 = 1 << 20;

/// The parent said what it may not say, or asked for what is not offered. The executor reports it and ends.
#[derive(Debug)]
pub struct Trouble(pub String);

impl Trouble {
    pub fn new(text: impl Into<String>) -> Self {
        Trouble(text.into())
    }
}

impl From<Malformed> for Trouble {
    fn from(error: Malformed) -> Self {
        Trouble(format!("not a message of a parent: {}", error.0))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble(error.to_string())
    }
}

/// Reads one frame into `body`; false at the end of the stream.
pub fn read_frame(source: &mut impl Read, body: &mut Vec<u8>) -> Result<bool, Trouble> {
    let mut head = [0; 4];
    let first = source.read(&mut head)?;
    if first == 0 {
        return Ok(false);
    }
    source.read_exact(&mut head[first..]).map_err(cut)?;
    let length = u32::from_le_bytes(head) as usize;
    if length > MAX_FRAME {
        return Err(Trouble(format!("a frame of {length} bytes is announced, and the limit is {MAX_FRAME}")));
    }
    body.resize(length, 0);
    source.read_exact(body).map_err(cut)?;
    Ok(true)
}

fn cut(error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Trouble::new("the parent stopped within a frame"),
        _ => error.into(),
    }
}

/// Appends a frame whose body `write` writes.
pub fn write_frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(&mut Writer(out));
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// What the parent says in the handshake.
pub struct Request {
    pub codes: Codes,
    pub progress: Option<String>,
}

/// A message of the parent. The programs of a batch stay encoded until each is due.
pub enum Order<'a> {
    Hello(Request),
    Batch { id: i64, programs: Programs<'a> },
}

/// Decodes one message.
pub fn decode_order(body: &[u8]) -> Result<Order<'_>, Trouble> {
    let mut reader = Reader::new(body);
    let fields = reader.array()?;
    match (reader.text()?, fields) {
        ("hello", 2) => Ok(Order::Hello(decode_request(&mut reader)?)),
        ("batch", 3) => {
            let id = reader.int()?;
            let left = reader.array()?;
            Ok(Order::Batch { id, programs: Programs { reader, left } })
        }
        (name, fields) => Err(Trouble(format!("a message {name:?} of {fields} fields is unknown"))),
    }
}

fn decode_request(reader: &mut Reader) -> Result<Request, Trouble> {
    let (mut wire, mut codes, mut progress) = (0, Codes(Vec::new()), None);
    for _ in 0..reader.map()? {
        match reader.text()? {
            "wire" => wire = reader.int()?,
            "ops" => {
                for _ in 0..reader.array()? {
                    codes.0.push(OpKind::named(reader.text()?));
                }
            }
            "progress" => progress = reader.text_or_nil()?.map(str::to_owned),
            _ => reader.skip()?,
        }
    }
    if wire != WIRE_VERSION {
        return Err(Trouble(format!("the parent speaks wire version {wire}, and this executor {WIRE_VERSION}")));
    }
    Ok(Request { codes, progress })
}

/// The op kind of each code that the parent uses; none for those that are not known here.
pub struct Codes(Vec<Option<OpKind>>);

/// The programs of a batch that were not decoded yet.
pub struct Programs<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl Programs<'_> {
    /// Decodes the next program into `program`; false if there is none.
    pub fn next_into(&mut self, codes: &Codes, program: &mut Program) -> Result<bool, Trouble> {
        if self.left == 0 {
            if !self.reader.is_empty() {
                return Err(Trouble::new("a batch goes on after its last program"));
            }
            return Ok(false);
        }
        self.left -= 1;
        program.decode(&mut self.reader, codes)?;
        Ok(true)
    }
}

/// A program: the settings of store 0, the number of slots and host values, the ops, the modules of its bodies,
/// and the engine.
#[derive(Default)]
pub struct Program {
    pub number: u32,
    pub limit: i64,
    pub limiter: i64,
    pub slots: usize,
    pub values: usize,
    pub ops: Vec<Op>,
    pub bodies: Vec<Body>,
    /// The engine configuration (model/engines.py).
    pub engine: usize,
}

/// The modules of a body, in the binary format.
#[derive(Clone, Default)]
pub struct Body {
    pub module: Vec<u8>,
    /// That of its far helpers, empty if it has none.
    pub far: Vec<u8>,
}

impl Program {
    fn decode(&mut self, reader: &mut Reader, codes: &Codes) -> Result<(), Trouble> {
        let fields = reader.array()?;
        if !(6..=8).contains(&fields) {
            return Err(Trouble::new("a program has six fields, seven with bodies, eight with an engine"));
        }
        let number = reader.int()?;
        self.number =
            u32::try_from(number).map_err(|_| Trouble(format!("program number {number} is not one of 32 bits")))?;
        self.limit = reader.int()?;
        self.limiter = reader.int()?;
        self.slots = bounded(reader.int()?)?;
        self.values = bounded(reader.int()?)?;
        self.ops.clear();
        for _ in 0..reader.array()? {
            self.ops.push(decode_op(reader, codes)?);
        }
        self.bodies.clear();
        for _ in 0..if fields >= 7 { reader.array()? } else { 0 } {
            let parts = reader.array()?;
            if !(2..=3).contains(&parts) {
                return Err(Trouble::new("a body is a text, a module, and perhaps a module of far helpers"));
            }
            reader.text()?; // for executors that interpret it
            let module = reader.bytes()?.to_vec();
            let far = if parts == 3 { reader.bytes()?.to_vec() } else { Vec::new() };
            self.bodies.push(Body { module, far });
        }
        self.engine = if fields == 8 { bounded(reader.int()?)? } else { 0 };
        Ok(())
    }
}

fn bounded(count: i64) -> Result<usize, Trouble> {
    match count {
        0..=MAX_SLOTS => Ok(count as usize),
        _ => Err(Trouble(format!("{count} slots or values in one program"))),
    }
}

fn decode_op(reader: &mut Reader, codes: &Codes) -> Result<Op, Trouble> {
    let fields = reader.array()?;
    let code = reader.int()?;
    let kind = usize::try_from(code)
        .ok()
        .and_then(|code| codes.0.get(code).copied().flatten())
        .ok_or_else(|| Trouble(format!("op {code} was not offered in the handshake")))?;
    if fields != 1 + kind.args() {
        return Err(Trouble(format!("{} with {fields} fields", kind.name())));
    }
    let mut args = [0; MAX_ARGS];
    for arg in &mut args[..kind.args()] {
        *arg = reader.int()?;
    }
    Ok(Op { kind, args })
}

/// What this executor says of itself in the handshake.
pub struct Hello<'a> {
    pub release: &'a str,
    pub collector: &'a str,
    pub exact: bool,
    /// The op kinds that it supports.
    pub ops: &'a [OpKind],
    pub build: &'a str,
    /// The names of the engine configurations that it has.
    pub engines: Vec<&'a str>,
}

impl Hello<'_> {
    /// The whole message.
    pub fn write(&self, writer: &mut Writer) {
        writer.array(2);
        writer.text("hello");
        writer.map(8);
        writer.text("wire");
        writer.int(WIRE_VERSION);
        writer.text("runtime");
        writer.text("wasmtime");
        writer.text("release");
        writer.text(self.release);
        writer.text("collector");
        writer.text(self.collector);
        writer.text("exact");
        writer.bool(self.exact);
        writer.text("ops");
        writer.array(self.ops.len());
        for kind in self.ops {
            writer.text(kind.name());
        }
        writer.text("build");
        writer.text(self.build);
        writer.text("engines");
        writer.array(self.engines.len());
        self.engines.iter().for_each(|name| writer.text(name));
    }
}

/// The head of a result; gives the place for the number of observations, which are to follow.
pub fn begin_result(writer: &mut Writer, batch: i64, number: u32) -> usize {
    writer.array(4);
    writer.text("result");
    writer.int(batch);
    writer.int(i64::from(number));
    writer.open_array()
}

/// The message with which an executor ends.
pub fn write_error(writer: &mut Writer, text: &str) {
    writer.array(2);
    writer.text("error");
    writer.text(text);
}
