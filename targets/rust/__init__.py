"""Real Wasmtime through its Rust API: a small executor in Rust, built for each release on request."""
