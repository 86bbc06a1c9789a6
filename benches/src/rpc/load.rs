//! The load of all candidates: callers on connections. Each caller makes its next call when it has the answer to the last one.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::rounds::Failure;

/// The arguments of the call `acquire` of the quota interface.
pub(super) const RULE: &str = "default";
pub(super) const KEY: &str = "customer-4711";
pub(super) const PERMITS: u32 = 1;

/// The answer of the call.
pub(super) const REMAINING: u32 = 999;
pub(super) const RETRY_AFTER_MILLIS: u32 = 250;

/// The number of parallel callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) connections: usize,
    /// Calls in flight on each connection.
    pub(super) in_flight: usize,
}

/// The result of a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) calls: u64,
    pub(super) seconds: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
}

/// Time of each call in nanoseconds.
pub(super) type Times = Vec<u64>;

/// Whether the answer is the expected one.
pub(super) fn check(granted: bool, remaining: u32, retry_after_millis: u32) -> Result<(), Failure> {
    if granted && remaining == REMAINING && retry_after_millis == RETRY_AFTER_MILLIS {
        return Ok(());
    }
    Err(format!("a wrong answer: {granted}, {remaining}, {retry_after_millis}").into())
}

/// One caller, until the end of the round.
pub(super) async fn caller<F, Fut>(until: Instant, mut call: F) -> Result<Times, Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let mut times = Times::new();
    let mut now = Instant::now();
    while now < until {
        call().await?;
        let answered = Instant::now();
        times.push(u64::try_from((answered - now).as_nanos())?);
        now = answered;
    }
    Ok(times)
}

/// All callers. They were spawned at `began`.
pub(super) async fn gathered(
    began: Instant,
    mut callers: JoinSet<Result<Times, Failure>>,
) -> Result<Load, Failure> {
    let mut times = Times::new();
    while let Some(ended) = callers.join_next().await {
        times.extend(ended??);
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let micros = |hundredths: usize| {
        times
            .get(times.len() * hundredths / 100)
            .map(|nanos| Duration::from_nanos(*nanos).as_secs_f64() * 1e6)
    };
    let (Some(p50_micros), Some(p99_micros)) = (micros(50), micros(99)) else {
        return Err("no call was answered".into());
    };
    Ok(Load { calls: times.len() as u64, seconds, p50_micros, p99_micros })
}
