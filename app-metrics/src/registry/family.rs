//! A registered metric with everything that a scrape writes about it except the values.

use crate::family::Instrument;
use crate::names::{Names, ReadableName, TOTAL};
use std::sync::{Arc, OnceLock};

/// A registered metric. The names and the help are made at the first scrape, and scrapes copy them.
#[derive(Debug)]
pub(crate) struct Family {
    readable: Option<ReadableName>,
    texts: OnceLock<Texts>,
    /// The constant labels as text.
    pub(crate) label_text: Arc<str>,
    pub(crate) instrument: Instrument,
}

#[derive(Debug)]
struct Texts {
    /// `op_{service hex}_{metric hex}`.
    name: String,
    /// The help in a scrape with ids, which begins with the readable name.
    help: String,
    /// The help in a scrape with readable names, which begins with the id name.
    readable_help: String,
    /// Whether no format escapes anything in the help, which is usual.
    plain_help: bool,
}

impl Texts {
    fn of(readable: Option<&ReadableName>, instrument: &Instrument) -> Self {
        let spec = instrument.shape().spec;
        let (name, own) = (spec.prometheus_name(), spec.help.clone());
        let plain_help = !own.contains(['\\', '"']);
        let series = readable.map(|readable| series_name(&readable.base, instrument));
        let (help, readable_help) = match series {
            Some(series) => (format!("{series}: {own}"), format!("{name}: {own}")),
            None => (own.clone(), own),
        };
        Self { name, help, readable_help, plain_help }
    }
}

impl Family {
    pub(super) fn new(readable: Option<ReadableName>, label_text: Arc<str>, instrument: Instrument) -> Self {
        Self { readable, texts: OnceLock::new(), label_text, instrument }
    }

    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts::of(self.readable.as_ref(), &self.instrument))
    }

    /// `op_{service hex}_{metric hex}`.
    pub(crate) fn name(&self) -> &str {
        &self.texts().name
    }

    /// Whether no format escapes anything in the help, which is usual.
    pub(crate) fn has_plain_help(&self) -> bool {
        self.texts().plain_help
    }

    /// The name of the family, without the suffix of counters.
    pub(crate) fn base(&self, names: Names) -> &str {
        match names {
            Names::Ids => self.name(),
            Names::Readable => self.readable_base(),
        }
    }

    /// The readable name without the suffix of counters; the id name if there is none.
    pub(crate) fn readable_base(&self) -> &str {
        self.readable.as_ref().map_or_else(|| self.name(), |readable| &readable.base)
    }

    /// The readable name of the samples.
    pub(crate) fn readable_series(&self) -> Option<String> {
        self.readable.as_ref().map(|readable| series_name(&readable.base, &self.instrument))
    }

    pub(crate) fn help(&self, names: Names) -> &str {
        match names {
            Names::Ids => &self.texts().help,
            Names::Readable => &self.texts().readable_help,
        }
    }

    /// The unit that the name ends with; empty for none. Names that are ids have no unit.
    pub(crate) fn unit(&self, names: Names) -> &'static str {
        match (names, &self.readable) {
            (Names::Readable, Some(readable)) => readable.unit,
            _ => "",
        }
    }
}

fn series_name(base: &str, instrument: &Instrument) -> String {
    let suffix = if instrument.kind().is_counter() { TOTAL } else { "" };
    format!("{base}{suffix}")
}
