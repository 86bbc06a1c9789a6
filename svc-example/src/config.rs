//! The config: reads the rules from the schema's struct into the types that the code uses.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use app_config::{Config, Expected, Place, Problems, quoted};
use app_core::prelude::ServiceId;
use app_metrics::MAX_LABEL_VALUE_BYTES;
use quota_schema::quota_capnp::{quota_rule, quota_spec};

use crate::QUOTA;

/// The config of the quota service. Its schema is the struct `QuotaSpec` of `quota.capnp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaConfig {
    /// At least one rule. Each name is unique.
    pub rules: Vec<Rule>,
}

/// A rate limit. Each key has its own bucket, which fills steadily.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name that callers use. It is also the label `rule` of the metrics.
    pub name: String,
    /// Permits added to a bucket in each period.
    pub permits: NonZeroU32,
    /// The period, in milliseconds.
    pub period_millis: NonZeroU32,
    /// Permits in a full bucket; at least `permits`.
    pub burst: NonZeroU32,
    /// Most keys that can have a bucket at the same time.
    pub max_keys: NonZeroU32,
}

app_config::config! { QuotaConfig, "Rate limits by key." }

app_config::schema_docs! { quota_schema::DOCS }

impl Config for QuotaConfig {
    const SERVICE: ServiceId = QUOTA;
    type Schema = quota_spec::Owned;
    const WITHOUT_FILE: Option<&'static str> =
        Some(r#"{"rules": [{"name": "default", "permits": 100, "burst": 100}]}"#);

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut place = problems.at("rules");
        let specs = place.value(spec.get_rules())?;
        if specs.is_empty() {
            place.add("must have at least one rule; without a file there is one, \"default\"");
        }
        let mut taken = HashMap::new();
        let mut rules = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut place = place.index(index);
            let name = name_of(spec, index, &mut taken, &mut place.field("name"));
            rules.extend(Rule::read(name, spec, &mut place));
        }
        Some(Self { rules })
    }

    /// One rule, `default`: 100 permits a second, at most 100 at once, for 100,000 keys.
    fn without_file() -> Self {
        Self { rules: vec![Rule::default()] }
    }
}

impl Default for Rule {
    fn default() -> Self {
        const HUNDRED: NonZeroU32 = NonZeroU32::new(100).unwrap();
        const THOUSAND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
        const HUNDRED_THOUSAND: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
        Self {
            name: "default".to_owned(),
            permits: HUNDRED,
            period_millis: THOUSAND,
            burst: HUNDRED,
            max_keys: HUNDRED_THOUSAND,
        }
    }
}

impl Rule {
    /// The period in which a bucket gets `permits` permits.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period_millis.get().into())
    }

    fn read(name: Option<String>, spec: quota_rule::Reader<'_>, place: &mut Place<'_>) -> Option<Self> {
        let permits = positive(spec.get_permits(), "permits", place);
        let period_millis = positive(spec.get_period_millis(), "periodMillis", place);
        let max_keys = positive(spec.get_max_keys(), "maxKeys", place);
        let permits = permits?;
        let burst = NonZeroU32::new(spec.get_burst()).unwrap_or(permits);
        if burst < permits {
            place.field("burst").add_in_full(
                "must not be below permits, since a bucket could never hold what a period adds (to let fewer through at \
                 once, use a shorter period)",
                format_args!(
                    "must not be below permits ({permits}), since a bucket could never hold what a period adds; found \
                     {burst} (to let fewer through at once, use a shorter period)"
                ),
            );
        }
        Some(Self { name: name?, permits, period_millis: period_millis?, burst, max_keys: max_keys? })
    }
}

/// The name of a rule, if it is valid and no earlier rule has it. Otherwise adds a problem.
fn name_of<'a>(
    spec: quota_rule::Reader<'a>,
    index: usize,
    taken: &mut HashMap<&'a str, usize>,
    place: &mut Place<'_>,
) -> Option<String> {
    let name = place.text(spec.get_name())?;
    if name.is_empty() {
        place.add("must not be empty");
    } else if name.len() > MAX_LABEL_VALUE_BYTES {
        let rule = Expected::of_code(format_args!("must have at most {MAX_LABEL_VALUE_BYTES} bytes"));
        place.add_found(rule, name.len());
    } else if let Some(control) = name.chars().find(|c| c.is_control()) {
        place.add_found("must have no control characters", format_args!("{control:?}"));
    } else if let Some(other) = taken.get(name) {
        let rule = Expected::of_code(format_args!("is the name of rules[{other}] already"));
        place.add_in_full(rule, format_args!("{} is the name of rules[{other}] already", quoted(name)));
    } else {
        taken.insert(name, index);
        return Some(name.to_owned());
    }
    None
}

fn positive(value: u32, field: &'static str, place: &mut Place<'_>) -> Option<NonZeroU32> {
    let positive = NonZeroU32::new(value);
    if positive.is_none() {
        place.field(field).add("must be at least 1");
    }
    positive
}

#[cfg(test)]
mod tests;
