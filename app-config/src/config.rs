//! A config as the code of its service sees it, and how a message becomes one.

use app_core::Identity;
use app_core::prelude::ServiceId;
use app_core::{Panicked, catch_panic};
use capnp::introspect::Introspect;
use capnp::message::Reader;
use capnp::traits::Owned;

use crate::codec::Message;
use crate::limits::reader_options;
use crate::problems::{Expected, Problems, Remark};
use crate::shape;

/// The config of a service: a struct of a schema on the wire, this type in the code.
///
/// Reading is the one place where a config is validated: whoever has a value of the type has a good one.
///
/// ```
/// use app_config::{Config, Problems};
/// use app_core::prelude::*;
/// use schema::quota_capnp::quota_spec;
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
///     fn default() -> Self { Self(vec!["default".to_owned()]) }
/// }
///
/// app_config::config! { RuleNames, "Rate limits by key." }
/// # fn main() {}
/// ```
pub trait Config: Sized + Send + Sync + 'static {
    /// The service whose config it is.
    const SERVICE: ServiceId;

    /// The struct of the schema: the `Owned` type of its generated module.
    type Schema: Owned;

    /// Reads and validates. Adds *every* problem that it finds, and goes on; `None` only after it added one. If it added
    /// any, what it returns is not used.
    ///
    /// Give a value that a problem is about to [`Place::add_found`](crate::Place::add_found), never in the text of the
    /// rule: then it stays out of everything that is told of a sealed config.
    ///
    /// The message was found to be one of the schema before, so that Cap'n Proto's own errors are not expected here, and
    /// every text is UTF-8.
    fn read(spec: <Self::Schema as Owned>::Reader<'_>, problems: &mut Problems) -> Option<Self>;

    /// Checks a config that was read for whether it is one of this very application. The start, `--check` and reloads ask;
    /// where a config is sealed, the application is not known. The default accepts every application.
    fn check_application(&self, application: &Identity, problems: &mut Problems) {
        let _ = (application, problems);
    }

    /// What the absence of a file means.
    fn default() -> Self;
}

/// A config that is accepted, and what is told of it.
pub(crate) struct Accepted<C> {
    pub(crate) config: C,
    pub(crate) remarks: Vec<Remark>,
}

/// The config that a message is, or everything that is wrong with it.
///
/// # Errors
/// The problems: of the schema if it is not a message of that, otherwise those that [`Config::read`] added.
pub fn parse<C: Config>(message: Message) -> Result<C, Problems> {
    judge(message, None, Problems::new()).map(|accepted| accepted.config)
}

/// As [`parse`], for an application if there is one, with the problems added to these, which hide values if the config is
/// sealed. Sealing, `--check`, a start and a reload all come here.
pub(crate) fn judge<C: Config>(
    message: Message,
    application: Option<&Identity>,
    mut problems: Problems,
) -> Result<Accepted<C>, Problems> {
    let segments = message.into_segments();
    // Each pass has a reader of its own, since a reader counts what was read.
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
            problems.add("is refused by its service, which does not say why");
            Err(problems)
        }
        _ => Err(problems),
    }
}

/// Reads, and turns a panic of the service's code into a problem: what the panic says may repeat a value.
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
