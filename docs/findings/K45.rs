// K45: growing a table of 64-bit indexes by more elements than a host can address panics.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=42.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc"]
//
// Expected: an error, as when memory runs out, and the table stays as it is. So it is on 45.0.0
// and 48.0.2; exit code 0:
//
//     grow: out of memory (failed to allocate 9223372036854775807 bytes)
//     size: 1
//
// Actual on 42.0.2; exit code 1:
//
//     thread 'main' panicked at .../library/alloc/src/raw_vec/mod.rs:28:5:
//     capacity overflow
//     grow: panic
//     size: 1

use std::panic::{catch_unwind, AssertUnwindSafe};
use wasmtime::*;

/// Elements: times the bytes of one it is more than `usize` holds.
const TOO_MANY: u64 = 1 << 61;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true).wasm_memory64(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let ty = TableType::new64(RefType::new(true, HeapType::Any), 1, None);
    let table = Table::new(&mut store, ty, Ref::Any(None))?;
    let grown = catch_unwind(AssertUnwindSafe(|| table.grow(&mut store, TOO_MANY, Ref::Any(None))));
    match &grown {
        Err(_) => println!("grow: panic"),
        Ok(Err(error)) => println!("grow: {error}"),
        Ok(Ok(before)) => println!("grow: ok, from {before}"),
    }
    println!("size: {}", table.size(&store));
    std::process::exit(i32::from(!matches!(grown, Ok(Err(_)))));
}
