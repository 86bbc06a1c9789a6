//! Messages between services: stored and handled at least once, events, requests with answers.
//!
//! Why a crate of its own: the engine is NATS with JetStream, whose promises differ from what users expect in many small ways. This
//! crate turns them into few promises that hold. What stays out: the structs of messages, and calls with a connection (`app-rpc`).
//!
//! A config that names servers connects to them, and the application starts while they are away. Without servers, messages stay inside
//! of this process with the domain id 0, in tests, and with `inProcess`. Else a send says that it is [`SendFailure::NotSent`].
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use app_messaging::{Done, Messaging, Retry};
//! use quota_schema::quota_capnp::quota_rule;
//!
//! const SHOP: ServiceId = ServiceId::new(0x8c41_992a_1487_1b30);
//!
//! app_messaging::message! {
//!     pub struct RuleChanged(quota_rule::Owned);
//!     id: 0x91d6_02f3_7ab4_5c18, of: SHOP, name: "rule_changed", kind: Stored, key: |rule| rule.get_name()
//! }
//! app_messaging::stream! { pub RULES: id 0xc4d9_3d2c_150a_86b7, of: SHOP, name: "rules", stores: [RuleChanged] }
//! app_core::service! { id: SHOP, name: "shop", start: start }
//! async fn start(service: Service, messaging: Dep<Messaging>) -> Result<(), Error> {
//!     let me = service.clone();
//!     messaging.consumer("audit").of::<RuleChanged>().max_in_flight(8).retry(Retry::after(Duration::from_secs(1)).times(3)).start(
//!         &service,
//!         move |message| {
//!             let log = me.log().clone();
//!             async move {
//!                 let name = message.read(|rule| Ok(rule.get_name()?.to_string()?))?;
//!                 info!(log, "changed: {name}");
//!                 Ok(Done)
//!             }
//!         },
//!     )
//! }
//!
//! // The test of the consumer.
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Error> {
//! let app = TestApp::with([SHOP]).await;
//! let rules = app.get::<Messaging>().sender::<RuleChanged>();
//! let receipt = rules.send(|rule| rule.set_name("default")).await?;
//! assert_eq!((receipt.sequence, receipt.duplicate), (1, false));
//! tokio::time::sleep(Duration::from_secs(1)).await; // of paused time
//! assert!(app.captured().text().contains("changed: default"));
//! app.stop().await.expect_clean();
//! # Ok(())
//! # }
//! ```
//!
//! | kind of message | sent with | received with | promise |
//! |---|---|---|---|
//! | stored ([`StoredMessage`]) | [`Messaging::sender`] | [`Messaging::consumer`] | each durable consumer handles it at least once |
//! | event ([`EventMessage`]) | [`Messaging::publisher`] | [`Messaging::subscriber`] | each subscriber that listens gets it at most once |
//! | request ([`RequestMessage`]) | [`Messaging::ask`] | [`Messaging::responder`] | one responder answers, or the failure is typed |

mod bucket;
mod catalog;
mod config;
mod connection;
mod consumer;
mod context;
mod discovery;
pub mod errors;
mod ids;
mod in_process;
mod instances;
mod lead;
mod message;
mod messaging;
mod metrics;
mod nats;
mod operations;
mod pace;
mod panels;
mod place;
mod provision;
mod sender;
mod service;
mod subscriber;
#[cfg(test)]
mod suite;
mod traces;
mod transport;
mod types;
mod wire;

pub use self::Outcome::{DeadLetter, Done, Drop, RetryAfter};
pub use self::bucket::{Bucket, BucketError, BucketFailure, BucketSpec, BucketWatch, Entry, MAX_KEY_BYTES};
pub use self::config::{
    Account, DEFAULT_MAX_MESSAGE_BYTES, MessagingConfig, Provisioning, ServerAddress, StreamSettings,
    StreamStorage, TlsConfig,
};
pub use self::consumer::{Consumed, ConsumerBuilder, OneOf2, OneOf3, OneOf4, Outcome, RawMessage, Retry};
pub use self::discovery::{Instance, InstanceEndpoint};
pub use self::errors::{AskError, AskFailure, SendError, SendFailure};
pub use self::ids::{LEADERS, MESSAGING_SERVICE_ID};
pub use self::in_process::Faults;
pub use self::lead::{Leadership, Term};
pub use self::message::Message;
pub use self::messaging::{Held, Messaging};
pub use self::sender::{Publisher, Receipt, Sender};
pub use self::subscriber::{Answer, RESPONDER_MAX_IN_FLIGHT, Responder, SUBSCRIPTION_CAPACITY, Subscriber};
pub use self::types::{
    DEFAULT_DEAD_MAX_AGE, DEFAULT_DEAD_MAX_BYTES, DEFAULT_DUPLICATE_WINDOW, EventMessage, MessageInfo,
    MessageKind, MessageType, RequestMessage, StoredMessage, StreamSpec,
};
pub use self::wire::{
    DeadLetterHeaders, Headers, KeyHash, MAX_ID_BYTES, MessageKey, Payload, PayloadError, Source, Subject,
    bucket_name,
};
pub use app_ids::{BucketId, MessageId, StreamId};

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use crate::types::stored;
    pub use app_ids::{IdName, MessageId, StreamId};
    pub use {capnp, inventory};
}
