//! Which spans are exported, by level and target.

use std::fmt;

use app_config::quoted;
use app_core::trace::{Level, LevelFilter};

/// The most entries of a filter.
const MAX_ENTRIES: usize = 64;

/// The longest filter, in bytes.
const MAX_BYTES: usize = 4096;

/// The level of this word.
fn level_of(text: &str) -> Option<LevelFilter> {
    let words = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    words.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, level)| level)
}

/// A filter: a level for all, and levels of targets with what is below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    others: LevelFilter,
    /// The longest first, so that the first that matches counts.
    targets: Vec<(String, LevelFilter)>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { others: LevelFilter::INFO, targets: Vec::new() }
    }
}

impl Filter {
    /// Reads a filter: levels and `target=level`, separated by commas. Empty means `info`.
    ///
    /// # Errors
    /// What is wrong, with the entry.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("must have at most {MAX_BYTES} bytes"));
        }
        let mut filter = Self::default();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut all = None;
        for (index, entry) in entries.enumerate() {
            if index >= MAX_ENTRIES {
                return Err(format!("must have at most {MAX_ENTRIES} entries"));
            }
            let levels = "off, error, warn, info, debug or trace";
            let Some((target, level)) = entry.split_once('=') else {
                let Some(own) = level_of(entry) else {
                    return Err(format!(
                        "must be levels ({levels}) and target=level, found {}",
                        quoted(entry)
                    ));
                };
                if all.replace(own).is_some() {
                    return Err("must have one level without a target".to_owned());
                }
                continue;
            };
            let (target, level) = (target.trim(), level.trim());
            let good = |c: char| c.is_ascii_alphanumeric() || "_:-.".contains(c);
            if target.is_empty() || !target.chars().all(good) {
                return Err(format!("must have the path of a module before =, found {}", quoted(entry)));
            }
            let Some(own) = level_of(level) else {
                return Err(format!("must have a level after = ({levels}), found {}", quoted(entry)));
            };
            if filter.targets.iter().any(|(other, _)| other == target) {
                return Err(format!("must not name a target twice, found {}", quoted(target)));
            }
            filter.targets.push((target.to_owned(), own));
        }
        filter.others = all.unwrap_or(filter.others);
        filter.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Ok(filter)
    }

    /// Whether a span of this target and level is exported.
    pub(crate) fn lets_through(&self, target: &str, level: Level) -> bool {
        let below = |name: &str| {
            target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let own = self.targets.iter().find(|(name, _)| below(name)).map(|(_, own)| *own);
        level <= own.unwrap_or(self.others)
    }

    /// The lowest level that some target has.
    pub(crate) fn lowest(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).fold(self.others, LevelFilter::max)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.others)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_target_counts_and_ends_where_a_module_ends() {
        let filter = Filter::parse(" warn, shop=debug ,shop::orders=off,").unwrap();
        for (target, level, through) in [
            ("shop", Level::DEBUG, true),
            ("shop::carts", Level::DEBUG, true),
            ("shop::carts", Level::TRACE, false),
            ("shop::orders", Level::ERROR, false),
            ("shop::orders::new", Level::ERROR, false),
            ("shop::orders_old", Level::DEBUG, true),
            ("shopping", Level::INFO, false),
            ("hyper", Level::WARN, true),
        ] {
            assert_eq!(filter.lets_through(target, level), through, "{target} {level}");
        }
        assert_eq!(filter.lowest(), LevelFilter::DEBUG);
        assert_eq!(filter.to_string(), "warn,shop::orders=off,shop=debug");
        let default = Filter::parse("").unwrap();
        assert!(default.lets_through("x", Level::INFO) && !default.lets_through("x", Level::DEBUG));
    }

    #[test]
    fn a_bad_filter_names_the_entry() {
        for (text, wrong) in [
            ("loud", "loud"),
            ("info,debug", "one level"),
            ("a=loud", "a=loud"),
            ("=info", "before ="),
            ("a b=info", "before ="),
            ("a=info,a=warn", "twice"),
        ] {
            let told = Filter::parse(text).unwrap_err();
            assert!(told.contains(wrong), "{text}: {told}");
        }
        let many: Vec<_> = (0..65).map(|n| format!("a{n}=info")).collect();
        assert!(Filter::parse(&many.join(",")).unwrap_err().contains("64"));
    }
}
