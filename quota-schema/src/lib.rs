//! The Cap'n Proto schema of the quota service (`svc-example`), and the code generated from it.
//!
//! The schema is a crate of its own, so that a client can call the service without building it. Tests of lower crates use it as an
//! example of a config and of an interface.
//!
//! `capnp/quota.capnp` is the schema. The code in `src/generated/` is committed, so a build does not need the program `capnp`. After a
//! change, with the program installed (Debian: `capnproto`):
//!
//! ```sh
//! cargo run -p app-build --example generate
//! ```
//!
//! ```
//! use quota_schema::quota_capnp::quota_spec;
//!
//! let mut message = capnp::message::Builder::new_default();
//! let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(1);
//! rules.reborrow().get(0).set_name("default");
//! assert_eq!(rules.into_reader().get(0).get_max_keys(), 100_000);
//! ```

/// The id of the service whose endpoint serves the interface `Quota`. It is part of the name in the server's certificate.
pub const QUOTA_RPC: u64 = 0x6e3d_dab0_aff3_37db;

include!("generated/schemas.rs");

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
