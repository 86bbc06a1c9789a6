//! Signals: taken by a thread of their own from the first moment, and handed to the main thread.

use std::{io, sync::mpsc::SyncSender};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::run::Message;

/// Whether a signal asks the process to stop.
pub(crate) fn asks_to_stop(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGTERM | SIGQUIT)
}

/// Installs the handlers, and forwards each signal from now on.
///
/// # Errors
/// When a handler or the thread can't be made.
pub(crate) fn forward(messages: SyncSender<Message>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            // Full: sixteen signals wait already, and one more says nothing new.
            let _ = messages.try_send(Message::Signal(signal));
        }
    })?;
    Ok(())
}
