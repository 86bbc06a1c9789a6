//! The trace of a call over mutual TLS: the client's span, the server's, and the context between them.
//!
//! The sink is that of the process. So tests of one with spans and of one without take turns.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

app_rpc::rpc_methods! { quota_schema::METHODS }

#[path = "tracing/calls.rs"]
mod calls;
#[path = "tracing/off.rs"]
mod off;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "rpc/pki.rs"]
mod pki;
#[path = "tracing/pycapnp.rs"]
mod pycapnp;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "rpc/request.rs"]
mod request;
#[path = "tracing/sink.rs"]
mod sink;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "rpc/stand.rs"]
mod stand;
#[path = "tracing/two.rs"]
mod two;
