//! The quota service: rate limits per key. A real service, and the one to copy from.
//!
//! Who may do something only so often (send mails, log in, call an interface) asks first: each key, such as a user, has a
//! bucket of permits under a rule, which fills steadily and is never fuller than the rule's burst.
//!
//! | file | what a service has there |
//! |---|---|
//! | `service.rs` | its id, its descriptor, its start function: the dependencies are the parameters |
//! | `quota.rs` | the handle: what dependents call |
//! | `config.rs` | its config, typed and validated |
//! | `flags.rs` | its flags, which every application that links it has |
//! | `limits.rs` | arguments, checked at the door |
//! | `buckets.rs`, `rate.rs` | its state, which knows nothing of tasks, and its arithmetic |
//! | `metrics.rs`, `health.rs` | what it measures, and when it is well |
//! | `rpc.rs` | the service over RPC: its endpoint, and the client of it, for other processes |
//! | `acquire.rs` | a command of every application that links it: asks a running one for permits |
//! | `rules.rs` | a command that depends on flags of the application: prints the rules in effect |
//! | `dev.rs` | `--dev`: everything that RPC needs, made on the spot and thrown away |
//! | `main.rs` | the link list, which is the deployment manifest |
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use svc_example::{QUOTA, Quota};
//!
//! const MAILER: ServiceId = ServiceId::new(0xa2c7_55f0_1d83_6be9);
//! app_core::service! { id: MAILER, name: "mailer", start: start }
//!
//! // The quota service runs when this is called, and stops after it.
//! async fn start(service: Service, quota: Dep<Quota>) -> Result<(), Error> {
//!     let grant = quota.acquire("default", "alice", 1).await?;
//!     info!(service.log(), "may alice send a mail?"; "granted" => grant.granted, "left" => grant.remaining);
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::with([MAILER]).await;
//! let grant = app.get::<Quota>().acquire("default", "alice", 99).await.unwrap();
//! assert!(grant.granted);
//! app.stop().await.expect_clean();
//! # }
//! ```
//!
//! The rules follow the config while the service runs. A rule is known by its name: as long as that stays, its buckets hold what
//! they held, and no more than the new burst. A rule that is gone takes its buckets and its series of metrics along; a call under
//! it is then an illegal argument. A config that is refused changes nothing.
//!
//! What stays out: sharing buckets between processes. Each instance grants by itself, so that what `n` instances grant
//! together is up to `n` times a rule.

mod acquire;
mod buckets;
mod config;
mod flags;
mod health;
mod limits;
mod metrics;
mod quota;
mod rate;
mod rpc;
mod rules;
mod service;

pub use self::{
    buckets::Buckets,
    config::{QuotaConfig, Rule},
    flags::QuotaFlags,
    health::COMMANDS_ANSWER,
    limits::{Limits, MAX_KEY_BYTES, Request},
    metrics::{ACQUIRE_SECONDS, GRANTS, KEYS},
    quota::{Grant, Quota, acquire},
    rpc::{QUOTA_RPC, QuotaClient, client},
    service::QUOTA,
};

/// Compiles the README's service.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
