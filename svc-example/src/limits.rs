//! The rules in effect, and what may be asked of them: arguments are checked here, at the door, and nowhere else.

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

/// The longest key, in bytes: keys come from callers, the memory is ours.
pub const MAX_KEY_BYTES: usize = 1_024;

/// How many rules a message names.
const SHOWN_RULES: usize = 10;

/// Tells one set of rules from the next.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Rules that are in effect together. Cheap to clone. They never change: a reload puts others in their place.
#[derive(Debug, Clone)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: u64,
    rules: Vec<Rule>,
    by_name: HashMap<String, usize>,
}

/// A call whose arguments are good, under the rules that checked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The number of the [`Limits`] that made it.
    pub(crate) limits: u64,
    /// Where the rule is among the rules.
    pub(crate) rule: usize,
    pub(crate) key: Box<str>,
    /// From 1 to the rule's burst.
    pub(crate) permits: u32,
}

impl Limits {
    /// The rules of a config.
    #[must_use]
    pub fn new(config: &QuotaConfig) -> Self {
        let rules = config.rules.clone();
        let by_name = rules.iter().enumerate().map(|(index, rule)| (rule.name.clone(), index)).collect();
        // A number is all that is asked of it: no other memory depends on it.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { number, rules, by_name }))
    }

    /// Tells them from all others in this process.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Where the rule of this name is among the rules.
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
    /// `IllegalArgument`, naming the argument: a rule that there is none of, an empty key or one of more than
    /// [`MAX_KEY_BYTES`], no permits, or more than the rule's burst, which would never be granted.
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

    #[track_caller]
    fn unknown(&self, rule: &str) -> Error {
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
