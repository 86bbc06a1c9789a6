//! What an operator may ask of the service: `appctl do tracing sample --ratio 1 --for 10m --reason ..`.

use std::time::Duration;

use app_core::duration::{parse_duration, show_duration};
use app_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handle::{MAX_SAMPLING_TIME, Tracing};
use crate::ids::TRACING_SERVICE_ID;

app_core::operation! {
    of: TRACING_SERVICE_ID,
    name: "sample",
    role: Operate,
    effect: Changes,
    about: "Samples another part of new traces for a time. After it the config counts again.",
    run: sample,
}

app_core::operation! {
    of: TRACING_SERVICE_ID,
    name: "sample-as-configured",
    role: Operate,
    effect: Changes,
    about: "Ends what `sample` set before its time is over.",
    run: sample_as_configured,
}

app_core::operation! {
    of: TRACING_SERVICE_ID,
    name: "sampling",
    role: Read,
    effect: Reads,
    about: "Shows which part of new traces is sampled, and where spans go.",
    run: sampling,
}

/// Which traces, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
struct Sample {
    /// The part of new traces that is sampled: 0 to 1.
    ratio: f64,
    /// For how long, such as `10m`: at most a day. Without it, ten minutes.
    #[serde(rename = "for")]
    time: Option<String>,
}

/// What is in effect.
#[derive(Debug, Serialize, JsonSchema)]
struct InEffect {
    /// The part of new traces that is sampled.
    ratio: f64,
    /// For how long, if not until the config changes.
    for_another: Option<String>,
    /// The part that the config, or the variables, ask for.
    configured: f64,
    /// The URL that spans go to. Without one nothing is exported.
    collector: Option<String>,
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn in_effect(tracing: &Tracing) -> InEffect {
    InEffect {
        ratio: tracing.ratio(),
        for_another: tracing.temporary().map(|(_, rest)| show_duration(rest).to_string()),
        configured: tracing.settings.load().rule.ratio,
        collector: tracing.destination(),
    }
}

async fn sample(tracing: Dep<Tracing>, args: Args<Sample>) -> Result<InEffect, Error> {
    let wrong = |what: String| errors::ILLEGAL_ARGUMENT.error(TRACING_SERVICE_ID).message(what).build();
    if !(0.0..=1.0).contains(&args.ratio) {
        return Err(wrong(format!("ratio: must be 0 to 1, found {}", args.ratio)));
    }
    let time = match &args.time {
        None => TEN_MINUTES,
        Some(text) => parse_duration(text).map_err(|expected| wrong(format!("for: {expected}")))?,
    };
    if time.is_zero() || time > MAX_SAMPLING_TIME {
        return Err(wrong("for: must be more than 0 and at most a day (24h)".to_owned()));
    }
    tracing.sample_for(args.ratio, time);
    Ok(in_effect(&tracing))
}

async fn sample_as_configured(tracing: Dep<Tracing>) -> Result<InEffect, Error> {
    tracing.sample_as_configured();
    Ok(in_effect(&tracing))
}

async fn sampling(tracing: Dep<Tracing>) -> Result<InEffect, Error> {
    Ok(in_effect(&tracing))
}
