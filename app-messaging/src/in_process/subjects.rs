//! Subjects with `*` and `>`, and who listens on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::faults::Dice;
use crate::transport::Incoming;

/// The most bytes of a subject.
const MAX_SUBJECT_BYTES: usize = 1024;

/// The most subscriptions.
pub(super) const MAX_SUBSCRIPTIONS: usize = 100_000;

/// Whether a message may have this subject: tokens without spaces and wildcards, separated by dots.
pub(crate) fn is_subject(text: &str) -> bool {
    is_pattern(text) && !text.split('.').any(|token| token == "*" || token == ">")
}

/// Whether a subscription may have this subject: `*` stands for a token, and `>` at the end for one or more.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut tokens = text.split('.').peekable();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let good = |token: &str| {
        !token.is_empty() && (token.bytes().all(|byte| byte.is_ascii_graphic()) || !token.contains(odd))
    };
    while let Some(token) = tokens.next() {
        if !good(token) || (token == ">" && tokens.peek().is_some()) {
            return false;
        }
    }
    text.len() <= MAX_SUBJECT_BYTES
}

/// Whether the pattern covers the subject.
pub(super) fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

struct Listener {
    id: u64,
    queue: Option<Arc<str>>,
    messages: mpsc::Sender<Incoming>,
    dropped: Arc<AtomicU64>,
}

/// Who listens.
#[derive(Default)]
pub(super) struct Listeners {
    exact: HashMap<Arc<str>, Vec<Listener>>,
    patterns: Vec<(Arc<str>, Listener)>,
    last_id: u64,
    count: usize,
}

impl Listeners {
    /// Adds a listener, unless there are too many. Returns its id.
    pub(super) fn add(
        &mut self,
        pattern: &str,
        queue: Option<&str>,
        messages: mpsc::Sender<Incoming>,
        dropped: Arc<AtomicU64>,
    ) -> Option<u64> {
        if self.count >= MAX_SUBSCRIPTIONS {
            return None;
        }
        self.count += 1;
        self.last_id += 1;
        let listener = Listener { id: self.last_id, queue: queue.map(Arc::from), messages, dropped };
        if is_subject(pattern) {
            self.exact.entry(pattern.into()).or_default().push(listener);
        } else {
            self.patterns.push((pattern.into(), listener));
        }
        Some(self.last_id)
    }

    pub(super) fn remove(&mut self, pattern: &str, id: u64) {
        let before = self.count;
        if let Some(listeners) = self.exact.get_mut(pattern) {
            listeners.retain(|listener| listener.id != id);
            if listeners.is_empty() {
                self.exact.remove(pattern);
            }
            self.count -= 1;
        } else {
            self.patterns.retain(|(_, listener)| listener.id != id);
            self.count = before - 1;
        }
    }

    /// Gives the message to every listener without a queue, and to one of each queue. Returns how many had it, or dropped it.
    pub(super) fn route(&self, message: &Incoming, dice: &mut Dice) -> usize {
        let exact = self.exact.get(&*message.subject).into_iter().flatten();
        let patterns = self.patterns.iter().filter(|(pattern, _)| covers(pattern, &message.subject));
        let mut reached = 0;
        let mut queues: Vec<(&str, Vec<&Listener>)> = Vec::new();
        for listener in exact.chain(patterns.map(|(_, listener)| listener)) {
            match listener.queue.as_deref() {
                None => {
                    reached += 1;
                    give(listener, message);
                }
                Some(name) => match queues.iter_mut().find(|(queue, _)| *queue == name) {
                    Some((_, members)) => members.push(listener),
                    None => queues.push((name, vec![listener])),
                },
            }
        }
        for (_, members) in queues {
            reached += 1;
            give(members[dice.index(members.len())], message);
        }
        reached
    }
}

/// A full queue drops the newest message, and counts it.
fn give(listener: &Listener, message: &Incoming) {
    if listener.messages.try_send(message.clone()).is_err() {
        listener.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_token_and_an_arrow_one_or_more() {
        for (pattern, subject) in [
            ("a.b", "a.b"),
            ("a.*", "a.b"),
            ("*.b", "a.b"),
            ("a.>", "a.b"),
            ("a.>", "a.b.c"),
            (">", "a"),
            ("*.*.c", "a.b.c"),
        ] {
            assert!(covers(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [
            ("a.b", "a.c"),
            ("a.*", "a"),
            ("a.*", "a.b.c"),
            ("a.>", "a"),
            ("a", "a.b"),
            ("a.b", "a"),
            ("A", "a"),
        ] {
            assert!(!covers(pattern, subject), "{pattern} {subject}");
        }
    }

    #[test]
    fn a_subject_has_tokens_and_no_wildcards() {
        for good in ["a", "a.b", "op.d0._._", "a*"] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\r\nPUB", &"x".repeat(1025)] {
            assert!(!is_subject(bad), "{bad}");
        }
        assert!(is_pattern("a.*.>") && !is_pattern("a.>.b"));
    }
}
