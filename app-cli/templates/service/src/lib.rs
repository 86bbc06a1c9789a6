//! The service `my-service`: greets guests, and counts them.
//!
//! | file | contents |
//! |---|---|
//! | `ids.rs` | the ids of the service, its metric, its health check and its endpoint |
//! | `service.rs` | the descriptor, and the start function, whose parameters are the dependencies |
//! | `handle.rs` | the handle that dependents call |
//! | `greetings.rs` | the state, which one command at a time changes |
//! | `config.rs` | the config: its type and its rules |
//! | `metrics.rs`, `health.rs` | the metric and the health check |
//! | `messages.rs` | the message that the service takes, and what it does with it |
//! | `operations.rs` | what an operator may ask of the service while it runs |
//! | `rpc.rs` | the service over RPC |
//! | `generated/` | the code made from `capnp/api.capnp`; do not edit it |
//!
//! Another service takes the handle as a parameter of its start function. So it starts after this one, and stops before it:
//!
//! ```
//! use app_core::prelude::*;
//! use svc_my_service::MyService;
//!
//! async fn start(service: Service, greeter: Dep<MyService>) -> Result<(), Error> {
//!     let hello = greeter.hello("Ada").await?;
//!     info!(service.log(), "{}", hello.text);
//!     Ok(())
//! }
//! ```

mod config;
mod greetings;
mod handle;
mod health;
mod ids;
mod messages;
mod metrics;
mod operations;
mod rpc;
mod service;

pub use config::MyServiceConfig;
pub use handle::{Hello, MyService};
pub use ids::{ANSWERS, HELLOS, MY_SERVICE, MY_SERVICE_RPC};
pub use messages::{GUESTS, GreetGuest};

// `api_capnp`, the code made from the schema; `DOCS`, its comments; `METHODS`, the methods of its interface.
include!("generated/schemas.rs");
