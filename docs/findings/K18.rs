use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
