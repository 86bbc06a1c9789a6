//! The package of an application: its name and version, for `--version`, `appctl status` and the metric `build_info`.

use std::{borrow::Cow, path::PathBuf};

use crate::spec::ServiceSpec;

/// The name and the version of an application.
///
/// [`package!`](crate::package) makes one from the crate that calls it, and [`main!`](crate::main) uses it. An application
/// with its own flags is run like this:
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
///     let builder = app_core::AppBuilder::new().package(app_core::package!());
///     match builder.parse::<Cli>() {
///         Ok(cli) => builder.flags(cli.app).run(),
///         Err(exit) => exit,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    name: Cow<'static, str>,
    version: Cow<'static, str>,
}

impl Package {
    /// A package of this name and version.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), version: Cow::Borrowed(version) }
    }

    /// The probable package of the program: the package with the program's name. Its version is known if a service of the
    /// package is linked.
    pub(crate) fn guessed(services: &[ServiceSpec]) -> Self {
        let name = program_name();
        let own = services.iter().find(|service| service.origin().package == name);
        let version = own.map_or("", |service| service.origin().version);
        Self { name: name.into(), version: version.into() }
    }

    /// The name of the package.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the package; empty when it is not known.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What `--version` shows.
    pub(crate) fn described(&self) -> String {
        let platform = concat!("app-core ", env!("CARGO_PKG_VERSION"));
        if self.version.is_empty() { platform.to_owned() } else { format!("{} ({platform})", self.version) }
    }
}

/// The file name of the program.
pub(crate) fn program_name() -> String {
    let program = std::env::args_os().next().map(PathBuf::from);
    let name = program
        .as_deref()
        .and_then(std::path::Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "app".to_owned())
}

/// The [`Package`] of the crate that says this.
#[macro_export]
macro_rules! package {
    () => {
        $crate::Package::new(::std::env!("CARGO_PKG_NAME"), ::std::env!("CARGO_PKG_VERSION"))
    };
}
