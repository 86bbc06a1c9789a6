//! Which flags were given, and how: for messages that say where a setting came from.

use std::fmt;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

use super::{FlagGroup, Flags, group::source_of};

/// Where the value of a flag came from, when it is not the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlagSource {
    /// The command line: the flag, such as `--config-dir`.
    Flag(&'static str),
    /// The environment: the variable, such as `OP_CONFIG_DIR`.
    Variable(&'static str),
}

impl fmt::Display for FlagSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Flag(name) | Self::Variable(name)) = self;
        f.write_str(name)
    }
}

/// A flag with its value as text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlagSetting {
    /// The flag, such as `--config-dir`.
    pub flag: String,
    /// The package whose [flag group](super::FlagGroup) has the flag; empty for the flags of every application.
    pub package: &'static str,
    /// The value as it was given, or the default; several are joined by commas. `None` if it has none.
    pub value: Option<String>,
    /// Where the value came from; `None` for the default.
    pub source: Option<FlagSource>,
}

impl FlagSetting {
    pub(super) fn of(
        arg: &Arg,
        package: &'static str,
        source: Option<FlagSource>,
        matches: &ArgMatches,
    ) -> Option<Self> {
        let flag = format!("--{}", arg.get_long()?);
        let raw = matches.try_get_raw(arg.get_id().as_str()).ok()?;
        let value = raw.map(|all| all.map(|one| one.to_string_lossy()).collect::<Vec<_>>().join(","));
        Some(Self { flag, package, value, source })
    }
}

/// Without the value, which may be a secret.
impl fmt::Debug for FlagSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagSetting")
            .field("flag", &self.flag)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// All flags with their values as text. They are read before the values themselves: reading a value takes it away.
#[derive(Clone, Default)]
pub struct FlagSettings(pub(super) Vec<FlagSetting>);

/// Without the settings: their values are those of the other fields.
impl fmt::Debug for FlagSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlagSettings(..)")
    }
}

impl FromArgMatches for FlagSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let groups = FlagGroup::linked();
        let package = |arg: &Arg| {
            let has = |group: &&&FlagGroup| group.arguments().iter().any(|own| own.get_id() == arg.get_id());
            groups.iter().find(has).map_or("", |group| group.package())
        };
        let all = Flags::augment_args(Command::new("flags"));
        let settings = all.get_arguments();
        let settings =
            settings.filter_map(|arg| FlagSetting::of(arg, package(arg), source_of(arg, matches), matches));
        Ok(Self(settings.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// It adds no flag: it reads those that are there.
impl Args for FlagSettings {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

/// Where flags got their values from. `None` for a default, and for flags that were made in code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Given {
    /// The source of [`config_dir`](super::Flags::config_dir).
    pub config_dir: Option<FlagSource>,
    /// The source of [`service_log_level`](super::Flags::service_log_level).
    pub service_log_level: Option<FlagSource>,
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let source = |id: &str, flag, variable| match matches.value_source(id)? {
            ValueSource::CommandLine => Some(FlagSource::Flag(flag)),
            ValueSource::EnvVariable => Some(FlagSource::Variable(variable)),
            _ => None,
        };
        Ok(Self {
            config_dir: source("config_dir", "--config-dir", "OP_CONFIG_DIR"),
            service_log_level: source("service_log_level", "--service-log-level", "OP_SERVICE_LOG_LEVEL"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// It adds no flag: it reads those that are there.
impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
