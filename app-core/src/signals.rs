//! Signals: a thread receives them from the first moment, and passes them to the main thread.

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

/// The received signals, until [`run`](crate::run) takes the receiver.
static RECEIVED: OnceLock<Mutex<Option<Receiver<i32>>>> = OnceLock::new();

/// Whether signals end the process, as they would without handlers, because no application runs. Written under the lock
/// of [`RECEIVED`]. `SeqCst`: see `forward`.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// Whether a signal asks the process to stop.
pub(crate) fn asks_to_stop(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGTERM | SIGQUIT)
}

/// Installs the handlers, once for the process. From now on no signal is lost.
///
/// # Errors
/// When a handler cannot be installed, or the thread cannot be started.
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

/// Takes the receiver of signals, once for the process. The channel closes when the thread of the signals ends.
///
/// # Errors
/// When the handlers cannot be installed, or the receiver was taken before.
pub(crate) fn take() -> io::Result<Receiver<i32>> {
    install()?;
    let receiver = RECEIVED.get().and_then(|receiver| {
        let mut receiver = receiver.lock();
        AT_ONCE.store(false, Ordering::SeqCst);
        receiver.take()
    });
    receiver.ok_or_else(|| io::Error::other("an application runs in this process already, or did"))
}

/// Gives signals the effect that they have without handlers, including signals that were received before. This is for
/// subcommands and other work without an application. Does nothing if an app runs.
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
    // Fails only for unknown signals.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// Registers the handlers, and unblocks their signals.
///
/// The signals are blocked in the meantime, because a signal before its complete handler would be lost. The parent may have
/// blocked them too: a JVM and Python's `pthread_sigmask` do, and `exec` keeps that. Threads inherit the mask of this
/// thread, so it is set before any thread starts. `SIGURG` requests the stack of a thread.
fn register() -> io::Result<Signals> {
    let handled = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];
    let mut blocked = SigSet::empty();
    for signal in handled {
        blocked.add(Signal::try_from(signal)?);
    }
    blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let signals = Signals::new(handled);
    // Without a handler, a write beyond the file size limit (`ulimit -f`) kills the process. With a handler, that write
    // fails.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    blocked.add(Signal::SIGURG);
    blocked.thread_unblock()?;
    signals
}

fn forward(mut signals: Signals, received: Sender<i32>) -> io::Result<()> {
    threads::spawn_thread("signals", move || {
        for signal in &mut signals {
            // Fails if the channel is full. Sixteen signals wait then, and one more changes nothing.
            let _ = received.try_send(signal);
            // After the send: `end_at_once` sets the flag before it reads the channel. So either that function or this
            // thread sees the signal.
            if AT_ONCE.load(Ordering::SeqCst) {
                act_as_without_handler(signal);
            }
        }
    })?;
    Ok(())
}
