//! The config directory: one typed, bounded, checked file for each service.
//!
//! Why a crate of its own: configs come from outside and hold what an attacker would like to have or to change. So there
//! is one door. Whatever is in the directory, a service gets a value of its own config type that was read, framed,
//! compared with its schema and validated, or the process does not start, and says everything that is wrong at once.
//!
//! | layer | what it makes sure of | items |
//! |---|---|---|
//! | directory | names are service ids; only regular files that nobody else may write are read, within a limit | [`ConfigDir`] |
//! | seal | a sealed file is opened with an identity, whole and authenticated; a plain one is refused where sealing is required | [`Sealing`], [`open`], [`seal`] |
//! | framing | zlib, packing and segment table are whole, exact and within limits | [`marshal`], [`unmarshal`] |
//! | schema | every field is what the schema says, and nothing is set that it does not know | [`ConfigSchema`] |
//! | meaning | the service's own rules, all problems with their paths | [`Config`], [`Problems`] |
//!
//! ```
//! use app_config::{Config, Configured, Problems};
//! use app_core::{prelude::*, testing::TestApp};
//! use schema::quota_capnp::quota_spec;
//!
//! const GREETER: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
//! app_core::service! { id: GREETER, name: "greeter", start: start }
//!
//! /// How many people are greeted. It borrows the schema of another service.
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
//!     fn default() -> Self { Self { people: 1 } } // without a file
//! }
//!
//! app_config::config! { GreeterConfig, "Whom to greet." }
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
//! Configs are read again on SIGHUP and when their files change, also as Kubernetes changes them: a service that takes
//! [`LiveConfig`] in place of [`Configured`] gets the new value, once it passed all of the above. A bad one is refused, and the old
//! one stays.
//!
//! Who writes configs writes JSON: [`explain`], [`compile`], [`decompile`]. Stays out: what a config means, and schemas.

mod author;
mod check;
mod cli;
mod codec;
mod config;
mod configured;
mod dir;
mod directory_check;
mod facade;
mod fault;
mod file;
mod identities;
mod json;
mod key;
mod limits;
mod live;
mod problems;
mod reload;
mod schema;
mod sealed;
mod sealing;
mod secret;
mod service;
mod shape;

pub use self::author::{
    Change, FieldDoc, Overwrite, PlaceError, SchemaDocs, compile, decompile, diff, example, explain, fields,
    place_file, place_file_with_mode,
};
pub use self::check::{Checked, check_all};
pub use self::codec::{MarshalError, Message, Segments, UnmarshalError, Words, decode, marshal, unmarshal};
pub use self::config::{Config, parse};
pub use self::configured::Configured;
pub use self::dir::ConfigDir;
pub use self::facade::{
    config, config_dir, config_dir_exists, config_service_ids, service_config_exists, service_config_id,
    service_config_path,
};
pub use self::fault::{CONFIG_NOT_READ, Fault, Reason};
pub use self::file::{FileError, Kind as FileKind, is_private};
pub use self::identities::{Identities, IdentityError};
pub use self::json::{Draft, MAX_JSON_BYTES, from_json, to_json};
pub use self::key::{Identity, KeyError, Recipient};
pub use self::limits::{MAX_FILE_BYTES, MAX_MESSAGE_WORDS, MAX_NESTING, MAX_PACKED_BYTES, reader_options};
pub use self::live::LiveConfig;
pub use self::problems::{Expected, Place, Problem, Problems, Remark, quoted};
pub use self::reload::{ReloadStatus, StaleConfig, StaleKind};
pub use self::schema::ConfigSchema;
pub use self::sealed::{
    MAX_HEADER_BYTES, MAX_RECIPIENTS, OpenError, SealError, SealedHeader, is_sealed, open, seal,
};
pub use self::sealing::Sealing;
pub use self::secret::SecretBytes;
pub use self::service::{CONFIG_SERVICE_ID, Configs, upcoming};

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
