// K30: the copying heap grows by half of what a large request needs.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=45.0.0"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-copying"]
//
// Expected: the array, since nothing but one small object is live and no limiter keeps the heap from growing. So it is
// on 48.0.2; exit code 0:
//
//     array: ok
//
// Actual on 45.0.0; exit code 1:
//
//     array: GC heap out of memory: no capacity for allocation of 65492 bytes

use wasmtime::*;

/// Elements of 4 bytes: a block of one page, for which a heap of two halves needs two.
const LENGTH: u32 = 16368;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true).collector(Collector::Copying);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    ExternRef::new(&mut store, ())?;
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::EXTERNREF)));
    let pre = ArrayRefPre::new(&mut store, ty);
    let made = ArrayRef::new(&mut store, &pre, &Val::ExternRef(None), LENGTH);
    let failed = made.is_err();
    println!("array: {}", made.map_or_else(|error| error.to_string(), |_| "ok".into()));
    std::process::exit(i32::from(failed));
}
