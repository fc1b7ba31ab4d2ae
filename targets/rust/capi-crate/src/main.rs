//! The native executor of TwinHeap's target `capi`: runs programs on Wasmtime's C API, of whatever release the library
//! is that it is given, and speaks the wire (docs/wire.md) on its standard streams.
//!
//! It does what `targets/capi/machine*.py` does, and observes the same; what the Python side knows of releases and
//! types comes as a file (`facts.rs`).

mod abi;
mod api;
mod doomed;
mod engine;
mod engines;
mod facts;
mod functions;
mod globals;
mod library;
#[path = "../../crate/src/lru.rs"]
mod lru;
mod machine;
mod modules;
#[path = "../../crate/src/msgpack.rs"]
mod msgpack;
mod objects;
mod ops;
mod other_thread;
mod outcome;
#[path = "../../crate/src/process.rs"]
mod process;
mod references;
mod roots;
mod serve;
#[cfg(test)]
mod tests;
mod types;
mod wasm;
#[path = "../../crate/src/wire.rs"]
mod wire;

use std::process::ExitCode;

use facts::Facts;
use library::Library;
use ops::OpKind;
use serve::{Options, Server};
use wire::Trouble;

/// Exit code for options that are not understood, and for a library that cannot be used.
const EXIT_USAGE: u8 = 2;

/// Exit code of an executor that reported an error of its own.
const EXIT_TROUBLE: u8 = 3;

fn main() -> ExitCode {
    let server = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => Server::new(options),
        Ok(None) => return list_ops(),
        Err(trouble) => Err(trouble),
    };
    let mut server = match server {
        Ok(server) => server,
        Err(trouble) => {
            eprintln!("{}", trouble.0);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match server.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("twinheap-capi-executor: {}", trouble.0);
            server.report(&trouble);
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

/// Says what there is to offer, for the builder's record.
fn list_ops() -> ExitCode {
    OpKind::ALL.iter().for_each(|kind| println!("{}", kind.name()));
    ExitCode::SUCCESS
}

/// What the options ask for; nothing for a list of ops.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, Trouble> {
    let (mut library, mut release, mut facts, mut build) = (None, None, None, String::new());
    while let Some(name) = arguments.next() {
        if name == "--ops" {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| Trouble(format!("{name} needs a value")))?;
        match name.as_str() {
            "--library" => library = Some(value),
            "--release" => release = Some(value),
            "--facts" => facts = Some(value),
            "--build" => build = value,
            _ => return Err(Trouble(format!("unknown option {name}"))),
        }
    }
    let needed = |option: Option<String>, name: &str| option.ok_or_else(|| Trouble(format!("{name} is missing")));
    let library = needed(library, "--library")?;
    let release = needed(release, "--release")?;
    let major = release.split('.').next().and_then(|text| text.parse().ok());
    let major: i64 = major.ok_or_else(|| Trouble(format!("{release:?} is not a Wasmtime release")))?;
    let facts = read_facts(&needed(facts, "--facts")?)?;
    let shape = facts.shape_of(major).ok_or_else(|| Trouble(format!("Wasmtime {release} is too old")))?;
    let build = describe(&library, &build)?;
    let opened = Box::leak(Box::new(Library::open(&library)?));
    Ok(Some(Options { library: opened, facts, shape, release, build }))
}

/// The facts live as long as the process, and so does what they are read from.
fn read_facts(path: &str) -> Result<&'static Facts, Trouble> {
    let bytes = std::fs::read(path).map_err(|error| Trouble(format!("{path}: {error}")))?;
    let facts = Facts::read(Box::leak(bytes.into_boxed_slice()))
        .map_err(|malformed| Trouble(format!("{path} is not what this executor reads: {}", malformed.0)))?;
    Ok(Box::leak(Box::new(facts)))
}

/// What tells two builds apart: the library's name, size and time, and what was said of this executor.
fn describe(library: &str, build: &str) -> Result<String, Trouble> {
    let path = std::path::Path::new(library);
    let unusable = |error: std::io::Error| Trouble(format!("there is no library {library}: {error}"));
    let status = path.metadata().map_err(unusable)?;
    let time = status.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name} {:x}-{:x} native {build}", status.len(), time.unwrap_or_default().as_secs()))
}
