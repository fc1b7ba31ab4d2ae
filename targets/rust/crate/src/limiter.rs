//! The limiter of a store: a limit in bytes that can change, and a note of each question.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use wasmtime::{Error, ResourceLimiter, ResourceLimiterAsync, Result};

use crate::crossing::Given;
use crate::effects::Log;
use crate::host::Activity;

/// What a store carries.
pub struct Limits {
    /// Bytes that the GC heap may have.
    pub bytes: Option<usize>,
    pub log: Arc<Log>,
    /// How it answers, as the op table numbers it.
    pub answer: i64,
    /// The run of a body that is under way.
    pub activity: Activity,
    /// What a host function is to give next.
    pub given: Given,
    /// The clock of the store's engine, if code looks at it.
    clock: Option<Arc<AtomicU64>>,
    /// The tick at which runs end.
    pub deadline: u64,
}

/// The answers beside that by the limit: an error; any other is no.
const BY_LIMIT: i64 = 0;
const ERROR: i64 = 2;

impl Limits {
    /// `limit`: bytes, or negative for none.
    pub fn new(limit: i64, log: &Arc<Log>, clock: Option<Arc<AtomicU64>>) -> Self {
        let (bytes, log) = (usize::try_from(limit).ok(), Arc::clone(log));
        Limits {
            bytes,
            log,
            answer: BY_LIMIT,
            activity: Activity::default(),
            given: Given::Nothing,
            clock,
            deadline: u64::MAX,
        }
    }

    /// Ticks of the clock so far.
    pub fn now(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.load(Ordering::Relaxed))
    }

    /// The clock goes on; whether there is one.
    pub fn tick(&self) -> bool {
        self.clock.as_ref().map(|clock| clock.fetch_add(1, Ordering::Relaxed)).is_some()
    }

    fn memory(&self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.log.asked(current, desired);
        Ok(self.may_grow(desired, maximum)? && self.bytes.is_none_or(|bytes| desired <= bytes))
    }

    fn may_grow(&self, desired: usize, maximum: Option<usize>) -> Result<bool> {
        match self.answer {
            BY_LIMIT => Ok(maximum.is_none_or(|most| desired <= most)),
            ERROR => Err(Error::msg("the limiter fails")),
            _ => Ok(false),
        }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.memory(current, desired, maximum)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.may_grow(desired, maximum)
    }
}

/// The asynchronous interface waits once in each question about memory: so operations are suspended in their midst.
#[async_trait::async_trait]
impl ResourceLimiterAsync for Limits {
    async fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let answer = self.memory(current, desired, maximum);
        Yield { waited: false }.await;
        answer
    }

    async fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.may_grow(desired, maximum)
    }
}

/// Pending once, then ready.
struct Yield {
    waited: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.waited, true) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
