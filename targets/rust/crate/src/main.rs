//! The executor of TwinHeap's target `rust`: runs programs on Wasmtime's Rust API and speaks the wire (docs/wire.md)
//! on its standard streams. Started by the target; `--collector NAME` and `--zeal N` choose what it runs.

mod compare;
mod compat;
mod compiler;
mod crossing;
mod effects;
mod engine;
mod handles;
mod host;
mod kit;
mod limiter;
mod lru;
mod machine;
mod msgpack;
mod ops;
mod outcome;
mod panics;
mod process;
mod stores;
#[cfg(test)]
mod tests;
mod wire;

use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use engine::Options;
use machine::Machine;
use ops::OpKind;
use outcome::Observer;
use process::Progress;
use wire::{Codes, Hello, Order, Program, Programs, Trouble};

/// Exit code for options that are not understood.
const EXIT_USAGE: u8 = 2;

/// Exit code of an executor that reported an error of its own.
const EXIT_TROUBLE: u8 = 3;

/// Bytes of results that are kept before the end of a batch: memory stays bounded whatever the parent sends.
const FLUSH_SIZE: usize = 8 << 20;

/// Which build of a release this is, in the words of whoever built it.
const BUILD: &str = env!("TWINHEAP_BUILD");

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("twinheap-executor: {text}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let mut sink = match process::die_with_parent().and_then(|()| process::private_output()) {
        Ok(sink) => sink,
        Err(error) => {
            eprintln!("twinheap-executor: {error}");
            return ExitCode::from(EXIT_TROUBLE);
        }
    };
    let Err(trouble) = serve(options, &mut sink) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("twinheap-executor: {}", trouble.0);
    let mut out = Vec::new();
    wire::write_frame(&mut out, |writer| wire::write_error(writer, &trouble.0));
    // The parent may be gone; then there is nobody to tell.
    let _ = sink.write_all(&out);
    ExitCode::from(EXIT_TROUBLE)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { collector: compat::COLLECTORS[0], zeal: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--collector" => {
                let found = compat::COLLECTORS.iter().find(|(collector, _)| *collector == value);
                options.collector = *found.ok_or_else(|| {
                    let known: Vec<_> = compat::COLLECTORS.iter().map(|(collector, _)| *collector).collect();
                    format!("Wasmtime {} has no collector {value:?}: {}", compat::RELEASE, known.join(", "))
                })?;
            }
            "--zeal" => {
                options.zeal = Some(value.parse().map_err(|_| format!("--zeal {value:?} is no number above 0"))?);
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

/// Serves until the parent ends the stream.
fn serve(options: Options, sink: &mut File) -> Result<(), Trouble> {
    panics::note_panics();
    let exact = compat::is_exact(options.collector.1);
    let mut server = Server {
        machine: Machine::new(options, Observer { exact }),
        codes: None,
        program: Program::default(),
        out: Vec::new(),
    };
    // What cannot be had is known before anything runs.
    let engines = server.machine.engines()?;
    let ops = OpKind::ALL;
    let hello = Hello { release: compat::RELEASE, collector: options.collector.0, exact, ops, build: BUILD, engines };
    let mut source = io::stdin().lock();
    let mut body = Vec::new();
    while wire::read_frame(&mut source, &mut body)? {
        server.obey(&body, &hello, sink)?;
    }
    Ok(())
}

/// What is between two messages.
struct Server {
    machine: Machine,
    /// None before the handshake.
    codes: Option<Codes>,
    program: Program,
    /// Results not yet written.
    out: Vec<u8>,
}

impl Server {
    fn obey(&mut self, body: &[u8], hello: &Hello, sink: &mut File) -> Result<(), Trouble> {
        match wire::decode_order(body)? {
            Order::Hello(request) => {
                if let Some(path) = request.progress {
                    let file = Progress::open(&path).map_err(|error| Trouble(format!("{path}: {error}")))?;
                    self.machine.note_in(Progress::map(&file)?);
                }
                self.codes = Some(request.codes);
                wire::write_frame(&mut self.out, |writer| hello.write(writer));
            }
            Order::Batch { id, programs } => self.run(id, programs, sink)?,
        }
        self.flush(sink)
    }

    fn run(&mut self, batch: i64, mut programs: Programs, sink: &mut File) -> Result<(), Trouble> {
        let codes = self.codes.as_ref().ok_or_else(|| Trouble::new("a batch came before the handshake"))?;
        while programs.next_into(codes, &mut self.program)? {
            self.machine.execute(&self.program, batch, &mut self.out)?;
            if self.out.len() > FLUSH_SIZE {
                sink.write_all(&self.out)?;
                self.out.clear();
            }
        }
        Ok(())
    }

    fn flush(&mut self, sink: &mut File) -> Result<(), Trouble> {
        sink.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }
}
