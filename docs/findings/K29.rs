// K29: an array whose elements have another type is refused after its allocation, and its block is lost (DRC).
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: 1000 times the same error, and the array of the right type. So it is on 42.0.2:
//
//        1: element type mismatch: type mismatch: expected i32, found i64
//     right types: ok
//
// Actual on 45.0.0, 48.0.2 and 50.0.1; exit code 1:
//
//        1: element type mismatch: type mismatch: expected i32, found i64
//      304: GC heap out of memory: no capacity for allocation of 428 bytes
//     right types: GC heap out of memory: no capacity for allocation of 428 bytes
//
// With `Collector::Copying` (48.0.2) it is as on 42.0.2.
use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true).collector(Collector::DeferredReferenceCounting);
    let engine = Engine::new(&config)?;
    // A heap of at most 128 KiB, and arrays of i32 that take 428 bytes each.
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().memory_size(1 << 17).build());
    store.limiter(|limits| limits);
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::I32)));
    let pre = ArrayRefPre::new(&mut store, ty);

    let mut last = String::new();
    for n in 1..=1000 {
        let refused = ArrayRef::new_fixed(&mut store, &pre, &[Val::I64(0); 100]).map(drop);
        let text = format!("{:#}", refused.unwrap_err());
        if text != last {
            println!("{n:4}: {text}");
            last = text;
        }
    }

    // Nothing is alive, so there is room for one array.
    let _ = store.gc(None);
    let right = ArrayRef::new_fixed(&mut store, &pre, &[Val::I32(0); 100]).map(drop);
    println!("right types: {}", right.as_ref().map_or_else(|error| error.to_string(), |()| "ok".into()));
    std::process::exit(i32::from(right.is_err()));
}
