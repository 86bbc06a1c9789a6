//! What the operator asks of the running command: a new token, or the end.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Pause of a process in the background whose terminal has input for another one.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(1);

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A new token: Enter on a terminal, or SIGUSR1.
    NewToken,
    /// The end: SIGINT or SIGTERM. A second signal ends the process at once.
    End,
}

/// Listens to signals, and to Enter if standard input is a terminal.
pub(super) struct Prompt {
    asked: mpsc::Receiver<Asked>,
}

impl Prompt {
    pub(super) fn start() -> Result<Self, Failure> {
        // One place: two wishes at a time are one.
        let (tell, asked) = mpsc::channel(1);
        let failed = |error: io::Error| Failure::failed(format!("dashboard: signals: {error}"));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).map_err(failed)?;
        let by_signal = tell.clone();
        let mut ended = false;
        let waiting = move || {
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    let _ = by_signal.try_send(Asked::NewToken);
                } else if ended || by_signal.blocking_send(Asked::End).is_err() {
                    // This fails for unknown signals only.
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                } else {
                    ended = true;
                }
            }
        };
        app_core::threads::spawn_thread("signals", waiting).map_err(failed)?;
        if io::stdin().is_terminal() {
            let reading = move || read_terminal(rustix::stdio::stdin(), &tell);
            app_core::threads::spawn_thread("terminal", reading).map_err(failed)?;
        }
        Ok(Self { asked })
    }

    /// The next wish. Cancel safe.
    pub(super) async fn asked(&mut self) -> Asked {
        self.asked.recv().await.unwrap_or(Asked::End)
    }
}

/// Reads Enter until the terminal is closed.
///
/// SIGTTIN stops a process in the background when it reads its terminal. So this waits for input without reading, and reads in
/// the foreground only.
fn read_terminal(terminal: impl AsFd, tell: &mpsc::Sender<Asked>) {
    loop {
        match poll(&mut [PollFd::new(&terminal, PollFlags::IN)], None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        if !is_in_foreground(&terminal) {
            std::thread::sleep(BACKGROUND_PAUSE);
            continue;
        }
        match rustix::io::read(&terminal, &mut [0_u8; 256]) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return,
            Ok(_) if tell.blocking_send(Asked::NewToken).is_err() => return,
            Ok(_) => {}
        }
    }
}

/// Whether this process may read the terminal. A terminal that does not control this process stops nobody.
fn is_in_foreground(terminal: &impl AsFd) -> bool {
    !rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group != rustix::process::getpgrp())
}
