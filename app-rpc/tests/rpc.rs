//! Servers and clients over mutual TLS on a real network, and attacks of each on the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

app_rpc::rpc_methods! { quota_schema::METHODS }

#[path = "rpc/bounds.rs"]
mod bounds;
#[path = "rpc/budgets.rs"]
mod budgets;
#[path = "rpc/certificates.rs"]
mod certificates;
#[path = "rpc/client.rs"]
mod client;
#[path = "rpc/config.rs"]
mod config;
#[path = "rpc/crowds.rs"]
mod crowds;
#[path = "rpc/declared.rs"]
mod declared;
#[path = "rpc/declared_client.rs"]
mod declared_client;
#[path = "rpc/discovered.rs"]
mod discovered;
#[path = "rpc/ends.rs"]
mod ends;
#[path = "rpc/errors.rs"]
mod errors;
#[path = "rpc/faults.rs"]
mod faults;
#[path = "rpc/hosts.rs"]
mod hosts;
#[path = "rpc/issued.rs"]
mod issued;
#[path = "rpc/judge.rs"]
mod judge;
#[path = "rpc/material.rs"]
mod material;
#[path = "rpc/odd.rs"]
mod odd;
#[path = "rpc/openssl.rs"]
mod openssl;
#[path = "rpc/overload.rs"]
mod overload;
#[path = "rpc/pki.rs"]
mod pki;
#[path = "rpc/pycapnp.rs"]
mod pycapnp;
#[path = "rpc/raw.rs"]
mod raw;
#[path = "rpc/request.rs"]
mod request;
#[path = "rpc/rotation.rs"]
mod rotation;
#[path = "rpc/slow.rs"]
mod slow;
#[path = "rpc/spread.rs"]
mod spread;
#[path = "rpc/stand.rs"]
mod stand;
#[path = "rpc/stop.rs"]
mod stop;
