//! The config: reads the rules from the schema's struct into the types that the code uses.

use std::{
    collections::HashMap,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use app_config::{Config, Expected, Place, Problems, quoted};
use app_core::prelude::ServiceId;
use app_metrics::MAX_LABEL_VALUE_BYTES;
use quota_schema::quota_capnp::{RuleScope, WhenAway as SpecWhenAway, quota_rule, quota_spec};

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
    /// Whose budget it is.
    pub scope: Scope,
}

/// Whose budget a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Each instance has buckets of its own.
    #[default]
    Instance,
    /// All instances in the domain share the buckets.
    Fleet(WhenAway),
}

/// What a rule of the fleet grants while the servers of messaging can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenAway {
    /// Nothing.
    #[default]
    Deny,
    /// The part of the budget of one of this many instances.
    LocalShare(NonZeroU16),
}

/// The longest time in which a shared bucket may fill. The servers keep its state for that long.
pub const LONGEST_FILL: Duration = Duration::from_secs(366 * 86_400);

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
            scope: Scope::Instance,
        }
    }
}

impl Rule {
    /// The period in which a bucket gets `permits` permits.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.period_millis.get().into())
    }

    /// The time from an empty bucket to a full one, rounded up to nanoseconds.
    #[must_use]
    pub fn fill_time(&self) -> Duration {
        let nanos = self.period().as_nanos() * u128::from(self.burst.get());
        let nanos = nanos.div_ceil(u128::from(self.permits.get()));
        // Below 2^85 nanoseconds, so the seconds fit.
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or_default())
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
        let scope = scope_of(spec, place);
        let rule = Self {
            name: name?,
            permits,
            period_millis: period_millis?,
            burst,
            max_keys: max_keys?,
            scope: scope?,
        };
        if rule.scope != Scope::Instance && rule.fill_time() > LONGEST_FILL {
            let days = rule.fill_time().as_secs() / 86_400;
            place.field("burst").add_in_full(
                "must be such that an empty bucket is full within 366 days, since its state is kept for that long (lower burst, or \
                 let permits be more often)",
                format_args!(
                    "must be such that an empty bucket is full within 366 days, since its state is kept for that long; found {days} \
                     days (lower burst, or let permits be more often)"
                ),
            );
        }
        Some(rule)
    }
}

/// Whose budget a rule is, if that is valid. Otherwise adds a problem.
fn scope_of(spec: quota_rule::Reader<'_>, place: &mut Place<'_>) -> Option<Scope> {
    let scope = place.field("scope").value(spec.get_scope().map_err(capnp::Error::from))?;
    let away = place.field("whenAway").value(spec.get_when_away().map_err(capnp::Error::from))?;
    let instances = spec.get_instances();
    if scope == RuleScope::Instance && away != SpecWhenAway::Deny {
        place
            .field("whenAway")
            .add("is only for a rule with the scope \"fleet\"; set the scope, or remove it");
        return None;
    }
    match (away, NonZeroU16::new(instances)) {
        (SpecWhenAway::LocalShare, Some(instances)) => Some(Scope::Fleet(WhenAway::LocalShare(instances))),
        (SpecWhenAway::LocalShare, None) => {
            place
                .field("instances")
                .add("must be at least 1 with \"localShare\", which grants this part of the budget");
            None
        }
        (SpecWhenAway::Deny, Some(_)) => {
            place.field("instances").add("is only for \"whenAway\": \"localShare\"; set that, or remove it");
            None
        }
        (SpecWhenAway::Deny, None) => Some(match scope {
            RuleScope::Instance => Scope::Instance,
            RuleScope::Fleet => Scope::Fleet(WhenAway::Deny),
        }),
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
