//! Compares what the pages say about the code with the code.

use std::collections::BTreeSet;

use super::source;

/// The tables of ARCHITECTURE.md: the cells of each row below the heading.
fn rows_below<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let lines = page.lines().skip_while(|line| !line.starts_with(heading));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backticks, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Compares the table of floors with the floors of the rules.
pub(crate) fn floors(page: &str, floors: &[(&str, u8)]) -> Vec<String> {
    let mut said = BTreeSet::new();
    for row in rows_below(page, "| floor | crate |") {
        let floor: u8 = row[0].parse().unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        said.extend(quoted(row[1]).map(|name| (name.to_owned(), floor)).take(if floor == 0 { 9 } else { 1 }));
    }
    let held: BTreeSet<_> = floors.iter().map(|(name, floor)| ((*name).to_owned(), *floor)).collect();
    difference("the table of floors", &said, &held)
}

/// Compares the table of plugins with the types that crates collect through `inventory`.
pub(crate) fn plugins(page: &str, sources: &[(String, String)]) -> Vec<String> {
    let mut said = BTreeSet::new();
    for row in rows_below(page, "| plugin | declared in |") {
        let names: Vec<&str> = row[..2].iter().flat_map(|cell| quoted(cell)).collect();
        let [plugin, krate] = names[..] else { panic!("no plugin and crate: {row:?}") };
        said.insert((plugin.to_owned(), krate.to_owned()));
    }
    let mut collected = BTreeSet::new();
    for (path, text) in sources.iter().filter(|(path, _)| path.contains("/src/")) {
        let krate = path.split('/').next().unwrap_or_default().to_owned();
        let code = source::code_only(text);
        let types = code.split("inventory::collect!(").skip(1).filter_map(|rest| rest.split(')').next());
        collected.extend(types.map(|name| (name.trim().to_owned(), krate.clone())));
    }
    difference("the table of plugins", &said, &collected)
}

fn difference<T: Ord + std::fmt::Debug>(table: &str, said: &BTreeSet<T>, held: &BTreeSet<T>) -> Vec<String> {
    let missing = held.difference(said).map(|row| format!("{table}: {row:?} is in the code alone"));
    let false_ones = said.difference(held).map(|row| format!("{table}: {row:?} is on the page alone"));
    missing.chain(false_ones).collect()
}

/// Crates without a page that says what they are. `read` returns the text of a file, if there is one.
pub(crate) fn without_readme<'a>(
    crates: impl IntoIterator<Item = &'a String>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for krate in crates {
        match read(&format!("{krate}/README.md")) {
            None => found.push(format!("{krate}: has no README.md")),
            Some(text) if !text.starts_with("# ") => {
                found.push(format!("{krate}/README.md: does not open with `# ` and its subject"));
            }
            Some(_) => {}
        }
    }
    found
}

/// Compares the tables of docs/README.md with the pages beside it: each page has one row, with a link to it.
pub(crate) fn index(index: &str, pages: &[String]) -> Vec<String> {
    let beside =
        pages.iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "README.md");
    let rows =
        |page: &str| index.lines().filter(|line| line.starts_with(&format!("| [{page}]({page}) | "))).count();
    let found = beside.map(|page| (page, rows(page))).filter(|(_, rows)| *rows != 1);
    found
        .map(|(page, rows)| format!("docs/README.md: {rows} rows `| [{page}]({page}) | ..`, expected one"))
        .collect()
}

/// Paths between backticks and links to files that lead nowhere.
///
/// A path with a crate or a folder of the root in front is meant from the root, another one from the folder of the
/// page, or from the `src` or `tests` of some crate.
pub(crate) fn paths(
    page: &str,
    text: &str,
    exists: impl Fn(&str) -> bool,
    sources: &[(String, String)],
) -> Vec<String> {
    let directory = page.rsplit_once('/').map_or("", |(directory, _)| directory);
    let prose = without_code_blocks(text);
    let mut found = Vec::new();
    for path in prose.iter().flat_map(|line| quoted(line)).filter(|path| is_source(path)) {
        let from_page = exists(&normal(directory, path));
        let ends = format!("/{path}");
        let somewhere = || sources.iter().any(|(source, _)| source.ends_with(&ends));
        if !from_page && !exists(path) && !somewhere() {
            found.push(format!("{page}: there is no `{path}`"));
        }
    }
    for link in
        prose.iter().flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split(')').next())
    {
        let file = link.split('#').next().unwrap_or_default();
        if !file.is_empty() && !file.contains(':') && !exists(&normal(directory, file)) {
            found.push(format!("{page}: the link to {file} leads nowhere"));
        }
    }
    found
}

fn without_code_blocks(text: &str) -> Vec<&str> {
    let mut in_block = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            in_block ^= fence;
            !in_block && !fence
        })
        .collect()
}

/// A path to a source file, and not to something of a machine, of a URL, or with a part to fill in.
fn is_source(path: &str) -> bool {
    let ends = [".rs", ".md", ".toml", ".capnp"].iter().any(|end| path.ends_with(end));
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    ends && plain && path.contains('/') && !path.starts_with('/')
}

