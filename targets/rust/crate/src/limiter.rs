//! The limiter of a store: a limit in bytes that can change, and a note of each question.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use wasmtime::{ResourceLimiter, ResourceLimiterAsync, Result};

use crate::effects::Log;
use crate::host::Activity;

/// What a store carries.
pub struct Limits {
    /// Bytes that the GC heap may have.
    pub bytes: Option<usize>,
    pub log: Arc<Log>,
    /// The run of a body that is under way.
    pub activity: Activity,
    /// The clock of the store's engine, if code looks at it.
    clock: Option<Arc<AtomicU64>>,
    /// The tick at which runs end.
    pub deadline: u64,
}

impl Limits {
    /// `limit`: bytes, or negative for none.
    pub fn new(limit: i64, log: &Arc<Log>, clock: Option<Arc<AtomicU64>>) -> Self {
        let (bytes, log) = (usize::try_from(limit).ok(), Arc::clone(log));
        Limits { bytes, log, activity: Activity::default(), clock, deadline: u64::MAX }
    }

    /// Ticks of the clock so far.
    pub fn now(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.load(Ordering::Relaxed))
    }

    /// The clock goes on; whether there is one.
    pub fn tick(&self) -> bool {
        self.clock.as_ref().map(|clock| clock.fetch_add(1, Ordering::Relaxed)).is_some()
    }

    fn answer(&self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        self.log.asked(current, desired);
        self.bytes.is_none_or(|bytes| desired <= bytes) && maximum.is_none_or(|bytes| desired <= bytes)
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(self.answer(current, desired, maximum))
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(maximum.is_none_or(|elements| desired <= elements))
    }
}

/// The asynchronous interface waits once in each question about memory: so operations are suspended in their midst.
#[async_trait::async_trait]
impl ResourceLimiterAsync for Limits {
    async fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let answer = self.answer(current, desired, maximum);
        Yield { waited: false }.await;
        Ok(answer)
    }

    async fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(maximum.is_none_or(|elements| desired <= elements))
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
