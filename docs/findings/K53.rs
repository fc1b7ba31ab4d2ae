// K53: a pooled DRC heap traces the objects of a type as those of a type that was freed.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=42.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "pooling-allocator"]
//
// Two stores in turn have the one GC heap of a pool. The struct type of the first ends with it, and that of the second
// takes its place in the engine. Expected, as on 48.0.2; exit code 0:
//
//     eight references: ok
//     one number: ok
//
// Actual on 42.0.2 and 45.0.0: the heap still knows where the references of the first type are, and looks for them in
// the smaller object. Exit code 1:
//
//     eight references: ok
//     thread 'main' panicked at .../runtime/vm/gc/enabled/data.rs:137:48:
//     out of bounds field
//     one number: panic

use std::panic::{catch_unwind, AssertUnwindSafe};
use wasmtime::*;

/// A store in which a struct is made and let go, and a collection runs.
fn round(engine: &Engine, field: ValType, value: Val, count: usize) -> Result<()> {
    let mut store = Store::new(engine, ());
    let field = FieldType::new(Mutability::Var, StorageType::ValType(field));
    let ty = StructType::new(engine, vec![field; count])?;
    let pre = StructRefPre::new(&mut store, ty);
    {
        let mut scope = RootScope::new(&mut store);
        StructRef::new(&mut scope, &pre, &vec![value; count])?;
    }
    store.gc(None)?;
    Ok(())
}

fn main() -> Result<()> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_gc_heaps(1).total_memories(1).total_tables(1).total_core_instances(1);
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config)?;
    round(&engine, ValType::ANYREF, Val::null_any_ref(), 8)?;
    println!("eight references: ok");
    let second = catch_unwind(AssertUnwindSafe(|| round(&engine, ValType::I64, Val::I64(0), 1)));
    println!("one number: {}", if second.is_ok() { "ok" } else { "panic" });
    std::process::exit(i32::from(second.is_err()));
}
