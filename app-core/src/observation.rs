//! What operators see of an app: its services as a graph, its events, its log, and who they are themselves. Each is an
//! operation of the app.

mod events;
mod graph;
mod logs;
mod whoami;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_errors::{Error, illegal_argument_error};

use crate::App;

/// The longest wait for something new.
const MOST_WAIT_MILLIS: u32 = 30_000;
/// The most items of a page, and how many it has unless the caller asks for another number.
const MOST_ITEMS: u32 = 1_000;
const DEFAULT_ITEMS: u32 = 200;
/// How long a caller waits once the app stops. It asks again, and its endpoint must be able to stop.
const WAIT_WHILE_STOPPING: Duration = Duration::from_millis(100);

/// Checks the arguments that all pages have. Returns the number of items and the longest wait.
fn checked(limit: Option<u32>, wait_millis: Option<u32>) -> Result<(usize, Duration), Error> {
    let limit = limit.unwrap_or(DEFAULT_ITEMS);
    if !(1..=MOST_ITEMS).contains(&limit) {
        return Err(illegal_argument_error(format!("arguments.limit: is {limit}; give 1 to {MOST_ITEMS}")));
    }
    let wait = wait_millis.unwrap_or(0);
    if wait > MOST_WAIT_MILLIS {
        let wrong =
            format!("arguments.wait_millis: is {wait}; give at most {MOST_WAIT_MILLIS}, and ask again");
        return Err(illegal_argument_error(wrong));
    }
    Ok((limit as usize, Duration::from_millis(wait.into())))
}

/// Refuses a number that the process has not reached. Its client followed another process.
fn known(what: &str, after: u64, last: u64) -> Result<(), Error> {
    if after <= last {
        return Ok(());
    }
    let wrong = format!(
        "arguments.after: there is no {what} {after} yet, the last one is {last}; numbers begin anew with each process: begin at 0"
    );
    Err(illegal_argument_error(wrong))
}

/// Waits for news, at most this long. A stop of the app ends the wait soon.
async fn wait_for(app: &App, news: impl Future<Output = ()>, longest: Duration) {
    let stops = async {
        app.dying().await;
        tokio::time::sleep(WAIT_WHILE_STOPPING).await;
    };
    tokio::select! {
        () = news => {}
        () = stops => {}
        () = tokio::time::sleep(longest) => {}
    }
}

/// Milliseconds since 1970 (UTC); 0 before that.
fn millis_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
