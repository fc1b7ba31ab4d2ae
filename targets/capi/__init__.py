"""Real Wasmtime through its C API, any release."""
