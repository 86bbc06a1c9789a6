//! Errors as text: one line for people, optionally with the ids and with the stack below.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::{self, Write};

use super::Error;
use crate::{chain, one_line};

/// The most texts that are printed for a chain, with that of the error itself.
const MAX_TEXTS: usize = 32;

/// The most bytes that are kept of a cause's text: a foreign error may print any amount.
const MAX_CAUSE_BYTES: usize = 4096;

/// The depth of nested printing from which on an [`Error`] prints only its own text.
///
/// A foreign error may print the [`Error`] inside it, which prints its causes, which may be foreign errors again. Without
/// this limit, printing would take exponential time.
const MAX_NESTED: u32 = 2;

/// Stands for the causes after [`MAX_TEXTS`].
const OMITTED: &str = ".. (further causes left out)";

/// The texts of an error and its causes, in order, not escaped. Never empty: the first one stands for the error.
///
/// Empty texts are left out. So are texts that the text before already ends with: some errors print their cause, too.
pub(super) fn texts(error: &Error) -> Vec<String> {
    let mut texts = vec![own_text(error)];
    let mut links = chain::chain(error).skip(1);
    for link in links.by_ref().take(MAX_TEXTS - 1) {
        let text = link_text(link);
        match texts.last_mut() {
            Some(last) if last.is_empty() => *last = text,
            Some(last) if last.ends_with(&text) => {}
            _ => texts.push(text),
        }
    }
    if links.next().is_some() {
        texts.push(OMITTED.to_owned());
    }
    if let [only] = texts.as_mut_slice()
        && only.is_empty()
    {
        *only = error.id().describe().to_string();
    }
    texts
}

impl Error {
    /// The texts of the causes, the direct cause first, as they are printed.
    pub(crate) fn cause_texts(&self) -> Vec<String> {
        let skipped = usize::from(!self.message().is_empty() || self.cause().is_none());
        texts(self).split_off(skipped)
    }
}

/// The error's own text. Empty if there is no message but a cause, whose text then stands for the error.
fn own_text(error: &Error) -> String {
    if error.message().is_empty() && error.cause().is_none() {
        error.id().describe().to_string()
    } else {
        error.message().to_owned()
    }
}

fn link_text(link: &(dyn StdError + 'static)) -> String {
    let mut text = CappedText(String::new());
    // An error here means that the text is full, or that the link failed to print itself: what is there is kept.
    let _ = match link.downcast_ref::<Error>() {
        Some(error) => text.write_str(&own_text(error)),
        None => write!(text, "{link}"),
    };
    text.0
}

/// Takes text up to [`MAX_CAUSE_BYTES`], then returns an error, so that the writer stops.
struct CappedText(String);

impl Write for CappedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_CAUSE_BYTES.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        self.0.push_str(&text[..end]);
        self.0.push_str("..");
        Err(fmt::Error)
    }
}

thread_local! {
    /// How many [`Error`]s are being printed inside one another on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Counts one nested print on this thread while it lives. Holds the depth before it.
struct DepthGuard(u32);

impl DepthGuard {
    fn enter() -> Self {
        // Thread-local storage is gone at the end of a thread: then nothing limits the depth.
        Self(DEPTH.try_with(|depth| depth.replace(depth.get() + 1)).unwrap_or(0))
    }
}

impl Drop for DepthGuard {
    fn drop(&mut self) {
        // Fails only at the end of the thread, as in `enter`.
        let _ = DEPTH.try_with(|depth| depth.set(self.0));
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = DepthGuard::enter();
        let texts = if depth.0 < MAX_NESTED { texts(self) } else { vec![own_text(self)] };
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                f.write_str(": ")?;
            }
            write!(f, "{}", one_line(text))?;
        }
        if f.alternate() { write_facts(self, f) } else { Ok(()) }
    }
}

/// Writes what `{:#}` adds, in brackets.
fn write_facts(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " [error {}, {}, {}", error.id().describe(), error.error_type(), error.severity())?;
    write!(f, "; service {}", error.service().describe())?;
    for (at, tag) in error.tags().iter().enumerate() {
        f.write_str(if at == 0 { "; tags " } else { ", " })?;
        write!(f, "{}", one_line(tag))?;
    }
    write!(f, "; uid {}; ", error.uid())?;
    if let Some(origin) = error.origin() {
        write!(f, "from app {}, instance {}; ", origin.app, origin.instance)?;
    }
    write!(f, "{}at {}]", if error.is_remote() { "received " } else { "" }, error.location())
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")?;
        match self.nearest_stack() {
            Some(stack) => write!(f, "\n{stack}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
