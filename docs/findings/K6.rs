use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let any = AnyRef::from_i31(&mut store, I31::wrapping_u32(1));
    println!("AnyRef::to_raw:    {}", any.to_raw(&mut store)?);
    let external = ExternRef::convert_any(&mut store, any)?;
    println!("ExternRef::to_raw: {}", external.to_raw(&mut store)?);
    Ok(())
}
