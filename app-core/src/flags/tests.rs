//! Flags: every value is parsed or refused by name, never guessed.

use std::time::Duration;

use clap::FromArgMatches;

use super::Flags;
use crate::{LogFormat, LogLevel, flags::ServiceLevel};

fn parse(arguments: &[&str]) -> Result<Flags, String> {
    let arguments = ["app"].iter().chain(arguments);
    let matches = Flags::command().try_get_matches_from(arguments).map_err(|error| error.to_string())?;
    Flags::from_arg_matches(&matches).map_err(|error| error.to_string())
}

#[test]
fn without_arguments_they_are_the_defaults() {
    let (parsed, default) = (parse(&[]).unwrap(), Flags::default());
    assert_eq!(format!("{parsed:?}"), format!("{default:?}"));
}

#[test]
fn every_flag_is_taken() {
    let flags = parse(&[
        "--domain-id=0xd0",
        "--app-id=17",
        "--release-id",
        "0XFF",
        "--log-level=warn",
        "--service-log-level=quota=DEBUG,0x10=error",
        "--log-format=term",
        "--config-dir=/tmp/c",
        "--drain-delay=1500ms",
        "--worker-threads=3",
        "--check",
    ])
    .unwrap();
    assert_eq!(
        (flags.domain_id.as_u64(), flags.app_id.as_u64(), flags.release_id.as_u64()),
        (0xd0, 17, 0xff)
    );
    assert_eq!((flags.log_level, flags.log_format), (LogLevel::Warn, LogFormat::Term));
    let quota = ServiceLevel { service: "quota".to_owned(), level: LogLevel::Debug };
    assert_eq!(
        flags.service_log_level,
        [quota, ServiceLevel { service: "0x10".to_owned(), level: LogLevel::Error }]
    );
    assert_eq!((flags.config_dir.to_str(), flags.worker_threads), (Some("/tmp/c"), Some(3)));
    assert_eq!(flags.drain_delay, Duration::from_millis(1500));
    assert!(flags.check);
}

#[test]
fn a_drain_delay_is_a_time_or_seconds() {
    let delay = |text: &str| parse(&["--drain-delay", text]).map(|flags| flags.drain_delay);
    assert_eq!(delay("0").unwrap(), Duration::ZERO);
    assert_eq!(delay("2").unwrap(), Duration::from_secs(2));
    assert_eq!(delay("0.5").unwrap(), Duration::from_millis(500));
    assert_eq!(delay("1m 30s").unwrap(), Duration::from_secs(90));
    for bad in ["", "soon", "-1", "NaN", "inf", "1e300", "2h", "3601", "5 parsecs"] {
        assert!(delay(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn bad_values_are_usage_errors_that_name_the_flag() {
    for bad in [
        "--domain-id=0x",
        "--domain-id=",
        "--app-id=-1",
        "--release-id=18446744073709551616",
        "--log-level=LOUD",
        "--log-format=xml",
        "--service-log-level=quota",
        "--service-log-level==DEBUG",
        "--service-log-level=quota=",
        "--service-log-level=0xzz=DEBUG",
        "--worker-threads=0",
        "--worker-threads=many",
        "--worker-threads=100000",
    ] {
        let error = parse(&[bad]).unwrap_err();
        assert!(error.contains(bad.split('=').next().unwrap()), "{error}");
    }
    assert!(parse(&["--no-such-flag"]).is_err());
    assert!(parse(&["argument"]).is_err());
}

#[test]
fn the_service_of_a_level_must_be_known_by_name_and_named_once() {
    let unknown =
        parse(&["--service-log-level=nobody=DEBUG"]).unwrap().check_service_levels(&[]).unwrap_err();
    assert!(unknown.starts_with("no service is named \"nobody\""), "{unknown}");
    let twice =
        parse(&["--service-log-level=0x10=DEBUG,16=INFO"]).unwrap().check_service_levels(&[]).unwrap_err();
    assert_eq!(twice, "service 16 has two log levels");
    parse(&["--service-log-level=0x10=DEBUG,17=INFO"]).unwrap().check_service_levels(&[]).unwrap();
}

#[test]
fn help_has_what_an_application_says_of_itself_and_not_what_these_flags_say_to_authors() {
    #[derive(clap::Parser)]
    struct Silent {
        #[command(flatten)]
        _flags: Flags,
    }

    /// Greets.
    #[derive(clap::Parser)]
    struct Greets {
        #[command(flatten)]
        _flags: Flags,
    }

    let about = |command: clap::Command| {
        let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
        (text(command.get_about()), text(command.get_long_about()))
    };
    assert_eq!(about(Flags::command()), (None, None));
    assert_eq!(about(<Silent as clap::CommandFactory>::command()), (None, None));
    assert_eq!(about(<Greets as clap::CommandFactory>::command()), (Some("Greets".to_owned()), None));
}

#[test]
fn every_flag_is_listed_with_its_value_as_it_was_given_and_its_source() {
    let flags = parse(&["--drain-delay=1500ms", "--service-log-level=a=DEBUG,b=WARN"]).unwrap();
    let of = |flag: &str| {
        let found = flags.settings().iter().find(|setting| setting.flag == flag);
        let found = found.unwrap_or_else(|| panic!("{flag} is not among {:?}", flags.settings()));
        (found.value.clone(), found.source.map(|source| source.to_string()))
    };
    let given = |value: &str, flag: &str| (Some(value.to_owned()), Some(flag.to_owned()));
    assert_eq!(of("--drain-delay"), given("1500ms", "--drain-delay"));
    assert_eq!(of("--service-log-level"), given("a=DEBUG,b=WARN", "--service-log-level"));
    assert_eq!(of("--log-level"), (Some("INFO".to_owned()), None));
    assert_eq!(of("--worker-threads"), (None, None));
    assert!(Flags::default().settings().is_empty(), "they were made in code");
}
