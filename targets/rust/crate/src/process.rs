//! What this process has to do with its parent: the progress file, the streams, the parent's death.

use std::fs::{File, OpenOptions};
use std::io;

use memmap2::{MmapMut, MmapOptions};
use rustix::process::{getppid, kill_process, set_parent_process_death_signal, Signal};

/// Bytes of the progress file: program number and op index, each 32 bits in the machine's byte order.
const PROGRESS_SIZE: usize = 8;

/// The shared memory in which the place is noted, so that the parent knows it whatever happens here.
#[derive(Default)]
pub struct Progress(Option<MmapMut>);

impl Progress {
    /// Opens the file that the parent made; it may remove it afterwards.
    pub fn open(path: &str) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() < PROGRESS_SIZE as u64 {
            return Err(io::Error::other("the progress file is too short"));
        }
        Ok(file)
    }

    /// Maps it; several may map the same.
    pub fn map(file: &File) -> io::Result<Progress> {
        // SAFETY: the file is the parent's own for this purpose; nobody shortens it, and a change by somebody else
        // would only be overwritten, since nothing is ever read from it.
        let map = unsafe { MmapOptions::new().len(PROGRESS_SIZE).map_mut(file)? };
        Ok(Progress(Some(map)))
    }

    /// A program begins.
    pub fn program(&mut self, number: u32) {
        if let Some(map) = &mut self.0 {
            map[..4].copy_from_slice(&number.to_ne_bytes());
            map[4..].copy_from_slice(&0u32.to_ne_bytes());
        }
    }

    /// An op begins.
    pub fn op(&mut self, index: usize) {
        if let Some(map) = &mut self.0 {
            map[4..].copy_from_slice(&(index as u32).to_ne_bytes());
        }
    }
}

/// Standard output under another number; what libraries print goes to standard error and breaks no frame.
pub fn private_output() -> io::Result<File> {
    let private = rustix::io::dup(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(File::from(private))
}

/// Asks the kernel for SIGKILL when the parent dies, whatever this process is doing then.
pub fn die_with_parent() -> io::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        // It died before the kernel was asked.
        kill_process(rustix::process::getpid(), Signal::KILL)?;
    }
    Ok(())
}
