//! What the comments of schemas say, found while running.

/// The comments of a schema: for nodes by id, and for their members by name, what they mean. An application that has
/// schemas of its own makes such a table from them, in the way of the crate `schema`, and registers it:
///
/// ```
/// // Generated: id of the node, name of the member (empty for the node itself), text.
/// static DOCS: &[(u64, &str, &str)] = &[(0xb1d3_02a9_7c55_e011, "people", "How many people are greeted.")];
///
/// app_config::schema_docs! { DOCS }
/// ```
pub struct SchemaDocs(pub &'static [(u64, &'static str, &'static str)]);

inventory::collect!(SchemaDocs);

inventory::submit! { SchemaDocs(schema::DOCS) }

/// What the comment of a member says, or that of the node itself if there is no member; empty if there is none.
pub(super) fn comment(node: u64, member: &str) -> &'static str {
    let all = inventory::iter::<SchemaDocs>.into_iter().flat_map(|docs| docs.0);
    let mut found = all.filter(|(id, name, _)| *id == node && *name == member);
    found.next().map(|(_, _, text)| *text).unwrap_or_default()
}

/// The JSON of the example that a comment ends with.
pub(super) fn example_in(comment: &str) -> Option<&str> {
    comment.rsplit_once("Example: ").map(|(_, json)| json.trim())
}

/// Registers the comments of a schema, for [`explain`](crate::explain): `schema_docs! { DOCS }`.
#[macro_export]
macro_rules! schema_docs {
    ($table:expr) => {
        $crate::__private::inventory::submit! { $crate::SchemaDocs($table) }
    };
}
