// K6: the raw form of an i31 seen as an externref panics in a store without a GC heap.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=42.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc"]
//
// Expected: both lines say 3, as on 48.0.2 and 50.0.1. Exit code 0.
//
// Actual on 42.0.2 and 45.0.0; exit code 101:
//
//     AnyRef::to_raw:    3
//     thread 'main' panicked at .../wasmtime-42.0.2/src/runtime/gc/enabled/externref.rs:596:25:
//     attempted to access the store's GC heap before it has been allocated

use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let any = AnyRef::from_i31(&mut store, I31::wrapping_u32(1));
    println!("AnyRef::to_raw:    {}", any.to_raw(&mut store)?);
    let external = ExternRef::convert_any(&mut store, any)?;
    println!("ExternRef::to_raw: {}", external.to_raw(&mut store)?);
    Ok(())
}
