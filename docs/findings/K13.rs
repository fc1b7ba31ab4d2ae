use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;

    // A store whose heap may not grow: the first allocation fails.
    let mut full = Store::new(&engine, StoreLimitsBuilder::new().memory_size(0).build());
    full.limiter(|limits| limits);
    let error = ExternRef::new(&mut full, ()).map(drop).unwrap_err();
    println!("ExternRef::new: {error}");
    let ((), oom) = error.downcast::<GcHeapOutOfMemory<()>>()?.take_inner();
    let oom = oom.into();

    // Another store, in which nothing was allocated yet.
    let mut empty = Store::new(&engine, ());
    let _ = empty.gc(None);
    println!("gc(None):       returned");
    let _ = empty.gc(Some(&oom));
    println!("gc(Some(oom)):  returned");
    Ok(())
}
