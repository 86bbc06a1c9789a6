//! Generates code from the Cap'n Proto schemas of a crate, with the tables that the platform needs beside it.
//!
//! A config, an interface or a message of your own begins with a `.capnp` file. Code for it comes from the program `capnp` and the
//! crate `capnpc`. Both know nothing of this platform: `config explain` prints comments, metrics have the names of methods, and
//! stored values must stay readable. This crate adds the tables for that, and makes one error of everything that can go wrong. No
//! application links it. What stays out: the meaning of a schema, which the service decides.
//!
//! It needs the program `capnp` (Debian: `capnproto`, Homebrew: `capnp`), and writes these files:
//!
//! | file | contents |
//! |---|---|
//! | `schemas.rs` | the index: a module for each schema, [`DOCS`](#docs-and-methods) and [`METHODS`](#docs-and-methods) |
//! | `x_capnp.rs` | the code for `x.capnp` |
//! | `docs.rs`, `methods.rs` | the tables |
//! | `layout.txt` | in committed code only: where and how each field is stored |
//!
//! There are two ways to use it. `docs/SCHEMAS.md` shows them step by step.
//!
//! # While building
//!
//! The one line in `main` of `build.rs`, with `app-build` under `[build-dependencies]`:
//!
//! ```no_run
//! app_build::schemas("capnp");
//! ```
//!
//! At the root of the crate:
//!
//! ```ignore
//! include!(concat!(env!("OUT_DIR"), "/schemas.rs"));
//! ```
//!
//! # Committed
//!
//! Then a build does not need the program `capnp`. `appctl schema` writes the code into `src/generated/`, and refuses a change after
//! which a stored value could not be read any more. At the root of the crate:
//!
//! ```ignore
//! include!("generated/schemas.rs");
//! ```
//!
//! A test keeps it fresh, with `app-build` under `[dev-dependencies]`:
//!
//! ```no_run
//! #[test]
//! fn the_generated_code_is_fresh() {
//!     let fresh = app_build::Schemas::in_folder("capnp").check("src/generated");
//!     assert!(fresh.is_ok(), "{}", fresh.unwrap_err());
//! }
//! ```
//!
//! # Which capnp
//!
//! Generated code needs the crate `capnp` in the version that fits. By default it names the one of `app-config`, as
//! `::app_config::capnp`. So a crate with generated code depends on `app-config`, and needs no `capnp` of its own. For a crate that
//! depends on `capnp` and not on `app-config`, set [`Schemas::capnp_crate`].
//!
//! # DOCS and METHODS
//!
//! `DOCS` has the comment of each struct, enum and member; register it with `app_config::schema_docs!`. `METHODS` has the names of
//! methods; register it with `app_rpc::rpc_methods!`.

mod build_script;
mod compiler;
mod errors;
mod files;
mod folder;
mod tables;

pub use self::errors::{Difference, SchemaError};
pub use self::files::Changes;
pub use self::folder::{Schemas, schemas};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
