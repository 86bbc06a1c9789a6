//! The chain from an error to its causes.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

/// A cause as an error holds it.
pub(crate) type Cause = Arc<dyn StdError + Send + Sync>;

/// Ends a walk along a `source` that returns the error itself.
const MAX_LINKS: usize = 100_000;

/// The error, its source, the source of that, and so on.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MAX_LINKS)
}

/// The link as a `T`, also if the link is an I/O error around a `T`.
///
/// `io::Error::source` skips the wrapped error and returns the source of that error, so a chain never shows the wrapped
/// error itself.
pub(crate) fn downcast<'a, T: StdError + 'static>(link: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut link = link;
    loop {
        if let Some(found) = link.downcast_ref() {
            return Some(found);
        }
        link = link.downcast_ref::<io::Error>()?.get_ref()?;
    }
}
