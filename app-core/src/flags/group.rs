//! Flag groups: flags that a crate adds to every application that links the crate.

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fmt,
    sync::Arc,
};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use parking_lot::Mutex;

use super::FlagSource;
use crate::Origin;

/// A group of flags that a linked crate declares: a struct that derives `clap::Args`.
///
/// [`flag_group!`](crate::flag_group) contributes one. Then every application that links the crate has the flags, in
/// `--help` as well. A flag without a variable of its own gets `OP_<FLAG>`. A service takes the values as the parameter
/// [`Flag`](crate::Flag), a subcommand from [`Flags::group`](super::Flags::group).
///
/// Two groups with the same flag are an error of the start and of `--check`.
#[derive(Debug, Clone, Copy)]
pub struct FlagGroup {
    name: &'static str,
    origin: Origin,
    type_id: fn() -> TypeId,
    augment: fn(Command) -> Command,
    read: fn(&ArgMatches) -> Result<Arc<dyn Any + Send + Sync>, clap::Error>,
}

inventory::collect!(FlagGroup);

impl FlagGroup {
    /// The group `T`, as [`flag_group!`](crate::flag_group) writes it. `name` is the name of the type in messages.
    #[must_use]
    pub const fn of<T: Args + Send + Sync + 'static>(name: &'static str, origin: Origin) -> Self {
        Self { name, origin, type_id: TypeId::of::<T>, augment: T::augment_args, read: read::<T> }
    }

    /// Every linked group, in an order that does not depend on the linker.
    pub(super) fn linked() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_key(|group| (group.origin.package, group.name, group.origin.line));
        all
    }

    /// Whether a linked crate contributes the group `T`.
    pub(crate) fn is_linked<T: 'static>() -> bool {
        inventory::iter::<Self>.into_iter().any(|group| (group.type_id)() == TypeId::of::<T>())
    }

    /// The flags of the group, each with a variable.
    pub(super) fn arguments(&self) -> Vec<Arg> {
        let bare = (self.augment)(Command::new(self.name));
        bare.get_arguments().cloned().map(with_variable).collect()
    }

    /// The package that has the group.
    pub(super) const fn package(&self) -> &'static str {
        self.origin.package
    }

    /// Adds the flags to a command. In its help they stand below the name of the package that has the group. What the group
    /// says of itself does not become what the command says of itself.
    fn add_to(&self, command: Command) -> Command {
        let bare = (self.augment)(Command::new(self.name));
        let with_heading = |arg: Arg| match arg.get_help_heading() {
            Some(_) => arg,
            None => arg.help_heading(self.origin.package),
        };
        command.args(self.arguments().into_iter().map(with_heading)).groups(bare.get_groups().cloned())
    }
}

impl fmt::Display for FlagGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flag group {} ({})", self.name, self.origin)
    }
}

fn read<T: Args + Send + Sync + 'static>(
    matches: &ArgMatches,
) -> Result<Arc<dyn Any + Send + Sync>, clap::Error> {
    Ok(Arc::new(T::from_arg_matches(matches)?))
}

