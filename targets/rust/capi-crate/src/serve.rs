//! The loop: handshake, batches, results. Results are kept until the end of a batch and then written at once; the place in
//! the program is noted in shared memory before each op, so that the parent knows it whatever happens here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use crate::api::Api;
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
    /// The machines, and which of them each engine configuration has; what a library cannot have runs on the first.
    machines: Vec<Machine>,
    engines: BTreeMap<usize, usize>,
    /// The machine that has something to drop.
    unfinished: Option<usize>,
    /// The file into which the place in the program is noted.
    progress: Option<File>,
    /// None before the handshake.
    codes: Option<Codes>,
    program: Program,
    /// Results not yet written.
    out: Vec<u8>,
    sink: Option<File>,
}

impl Server {
    /// Makes the default engine: what cannot be had is known before anything is said.
    pub fn new(options: Options) -> Result<Server, Trouble> {
        let machine = Machine::new(api(&options, 0)?)?;
        let collector = machine.collector();
        let supported = machine.supported();
        Ok(Server {
            options,
            collector,
            supported,
            machines: vec![machine],
            engines: BTreeMap::from([(0, 0)]),
            unfinished: None,
            progress: None,
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
                    self.machines[0].note_in(Progress::map(&file)?);
                    self.progress = Some(file);
                }
                self.codes = Some(request.codes);
                let hello = Hello {
                    release: &self.options.release,
                    collector: self.collector,
                    exact: false,
                    ops: &self.supported,
                    build: &self.options.build,
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
            let at = self.machine(program.engine)?;
            self.unfinished = Some(at);
            self.machines[at].execute(&mut program, batch, &mut self.out)?;
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

    /// The place of the machine with that engine configuration, made when a program first asks for it.
    fn machine(&mut self, engine: usize) -> Result<usize, Trouble> {
        if let Some(at) = self.engines.get(&engine) {
            return Ok(*at);
        }
        let made = api(&self.options, engine).and_then(Machine::new);
        let at = match made {
            Ok(mut machine) => {
                if let Some(file) = &self.progress {
                    machine.note_in(Progress::map(file)?);
                }
                self.machines.push(machine);
                self.machines.len() - 1
            }
            Err(_) => 0,
        };
        self.engines.insert(engine, at);
        Ok(at)
    }

    fn finish(&mut self) {
        if let Some(at) = self.unfinished.take() {
            self.machines[at].finish();
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

fn api(options: &Options, engine: usize) -> Result<Api, Trouble> {
    let asked = options.facts.engines.get(engine).ok_or_else(|| Trouble::new("there is no such engine"))?;
    Api::new(options.library, options.facts, options.shape, asked)
}
