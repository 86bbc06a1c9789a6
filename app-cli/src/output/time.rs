//! Durations and moments for people.

use std::time::{Duration, SystemTime};

use super::Moment;

const UNITS: [(&str, u128); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// A duration in its two largest units: `3d 4h`, `2m 5s`, `1.2s`, `13ms`, `250us`.
pub(crate) fn human(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis >= 60_000 {
        let mut parts = Vec::new();
        let mut rest = millis;
        for (unit, size) in UNITS {
            if rest >= size || !parts.is_empty() {
                parts.push(format!("{}{unit}", rest / size));
                rest %= size;
            }
        }
        parts.truncate(2);
        return parts.join(" ");
    }
    if millis >= 10_000 {
        format!("{}s", millis / 1000)
    } else if millis >= 1_000 {
        format!("{}.{}s", millis / 1000, millis % 1000 / 100)
    } else if millis > 0 {
        format!("{millis}ms")
    } else {
        format!("{}us", duration.as_micros())
    }
}

/// The time since a moment, by the clock of this machine: `2m 5s ago`.
pub(crate) fn ago(moment: Moment) -> String {
    let since = moment.time().and_then(|time| SystemTime::now().duration_since(time).ok());
    since.map_or_else(|| moment.to_string(), |since| format!("{} ago", human(since)))
}
