// K17: `Table::grow` panics on an unrooted value, and leaves new elements that nothing initialized.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: `grow` returns the error that `set` returns, and the table stays as it is. So it is on 42.0.2 and 45.0.0;
// exit code 0:
//
//     set:  attempted to use a garbage-collected object that has been unrooted
//     grow: attempted to use a garbage-collected object that has been unrooted
//     size: 1
//     null: 0
//
// Actual on 50.0.1, and on 48.0.2 with both collectors; exit code 1:
//
//     set:  attempted to use a garbage-collected object that has been unrooted
//     thread 'main' panicked at .../wasmtime-48.0.2/src/runtime/externals/table.rs:360:47:
//     called `Result::unwrap()` on an `Err` value: attempted to use a garbage-collected object that has been unrooted
//     grow: panic
//     size: 3
//     null: 2

use std::panic::{catch_unwind, AssertUnwindSafe};
use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());

    // A table of (ref extern): no element is ever null.
    let live = ExternRef::new(&mut store, ())?;
    let ty = TableType::new(RefType::new(false, HeapType::Extern), 1, None);
    let table = Table::new(&mut store, ty, Ref::Extern(Some(live)))?;
    let stale = {
        let mut scope = RootScope::new(&mut store);
        ExternRef::new(&mut scope, ())?
    };

    let set = table.set(&mut store, 0, Ref::Extern(Some(stale)));
    println!("set:  {}", told(&set));
    let growing = AssertUnwindSafe(|| table.grow(&mut store, 2, Ref::Extern(Some(stale))));
    let grown = catch_unwind(growing);
    println!("grow: {}", grown.as_ref().map_or("panic".into(), |result| told(result)));
    let size = table.size(&store);
    println!("size: {size}");
    let empty = (0..size).filter(|&at| matches!(table.get(&mut store, at), Some(Ref::Extern(None)))).count();
    println!("null: {empty}");
    std::process::exit(i32::from(grown.is_err() || size != 1));
}

fn told<T>(result: &Result<T>) -> String {
    result.as_ref().map_or_else(|error| error.to_string(), |_| "ok".into())
}
