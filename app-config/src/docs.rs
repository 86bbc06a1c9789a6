//! The comments of schemas, at run time.

/// The comments of a schema: a text for each node by id, and for its members by name. `app-build` and `appctl schema` generate such
/// a table, `DOCS`, from schemas of your own. Register it:
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

/// The comment of a member, or of the node itself if `member` is empty. Empty if there is none.
pub(crate) fn comment(node: u64, member: &str) -> &'static str {
    let all = inventory::iter::<SchemaDocs>.into_iter().flat_map(|docs| docs.0);
    let mut found = all.filter(|(id, name, _)| *id == node && *name == member);
    found.next().map(|(_, _, text)| *text).unwrap_or_default()
}

/// The JSON of the example that a comment ends with.
pub(crate) fn example_in(comment: &str) -> Option<&str> {
    comment.rsplit_once("Example: ").map(|(_, json)| json.trim())
}
