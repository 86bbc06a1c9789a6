//! The package of an application: its name and version, for `--version`, `appctl status` and the metric `build_info`.

use std::{borrow::Cow, path::PathBuf, process::ExitCode};

use crate::{App, Flags, ServiceDescriptor, run};

/// The name and the version of an application.
///
/// [`package!`](crate::package) makes one of the crate that says so, and [`main!`](crate::main) uses it. An application
/// with flags of its own says:
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
///     let package = app_core::package!();
///     match package.parse::<Cli>() {
///         Ok(cli) => package.run_with(cli.app),
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

    /// The package that the program is probably of: it has the program's name, and its version is known when a service of
    /// it is linked.
    pub(crate) fn guessed(services: &[ServiceDescriptor]) -> Self {
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

    /// Runs the application of this package: as [`run`](crate::run()).
    #[must_use]
    pub fn run(self) -> ExitCode {
        run::run_as(Some(self))
    }

    /// Parses the command line of an application with flags of its own: as [`parse`](crate::parse).
    ///
    /// # Errors
    /// What `main` returns at once.
    pub fn parse<C: clap::Parser>(&self) -> Result<C, ExitCode> {
        run::parse_guarded(|| C::command().version(self.described()))
    }

    /// Runs the application with flags that were parsed: as [`run_with`](crate::run_with).
    #[must_use]
    pub fn run_with(self, flags: Flags) -> ExitCode {
        run::run_with_package(flags, Some(self))
    }

    /// What `--version` shows.
    pub(crate) fn described(&self) -> String {
        let platform = concat!("app-core ", env!("CARGO_PKG_VERSION"));
        if self.version.is_empty() { platform.to_owned() } else { format!("{} ({platform})", self.version) }
    }
}

impl App {
    /// The name and the version of the application.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.inner.package
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

/// The whole of a `main.rs`: links the services of these crates, and runs them as the application of this package.
///
/// ```ignore
/// app_core::main! { link: [app_config, app_health, app_metrics, app_rpc, orders] }
/// ```
///
/// It is the same as:
///
/// ```ignore
/// use {app_config as _, app_health as _, app_metrics as _, app_rpc as _, orders as _};
///
/// fn main() -> std::process::ExitCode {
///     app_core::package!().run()
/// }
/// ```
#[macro_export]
macro_rules! main {
    (link: [$($service:ident),* $(,)?] $(,)?) => {
        $(use $service as _;)*

        fn main() -> ::std::process::ExitCode {
            $crate::package!().run()
        }
    };
}
