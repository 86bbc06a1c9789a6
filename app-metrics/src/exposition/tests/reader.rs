//! A strict reader of both formats: our output must be what a reader of the format's rules understands.

use crate::exposition::Format;
use std::collections::BTreeMap;

/// A sample: the name of its line, and its labels.
pub(super) type Key = (String, BTreeMap<String, String>);

#[derive(Debug, Default)]
pub(super) struct Exposed {
    /// Help and type, by name.
    pub(super) families: BTreeMap<String, (String, String)>,
    pub(super) samples: BTreeMap<Key, f64>,
}

impl Exposed {
    /// The value of a sample with these labels beside the constant ones.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let constant = [("domain", "1"), ("app", "2"), ("svc", "a"), ("release", "3"), ("instance", "4")];
        let labels =
            constant.iter().chain(labels).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        *self.samples.get(&key).unwrap_or_else(|| panic!("no sample {key:?} in {:?}", self.samples))
    }
}

/// Lines end only at a newline. Each family is announced once, with help and type, before its samples. The names of its
/// samples belong to it alone.
pub(super) fn read(text: &str, format: Format) -> Result<Exposed, String> {
    let text = match format {
        Format::Text => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").ok_or("no end")?,
    };
    let mut exposed = Exposed::default();
    let mut lines = text.strip_suffix('\n').map(|text| text.split('\n')).into_iter().flatten().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").ok_or_else(|| format!("no help: {line:?}"))?;
        let (name, help) = help.split_once(' ').ok_or_else(|| format!("help without a name: {line:?}"))?;
        let announced = lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let (_, kind) =
            announced.filter(|(of, _)| *of == name).ok_or_else(|| format!("no type of {name}"))?;
        let known = (unescaped(help, format == Format::OpenMetrics)?, kind.to_owned());
        if exposed.families.insert(name.to_owned(), known).is_some() {
            return Err(format!("{name} is there twice"));
        }
        while let Some(line) = lines.next_if(|line| !line.starts_with("# ")) {
            let (key, value) = sample(line)?;
            let suffix = key.0.strip_prefix(name).unwrap_or("of another family");
            let fits = match (kind, format) {
                ("gauge", _) | ("counter", Format::Text) => suffix.is_empty(),
                ("counter", Format::OpenMetrics) => suffix == "_total",
                ("histogram", _) => matches!(suffix, "_bucket" | "_sum" | "_count"),
                _ => false,
            };
            if !fits || exposed.samples.insert(key, value).is_some() {
                return Err(format!("no sample of the {kind} {name}, or there twice: {line:?}"));
            }
        }
    }
    Ok(exposed)
}

fn sample(line: &str) -> Result<(Key, f64), String> {
    let (name, mut rest) = line.split_once('{').ok_or_else(|| format!("no labels: {line:?}"))?;
    let mut labels = BTreeMap::new();
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").ok_or_else(|| format!("no label: {line:?}"))?;
        let mut escaped = false;
        let end = after.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (value, after) = after.split_at(end.ok_or_else(|| format!("no end of a value: {line:?}"))?);
        if labels.insert(label.to_owned(), unescaped(value, true)?).is_some() {
            return Err(format!("a label is there twice: {line:?}"));
        }
        rest = after.trim_start_matches('"');
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    let value = rest.strip_prefix("} ").ok_or_else(|| format!("no value: {line:?}"))?;
    Ok(((name.to_owned(), labels), value.parse().map_err(|_| format!("no number: {line:?}"))?))
}

fn unescaped(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, quotes) {
            ('"', true) => return Err(format!("a bare quote: {text:?}")),
            ('\\', _) => match chars.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => return Err(format!("escaped {other:?}: {text:?}")),
            },
            _ => c,
        });
    }
    Ok(plain)
}
