//! The rules in effect. They check the arguments of a call, here and nowhere else.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use app_config::quoted;
use app_core::prelude::*;

use crate::{QUOTA, QuotaConfig, Rule};

/// The longest key, in bytes. Keys come from callers and use the memory of this service.
pub const MAX_KEY_BYTES: usize = 1_024;

/// Most rules that an error message lists.
const SHOWN_RULES: usize = 10;

/// Counts the sets of rules of this process, so that each has its own number.
static MADE: AtomicU64 = AtomicU64::new(0);

/// One set of rules. It is cheap to clone and never changes; a reload replaces it with another set.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: u64,
    rules: Vec<Rule>,
    by_name: HashMap<String, usize>,
}

/// A call with valid arguments, and the rules that checked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Number of the [`Limits`] that made this request.
    pub(crate) limits: u64,
    /// Index of the rule.
    pub(crate) rule: usize,
    pub(crate) key: Box<str>,
    /// From 1 to the rule's burst.
    pub(crate) permits: u32,
}

impl Limits {
    /// Takes the rules of a config.
    #[must_use]
    pub fn new(config: &QuotaConfig) -> Self {
        let rules = config.rules.clone();
        let by_name = rules.iter().enumerate().map(|(index, rule)| (rule.name.clone(), index)).collect();
        // Relaxed is enough: the number only has to be unique, and no other memory depends on it.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { number, rules, by_name }))
    }

    /// A number that no other set of rules in this process has.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Index of the rule with this name.
    pub(crate) fn position(&self, rule: &str) -> Option<usize> {
        self.0.by_name.get(rule).copied()
    }

    /// The rules, in the order of the config.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    /// `IllegalArgument`, with the name of the argument: an unknown rule, an empty key, a key of more than [`MAX_KEY_BYTES`], no
    /// permits, or more permits than the rule's burst, because such a call could never be granted.
    #[track_caller]
    pub fn request(&self, rule: &str, key: &str, permits: u32) -> Result<Request, Error> {
        let found = self.position(rule).and_then(|index| Some((index, self.0.rules.get(index)?)));
        let Some((index, limit)) = found else {
            return Err(self.unknown(rule));
        };
        if key.is_empty() {
            return Err(illegal(
                "key: must not be empty; a limit that all callers share has a key too, like \"all\"",
            ));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(illegal(format!("key: at most {MAX_KEY_BYTES} bytes, found {}", key.len())));
        }
        if permits == 0 {
            return Err(illegal("permits: must not be zero"));
        }
        if permits > limit.burst.get() {
            let (rule, burst) = (quoted(rule), limit.burst);
            return Err(illegal(format!(
                "permits: {permits} is more than the burst of rule {rule}, which is {burst}"
            )));
        }
        Ok(Request { limits: self.number(), rule: index, key: key.into(), permits })
    }

    /// The error for a rule that is not among these.
    #[track_caller]
    pub(crate) fn unknown(&self, rule: &str) -> Error {
        let known: Vec<_> = self.rules().iter().take(SHOWN_RULES).map(|rule| quoted(&rule.name)).collect();
        let more = if self.rules().len() > SHOWN_RULES { " and others" } else { "" };
        illegal(format!("rule: there is no rule {}; there are {}{more}", quoted(rule), known.join(", ")))
    }
}

#[track_caller]
fn illegal(message: impl Into<String>) -> Error {
    errors::ILLEGAL_ARGUMENT.error(QUOTA).message(message).build()
}

#[cfg(test)]
mod tests;
