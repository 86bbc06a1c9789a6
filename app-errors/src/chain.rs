//! Walking from an error to its causes.

use std::error::Error as StdError;
use std::io;

/// No honest chain is longer; a `source` that answers itself must not walk us for ever.
const LONGEST: usize = 100_000;

/// The error, its source, the source's source, and so on.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(LONGEST)
}

/// The link as a `T`: it is one, or it is an I/O error around one. `io::Error` answers the source of what it wraps for
/// its own, so that what it wraps is no link of the chain.
pub(crate) fn downcast<'a, T: StdError + 'static>(link: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut link = link;
    loop {
        if let Some(found) = link.downcast_ref() {
            return Some(found);
        }
        link = link.downcast_ref::<io::Error>()?.get_ref()?;
    }
}
