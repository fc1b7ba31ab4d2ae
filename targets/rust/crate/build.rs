//! Says at compile time which release of Wasmtime was resolved: `cfg(wasmtime_at_least_45)` and the like, read by
//! `src/compat.rs` alone, and the release as the handshake names it.

use std::{env, fs, path::Path};

/// Majors for which a `cfg` exists: from the first one after the oldest supported release on, with room to grow.
const MAJORS: std::ops::RangeInclusive<u32> = 43..=60;

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TWINHEAP_BUILD");
    // The builder keeps the output of all flavours in one folder, where what this prints passes for that of each.
    println!("cargo::rerun-if-env-changed=TWINHEAP_FLAVOUR");
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let lock = fs::read_to_string(Path::new(&folder).join("Cargo.lock")).expect("cargo writes Cargo.lock first");
    let release = resolved(&lock).expect("Cargo.lock names wasmtime");
    let major: u32 =
        release.split('.').next().and_then(|text| text.parse().ok()).expect("a release begins with a number");
    for other in MAJORS {
        println!("cargo::rustc-check-cfg=cfg(wasmtime_at_least_{other})");
        if major >= other {
            println!("cargo::rustc-cfg=wasmtime_at_least_{other}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(gc_zeal)");
    println!("cargo::rustc-env=WASMTIME_RELEASE={release}");
    let build = env::var("TWINHEAP_BUILD").unwrap_or_default();
    println!("cargo::rustc-env=TWINHEAP_BUILD={build}");
}

/// The version of the package `wasmtime` in a lock file.
fn resolved(lock: &str) -> Option<&str> {
    let mut lines = lock.lines();
    lines.find(|line| *line == "name = \"wasmtime\"")?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}
