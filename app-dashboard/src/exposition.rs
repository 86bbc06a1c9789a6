//! Reads metrics in Prometheus' text format 0.0.4.

use std::borrow::Cow;
use std::collections::BTreeMap;

use app_ids::MetricId;

/// Labels that all samples of an app share. The page names the app elsewhere.
const SHARED: [&str; 5] = ["domain", "app", "svc", "release", "instance"];

/// The kind of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Samples of one name.
#[derive(Debug, Clone)]
pub(crate) struct Family<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample<'a>>,
}

/// One value.
#[derive(Debug, Clone)]
pub(crate) struct Sample<'a> {
    /// What follows the name of the family: empty, `_bucket`, `_sum` or `_count`.
    pub(crate) suffix: &'a str,
    /// The service of the metric in hex, without `0x`; empty if the sample does not say it.
    pub(crate) service: &'a str,
    /// The upper bound of a bucket; infinite for other samples.
    pub(crate) bound: f64,
    /// The other labels, as `a=b, c=d`.
    pub(crate) labels: String,
    pub(crate) value: f64,
}

/// The families of a text, in its order. Lines that are not understood are left out.
pub(crate) fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut helps: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            helps.insert(name, help);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = kind.split_once(' ') else { continue };
            let kind = match kind.trim() {
                "counter" => Kind::Counter,
                "histogram" => Kind::Histogram,
                _ => Kind::Gauge,
            };
            let help = unescaped(helps.remove(name).unwrap_or_default());
            families.push(Family { name, help, kind, samples: Vec::new() });
        } else if !line.starts_with('#')
            && let Some(family) = families.last_mut()
            && let Some(sample) = sample(line, family.name)
        {
            family.samples.push(sample);
        }
    }
    families
}

fn sample<'a>(line: &'a str, family: &str) -> Option<Sample<'a>> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let suffix = name.strip_prefix(family)?;
    let mut sample = Sample { suffix, service: "", bound: f64::INFINITY, labels: String::new(), value: 0.0 };
    let value = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, &mut sample)?,
        None => rest,
    };
    sample.value = number(value.split_whitespace().next()?)?;
    Some(sample)
}

/// Reads labels, and returns what follows them.
fn labels<'a>(mut rest: &'a str, sample: &mut Sample<'a>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let value = quoted.get(..end)?;
        rest = quoted.get(end + 1..)?;
        match name {
            "svc" => sample.service = value,
            "le" if sample.suffix == "_bucket" => sample.bound = number(value)?,
            _ if SHARED.contains(&name) => {}
            _ => {
                if !sample.labels.is_empty() {
                    sample.labels.push_str(", ");
                }
                sample.labels.push_str(name);
                sample.labels.push('=');
                sample.labels.push_str(&unescaped(value));
            }
        }
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, c == '\\') {
            (_, true) => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            (c, false) => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// The name of a metric for people, and the rest of its help. The help may begin with the name. The names of the platform's own
/// metrics are known here, for apps whose help does not.
pub(crate) fn readable<'a>(name: &'a str, help: &'a str) -> (Cow<'a, str>, &'a str) {
    let Some((_, metric)) = name.strip_prefix("op_").and_then(|ids| ids.split_once('_')) else {
        return (Cow::Borrowed(name), help);
    };
    let metric = metric.strip_suffix("_total").unwrap_or(metric);
    let Some(id) = u64::from_str_radix(metric, 16).ok() else { return (Cow::Borrowed(name), help) };
    let is_name = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if let Some((said, rest)) = help.split_once(": ")
        && is_name(said)
    {
        return (Cow::Borrowed(said), rest);
    }
    (MetricId::new(id).name().map_or(Cow::Borrowed(name), Cow::Borrowed), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP op_0_ddabce92f45675a0 Log records, by level.
# TYPE op_0_ddabce92f45675a0 counter
op_0_ddabce92f45675a0{domain="1",app="2",svc="0",release="3",instance="4",level="error"} 7
op_0_ddabce92f45675a0{domain="1",app="2",svc="0",release="3",instance="4",level="a\"b\\c\nd"} 8
# HELP h took
# TYPE h histogram
h_bucket{svc="ce1f",le="0.1"} 1
h_bucket{svc="ce1f",le="+Inf"} 3
h_sum{svc="ce1f"} 0.5
h_count{svc="ce1f"} 3
# HELP process_open_fds open
# TYPE process_open_fds gauge
process_open_fds 12 1700000000000
not understood
# TYPE untold gauge
untold NaN
"#;

    #[test]
    fn families_have_their_samples() {
        let families = families(TEXT);
        let names: Vec<_> = families.iter().map(|family| (family.name, family.kind.name())).collect();
        let expected = [
            ("op_0_ddabce92f45675a0", "counter"),
            ("h", "histogram"),
            ("process_open_fds", "gauge"),
            ("untold", "gauge"),
        ];
        assert_eq!(names, expected);
        let levels: Vec<_> = families[0].samples.iter().map(|sample| sample.labels.as_str()).collect();
        assert_eq!(levels, ["level=error", "level=a\"b\\c\nd"]);
        assert_eq!(families[1].samples.len(), 4);
        assert_eq!((families[1].samples[0].suffix, families[1].samples[0].bound), ("_bucket", 0.1));
        assert_eq!(families[1].samples[0].service, "ce1f");
        assert_eq!(families[2].samples[0].value, 12.0);
        assert!(families[3].samples[0].value.is_nan());
    }

    #[test]
    fn broken_lines_are_left_out() {
        for line in
            ["h{", "h{a", "h{a=\"", "h{a=\"b\"", "h{a=\"b\"}", "h x", "h{a=\"\\\"} 1", "", "{} 1", "é 1"]
        {
            let text = format!("# TYPE h gauge\n{line}\n");
            assert!(families(&text).iter().all(|family| family.samples.is_empty()), "{line}");
        }
        assert!(families("orphan 1\n# TYPE\n# TYPE x\n# HELP").is_empty());
    }

    #[test]
    fn a_metric_is_called_by_its_name() {
        assert_eq!(readable("process_open_fds", "open: ones").0, "process_open_fds");
        assert_eq!(readable("op_1_2", "quota_grants: Permits."), ("quota_grants".into(), "Permits."));
        assert_eq!(readable("op_1_2", "Permits: granted."), ("op_1_2".into(), "Permits: granted."));
        assert_eq!(readable("op_x", "Permits."), ("op_x".into(), "Permits."));
    }
}
