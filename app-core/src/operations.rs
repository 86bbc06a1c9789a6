//! Operations: what an operator may ask of a running service. [`operation!`](crate::operation) declares one.
//!
//! An operation has a name, a role, an effect and a function. The function runs as a task of its service. Its parameters are
//! those of start functions, and in addition [`Args<T>`](Args), [`Caller`] and [`Job`]. Its arguments and its result are JSON,
//! described by JSON Schemas of their types.
//!
//! ```
//! use app_core::{operations::{Caller, OperationCall}, prelude::*, testing::{TestApp, runs}};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! const STORE: ServiceId = ServiceId::new(0x57);
//!
//! /// What to forget.
//! #[derive(Deserialize, JsonSchema)]
//! struct Forget {
//!     /// Name of the rule.
//!     rule: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Forgotten {
//!     /// Buckets that were dropped.
//!     buckets: u64,
//! }
//!
//! app_core::operation! {
//!     of: STORE, name: "forget", role: Operate, effect: Changes, about: "Drops all buckets of one rule.", run: forget
//! }
//!
//! async fn forget(service: Service, args: Args<Forget>, caller: Caller) -> Result<Forgotten, Error> {
//!     info!(service.log(), "forgets"; "rule" => &args.rule, "reason" => &caller.reason);
//!     Ok(Forgotten { buckets: 3 })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::builder().service(runs(STORE, "store")).start().await;
//! let forgotten = app.operation("store", "forget", serde_json::json!({ "rule": "default" })).await.unwrap();
//! assert_eq!(forgotten["buckets"], 3);
//!
//! let refused = app.operation("store", "forget", serde_json::json!({ "rules": "default" })).await.unwrap_err();
//! assert!(refused.to_string().contains("arguments.rules: unknown field"), "{refused}");
//! # app.stop().await.expect_clean();
//! # }
//! ```
//!
//! # What a call may count on
//!
//! - The arguments are checked against their type before the function is called. A mistake is an error with its path.
//! - The function is dropped at its next await when the deadline is over, the caller is gone, or the service is killed.
//! - A panic in the function is the answer of this call. The service lives on.
//! - With a request id, a repeated call answers with the result of the first one ([`OperationCall::request_id`]).
//! - Arguments and results have at most [`MAX_BYTES`]. Answer with pages if there may be more.

mod answers;
mod args;
mod call;
mod info;
mod job;
mod jobs;
mod json;
mod run;
mod schema;
mod secret;

pub(crate) use self::{
    answers::{Answers, Entered},
    info::is_operation_name,
    jobs::{JobOf, Jobs},
    json::{check_arguments, print},
    run::{OperationAnswer, OperationRun, Waiter},
    schema::{no_arguments, of_arguments, of_result, secret_texts, unknown_field},
    secret::wipe,
};
pub use self::{
    args::Args,
    call::{Caller, DEFAULT_DEADLINE, MAX_DEADLINE, MAX_REASON_BYTES, MAX_REQUEST_ID_BYTES, OperationCall},
    info::{Effect, OperationInfo, OperationRole, OperationSchemas, RESERVED_FLAGS, flag_of},
    job::{Job, Progress},
    jobs::{JobState, JobStatus},
    json::{MAX_BYTES, MAX_DEPTH, parse},
    schema::hide_secrets,
    secret::Secret,
};
