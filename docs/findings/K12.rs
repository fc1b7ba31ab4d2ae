// K12: a struct whose initialization fails midway keeps the counts of the fields already written (DRC).
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: the value that only the failed `StructRef::new` was given is dropped by the collection. Exit code 0.
//
// Actual on 42.0.2, 45.0.0, 48.0.2 and 50.0.1; exit code 1:
//
//     StructRef::new(live, stale): attempted to use a garbage-collected object that has been unrooted
//     dropped by the collection:   false
//     dropped with the store:      true
//
// With `Collector::Copying` (48.0.2) the second line says true, and the exit code is 0.

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
    config.wasm_gc(true).wasm_function_references(true).collector(Collector::DeferredReferenceCounting);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let field = || FieldType::new(Mutability::Var, StorageType::ValType(ValType::EXTERNREF));
    let ty = StructType::new(&engine, [field(), field()])?;
    let pre = StructRefPre::new(&mut store, ty);
    let dropped = Arc::new(AtomicBool::new(false));
    {
        let mut scope = RootScope::new(&mut store);
        let live = ExternRef::new(&mut scope, SetOnDrop(dropped.clone()))?;
        let stale = {
            let mut inner = RootScope::new(&mut scope);
            ExternRef::new(&mut inner, ())?
        };
        let fields = [Val::ExternRef(Some(live)), Val::ExternRef(Some(stale))];
        let error = StructRef::new(&mut scope, &pre, &fields).map(drop).unwrap_err();
        println!("StructRef::new(live, stale): {error}");
    }
    let _ = store.gc(None);
    let in_time = dropped.load(Ordering::SeqCst);
    println!("dropped by the collection:   {in_time}");
    drop(store);
    println!("dropped with the store:      {}", dropped.load(Ordering::SeqCst));
    std::process::exit(i32::from(!in_time));
}
