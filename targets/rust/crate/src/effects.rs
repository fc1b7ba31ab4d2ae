//! What happens during an op besides its outcome: host values that are finalized, questions to the limiter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The effects of one op of one program. Shared by the program's values and limiters, on whatever thread they end.
#[derive(Default)]
pub struct Log {
    effects: Mutex<Effects>,
    any: AtomicBool,
}

#[derive(Default)]
pub struct Effects {
    /// The ids of the values dropped by the runtime, in order.
    pub finalized: Vec<u32>,
    /// (current, desired) in bytes, for each question.
    pub limiter: Vec<(usize, usize)>,
}

impl Effects {
    /// Both, these first.
    pub fn then(mut self, later: Effects) -> Effects {
        self.finalized.extend(later.finalized);
        self.limiter.extend(later.limiter);
        self
    }
}

impl Log {
    fn effects(&self) -> MutexGuard<'_, Effects> {
        // Nothing panics while it holds the lock; a poisoned log would still be right.
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Effects)) {
        let mut effects = self.effects();
        note(&mut effects);
        self.any.store(true, Ordering::Release);
    }

    /// A limiter was asked whether the heap may grow.
    pub fn asked(&self, current: usize, desired: usize) {
        self.note(|effects| effects.limiter.push((current, desired)));
    }

    /// The values finalized during this op, but for the first so many.
    pub fn finalized_since(&self, first: usize) -> Vec<u32> {
        self.effects().finalized.get(first..).unwrap_or_default().to_vec()
    }

    /// The effects since the last call. Nearly every op has none, and takes no lock.
    pub fn take(&self) -> Effects {
        if !self.any.load(Ordering::Acquire) {
            return Effects::default();
        }
        let mut effects = self.effects();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut effects)
    }
}

/// What programs wrap in externrefs: a value id, and a payload that can change. Its end is noted.
pub struct HostValue {
    pub id: u32,
    pub payload: i64,
    log: Option<Arc<Log>>,
}

impl HostValue {
    pub fn new(id: u32, log: &Arc<Log>) -> Self {
        HostValue { id, payload: 0, log: Some(Arc::clone(log)) }
    }

    /// The value is back in the host's hands: its end is no finalization.
    pub fn returned(mut self) -> u32 {
        self.log = None;
        self.id
    }
}

impl Drop for HostValue {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.note(|effects| effects.finalized.push(self.id));
        }
    }
}
