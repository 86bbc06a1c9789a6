//! The samplers that OpenTelemetry names.

use app_config::quoted;

use crate::sampling::SamplingRule;

/// Reads a sampler and its argument. A wrong argument is a warning beside the rule: the ratio is 1 then.
///
/// # Errors
/// There is no such sampler.
pub(super) fn read(sampler: &str, arg: Option<&str>) -> Result<(SamplingRule, Option<String>), String> {
    let (by_parent, ratio) = match sampler.to_ascii_lowercase().as_str() {
        "always_on" => (false, Some(1.0)),
        "always_off" => (false, Some(0.0)),
        "traceidratio" => (false, None),
        "parentbased_always_on" => (true, Some(1.0)),
        "parentbased_always_off" => (true, Some(0.0)),
        "parentbased_traceidratio" => (true, None),
        _ => {
            return Err(format!(
                "must be always_on, always_off, traceidratio, or one of these with parentbased_ before it, found {}; it counts as unset",
                quoted(sampler)
            ));
        }
    };
    let (ratio, wrong) = match (ratio, arg) {
        (Some(ratio), _) => (ratio, None),
        (None, None) => (1.0, None),
        (None, Some(text)) => match text.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => (ratio, None),
            _ => (1.0, Some(format!("must be a number from 0 to 1, found {}; 1 is used", quoted(text)))),
        },
    };
    Ok((SamplingRule { by_parent, ratio }, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sampler_has_its_rule() {
        for (sampler, arg, by_parent, ratio) in [
            ("always_on", Some("0.5"), false, 1.0),
            ("always_off", None, false, 0.0),
            ("traceidratio", Some("0.25"), false, 0.25),
            ("traceidratio", None, false, 1.0),
            ("parentbased_always_on", None, true, 1.0),
            ("parentbased_always_off", None, true, 0.0),
            ("ParentBased_TraceIdRatio", Some("1e-3"), true, 1e-3),
        ] {
            assert_eq!(read(sampler, arg), Ok((SamplingRule { by_parent, ratio }, None)), "{sampler}");
        }
        assert!(read("jaeger_remote", None).unwrap_err().contains("jaeger_remote"));
        for arg in ["1.5", "-0.1", "NaN", "inf", "half"] {
            let (rule, wrong) = read("traceidratio", Some(arg)).unwrap();
            assert!(rule.ratio == 1.0 && wrong.unwrap().contains(arg), "{arg}");
        }
    }
}
