//! Signals: taken by a thread of their own from the first moment, and handed to the main thread.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use parking_lot::Mutex;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::run::Message;

/// The two ends of the main thread's mailbox.
pub(crate) struct Mailbox {
    pub(crate) sender: SyncSender<Message>,
    pub(crate) messages: Receiver<Message>,
}

/// What was installed, until [`run`](crate::run) takes it: signals that came in the meantime wait in it.
static INSTALLED: OnceLock<Mutex<Option<Mailbox>>> = OnceLock::new();

/// Nobody is going to take the mailbox: signals end the process, as they would without handlers. Written under the lock
/// of the mailbox. `SeqCst`: see `forward`.
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
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let (sender, messages) = sync_channel(16);
    let signals = register()?;
    forward(signals, sender.clone())?;
    INSTALLED.get_or_init(|| Mutex::new(Some(Mailbox { sender, messages })));
    Ok(())
}

/// The mailbox of the installed handlers; once a process.
///
/// # Errors
/// When the handlers can't be installed, or somebody has it.
pub(crate) fn take() -> io::Result<Mailbox> {
    install()?;
    let mailbox = INSTALLED.get().and_then(|mailbox| {
        let mut mailbox = mailbox.lock();
        AT_ONCE.store(false, Ordering::SeqCst);
        mailbox.take()
    });
    mailbox.ok_or_else(|| io::Error::other("an application runs in this process already, or did"))
}

/// Gives signals the effect back that they have without handlers, those included that came already: what runs now is
/// no app, and nothing else would listen to them. Does nothing where an app runs.
pub(crate) fn end_at_once() {
    let Some(mailbox) = INSTALLED.get() else { return };
    if let Some(Mailbox { messages, .. }) = &*mailbox.lock() {
        AT_ONCE.store(true, Ordering::SeqCst);
        while let Ok(Message::Signal(signal)) = messages.try_recv() {
            act_as_without_handler(signal);
        }
    }
}

fn act_as_without_handler(signal: i32) {
    // Fails for signals that it does not know; those taken here it knows.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// Registers the handlers with the signals held back: one that came between the handler and what it is to do would be
/// lost. Held back is what comes to this thread; others, if there are any, were started by somebody else.
fn register() -> io::Result<Signals> {
    let taken = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];
    let mut held_back = SigSet::empty();
    for signal in taken {
        held_back.add(Signal::try_from(signal)?);
    }
    let before = held_back.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let signals = Signals::new(taken);
    before.thread_set_mask()?;
    signals
}

fn forward(mut signals: Signals, messages: SyncSender<Message>) -> io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            // Full: sixteen signals wait already, and one more says nothing new.
            let _ = messages.try_send(Message::Signal(signal));
            // After sending: whoever turns this on looks into the mailbox afterwards, so one of both sees the signal.
            if AT_ONCE.load(Ordering::SeqCst) {
                act_as_without_handler(signal);
            }
        }
    })?;
    Ok(())
}
