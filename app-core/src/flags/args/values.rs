//! Value parsers: one way to write a value, for every flag of every program.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use crate::{parse_duration, show_duration};

/// Any value that is parsed from text, such as an id. Spaces and line breaks around it are dropped.
///
/// ```
/// use app_core::{args, clap::Arg, prelude::*};
///
/// let arg = Arg::new("service").long("service").value_parser(args::trimmed::<ServiceId>);
/// assert_eq!(args::trimmed::<ServiceId>(" 0x1f\n"), Ok(ServiceId::new(0x1f)));
/// # let _ = arg;
/// ```
///
/// # Errors
/// Those of the type.
pub fn trimmed<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// An IP address and a port. Host names are not looked up.
///
/// # Errors
/// When the text is something else. The error shows an example.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = "expected an IP address and a port, such as 127.0.0.1:4444 or [::1]:4444";
    text.trim().parse().map_err(|_| wrong.to_owned())
}

/// A yes or no in words or as a digit, in any case: `true`, `yes`, `on`, `1` and their opposites.
///
/// # Errors
/// When the text is none of these words.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A whole number within bounds.
pub fn number<N>(
    bounds: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| match text.trim().parse() {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {} to {}", bounds.start(), bounds.end())),
    }
}

/// A duration within bounds, as [`parse_duration`] reads it.
pub fn duration_between(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let duration = parse_duration(text)?;
        let shown = |bound: &Duration| show_duration(*bound).to_string();
        match &duration {
            short if short < bounds.start() && short.is_zero() => {
                Err("expected a duration above 0".to_owned())
            }
            short if short < bounds.start() => Err(format!("expected at least {}", shown(bounds.start()))),
            long if long > bounds.end() => Err(format!("expected at most {}", shown(bounds.end()))),
            _ => Ok(duration),
        }
    }
}

#[cfg(test)]
mod tests;
