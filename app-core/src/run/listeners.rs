//! The listeners that the process's own app begins with: inherited, or handed over by the process that runs.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::{
    Flags, Identity, Package, args,
    handover::{Handover, HandoverPath},
    listeners::{Inherited, Listeners, take_inherited},
};

/// What the app begins with.
pub(super) struct FirstListeners {
    pub(super) listeners: Listeners,
    pub(super) handover: Option<Handover>,
    /// What the log is to say.
    pub(super) notes: Vec<String>,
}

/// Takes the listeners. With a handover path, asks the process that runs, if there is one. `package` is that of the program, if it
/// names one.
///
/// # Errors
/// A usage error, after it was printed. Every other problem is a problem of the start.
pub(super) fn given(
    flags: &Flags,
    identity: Identity,
    package: Option<&Package>,
) -> Result<FirstListeners, ExitCode> {
    let mut inherited: Inherited = take_inherited();
    let notes: Vec<_> = inherited.note.take().into_iter().collect();
    let Some(path) = &flags.handover else {
        return Ok(FirstListeners { listeners: Listeners::new(inherited, false), handover: None, notes });
    };
    if inherited.store.is_some() {
        return Err(args::refuse(&clap::Error::raw(ErrorKind::ArgumentConflict, UNDER_A_MANAGER)));
    }
    let path = HandoverPath::new(path);
    let listeners = Listeners::new(inherited, true);
    if flags.check {
        // The process that runs is not asked.
        let listeners = match path.check() {
            Ok(()) => listeners,
            Err(problem) => listeners.with_problem(problem),
        };
        return Ok(FirstListeners { listeners, handover: None, notes });
    }
    Ok(match Handover::begin(path, &identity, package) {
        Ok((handover, _)) if !handover.has_predecessor() => {
            FirstListeners { listeners, handover: Some(handover), notes }
        }
        Ok((handover, handed)) => {
            FirstListeners { listeners: listeners.wait_for(handed), handover: Some(handover), notes }
        }
        Err(problem) => FirstListeners { listeners: listeners.with_problem(problem), handover: None, notes },
    })
}

const UNDER_A_MANAGER: &str = "--handover does not work under systemd (NOTIFY_SOCKET is set), which refuses a main process that it did not start; leave it out, and set FileDescriptorStoreMax= in the unit: systemd then keeps the listeners\n";
