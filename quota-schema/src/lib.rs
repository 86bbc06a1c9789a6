//! The Cap'n Proto schema of the quota service (`svc-example`), and the code generated from it.
//!
//! The schema is a crate of its own, so that a client can call the service without building it. Tests of lower crates use it as an
//! example of a config and of an interface.
//!
//! `capnp/quota.capnp` is the schema. The code in `src/generated/` is committed, so a build does not need the program `capnp`. After a
//! change, with the program installed (Debian: `capnproto`):
//!
//! ```sh
//! cargo run -p quota-schema --example generate_quota
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

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/quota_capnp.rs"]
pub mod quota_capnp;

#[rustfmt::skip]
#[path = "generated/docs.rs"]
mod docs;

/// The comments of the schema, in the form of `schema::DOCS`.
///
/// ```
/// let of = |id: u64, member: &str| quota_schema::DOCS.iter().find(|(node, name, _)| (*node, *name) == (id, member));
/// let (_, _, text) = of(0xae3d_c0d2_7a25_5b5c, "periodMillis").unwrap();
/// assert!(text.starts_with("The period, in milliseconds."));
/// ```
pub static DOCS: &[(u64, &str, &str)] = docs::DOCS;

#[rustfmt::skip]
#[path = "generated/methods.rs"]
mod methods;

/// The methods of the interface, in the form of `schema::METHODS`.
///
/// ```
/// assert!(quota_schema::METHODS.contains(&(0xe472_019f_31e4_976f, "Quota", 0, "acquire")));
/// ```
pub static METHODS: &[(u64, &str, u16, &str)] = methods::METHODS;
