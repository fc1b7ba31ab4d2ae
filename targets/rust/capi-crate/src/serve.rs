//! The loop: handshake, batches, results. Results are kept until the end of a batch and then written at once; the place
//! in the program is noted in shared memory before each op, so that the parent knows it whatever happens here.

use std::fs::File;
use std::io::{self, Write};

use crate::facts::{Facts, Shape};
use crate::library::Library;
use crate::machine::Machine;
use crate::ops::OpKind;
use crate::process::{self, Progress};
use crate::wire::{self, Codes, Hello, Order, Program, Programs, Trouble};

/// Bytes of results that are kept before the end of a batch: memory stays bounded whatever the parent sends.
const FLUSH_SIZE: usize = 8 << 20;

/// What to run.
pub struct Options {
    pub library: &'static Library,
    pub facts: &'static Facts,
    pub shape: Shape,
    pub release: String,
    pub build: String,
}

/// What is between two messages.
pub struct Server {
    options: Options,
    collector: &'static str,
    supported: Vec<OpKind>,
    /// The names of the engine configurations that the library can have.
    engines: Vec<&'static str>,
    machine: Machine,
    /// The machine has something to drop.
    unfinished: bool,
    /// None before the handshake.
    codes: Option<Codes>,
    program: Program,
    /// Results not yet written.
    out: Vec<u8>,
    sink: Option<File>,
}

impl Server {
    /// Makes the engines: what cannot be had is known before anything is said.
    pub fn new(options: Options) -> Result<Server, Trouble> {
        let mut machine = Machine::new(options.library, options.facts, options.shape)?;
        let engines = machine.engines();
        let collector = machine.collector();
        let supported = machine.supported();
        Ok(Server {
            options,
            collector,
            supported,
            engines,
            machine,
            unfinished: false,
            codes: None,
            program: Program::default(),
            out: Vec::new(),
            sink: None,
        })
    }

    /// Serves until the parent ends the stream.
    pub fn serve(&mut self) -> Result<(), Trouble> {
        process::die_with_parent()?;
        self.sink = Some(process::private_output()?);
        let mut source = io::stdin().lock();
        let mut body = Vec::new();
        while wire::read_frame(&mut source, &mut body)? {
            self.obey(&body)?;
        }
        Ok(())
    }

    /// Tells the parent of trouble. It may be gone; then there is nobody to tell.
    pub fn report(&mut self, trouble: &Trouble) {
        self.out.clear();
        wire::write_frame(&mut self.out, |writer| wire::write_error(writer, &trouble.0));
        let _ = self.flush();
    }

    fn obey(&mut self, body: &[u8]) -> Result<(), Trouble> {
        match wire::decode_order(body)? {
            Order::Hello(request) => {
                if let Some(path) = request.progress {
                    let file = Progress::open(&path).map_err(|error| Trouble(format!("{path}: {error}")))?;
                    self.machine.note_in(Progress::map(&file)?);
                }
                self.codes = Some(request.codes);
                let hello = Hello {
                    release: &self.options.release,
                    collector: self.collector,
                    exact: false,
                    ops: &self.supported,
                    build: &self.options.build,
                    engines: self.engines.clone(),
                };
                wire::write_frame(&mut self.out, |writer| hello.write(writer));
                self.flush()
            }
            Order::Batch { id, programs } => self.run(id, programs),
        }
    }

    fn run(&mut self, batch: i64, mut programs: Programs) -> Result<(), Trouble> {
        let codes = self.codes.take().ok_or_else(|| Trouble::new("a batch came before the handshake"))?;
        let mut program = std::mem::take(&mut self.program);
        while programs.next_into(&codes, &mut program)? {
            self.finish();
            self.unfinished = true;
            self.machine.execute(&mut program, batch, &mut self.out)?;
            if self.out.len() > FLUSH_SIZE {
                self.flush()?;
            }
        }
        self.codes = Some(codes);
        self.program = program;
        // Written before the last clean-up: on a heap that is already broken it may be the end of the process, and the
        // parent asks for the part of a program that comes before a death as a batch of its own.
        self.flush()?;
        self.finish();
        Ok(())
    }

    fn finish(&mut self) {
        if std::mem::take(&mut self.unfinished) {
            self.machine.finish();
        }
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        if let Some(sink) = &mut self.sink {
            sink.write_all(&self.out)?;
        }
        self.out.clear();
        Ok(())
    }
}
