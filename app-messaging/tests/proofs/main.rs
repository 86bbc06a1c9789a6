//! Proofs with real servers, and applications as processes of their own: what is promised holds while they die.
//!
//! Each has a short form, which runs in every test. With `PROOF=100` they do the whole work, with `PROOF=10` a tenth of it:
//!
//! ```sh
//! PROOF=100 cargo test -p app-messaging --test proofs -- --nocapture --test-threads 1
//! ```
//!
//! It prints the figures. The processes are this program again: see [`worker`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::env;
use std::fmt::Display;
use std::io::{Write as _, stderr};
use std::time::Duration;

mod aborts;
mod fleet;
mod foreign;
mod journal;
mod leaders;
#[path = "../support/nats.rs"]
#[allow(unreachable_pub, reason = "other tests compile the file too")]
mod nats;
mod nothing_lost;
mod proxy;
mod stops;
mod worker;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many: the short form, or the share of the whole that `PROOF` names in percent.
fn many(short: usize, whole: usize) -> usize {
    match env::var("PROOF") {
        Ok(percent) => {
            let percent: usize =
                percent.parse().unwrap_or_else(|_| panic!("PROOF={percent}: no number of percent"));
            (whole * percent.min(100) / 100).max(short)
        }
        Err(_) => short,
    }
}

/// Whether it is more than the short form.
fn is_long() -> bool {
    env::var("PROOF").is_ok()
}

/// Prints a figure. Not `eprintln`: the test harness hides its output if the test passes.
fn say(figure: impl Display) {
    let _ = writeln!(stderr(), "proof: {figure}");
}

/// Lets real time pass.
async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            pass(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"));
}

/// The longest and the median of times.
fn figures(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort();
    let longest = sorted.last().copied().unwrap_or_default();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    format!(
        "{} times, longest {:.2} s, median {:.2} s",
        sorted.len(),
        longest.as_secs_f64(),
        median.as_secs_f64()
    )
}
