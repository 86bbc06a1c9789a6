//! Durations and counts as text for people, in the same format everywhere, and the wall time of tokio's clock.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Turns moments of tokio's clock into wall time, also of a clock that a test pauses. It does not follow changes of the system's
/// clock.
///
/// Two of them agree, whenever each was made.
///
/// ```
/// use app_core::duration::WallTime;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let wall = WallTime::new();
/// let (began, at) = (wall.now(), tokio::time::Instant::now());
/// tokio::time::sleep(std::time::Duration::from_secs(60)).await;
/// assert_eq!(wall.now(), began + at.elapsed());
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WallTime {
    /// The same moment on both clocks. Pauses of tokio's clock do not stop the system's.
    base: (std::time::Instant, SystemTime),
}

impl WallTime {
    /// Reads the clocks of the system.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "the value is not the same each time")]
    pub fn new() -> Self {
        Self { base: (std::time::Instant::now(), SystemTime::now()) }
    }

    /// The wall time at a moment.
    #[must_use]
    pub fn at(&self, moment: Instant) -> SystemTime {
        let (moment, (instant, wall)) = (moment.into_std(), self.base);
        // A clock that was paused is behind.
        moment
            .checked_duration_since(instant)
            .map_or_else(|| wall - instant.duration_since(moment), |since| wall + since)
    }

    /// The wall time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.at(Instant::now())
    }
}

/// Shows a duration: `1m 30s`, `1s 203ms`. A duration of a millisecond or more is cut to whole milliseconds.
///
/// It is for texts. Keys of log records that end in `_seconds` have numbers instead.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(app_core::duration::show_duration(Duration::from_micros(1_203_456)).to_string(), "1s 203ms");
/// assert_eq!(app_core::duration::show_duration(Duration::from_micros(3)).to_string(), "3us");
/// ```
pub fn show_duration(duration: Duration) -> impl fmt::Display {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(if millis > 0 { Duration::from_millis(millis) } else { duration })
}

/// Parses a duration, as all flags do: with its unit (`5s`, `500ms`, `1m 30s`), or as a number of seconds.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(app_core::duration::parse_duration("500ms"), Ok(Duration::from_millis(500)));
/// assert_eq!(app_core::duration::parse_duration("1.5"), Ok(Duration::from_millis(1500)));
/// assert!(app_core::duration::parse_duration("soon").is_err());
/// ```
///
/// # Errors
/// The text is not a duration. The error says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let expected = || "expected a time with its unit, such as 5s or 500ms, or a number of seconds".to_owned();
    let is_number = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let parsed = if is_number {
        humantime::parse_duration(&format!("{text}s"))
    } else {
        humantime::parse_duration(text)
    };
    parsed.map_err(|error| match error {
        humantime::DurationError::NumberOverflow => "the number is too large or too precise".to_owned(),
        _ => expected(),
    })
}

/// Shows a number of things: `1 restart`, `2 restarts`.
///
/// ```
/// assert_eq!(app_core::duration::counted(1, "death"), "1 death");
/// assert_eq!(app_core::duration::counted(0, "death"), "0 deaths");
/// ```
#[must_use]
pub fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
