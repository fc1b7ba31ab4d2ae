use std::panic::{AssertUnwindSafe, catch_unwind};
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
