//! Ctrl-C, where it is the way to end a command well.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Gets a message when somebody interrupts. A second time, the process ends at once.
pub(super) fn interrupted() -> Result<mpsc::Receiver<()>, Failure> {
    let (told, interrupted) = mpsc::channel(1);
    let failed = |error: std::io::Error| Failure::failed(format!("Ctrl-C can't be waited for: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let waiting = move || {
        for signal in signals.forever() {
            if told.try_send(()).is_err() {
                // Fails for signals that it does not know; these it knows.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    app_core::spawn_thread("signals", waiting).map_err(failed)?;
    Ok(interrupted)
}
