// K11: a `Rooted` that `as_struct` makes through an `OwnedRooted` shares its root and holds no liveness flag.
//
// Cargo.toml, with this file as src/main.rs; run with `cargo run --release`. `gc-copying` exists from 45 on only:
//
//     [dependencies.wasmtime]
//     version = "=48.0.2"
//     default-features = false
//     features = ["runtime", "std", "gc", "gc-drc", "gc-copying"]
//
// Expected: `to_owned_rooted` returns, and the last line says 1 (the cast roots the struct itself) or the error
// "attempted to use a garbage-collected object that has been unrooted". Exit code 0.
//
// Actual on 42.0.2, 45.0.0 and 50.0.1 (DRC, DRC, copying), and on 48.0.2 with both collectors; exit code 1:
//
//     the struct holds                 Ok(I32(1))
//     thread 'main' panicked at .../wasmtime-48.0.2/src/runtime/gc/enabled/rooting.rs:962:48:
//     called `Option::unwrap()` on a `None` value
//     to_owned_rooted                  panics
//     with another struct in its place Ok(I32(2))

use wasmtime::*;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_function_references(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let field = FieldType::new(Mutability::Var, StorageType::ValType(ValType::I32));
    let ty = StructType::new(&engine, [field])?;
    let pre = StructRefPre::new(&mut store, ty);

    // An owned root of a struct that holds 1, and no other root of it.
    let one = {
        let mut scope = RootScope::new(&mut store);
        let one = StructRef::new(&mut scope, &pre, &[Val::I32(1)])?;
        one.to_anyref().to_owned_rooted(&mut scope)?
    };

    // The cast makes a `Rooted`, in no scope: valid as long as the store, one should think.
    let cast: Rooted<StructRef> = one.as_struct(&store)?.expect("it is a struct");
    println!("the struct holds                 {:?}", cast.field(&mut store, 0));

    // Whatever needs the scope of this `Rooted` panics, although the owned root is still there.
    let rooting = std::panic::AssertUnwindSafe(|| cast.to_owned_rooted(&mut store).is_ok());
    let rooted = std::panic::catch_unwind(rooting);
    println!("to_owned_rooted                  {}", if rooted.is_err() { "panics" } else { "returns" });

    // The owned root goes, and its place in the slab is given to a root of another struct.
    drop(one);
    let _ = store.gc(None);
    let two = {
        let mut scope = RootScope::new(&mut store);
        let two = StructRef::new(&mut scope, &pre, &[Val::I32(2)])?;
        two.to_owned_rooted(&mut scope)?
    };
    let seen = cast.field(&mut store, 0);
    println!("with another struct in its place {seen:?}");
    drop(two);

    // 1, if the cast roots the struct, or the error of an unrooted handle: but never another struct's field.
    let wrong = matches!(seen, Ok(Val::I32(2)));
    std::process::exit(i32::from(rooted.is_err() || wrong));
}
