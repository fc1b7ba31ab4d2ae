//! What differs between releases of the crate `wasmtime`: the only module that asks which one was resolved.

use std::num::NonZeroU32;

use wasmtime::{AsContextMut, Collector, Config, Result, StoreContextMut};

/// The release, as the handshake names it.
pub const RELEASE: &str = env!("WASMTIME_RELEASE");

/// Whether finalizations, limiter calls and needed bytes are those that the specification predicts exactly: the
/// collectors of 42, which it describes (docs/spec/program-ir.md 8.3 rule 6).
pub const fn is_exact(collector: Collector) -> bool {
    !cfg!(wasmtime_at_least_43) && matches!(collector, Collector::DeferredReferenceCounting | Collector::Null)
}

/// The collectors that programs can ask for by name; the first is the default.
pub const COLLECTORS: &[(&str, Collector)] = &[
    ("drc", Collector::DeferredReferenceCounting),
    ("null", Collector::Null),
    #[cfg(wasmtime_at_least_45)]
    ("copying", Collector::Copying),
];

/// Collect at every so many allocations: what a build with `cfg(gc_zeal)` can do.
#[cfg(gc_zeal)]
pub fn set_zeal(config: &mut Config, every: NonZeroU32) -> Result<()> {
    config.gc_zeal_alloc_counter(Some(every)).map(|_| ())
}

/// Zeal needs a build of its own.
#[cfg(not(gc_zeal))]
pub fn set_zeal(_: &mut Config, _: NonZeroU32) -> Result<()> {
    Err(wasmtime::Error::msg("this executor was built without gc_zeal"))
}

/// Errors without backtraces.
#[cfg(wasmtime_at_least_43)]
pub fn without_backtraces(config: &mut Config) {
    config.wasm_backtrace_max_frames(None);
}

/// Errors without backtraces.
#[cfg(not(wasmtime_at_least_43))]
pub fn without_backtraces(config: &mut Config) {
    config.wasm_backtrace(false);
}

/// Whether a heap of a pool remembers the types of its last store.
pub const REMEMBERS_TYPES: bool = cfg!(not(wasmtime_at_least_46));

/// A collection in increments. It can fail from 46 on.
#[cfg(wasmtime_at_least_46)]
pub async fn gc_async<T: Send + 'static>(mut context: StoreContextMut<'_, T>) -> Result<()> {
    context.as_context_mut().gc_async(None).await
}

/// A collection in increments, which cannot fail.
#[cfg(not(wasmtime_at_least_46))]
pub async fn gc_async<T: Send + 'static>(mut context: StoreContextMut<'_, T>) -> Result<()> {
    context.as_context_mut().gc_async(None).await;
    Ok(())
}