/// The path from the root of the workspace, with each `..` resolved.
fn normal(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Queues without a bound.
pub(crate) fn unbounded_queue(path: &str, text: &str) -> Vec<String> {
    if !source::is_product(path) {
        return vec![];
    }
    let code = source::product_only(text);
    let unbounded = ["unbounded_channel", "unbounded(", "mpsc::channel()", "crossbeam_channel::unbounded"];
    let lines = source::lines_with(&code, |line| unbounded.iter().any(|call| line.contains(call)));
    lines.map(|line| format!("{path}:{line}: a queue without a bound")).collect()
}

/// Places where a capability of the admin interface is made, besides the gate.
pub(crate) fn capability_without_a_gate(path: &str, text: &str, gate: &str) -> Vec<String> {
    if !path.starts_with("app-rpc/src/admin") || path == gate || !source::is_product(path) {
        return vec![];
    }
    let code = source::product_only(text);
    let lines =
        source::lines_with(&code, |line| line.contains("new_client(") || line.contains("new_client::<"));
    lines.map(|line| format!("{path}:{line}: a capability that {gate} does not guard")).collect()
}

/// Functions of a `compat` module that are not one expression.
pub(crate) fn long_compat_function(path: &str, text: &str) -> Vec<String> {
    if !(path.ends_with("/src/compat.rs") || path.contains("/src/compat/")) || !source::is_product(path) {
        return vec![];
    }
    let items = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}")).items;
    let functions = items.iter().filter_map(|item| match item {
        syn::Item::Fn(function) => Some(function),
        _ => None,
    });
    let is_long = |function: &&syn::ItemFn| function.block.stmts.len() > 1;
    functions
        .filter(is_long)
        .map(|function| format!("{path}: `{}` is not one line", function.sig.ident))
        .collect()
}

mod violations {
    //! Each rule catches what it is there to catch.

    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_false_row_of_floors_is_found() {
        let page = "| floor | crate | only here |\n|---|---|---|\n| 1 | `b` | x |\n| 0 | `a`, `c` | (`a` imports) |\n";
        assert!(floors(page, &[("a", 0), ("b", 1), ("c", 0)]).is_empty());
        assert_eq!(floors(page, &[("a", 0), ("b", 2), ("c", 0)]).len(), 2);
        assert_eq!(floors(page, &[("a", 0), ("b", 1), ("c", 0), ("d", 3)]).len(), 1);
    }

    #[test]
    fn a_plugin_that_is_not_in_the_table_is_found() {
        let page = "| plugin | declared in | what |\n|---|---|---|\n| `Route` | `app-x` | a path |\n";
        let code =
            sources(&[("app-x/src/a.rs", "inventory::collect!(Route);\n// inventory::collect!(Other);")]);
        assert!(plugins(page, &code).is_empty());
        let moved = sources(&[("app-y/src/a.rs", "inventory::collect!(Route);")]);
        assert_eq!(plugins(page, &moved).len(), 2);
    }

    #[test]
    fn a_crate_without_a_readme_is_found() {
        let read = |path: &str| match path {
            "app-a/README.md" => Some("# app-a\n".to_owned()),
            "app-b/README.md" => Some("\n".to_owned()),
            _ => None,
        };
        let crates = ["app-a".to_owned(), "app-b".to_owned(), "app-c".to_owned()];
        let found = without_readme(&crates, read);
        assert_eq!(
            found,
            ["app-b/README.md: does not open with `# ` and its subject", "app-c: has no README.md"]
        );
    }

    #[test]
    fn a_page_that_the_index_does_not_list_once_is_found() {
        let pages = ["app-a/README.md", "docs/A.md", "docs/README.md", "docs/more/B.md"].map(str::to_owned);
        let (a, b) = ("| [A.md](A.md) | x |\n", "| [more/B.md](more/B.md) | x |\n");
        assert!(index(&format!("{a}{b}"), &pages).is_empty());
        assert_eq!(index(a, &pages).len(), 1);
        assert_eq!(index(&format!("{a}{a}{b}"), &pages).len(), 1);
        assert_eq!(index("Read [A.md](A.md), then [more/B.md](more/B.md).", &pages).len(), 2);
    }

    #[test]
    fn a_path_or_a_link_that_leads_nowhere_is_found() {
        let exists = |path: &str| path == "docs/a.md" || path == "app-x/src/a.rs";
        let code = sources(&[("app-x/src/server/places.rs", "")]);
        let text = "`app-x/src/a.rs`, `server/places.rs`, `/run/x.toml`, [a](a.md#top), [b](https://b)\n```\n`no/x.rs`\n```\n";
        let found = paths("docs/b.md", text, exists, &code);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(paths("docs/b.md", "`app-x/src/gone.rs` and [it](../a.md)", exists, &code).len(), 2);
    }

    #[test]
    fn a_queue_without_a_bound_is_found() {
        assert_eq!(unbounded_queue("a/src/x.rs", "let (s, r) = mpsc::unbounded_channel();").len(), 1);
        assert!(unbounded_queue("a/src/x.rs", "let (s, r) = mpsc::channel(5);").is_empty());
        assert!(unbounded_queue("a/tests/x.rs", "mpsc::channel()").is_empty());
    }

    #[test]
    fn a_capability_beside_the_gate_is_found() {
        let check =
            |path| capability_without_a_gate(path, "capnp_rpc::new_client(X)", "app-rpc/src/admin/gate.rs");
        assert_eq!(check("app-rpc/src/admin/levels.rs").len(), 1);
        assert!(check("app-rpc/src/admin/gate.rs").is_empty());
        assert!(check("app-rpc/src/server.rs").is_empty());
    }

    #[test]
    fn a_long_function_of_compat_is_found() {
        assert_eq!(long_compat_function("a/src/compat.rs", "pub fn f() { let x = 1; g(x) }").len(), 1);
        assert!(long_compat_function("a/src/compat.rs", "pub fn f() -> u8 { g() }").is_empty());
    }
}
