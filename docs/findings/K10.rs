// K10: a host array of 2^29 numbers of 8 bytes has the size of an empty one.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`:
//
//     [dependencies.wasmtime]
//     version = "=42.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc"]
//
// Expected: an error at once, as on 45.0.0 and 48.0.2; exit code 0:
//
//     new: unrecoverable error when allocating new `arrayref`
//
// Actual on 42.0.2: each element is compared with the element type first, which takes minutes, and then a small object
// is written beyond its end. Exit code 1:
//
//     no answer after 20 s

use std::sync::mpsc::{channel, RecvTimeoutError};
use std::thread::spawn;
use std::time::Duration;
use wasmtime::*;

/// Elements: times the 8 bytes of one it is 0 in 32 bits.
const MANY: u32 = 1 << 29;
/// More than the error takes, and less than anybody wants to wait.
const PATIENCE: Duration = Duration::from_secs(20);

fn make() -> Result<String> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::I64)));
    let pre = ArrayRefPre::new(&mut store, ty);
    Ok(match ArrayRef::new(&mut store, &pre, &Val::I64(0), MANY) {
        Ok(_) => "made".to_string(),
        Err(error) => error.to_string(),
    })
}

fn main() {
    let (tell, told) = channel();
    spawn(move || tell.send(make()));
    let right = match told.recv_timeout(PATIENCE) {
        Ok(Ok(said)) => {
            println!("new: {said}");
            said != "made"
        }
        Ok(Err(error)) => panic!("{error}"),
        Err(RecvTimeoutError::Timeout) => {
            println!("no answer after {} s", PATIENCE.as_secs());
            false
        }
        Err(RecvTimeoutError::Disconnected) => false, // it panicked, and said so
    };
    std::process::exit(i32::from(!right));
}
