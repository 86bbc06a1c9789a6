//! Flags and environment variables: every application has these.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use app_ids::{AppId, DomainId, ReleaseId};

use crate::{LogFormat, LogLevel, LogRecordLimit, handover, package::program_name, spec::ServiceSpec};

pub mod args;
mod duplicates;
mod given;
mod group;
mod subcommand;
mod values;

pub(crate) use self::duplicates::duplicates;
pub use self::{
    given::{FlagSetting, FlagSettings, FlagSource, Given},
    group::{FlagGroup, GroupValues},
    subcommand::Subcommand,
    values::ServiceLevel,
};

/// Where Docker and, by convention, Kubernetes mount secrets.
const CONFIG_DIR: &str = "/run/secrets";
/// An orchestrator that waits longer than this has given up.
const DRAIN_DELAYS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// The flags that every application has, each with an environment variable `OP_<FLAG>`.
///
/// A service declares flags of its own with [`flag_group!`](crate::flag_group). They are part of this struct, so every
/// application that links the service has them.
///
/// An application adds flags of its own by flattening this into its clap struct, and calls
/// [`parse`](crate::parse) and [`run_with`](crate::run_with):
///
/// ```no_run
/// use app_core::clap;
///
/// #[derive(clap::Parser)]
/// struct Cli {
///     #[command(flatten)]
///     app: app_core::Flags,
///     /// Greet in this language.
///     #[arg(long, default_value = "en")]
///     language: String,
/// }
///
/// fn main() -> std::process::ExitCode {
///     match app_core::parse::<Cli>() {
///         Ok(cli) => app_core::run_with(cli.app),
///         Err(exit) => exit,
///     }
/// }
/// ```
#[derive(Debug, Clone, clap::Args)]
// Else `--help` says all this of an application that says nothing of itself.
#[command(about = None, long_about = None)]
#[non_exhaustive]
pub struct Flags {
    /// Where the values below came from. It stands first: reading a value takes it away.
    #[command(flatten)]
    pub given: Given,

    /// All values as text. They stand before the values for the same reason.
    #[command(flatten)]
    settings: FlagSettings,

    /// Domain that the application belongs to: decimal, or hex with 0x.
    #[arg(long, env = "OP_DOMAIN_ID", value_name = "ID", default_value = "0", value_parser = args::trimmed::<DomainId>)]
    pub domain_id: DomainId,

    /// Id of the application: decimal, or hex with 0x.
    #[arg(long, env = "OP_APP_ID", value_name = "ID", default_value = "0", value_parser = args::trimmed::<AppId>)]
    pub app_id: AppId,

    /// Id of the release: decimal, or hex with 0x.
    #[arg(long, env = "OP_RELEASE_ID", value_name = "ID", default_value = "0", value_parser = args::trimmed::<ReleaseId>)]
    pub release_id: ReleaseId,

    /// Least severe level that is logged: DEBUG, INFO, WARN or ERROR.
    #[arg(long, env = "OP_LOG_LEVEL", value_name = "LEVEL", default_value = "INFO", value_parser = args::trimmed::<LogLevel>)]
    pub log_level: LogLevel,

    /// Log levels of single services, by 0x hex id, decimal id or name: quota=DEBUG,0xe3054017c1b1d214=WARN.
    #[arg(long, env = "OP_SERVICE_LOG_LEVEL", value_name = "ID=LEVEL", value_delimiter = ',')]
    pub service_log_level: Vec<ServiceLevel>,

    /// Form of the log: json, term, or auto, which is term on a terminal and else json.
    #[arg(long, env = "OP_LOG_FORMAT", value_name = "FORMAT", default_value = "auto", value_parser = args::trimmed::<LogFormat>)]
    pub log_format: LogFormat,

    /// Longest record of the log, in bytes with its newline, from 1024 to 65536; what does not fit is cut, and says so.
    #[arg(long, env = "OP_LOG_RECORD_BYTES", value_name = "BYTES", default_value = "16000", value_parser = args::trimmed::<LogRecordLimit>)]
    pub log_record_bytes: LogRecordLimit,

    /// Directory of the configs, one file a service, named 0x and the hex id of the service.
    #[arg(long, env = "OP_CONFIG_DIR", value_name = "DIR", default_value = CONFIG_DIR)]
    pub config_dir: PathBuf,

    /// Unix socket at which a starting process takes the listeners over from the running one, so that no client is refused.
    #[arg(long, env = "OP_HANDOVER", value_name = "PATH", value_parser = handover_path())]
    pub handover: Option<PathBuf>,

