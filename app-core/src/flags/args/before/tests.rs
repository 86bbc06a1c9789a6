//! Flags before a subcommand are moved to it, or refused.

use clap::ArgAction;

use super::*;

/// An application with two flags, and `config check`, which shares one of them.
fn command() -> Command {
    let dir = Arg::new("dir").long("dir").env("APP_CORE_TEST_NO_SUCH_DIR");
    let sealed =
        Arg::new("sealed").long("sealed").env("APP_CORE_TEST_NO_SUCH_SEALED").action(ArgAction::SetTrue);
    let level = Arg::new("level").long("level").env("APP_CORE_TEST_NO_SUCH_LEVEL");
    let check = Command::new("check").args([dir.clone(), sealed.clone()]);
    let config = Command::new("config").subcommand(check);
    Command::new("app").args([dir, sealed, level]).subcommand(config)
}

/// The directory and the switch that the subcommand sees.
fn seen(arguments: &[&str]) -> Result<(String, bool), String> {
    let arguments = || ["app"].iter().chain(arguments);
    let matches = command().try_get_matches_from(arguments()).map_err(|error| error.to_string())?;
    let matches = match carried(&command(), &matches) {
        None => matches,
        Some(carried) => carried
            .and_then(|command| command.try_get_matches_from(arguments()))
            .map_err(|error| error.to_string())?,
    };
    let check = matches.subcommand_matches("config").and_then(|config| config.subcommand_matches("check"));
    let check = check.ok_or("no check")?;
    Ok((check.get_one::<String>("dir").cloned().unwrap_or_default(), check.get_flag("sealed")))
}

#[test]
fn a_flag_before_a_subcommand_counts_as_one_behind_it() {
    let both = Ok(("x".to_owned(), true));
    assert_eq!(seen(&["--dir", "x", "--sealed", "config", "check"]), both);
    assert_eq!(seen(&["config", "check", "--dir", "x", "--sealed"]), both);
    assert_eq!(seen(&["--sealed", "config", "check", "--dir=x"]), both);
    assert_eq!(seen(&["--dir=x", "--sealed", "config", "check", "--dir", "x"]), both);
}

#[test]
fn a_flag_that_is_given_twice_must_have_one_value() {
    let refused = seen(&["--dir=x", "config", "check", "--dir=y"]).unwrap_err();
    assert!(refused.contains("'--dir' is given twice, with different values"), "{refused}");
}

#[test]
fn a_flag_without_a_meaning_for_the_subcommand_is_refused() {
    let refused = seen(&["--level=high", "config", "check", "--dir=y"]).unwrap_err();
    assert!(refused.contains("'--level' has no meaning for 'config check'"), "{refused}");
}
