//! Ctrl-C as the normal end of a command.

use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Signals this soon after the first one count as the same. A parent such as timeout(1) signals the process, and then its group.
const ONE_SIGNAL: Duration = Duration::from_millis(300);

/// A channel that gets a message at the first SIGINT or SIGTERM. A second signal ends the process at once.
pub(super) fn interrupted() -> Result<mpsc::Receiver<()>, Failure> {
    let (told, interrupted) = mpsc::channel(1);
    let failed = |error: std::io::Error| Failure::failed(format!("Ctrl-C: cannot be handled: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let waiting = move || {
        let mut first = None;
        for signal in signals.forever() {
            let since = first.get_or_insert_with(Instant::now).elapsed();
            if told.try_send(()).is_err() && since > ONE_SIGNAL {
                // This fails for unknown signals only.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    app_core::threads::spawn_thread("signals", waiting).map_err(failed)?;
    Ok(interrupted)
}
