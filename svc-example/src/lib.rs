//! The quota service: rate limits per key. Copy from it when you write a service.
//!
//! A program asks for permits before it does something that is limited, such as sending a mail. Each key, such as a user, has
//! a bucket of permits under a rule. The bucket fills steadily, up to the rule's burst.
//!
//! | file | contents |
//! |---|---|
//! | `ids.rs` | the ids of the service, its metrics and its health check |
//! | `service.rs` | the descriptor, and the start function, whose parameters are the dependencies |
//! | `quota.rs` | the handle that dependents call |
//! | `config.rs` | the config: its type and its rules |
//! | `flags.rs` | the flags of the service, which every application that links it has |
//! | `limits.rs` | the rules in effect, which check the arguments of calls |
//! | `buckets.rs`, `rate.rs` | the state, without tasks or locks, and its arithmetic |
//! | `metrics.rs`, `health.rs` | the metrics and the health check |
//! | `messages.rs`, `handlers.rs` | the messages, and what the service does with them |
//! | `notices.rs` | sends messages without a call waiting for it |
//! | `fleet.rs` | rules whose budget all instances share |
//! | `operations.rs` | what an operator may ask of the service while it runs |
//! | `rpc.rs` | the service over RPC: the endpoint. The client for other processes is the crate `quota-client` |
//! | `acquire.rs` | the subcommand `acquire`, which asks a running application for permits |
//! | `rules.rs` | the subcommand `rules`, which depends on flags of the application: prints the rules in effect |
//! | `dev.rs` | the flag `--dev`, which makes everything that RPC needs; not for copying |
//! | `main.rs` | the link list |
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use svc_example::{QUOTA, Quota};
//!
//! const MAILER: ServiceId = ServiceId::new(0xa2c7_55f0_1d83_6be9);
//! app_core::service! { id: MAILER, name: "mailer", start: start }
//!
//! // The quota service runs before this function is called, and stops after this service.
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
//! The rules follow the config while the service runs. A rule that keeps its name keeps its buckets, with their permits up to
//! the new burst. If a rule is removed, its buckets and its series of metrics are removed too, and a call under it is an
//! illegal argument. A config that is refused changes nothing.
//!
//! Whose budget a rule is, its `scope` says. With `instance`, each instance grants by itself, so `n` instances together grant up to `n`
//! times the permits. With `fleet`, they share one bucket for each key, through messaging. **The bound**: in any time T, all instances
//! together grant at most burst + rate × (T + L + S) of a key. L is [`LIFE`], how long leased permits may be spent. S is [`SKEW`], the
//! skew of clocks beyond which an instance leases nothing.

mod acquire;
mod buckets;
mod config;
mod flags;
mod fleet;
mod handlers;
mod health;
mod ids;
mod limits;
mod messages;
mod metrics;
mod notices;
mod operations;
mod panels;
mod quota;
mod rate;
mod rpc;
mod rules;
mod service;

pub use self::{
    buckets::{Buckets, Grant},
    config::{LONGEST_FILL, QuotaConfig, Rule, Scope, WhenAway},
    flags::QuotaFlags,
    fleet::{LIFE, SKEW},
    ids::{
        ACQUIRE_SECONDS, COMMANDS_ANSWER, EXHAUSTED_DROPPED, FLEET_AWAY, FLEET_LEASES, FLEET_PERMITS, GRANTS,
        KEYS, NOTICES_DROPPED, QUOTA, QUOTA_RPC,
    },
    limits::{Limits, MAX_KEY_BYTES, Request},
    messages::{Exhausted, QUOTA_EVENTS, QUOTA_FLEET, QUOTA_REQUESTS, Refill, Remaining},
    quota::{Quota, acquire},
};
