// K9: a thrown exception is pending without a count, and a collection frees it (DRC).
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=45.0.0"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc"]
//
// Expected: what is pending is a root; "dropped while pending: false" and "Ok(true)", as on 48.0.2 and 50.0.1. Exit
// code 0.
//
// Actual on 42.0.2 and 45.0.0; exit code 101:
//
//     dropped while pending:   true
//     thread 'main' panicked at .../wasmtime-45.0.0/src/runtime/gc/enabled/exnref.rs:374:24:
//     exnrefs should have concrete types
//
// The handle that `take_pending_exception` returns names the externref that was put into the freed block meanwhile.

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
    config.wasm_gc(true).wasm_function_references(true).wasm_exceptions(true);
    config.collector(Collector::DeferredReferenceCounting);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let dropped = Arc::new(AtomicBool::new(false));
    let tag = Tag::new(&mut store, &TagType::new(FuncType::new(&engine, [ValType::EXTERNREF], [])))?;
    let pre = ExnRefPre::new(&mut store, ExnType::new(&engine, [ValType::EXTERNREF])?);
    {
        let mut scope = RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, SetOnDrop(dropped.clone()))?;
        let exception = ExnRef::new(&mut scope, &pre, &tag, &[Val::ExternRef(Some(value))])?;
        assert!(scope.as_context_mut().throw::<()>(exception).is_err());
    }
    let _ = store.gc(None);
    let too_early = dropped.load(Ordering::SeqCst);
    println!("dropped while pending:   {too_early}");
    // The block of the exception is handed out again.
    for _ in 0..8 {
        ExternRef::new(&mut store, "another")?;
    }
    let exception = store.take_pending_exception().expect("it was thrown");
    println!(
        "the payload:             {:?}",
        exception.field(&mut store, 0).map(|value| value.unwrap_externref().is_some())
    );
    std::process::exit(i32::from(too_early));
}
