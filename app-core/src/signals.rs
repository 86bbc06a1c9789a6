//! Signals: received by a thread of their own from the first moment, and handed to the main thread.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use parking_lot::Mutex;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ},
    iterator::Signals,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::threads;

/// The received signals, until [`run`](crate::run) takes the receiver: signals that came in the meantime wait in it.
static RECEIVED: OnceLock<Mutex<Option<Receiver<i32>>>> = OnceLock::new();

/// No application runs: signals end the process, as they would without handlers. Written under the lock of
/// [`RECEIVED`]. `SeqCst`: see `forward`.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// Whether a signal asks the process to stop.
pub(crate) fn asks_to_stop(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGTERM | SIGQUIT)
}

/// Installs the handlers, once a process; from now on no signal is lost.
///
/// # Errors
/// When a handler or the thread can't be made.
pub(crate) fn install() -> io::Result<()> {
    if RECEIVED.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = channel(16);
    let signals = register()?;
    forward(signals, sender)?;
    RECEIVED.get_or_init(|| Mutex::new(Some(receiver)));
    Ok(())
}

/// The signals that the installed handlers receive; once a process. The channel closes when their thread ends.
///
/// # Errors
/// When the handlers can't be installed, or the receiver was taken before.
pub(crate) fn take() -> io::Result<Receiver<i32>> {
    install()?;
    let receiver = RECEIVED.get().and_then(|receiver| {
        let mut receiver = receiver.lock();
        AT_ONCE.store(false, Ordering::SeqCst);
        receiver.take()
    });
    receiver.ok_or_else(|| io::Error::other("an application runs in this process already, or did"))
}

/// Gives signals the effect that they have without handlers, also those that were received before. For what is no
/// application, such as a subcommand. Does nothing where an app runs.
pub(crate) fn end_at_once() {
    let Some(receiver) = RECEIVED.get() else { return };
    if let Some(receiver) = &mut *receiver.lock() {
        AT_ONCE.store(true, Ordering::SeqCst);
        while let Ok(signal) = receiver.try_recv() {
            act_as_without_handler(signal);
        }
    }
}

fn act_as_without_handler(signal: i32) {
    // Fails for signals that it does not know; those taken here it knows.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// Registers the handlers, and unblocks their signals.
///
/// The signals are blocked meanwhile: one that came before its handler is complete would be lost. A parent may have blocked
/// them before it started this process (a JVM and Python's `pthread_sigmask` do), and `exec` keeps that. Threads inherit
/// the mask of this thread, so it is set before any is started. `SIGURG` asks threads for their stack.
fn register() -> io::Result<Signals> {
    let handled = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];
    let mut blocked = SigSet::empty();
    for signal in handled {
        blocked.add(Signal::try_from(signal)?);
    }
    blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let signals = Signals::new(handled);
    // With a handler, a write beyond the limit of a file's size (`ulimit -f`) is an error of that write. Without one, the
    // signal kills the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    blocked.add(Signal::SIGURG);
    blocked.thread_unblock()?;
    signals
}

fn forward(mut signals: Signals, received: Sender<i32>) -> io::Result<()> {
    threads::spawn_thread("signals", move || {
        for signal in &mut signals {
            // Full: sixteen signals wait already, and one more says nothing new.
            let _ = received.try_send(signal);
            // After sending: `end_at_once` sets this before it looks into the channel, so one of both sees the signal.
            if AT_ONCE.load(Ordering::SeqCst) {
                act_as_without_handler(signal);
            }
        }
    })?;
    Ok(())
}
