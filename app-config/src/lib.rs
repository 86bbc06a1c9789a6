//! The config directory: one typed, bounded, checked file for each service.
//!
//! Configs come from outside, and they hold what an attacker wants to read or to change. So one crate reads them. A service gets
//! a value of its own config type, after every check below. If a check fails, the process does not start, and reports every
//! problem at once.
//!
//! | layer | what is checked | items |
//! |---|---|---|
//! | directory | names are service ids; files are regular, within a limit, and other users may not write them | [`ConfigDir`] |
//! | seal | a config identity opens a sealed file, whole and authenticated, if `app-sealing` is linked; a plain file is refused where sealing is required | [`sealing`] |
//! | framing | zlib, packing and segment table are whole, exact and within limits | [`codec`] |
//! | schema | every field is as the schema says, and no data is outside of it | [`ConfigSchema`] |
//! | meaning | the service's own rules, all problems with their paths | [`Config`], [`Problems`] |
//!
//! ```
//! use app_config::{Config, Configured, Problems};
//! use app_core::{prelude::*, testing::TestApp};
//! use quota_schema::quota_capnp::quota_spec;
//!
//! const GREETER: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
//! app_core::service! { id: GREETER, name: "greeter", start: start }
//!
//! /// How many people are greeted. It uses the schema of another service.
//! struct GreeterConfig { people: u32 }
//!
//! impl Config for GreeterConfig {
//!     const SERVICE: ServiceId = GREETER;
//!     type Schema = quota_spec::Owned;
//!
//!     fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
//!         let people = problems.at("rules").value(spec.get_rules())?.len();
//!         if people == 0 {
//!             problems.at("rules").add("must not be empty");
//!         }
//!         Some(Self { people })
//!     }
//!
//!     fn without_file() -> Self { Self { people: 1 } }
//! }
//!
//! app_config::config! { GreeterConfig, "People to greet." }
//!
//! async fn start(service: Service, config: Configured<GreeterConfig>) -> Result<(), Error> {
//!     info!(service.log(), "hello to {}", config.people);
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let app = TestApp::with([GREETER]).await;
//! assert!(app.captured().text().contains("hello to 1"));
//! app.stop().await.expect_clean();
//! # }
//! ```
//!
//! Configs are read again on SIGHUP and when their files change. A service that takes [`LiveConfig`] in place of [`Configured`]
//! gets the new value when it passed every check. A bad config is refused, and the old value stays.
//!
//! Authors write configs as JSON, with the functions of [`author`]. Schemas and the meaning of configs are not part of this crate.
//! `docs/SCHEMAS.md` says how you get a schema of your own. Its generated code uses [`capnp`] from here, in the version that fits.

pub mod author;
mod cli;
pub mod codec;
pub mod compat;
mod configs;
mod docs;
pub mod events;
pub mod file;
mod ids;
pub mod in_effect;
mod json;
mod leaves;
mod limits;
mod problems;
mod schema;
pub mod sealing;
mod secret;
mod service;
mod shape;
mod value;

pub use self::configs::{
    CheckError, Checked, ConfigDir, Configs, DirectoryError, LoadError, ReloadStatus, StaleConfig, StaleKind,
    check_all, upcoming,
};
pub use self::ids::{CONFIG_NOT_READ, CONFIG_SERVICE_ID};
pub use self::problems::{Expected, Place, Problem, Problems, Remark, quoted};
pub use self::schema::ConfigSchema;
pub use self::secret::SecretBytes;
pub use self::value::{Config, Configured, LiveConfig, parse};
pub use capnp;

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
