//! The time of systemd's watchdog: `WATCHDOG_USEC` and `WATCHDOG_PID`.

use std::{
    env,
    ffi::{OsStr, OsString},
    process,
    time::Duration,
};

/// The time, in microseconds.
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The watched process. Without this variable, every process that has the time is watched.
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// The time; `None` if no watchdog is set for this process.
///
/// # Errors
/// The time is not a number. The text names the variable.
pub(super) fn from_environment() -> Result<Option<Duration>, String> {
    let set = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let (time, process) = (set(WATCHDOG_USEC), set(WATCHDOG_PID));
    watchdog(time.as_deref(), process.as_deref(), process::id())
}

fn watchdog(time: Option<&OsStr>, process: Option<&OsStr>, own: u32) -> Result<Option<Duration>, String> {
    let watched = process.and_then(OsStr::to_str).and_then(|process| process.trim().parse::<u32>().ok());
    let Some(time) = time.filter(|_| watched.is_none_or(|watched| watched == own)) else { return Ok(None) };
    let micros = time.to_str().and_then(|time| time.trim().parse::<u64>().ok());
    let micros = micros.ok_or_else(|| {
        format!(
            "{WATCHDOG_USEC}: {time:?} is not a number of microseconds; the watchdog gets no sign of life"
        )
    })?;
    // Zero means no watchdog.
    Ok((micros > 0).then(|| Duration::from_micros(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_needs_a_time_and_this_process_and_a_bad_number_is_an_error() {
        let of =
            |time: &str, process: Option<&str>| watchdog(Some(time.as_ref()), process.map(OsStr::new), 7);
        let second = Ok(Some(Duration::from_secs(1)));
        assert_eq!(of("1000000", None), second);
        assert_eq!(of(" 1000000\n", Some("7")), second);
        assert_eq!(of("1000000", Some("no process")), second, "for every process");
        assert_eq!(of("1000000", Some("8")), Ok(None));
        assert_eq!(of("garbage", Some("8")), Ok(None), "for another process");
        assert_eq!(of("0", None), Ok(None));
        assert_eq!(watchdog(None, None, 7), Ok(None));
        for time in ["30s", "-1", "1e6", "18446744073709551616", "1 000"] {
            let problem = of(time, None).unwrap_err();
            assert!(problem.starts_with("WATCHDOG_USEC: \"") && problem.contains(time), "{problem}");
        }
    }
}
