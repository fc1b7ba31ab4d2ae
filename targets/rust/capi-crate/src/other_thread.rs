//! A second thread that ends roots while the first waits.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;

use crate::abi::{Ptr, Val};
use crate::api::Context;
use crate::roots::Roots;

/// A root to end: the context as a number, since a pointer does not go to other threads by itself, and the handle.
type Job = (usize, Val);

/// Ends roots on a thread of its own, which starts at the first. A new thread for each would cost more than a program.
pub struct OtherThread {
    roots: Roots,
    started: Option<(Sender<Job>, Receiver<()>)>,
}

impl OtherThread {
    pub fn new(roots: Roots) -> OtherThread {
        OtherThread { roots, started: None }
    }

    /// Ends a root there, and waits for it.
    pub fn unroot(&mut self, context: Context, root: Val) {
        let roots = &self.roots;
        let (jobs, done) = self.started.get_or_insert_with(|| start(roots.clone()));
        jobs.send((context.0 as usize, root)).expect("the thread lives as long as this object");
        done.recv().expect("the thread answers each job");
    }
}

fn start(roots: Roots) -> (Sender<Job>, Receiver<()>) {
    let (jobs, todo) = channel::<Job>();
    let (finished, done) = channel();
    thread::spawn(move || {
        for (context, root) in todo {
            roots.unroot(Context(context as Ptr), root);
            if finished.send(()).is_err() {
                return;
            }
        }
    });
    (jobs, done)
}
