//! The Cap'n Proto schemas of the platform, and the code generated from them.
//!
//! Why a crate of its own: a schema is a contract with files and programs that are not built here, so it is read, reviewed
//! and compared as such, and depends on nothing of ours. What stays out: any meaning. What a config *means* is decided by
//! the service that it belongs to.
//!
//! The `.capnp` files are in `capnp/`; the code in `src/generated/` is committed, so that nobody needs the `capnp` program
//! to build. After a change, with the program installed (Debian: `capnproto`):
//!
//! ```sh
//! cargo run -p schema --example generate
//! ```
//!
//! ```
//! use schema::quota_capnp::quota_spec;
//!
//! let mut message = capnp::message::Builder::new_default();
//! let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(1);
//! rules.reborrow().get(0).set_name("default");
//! assert_eq!(rules.into_reader().get(0).get_max_keys(), 100_000);
//! ```

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/admin_capnp.rs"]
pub mod admin_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/config_capnp.rs"]
pub mod config_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/health_capnp.rs"]
pub mod health_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/metrics_capnp.rs"]
pub mod metrics_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/quota_capnp.rs"]
pub mod quota_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/rpc_capnp.rs"]
pub mod rpc_capnp;

#[rustfmt::skip]
#[path = "generated/docs.rs"]
mod docs;

/// What the comments of the schemas say about each struct, enum and member: the id of the node, the member's name (empty
/// for the node itself) and the text. Paragraphs end with a newline.
///
/// ```
/// let of = |id: u64, member: &str| schema::DOCS.iter().find(|(node, name, _)| (*node, *name) == (id, member));
/// let (_, _, text) = of(0xae3d_c0d2_7a25_5b5c, "periodMillis").unwrap();
/// assert!(text.starts_with("The period, in milliseconds."));
/// ```
pub static DOCS: &[(u64, &str, &str)] = docs::DOCS;

#[rustfmt::skip]
#[path = "generated/methods.rs"]
mod methods;

/// The methods of every interface: the id of the interface, its name, the ordinal of the method and its name.
///
/// ```
/// assert!(schema::METHODS.contains(&(0xe472_019f_31e4_976f, "Quota", 0, "acquire")));
/// ```
pub static METHODS: &[(u64, &str, u16, &str)] = methods::METHODS;
