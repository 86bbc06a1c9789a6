//! Ctrl-C as the normal end of a command.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// A channel that gets a message at the first SIGINT or SIGTERM. The second signal ends the process at once.
pub(super) fn interrupted() -> Result<mpsc::Receiver<()>, Failure> {
    let (told, interrupted) = mpsc::channel(1);
    let failed = |error: std::io::Error| Failure::failed(format!("Ctrl-C: cannot be handled: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let waiting = move || {
        for signal in signals.forever() {
            if told.try_send(()).is_err() {
                // This fails for unknown signals only.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    app_core::threads::spawn_thread("signals", waiting).map_err(failed)?;
    Ok(interrupted)
}
