// K16: overwriting an i31 in a global panics once the store has a heap.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=45.0.0"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc"]
//
// Expected: an i31 is no object and has no count, so that it can be overwritten like null. So it is on 42.0.2 and
// 48.0.2; exit code 0:
//
//     set: ok
//
// Actual on 45.0.0; exit code 101:
//
//     thread 'main' panicked at .../wasmtime-45.0.0/src/runtime/vm/gc/gc_runtime.rs:481:44:
//     called `Option::unwrap()` on a `None` value

use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true).collector(Collector::DeferredReferenceCounting);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let object = ExternRef::new(&mut store, ())?; // the store has a heap from here on
    let small = AnyRef::from_i31(&mut store, I31::wrapping_u32(1));
    let small = ExternRef::convert_any(&mut store, small)?;
    let ty = GlobalType::new(ValType::EXTERNREF, Mutability::Var);
    let global = Global::new(&mut store, ty, Val::ExternRef(Some(small)))?;
    global.set(&mut store, Val::ExternRef(Some(object)))?;
    println!("set: ok");
    Ok(())
}
