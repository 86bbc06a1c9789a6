//! The Cap'n Proto schemas of the platform, and the code generated from them.
//!
//! A schema is a contract with files and programs that are built elsewhere. So the schemas have a crate of their own, which depends
//! on no other crate of this project. The meaning of a config is not part of it: each service decides that.
//!
//! The `.capnp` files are in `capnp/`. The code in `src/generated/` is committed, so a build does not need the program `capnp`. After
//! a change, with the program installed (Debian: `capnproto`):
//!
//! ```sh
//! cargo run -p schema --example generate
//! ```
//!
//! ```
//! use schema::config_capnp::config_service_spec;
//!
//! let mut message = capnp::message::Builder::new_default();
//! let mut policies = message.init_root::<config_service_spec::Builder<'_>>().init_restart_policies(1);
//! policies.reborrow().get(0).set_service_id(0xce1f_32c6_80e1_ef0b);
//! assert_eq!(policies.into_reader().get(0).get_max_restarts(), 10);
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
#[path = "generated/errors_capnp.rs"]
pub mod errors_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/health_capnp.rs"]
pub mod health_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/messaging_capnp.rs"]
pub mod messaging_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/metrics_capnp.rs"]
pub mod metrics_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/rpc_capnp.rs"]
pub mod rpc_capnp;

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
#[path = "generated/tracing_capnp.rs"]
pub mod tracing_capnp;

#[rustfmt::skip]
#[path = "generated/docs.rs"]
mod docs;

/// The comments of each struct, enum and member: the id of the node, the name of the member (empty for the node itself), and the
/// text. Paragraphs end with a newline.
///
/// ```
/// let of = |id: u64, member: &str| schema::DOCS.iter().find(|(node, name, _)| (*node, *name) == (id, member));
/// let (_, _, text) = of(0x8f5a_8a81_e94e_212d, "serviceId").unwrap();
/// assert!(text.starts_with("The id of the service."));
/// ```
pub static DOCS: &[(u64, &str, &str)] = docs::DOCS;

#[rustfmt::skip]
#[path = "generated/methods.rs"]
mod methods;

/// The methods of every interface: the id of the interface, its name, the ordinal of the method and its name.
///
/// ```
/// assert!(schema::METHODS.contains(&(0xf052_e7e0_84b3_1199, "App", 0, "id")));
/// ```
pub static METHODS: &[(u64, &str, u16, &str)] = methods::METHODS;
