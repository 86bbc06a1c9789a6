// @generated from the files in `capnp/`.

#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths, reason = "generated code")]
#[allow(clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
#[rustfmt::skip]
pub mod api_capnp;

#[rustfmt::skip]
mod docs;

/// The comments of the schemas: the id of a node, the name of a member, and the text.
pub static DOCS: &[(u64, &str, &str)] = docs::DOCS;

#[rustfmt::skip]
mod methods;

/// The methods of the interfaces: the id and the name of an interface, the ordinal and the name of a method.
pub static METHODS: &[(u64, &str, u16, &str)] = methods::METHODS;
