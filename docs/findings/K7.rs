// K7: the first allocation of a store fails once if its block is some whole pages.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: both arrays, since nothing is live and no limiter keeps the heap from growing. Exit code 0.
//
// Actual on 42.0.2, 45.0.0 and 48.0.2; exit code 1:
//
//     first:  GC heap out of memory: no capacity for allocation of 65524 bytes
//     second: ok

use wasmtime::*;

/// Elements of 4 bytes: with its header of 28 bytes in DRC the array takes 65524 bytes, and 65536 in the heap.
const LENGTH: u32 = 16374;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true).collector(Collector::DeferredReferenceCounting);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::EXTERNREF)));
    let pre = ArrayRefPre::new(&mut store, ty);
    let mut failed = false;
    for name in ["first: ", "second:"] {
        let made = ArrayRef::new(&mut store, &pre, &Val::ExternRef(None), LENGTH);
        failed |= made.is_err();
        println!("{name} {}", made.map_or_else(|error| error.to_string(), |_| "ok".into()));
    }
    std::process::exit(i32::from(failed));
}
