// K13: `Store::gc` with an out-of-memory error panics in a store that has no GC heap yet.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: the last line, "gc(Some(oom)):  returned", and exit code 0. So it is on 50.0.1.
//
// Actual on 42.0.2 and 45.0.0 (gc.rs:144 and 171), and on 48.0.2 with both collectors; exit code 101:
//
//     ExternRef::new: GC heap out of memory: no capacity for allocation of 32 bytes
//     gc(None):       returned
//     thread 'main' panicked at .../wasmtime-48.0.2/src/runtime/store/gc.rs:376:53:
//     attempted to access the store's GC heap before it has been allocated
//
// (64 bytes with the copying collector.)

use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;

    // A store whose heap may not grow: the first allocation fails.
    let mut full = Store::new(&engine, StoreLimitsBuilder::new().memory_size(0).build());
    full.limiter(|limits| limits);
    let error = ExternRef::new(&mut full, ()).map(drop).unwrap_err();
    println!("ExternRef::new: {error}");
    let ((), oom) = error.downcast::<GcHeapOutOfMemory<()>>()?.take_inner();
    let oom = oom.into();

    // Another store, in which nothing was allocated yet.
    let mut empty = Store::new(&engine, ());
    let _ = empty.gc(None);
    println!("gc(None):       returned");
    let _ = empty.gc(Some(&oom));
    println!("gc(Some(oom)):  returned");
    Ok(())
}
