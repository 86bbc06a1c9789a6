//! The client of the quota service (`svc-example`), as a service. Copy from it when you write the client of a service.
//!
//! Why a crate of its own: an application that asks for permits links this crate and the interface (`quota-schema`), and no part of the
//! server. Linking it installs the service `quota-client`. Its config says where the server is, and has the client's certificate.
//!
//! | file | contents |
//! |---|---|
//! | `service.rs` | the ids, and the five lines that make the client a service |
//! | `client.rs` | the type that callers use: a method for each call of the interface |
//!
//! A caller takes `Dep<QuotaClient>`. In its tests, a fake answers:
//!
//! ```
//! use std::rc::Rc;
//!
//! use app_core::{prelude::*, testing::{Replacement, TestApp}};
//! use app_rpc::RpcClient;
//! use quota_client::{QUOTA_CLIENT, QuotaClient};
//! use quota_schema::quota_capnp::quota;
//!
//! const MAILER: ServiceId = ServiceId::new(0xa2c7_55f0_1d83_6be9);
//! app_core::service! { id: MAILER, name: "mailer", start: start }
//!
//! async fn start(service: Service, quota: Dep<QuotaClient>) -> Result<(), Error> {
//!     let grant = quota.acquire("default", "alice", 1).await?;
//!     info!(service.log(), "may alice send a mail?"; "granted" => grant.granted);
//!     Ok(())
//! }
//!
//! /// Grants everything. It implements the interface, as the server does.
//! #[derive(Clone, Default)]
//! struct FakeQuota;
//!
//! impl quota::Server for FakeQuota {
//!     async fn acquire(self: Rc<Self>, _: quota::AcquireParams, mut results: quota::AcquireResults) -> capnp::Result<()> {
//!         results.get().set_granted(true);
//!         Ok(())
//!     }
//! }
//!
//! impl Replacement for FakeQuota {
//!     type Handle = QuotaClient;
//!     fn into_handle(self) -> QuotaClient { RpcClient::fake(move || Ok(capnp_rpc::new_client(self.clone()))).into() }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::with([MAILER]).replace(QUOTA_CLIENT, FakeQuota::default()).await;
//! assert!(app.captured().text().contains(r#""granted":true"#));
//! app.stop().await.expect_clean();
//! # }
//! ```

mod client;
mod service;

pub use self::{
    client::{Grant, QuotaClient, Rule},
    service::{QUOTA_CLIENT, QUOTA_RPC},
};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
