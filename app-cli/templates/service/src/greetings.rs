//! The state of the service. Commands change it, one at a time, so it needs no lock.

/// The guests that were greeted.
#[derive(Debug, Default)]
pub(crate) struct Greetings {
    greeted: u64,
}

impl Greetings {
    /// Greets one more guest, and returns its number, from 1.
    pub(crate) fn greet(&mut self) -> u64 {
        self.greeted += 1;
        self.greeted
    }

    /// Begins from zero again. Returns how many guests were greeted before.
    pub(crate) fn reset(&mut self) -> u64 {
        std::mem::take(&mut self.greeted)
    }
}
