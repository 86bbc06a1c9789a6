//! Which flags were given, and how: for messages that say where a setting came from.

use std::fmt;

use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

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
