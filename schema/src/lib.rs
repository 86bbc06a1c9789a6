//! The Cap'n Proto schemas of the platform, and the code generated from them.
//!
//! A schema is a contract with files and programs that are built elsewhere. So the schemas have a crate of their own, which depends
//! on no other crate of this project. The meaning of a config is not part of it: each service decides that.
//!
//! The `.capnp` files are in `capnp/`. The code in `src/generated/` is committed, so a build does not need the program `capnp`. After
//! a change, with the program installed (Debian: `capnproto`):
//!
//! ```sh
//! cargo run -p app-build --example generate
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

include!("generated/schemas.rs");

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
