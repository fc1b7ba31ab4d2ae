// K18: `Table::copy` roots each element that it copies in the caller's scope.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: no table and no handle holds the value when the collection runs, so it drops it. So it is on 42.0.2 and
// 45.0.0, exit code 0.
//
// Actual on 50.0.1, and on 48.0.2 with both collectors; exit code 1:
//
//     dropped by the collection: false
//     dropped with the store:    true

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use wasmtime::*;

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let dropped = Arc::new(AtomicBool::new(false));
    let table = Table::new(&mut store, TableType::new(RefType::EXTERNREF, 2, None), Ref::Extern(None))?;
    {
        let mut scope = RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, SetOnDrop(dropped.clone()))?;
        table.set(&mut scope, 0, Ref::Extern(Some(value)))?;
    }
    Table::copy(&mut store, &table, 1, &table, 0, 1)?;
    table.fill(&mut store, 0, Ref::Extern(None), 2)?;
    let _ = store.gc(None);
    let _ = store.gc(None);
    let in_time = dropped.load(Ordering::SeqCst);
    println!("dropped by the collection: {in_time}");
    drop(store);
    println!("dropped with the store:    {}", dropped.load(Ordering::SeqCst));
    std::process::exit(i32::from(!in_time));
}
