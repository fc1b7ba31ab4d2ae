//! Doing what ends the process by design, in a copy of it: the wrong store aborts through the C API (capi.md 5).
//!
//! Else each such program would cost a restart of the executor, as much time as four hundred others. What a copy does
//! is what this process would have done: the op is the program's last, and nothing of it is needed afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::facts::Facts;
use crate::outcome::Outcome;

/// Bytes of the copy's standard error that are read: a message and a backtrace.
const MAX_STDERR: u64 = 64 << 10;

/// What no runtime prints: the copy came through, and with which outcome.
const SURVIVED: &str = "\0survived:";

const MARK: &str = "panicked at ";
/// What follows a message; a panic that aborts prints a second one, which says only that.
const AFTER: &[&str] = &["\nnote: ", "\nstack backtrace:", "\nthread ", "\nfatal runtime error"];

/// What `act` gives, or the panic or death that it causes. Its finalizations are lost with the copy.
pub fn outcome_of(facts: &Facts, act: impl FnOnce() -> Outcome) -> io::Result<Outcome> {
    let mut ends = [0; 2];
    // SAFETY: there is room for both ends, which are then ours alone.
    let (source, sink) = unsafe {
        if libc::pipe(ends.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    // SAFETY: another thread of this process only ever waits for roots to end, and holds no lock then.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        in_the_copy(act, &sink);
    }
    drop(sink);
    let mut said = Vec::new();
    File::from(source).take(MAX_STDERR).read_to_end(&mut said)?;
    let mut status = 0;
    // SAFETY: the copy is a child of ours that nobody else waits for.
    while unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let said = String::from_utf8_lossy(&said);
    if let Some((_, outcome)) = said.split_once(SURVIVED) {
        return Ok(outcome.to_owned().into());
    }
    Ok(panic_in(facts, &said).unwrap_or_else(|| Outcome::Owned(format!("dead:{}", reason(status)))))
}

/// Never returns.
fn in_the_copy(act: impl FnOnce() -> Outcome, sink: &OwnedFd) -> ! {
    // SAFETY: plain system calls on numbers and memory that are ours; a core of what is meant to die is no use to
    // anybody.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::dup2(sink.as_raw_fd(), 2);
        let outcome = format!("{SURVIVED}{}", act());
        libc::write(sink.as_raw_fd(), outcome.as_ptr().cast(), outcome.len());
        libc::_exit(0)
    }
}

/// The canonical outcome of the first panic that standard error tells of.
pub fn panic_in(facts: &Facts, stderr: &str) -> Option<Outcome> {
    let text = &stderr[stderr.find(MARK)? + MARK.len()..];
    let stop = AFTER.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let (first, rest) = text[..stop].split_once('\n').unwrap_or((&text[..stop], ""));
    // Rust writes the place and the message on the next line; before 1.73 it wrote the message in quotes, then the
    // place.
    let message = match first.strip_prefix('\'') {
        _ if first.trim_end().ends_with(':') => rest,
        Some(quoted) => quoted.rsplit_once("', ").map_or(first, |(message, _)| message),
        None => &text[..stop],
    };
    Some(facts.panic_of(message))
}

/// What ended a process: a signal's name, or an exit code.
fn reason(status: libc::c_int) -> String {
    if !libc::WIFSIGNALED(status) {
        return format!("exit {}", libc::WEXITSTATUS(status));
    }
    let name = match libc::WTERMSIG(status) {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTRAP => "SIGTRAP",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
