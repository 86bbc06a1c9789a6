//! Panics: what they said, and that they are logged as one record rather than raw text.

use std::{any::Any, panic::PanicHookInfo};

use app_errors::errors;
use slog::{Logger, error};

use crate::APP_SERVICE;

/// What the process calls when something panics.
pub(crate) type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// Has panics of the process logged: the default hook writes raw text under the lock of standard error, which would
/// break the one-record-a-line rule and block for ever when the sink is stuck. Returns the hook that was there, to be put
/// back when nobody reads the log any more.
pub(crate) fn log_panics(log: Logger) -> Hook {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        // Raised here for its stack, which is that of the panic.
        let bug = errors::BUG.error(APP_SERVICE).message(message(panic.payload())).tag("PANIC").build();
        error!(log, "panic: {}", message(panic.payload()); "thread" => thread, "place" => place, "err" => #&bug);
    }));
    before
}
