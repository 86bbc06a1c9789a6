//! What the tests tell the fake app, and what it tells them.

use std::sync::atomic::Ordering;

use crate::fake::Fake;

impl Fake {
    pub(crate) fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Adds events.
    pub(crate) fn happen(&self, messages: &[&str], missed: u64) {
        let messages = messages.iter().map(|message| (*message).to_owned()).collect();
        self.happened.store(true, Ordering::SeqCst);
        self.events.lock().unwrap().push_back((messages, missed));
        self.more.notify_one();
    }
}
