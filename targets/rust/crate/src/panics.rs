//! Panics: their messages are kept for the observation instead of being printed.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};

/// Panic texts that the specification quotes; the first that occurs in a message is its canonical form. The same list
/// as in `model/observation.py`, which a test of the Python side compares.
pub const PANIC_TEXTS: &[&str] = &[
    "object used with wrong store",
    "attempted to access the store's GC heap before it has been allocated",
    "assertion failed: self.comes_from_same_store(store)",
    "field value comes from the wrong store",
    "attempted to use a value with the wrong store",
    "attempted to use an array with the wrong store",
    "called `Option::unwrap()` on a `None` value",
    "should be an externref or anyref",
    "invalid `VMGcKind`",
    "Cannot GC inside a no-GC scope!",
    "AnyRef::unwrap_i31 on non-i31",
    "structrefs should have concrete types",
    "arrayrefs should have concrete types",
    "tag comes from the wrong store",
];

/// Characters of an outcome, `panic:` included, that the wire allows.
const MAX_OUTCOME: usize = 400;

/// Checks that Wasmtime makes before it touches anything: after such a panic a store can still be dropped.
const HARMLESS: &[&str] =
    &["object used with wrong store", "attempted to access the store's GC heap before it has been allocated"];

thread_local! {
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on, panics are noted rather than printed.
pub fn note_panics() {
    panic::set_hook(Box::new(note));
}

fn note(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("no message").to_owned();
    let earlier = MESSAGE.with(|message| message.borrow_mut().replace(text.clone()));
    if let Some(earlier) = earlier {
        // A panic before the last one was caught: the process is about to abort, and the parent reads this.
        eprintln!("thread 'main' panicked at unwinding:\n{earlier}\n\nthread 'main' panicked again:\n{text}");
    }
}

/// The message of the panic that was just caught.
pub fn take_message() -> String {
    MESSAGE.with(|message| message.borrow_mut().take()).unwrap_or_else(|| "no message".to_owned())
}

/// Forgets the message of a panic that is of no interest.
pub fn forget_message() {
    drop(take_message());
}

/// Whether a store is still as it was before the panic with this message.
pub fn is_harmless(message: &str) -> bool {
    HARMLESS.iter().any(|text| message.contains(text))
}

/// The canonical outcome for a panic message: the first quoted text in it, else its first line.
pub fn outcome(message: &str) -> String {
    let quoted = PANIC_TEXTS.iter().find(|text| message.contains(**text)).copied();
    let line = message.trim().lines().next().unwrap_or("no message");
    let text = format!("panic:{}", quoted.unwrap_or(line));
    text.chars().take(MAX_OUTCOME).collect()
}