    /// How long to wait between readiness going down and the first service stopping: 5s, 500ms, or seconds.
    #[arg(long, env = "OP_DRAIN_DELAY", value_name = "TIME", default_value = "0", value_parser = args::duration_between(DRAIN_DELAYS))]
    pub drain_delay: Duration,

    /// Threads that run the services (default: one a core).
    #[arg(long, env = "OP_WORKER_THREADS", value_name = "N", value_parser = args::number(1_u16..=1024))]
    pub worker_threads: Option<u16>,

    /// Check configs and the graph of services, print every problem, start nothing.
    #[arg(long, env = "OP_CHECK", value_parser = args::boolean)]
    pub check: bool,

    /// The flags of linked services. They stand last: [`duplicates()`] counts on it.
    #[command(flatten)]
    groups: GroupValues,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            given: Given::default(),
            settings: FlagSettings::default(),
            domain_id: DomainId::new(0),
            app_id: AppId::new(0),
            release_id: ReleaseId::new(0),
            log_level: LogLevel::Info,
            service_log_level: Vec::new(),
            log_format: LogFormat::Auto,
            log_record_bytes: LogRecordLimit::default(),
            config_dir: CONFIG_DIR.into(),
            handover: None,
            drain_delay: Duration::ZERO,
            worker_threads: None,
            check: false,
            groups: GroupValues::default(),
        }
    }
}

impl Flags {
    /// The default flags, with configs from this directory.
    ///
    /// ```
    /// let flags = app_core::Flags::with_config_dir("/etc/quota");
    /// assert_eq!(flags.config_dir.to_str(), Some("/etc/quota"));
    /// ```
    #[must_use]
    pub fn with_config_dir(config_dir: impl Into<PathBuf>) -> Self {
        Self { config_dir: config_dir.into(), ..Self::default() }
    }

    /// The values of a [flag group](FlagGroup): from the command line, from [`set_group`](Self::set_group), or the defaults.
    ///
    /// The defaults do not depend on the environment.
    ///
    /// # Errors
    /// The group has no values, and a flag of the group has no default.
    pub fn group<T: clap::Args + Send + Sync + 'static>(&self) -> Result<Arc<T>, String> {
        self.groups.get::<T>().map_or_else(|| group::defaults().map(Arc::new), Ok)
    }

    /// Sets the values of a [flag group](FlagGroup).
    pub fn set_group<T: clap::Args + Send + Sync + 'static>(&mut self, values: T) {
        self.groups.set(values);
    }

    /// Where the value of a flag in a [flag group](FlagGroup) came from; `None` for a default, and for a value that was set
    /// in code. `field` is the name of the field in `T`.
    #[must_use]
    pub fn group_source<T: 'static>(&self, field: &str) -> Option<FlagSource> {
        self.groups.source::<T>(field)
    }

    /// Every flag with its value as text, if the flags come from a command line. Empty if they were made in code.
    ///
    /// A value may be a secret.
    #[must_use]
    pub fn settings(&self) -> &[FlagSetting] {
        &self.settings.0
    }

    /// Whether the flag in this field concerns a running application only, and no subcommand.
    pub(crate) fn concerns_a_run(field: &str) -> bool {
        const OF_A_RUN: &[&str] = &[
            "log_level",
            "service_log_level",
            "log_format",
            "log_record_bytes",
            "handover",
            "drain_delay",
            "worker_threads",
            "check",
        ];
        OF_A_RUN.contains(&field)
    }

    /// The command line of an application without flags of its own.
    pub(crate) fn command() -> clap::Command {
        let name = program_name();
        <Self as clap::Args>::augment_args(
            clap::Command::new(name.clone()).bin_name(name).about("An application of services."),
        )
    }

    /// Checks that each named service exists, and that no service has two levels.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(crate) fn check_service_levels(&self, services: &[ServiceSpec]) -> Result<(), String> {
        for (i, level) in self.service_log_level.iter().enumerate() {
            let id = level.resolve(services)?;
            for other in &self.service_log_level[..i] {
                if other.resolve(services)? == id {
                    return Err(format!("service {} has two log levels", level.service));
                }
            }
        }
        Ok(())
    }
}

/// Parses the path of the handover socket.
fn handover_path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PathBufValueParser::new().try_map(handover::parse_path)
}

#[cfg(test)]
mod tests;
