//! Errors as text: one line for people, one with the ids, and one with the stack below it.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::{self, Write};

use crate::{Error, chain, one_line};

/// Of a chain this many texts are printed, the error's own included.
const MAX_TEXTS: usize = 32;

/// Of the text of a cause this many bytes are kept: what is not ours may be of any length.
const MAX_CAUSE_BYTES: usize = 4096;

/// An error whose text contains an error of ours, which has a cause whose text contains an error of ours, and so on,
/// would print in exponential time. From this depth on, an error prints its own text alone.
const MAX_NESTED: u32 = 2;

/// Stands for the causes past [`MAX_TEXTS`].
const LEFT_OUT: &str = ".. (further causes left out)";

/// The texts of an error and its causes, in order, raw. Never empty: the first one stands for the error. Texts that
/// are empty, or that end the text before them (some errors print their cause as well), are left out.
pub(crate) fn texts(error: &Error) -> Vec<String> {
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
        texts.push(LEFT_OUT.to_owned());
    }
    if let [only] = texts.as_mut_slice()
        && only.is_empty()
    {
        *only = error.id().describe().to_string();
    }
    texts
}

/// What an error of ours says by itself: nothing if its cause speaks for it.
fn own_text(error: &Error) -> String {
    if error.message().is_empty() && error.cause().is_none() {
        error.id().describe().to_string()
    } else {
        error.message().to_owned()
    }
}

fn link_text(link: &(dyn StdError + 'static)) -> String {
    let mut text = Capped(String::new());
    // The one way to fail is that the text is full.
    let _full = match link.downcast_ref::<Error>() {
        Some(ours) => text.write_str(&own_text(ours)),
        None => write!(text, "{link}"),
    };
    text.0
}

/// Takes text up to [`MAX_CAUSE_BYTES`], then refuses, so that who writes stops.
struct Capped(String);

impl Write for Capped {
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
    /// How many errors of ours are being printed inside one another on this thread.
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// One more error is being printed on this thread, until it is dropped.
struct Nested(u32);

impl Nested {
    fn enter() -> Self {
        // At a thread's very end there is nothing to count with, and no depth to fear.
        Self(NESTED.try_with(|nested| nested.replace(nested.get() + 1)).unwrap_or(0))
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        // Refused at the thread's very end only.
        let _ended = NESTED.try_with(|nested| nested.set(self.0));
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = Nested::enter();
        let texts = if nested.0 < MAX_NESTED { texts(self) } else { vec![own_text(self)] };
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                f.write_str(": ")?;
            }
            write!(f, "{}", one_line(text))?;
        }
        if f.alternate() { write_facts(self, f) } else { Ok(()) }
    }
}

/// What `{:#}` adds, in brackets.
fn write_facts(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " [error {}, {}, {}", error.id().describe(), error.error_type(), error.severity())?;
    write!(f, "; service {}", error.service().describe())?;
    for (at, tag) in error.tags().iter().enumerate() {
        f.write_str(if at == 0 { "; tags " } else { ", " })?;
        write!(f, "{}", one_line(tag))?;
    }
    write!(f, "; uid {}; at {}]", error.uid(), error.location())
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