/// The values of a group on an empty command line and without an environment.
///
/// # Errors
/// A flag of the group has no default.
pub(super) fn defaults<T: Args>() -> Result<T, String> {
    let bare = T::augment_args(Command::new("defaults")).mut_args(|arg| arg.env(None::<&'static str>));
    let values = bare.try_get_matches_from(["defaults"]).and_then(|matches| T::from_arg_matches(&matches));
    values.map_err(|missing| app_errors::one_line(missing.to_string().trim_end()).to_string())
}

fn with_variable(arg: Arg) -> Arg {
    match arg.get_long() {
        Some(long) if arg.get_env().is_none() => {
            let variable = format!("OP_{}", long.replace('-', "_").to_ascii_uppercase());
            arg.env(variable)
        }
        _ => arg,
    }
}

/// The values of all groups: part of [`Flags`](super::Flags).
#[derive(Debug, Clone, Default)]
pub struct GroupValues {
    values: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
    /// By group and field.
    sources: BTreeMap<(TypeId, &'static str), FlagSource>,
}

impl GroupValues {
    pub(super) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).and_then(|values| Arc::clone(values).downcast().ok())
    }

    pub(super) fn set<T: Send + Sync + 'static>(&mut self, values: T) {
        self.values.insert(TypeId::of::<T>(), Arc::new(values));
        self.sources.retain(|(group, _), _| *group != TypeId::of::<T>());
    }

    pub(super) fn source<T: 'static>(&self, field: &str) -> Option<FlagSource> {
        let mut of_group = self.sources.iter().filter(|((group, _), _)| *group == TypeId::of::<T>());
        of_group.find(|((_, name), _)| *name == field).map(|(_, source)| *source)
    }

    fn note_source(&mut self, group: &FlagGroup, arg: &Arg, matches: &ArgMatches) {
        let source = source_of(arg, matches);
        if let Some(source) = source {
            self.sources.insert(((group.type_id)(), interned(arg.get_id().as_str())), source);
        }
    }
}

/// Where the value of a flag came from; `None` for a default.
pub(super) fn source_of(arg: &Arg, matches: &ArgMatches) -> Option<FlagSource> {
    match matches.value_source(arg.get_id().as_str()) {
        Some(ValueSource::CommandLine) => {
            arg.get_long().map(|long| FlagSource::Flag(interned(&format!("--{long}"))))
        }
        Some(ValueSource::EnvVariable) => {
            arg.get_env().and_then(OsStr::to_str).map(|name| FlagSource::Variable(interned(name)))
        }
        _ => None,
    }
}

/// A text that lives as long as the process. There are as many as flags, however often a command line is read.
fn interned(text: &str) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock();
    texts.get(text).copied().unwrap_or_else(|| {
        let text: &'static str = String::from(text).leak();
        texts.insert(text);
        text
    })
}

impl FromArgMatches for GroupValues {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut values = Self::default();
        for group in FlagGroup::linked() {
            values.values.insert((group.type_id)(), (group.read)(matches)?);
            for arg in group.arguments() {
                values.note_source(group, &arg, matches);
            }
        }
        Ok(values)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for GroupValues {
    fn augment_args(command: Command) -> Command {
        FlagGroup::linked().into_iter().fold(command, |command, group| group.add_to(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Adds a group of flags to every application that links the crate.
///
/// The group is a struct that derives `clap::Args`, with `clap` from [`app_core::clap`](crate::clap). Begin the name of each
/// flag with the name of the service: all flags of an application share one command line. Each flag can be set by a variable
/// as well: `--greeter-language` by `OP_GREETER_LANGUAGE`.
///
/// ```
/// use app_core::{Flag, clap, prelude::*, testing::TestApp};
///
/// const GREETER: ServiceId = ServiceId::new(0x5e0b_91c7_2a44_d3f8);
///
/// #[derive(clap::Args)]
/// struct GreeterFlags {
///     /// Language of the greetings.
///     #[arg(long, value_name = "CODE", default_value = "en")]
///     greeter_language: String,
/// }
///
/// app_core::flag_group! { GreeterFlags }
/// app_core::service! { id: GREETER, name: "greeter", start: start }
///
/// async fn start(service: Service, flags: Flag<GreeterFlags>) -> Result<(), Error> {
///     info!(service.log(), "hello"; "language" => &flags.greeter_language);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let german = GreeterFlags { greeter_language: "de".to_owned() };
/// let app = TestApp::builder().linked([GREETER]).flag_group(german).start().await;
/// assert!(app.captured().text().contains(r#""language":"de""#));
/// # app.stop().await.expect_clean();
/// # }
/// ```
#[macro_export]
macro_rules! flag_group {
    ($group:ty) => {
        $crate::__private::inventory::submit! {
            $crate::flags::FlagGroup::of::<$group>(::std::stringify!($group), $crate::__origin!())
        }
    };
}
