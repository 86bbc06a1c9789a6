//! A config as the code of its service sees it, and how a message becomes a config.

use app_core::Identity;
use app_core::panics::{Panicked, catch_panic};
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use capnp::introspect::Introspect;
use capnp::message::Reader;
use capnp::traits::Owned;

use crate::codec::Message;
use crate::limits::reader_options;
use crate::problems::{Expected, Problems, Remark};
use crate::shape;

/// The config of a service: a Cap'n Proto struct in the file, this type in the code.
///
/// [`read`](Self::read) validates the config, and nothing else does. So every value of the type is a valid config.
///
/// ```
/// use app_config::{Config, Problems};
/// use app_core::prelude::*;
/// use quota_schema::quota_capnp::quota_spec;
///
/// struct RuleNames(Vec<String>);
///
/// impl Config for RuleNames {
///     const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
///     type Schema = quota_spec::Owned;
///
///     fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
///         let mut rules = problems.at("rules");
///         let mut names = Vec::new();
///         for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
///             let name = rules.index(index).field("name").text(rule.get_name())?.to_owned();
///             if name.is_empty() {
///                 rules.index(index).field("name").add("must not be empty");
///             }
///             names.push(name);
///         }
///         Some(Self(names))
///     }
///
///     fn without_file() -> Self { Self(vec!["default".to_owned()]) }
/// }
///
/// app_config::config! { RuleNames, "Rate limits by key." }
/// # fn main() {}
/// ```
pub trait Config: Sized + Send + Sync + 'static {
    /// The service whose config it is.
    const SERVICE: ServiceId;

    /// The struct of the schema: the type `Owned` in its generated module.
    type Schema: Owned;

    /// What [`without_file`](Self::without_file) stands for, as JSON of the schema: `appctl config show` shows it of a service
    /// without a file. `"{}"` means the defaults of the schema. `None` means that the service has nothing to show then, because
    /// it does nothing without a file.
    const WITHOUT_FILE: Option<&'static str> = Some("{}");

    /// Reads and validates a message. Add *every* problem to `problems`, and go on. Return `None` only after you added a
    /// problem. After a problem the returned value is not used.
    ///
    /// Pass a value that breaks a rule to [`Place::add_found`](crate::Place::add_found), and keep it out of the text of the
    /// rule. Then no error about a sealed config shows the value.
    ///
    /// The message was already compared with the schema. So Cap'n Proto's own errors are not expected here, and every text is
    /// UTF-8.
    fn read(spec: <Self::Schema as Owned>::Reader<'_>, problems: &mut Problems) -> Option<Self>;

    /// Checks whether the config is for this application. A start, `--check` and a reload call it. The commands that seal configs
    /// do not know the application, and do not call it. By default every application is accepted.
    fn check_application(&self, application: &Identity, problems: &mut Problems) {
        let _ = (application, problems);
    }

    /// Values for the example that `config explain --json` prints: a JSON object with some of the fields. The other fields have the
    /// examples and defaults of the schema. `domain` and `app` are the ids of the application.
    ///
    /// By default no field has a value of its own.
    fn example(domain: DomainId, app: AppId) -> Option<String> {
        let _ = (domain, app);
        None
    }

    /// The config of a service that has no config file.
    fn without_file() -> Self;
}

/// A config that is accepted, and the remarks on it.
pub(crate) struct Accepted<C> {
    pub(crate) config: C,
    pub(crate) remarks: Vec<Remark>,
}

/// Reads and validates a message as a config of type `C`.
///
/// # Errors
/// The message does not match the schema, or [`Config::read`] added problems. All of them are returned.
pub fn parse<C: Config>(message: Message) -> Result<C, Problems> {
    judge(message, None, Problems::new()).map(|accepted| accepted.config)
}

/// As [`parse`], for an application if it is known. `problems` hides values if the config is sealed. Sealing, `--check`, a start
/// and a reload all use this function.
pub(crate) fn judge<C: Config>(
    message: Message,
    application: Option<&Identity>,
    mut problems: Problems,
) -> Result<Accepted<C>, Problems> {
    let segments = message.into_segments();
    // Each pass has its own reader, since a reader counts what was read.
    let walked = Reader::new(&segments, reader_options());
    shape::check(&walked, <C::Schema as Introspect>::introspect(), &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let message = Reader::new(&segments, reader_options());
    let config = match message.get_root() {
        Ok(spec) => read::<C>(spec, &mut problems),
        Err(error) => {
            problems.root().add_malformed(&error);
            None
        }
    };
    if let (Some(config), Some(application)) = (&config, application) {
        config.check_application(application, &mut problems);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(Accepted { config, remarks: problems.take_remarks() }),
        None if problems.is_empty() => {
            problems.add("is refused by its service without a reason");
            Err(problems)
        }
        _ => Err(problems),
    }
}

/// Reads, and turns a panic of the service's code into a problem. The message of the panic may repeat a value.
fn read<'m, C: Config>(spec: <C::Schema as Owned>::Reader<'m>, problems: &mut Problems) -> Option<C> {
    match catch_panic(|| C::read(spec, problems)) {
        Ok(config) => config,
        Err(Panicked { place, message, .. }) => {
            let at = if place.is_empty() { String::new() } else { format!(", at {place}") };
            let text = format!("its service panicked when it read it{at}");
            problems.add_in_full(Expected::of_code(&text), format_args!("{text}: {message}"));
            None
        }
    }
}

#[cfg(test)]
mod tests;
