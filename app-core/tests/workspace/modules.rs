//! Rules about the modules of a crate: no circles among those at the top, and one type of a name.
//!
//! A module imports another if a path in it leads there: `crate::other::..`, a name that `lib.rs` exports from
//! there, or `super::..`. An inherent `impl` counts as well: the methods of a type belong to the type. So if module
//! `a` has an `impl Thing` for a type of module `b`, then `b` imports `a`.
//!
//! Test code is left out. Paths inside of macros are found by their tokens.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The modules of a crate that are at its top, and what each takes from the others.
#[derive(Default)]
pub(crate) struct Modules {
    /// Names that each module at the top imports from each other one.
    imports: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Files and whether a `cfg` chooses it, for each type by its name.
    types: BTreeMap<String, Vec<(String, bool)>>,
}

/// What is needed to follow a path: modules at the top, and what the root exports from them.
///
/// A module that only exports names of others, in the file of the root, is a part of the root.
#[derive(Default)]
struct Root {
    modules: BTreeSet<String>,
    exports: BTreeMap<String, String>,
    /// The modules that are a part of the root, and what each exports.
    parts: BTreeMap<String, BTreeMap<String, String>>,
}

/// A module in a file of its own, or in braces.
struct Module {
    file: String,
    /// From the root of the crate; empty for the root itself.
    path: Vec<String>,
    items: Vec<syn::Item>,
}

impl Modules {
    /// Reads a crate from its root file, with `read` for the text of a file.
    pub(crate) fn of(root_file: &str, read: &impl Fn(&str) -> Option<String>) -> Self {
        let mut all = Vec::new();
        let text = read(root_file).unwrap_or_else(|| panic!("{root_file} is there"));
        let directory = root_file.rsplit_once('/').map_or("", |(directory, _)| directory);
        load(root_file, directory, &[], parse(root_file, &text), read, &mut all);

        let root = Root::of(&all);
        let mut modules = Self::default();
        let mut home_of = BTreeMap::new();
        for module in &all {
            for item in &module.items {
                let Some((name, chosen)) = type_of(item) else { continue };
                modules.types.entry(name.clone()).or_default().push((module.file.clone(), chosen));
                home_of.insert(name, module.path.first().cloned());
            }
        }
        for module in &all {
            let Some(top) = module.path.first().filter(|top| root.modules.contains(*top)) else { continue };
            let mut paths = Paths { root: &root, path: &module.path, found: Vec::new() };
            module.items.iter().for_each(|item| paths.visit_item(item));
            for (to, name) in paths.found {
                modules.add(top, &to, &name);
            }
            for name in module.items.iter().filter_map(inherent) {
                if let Some(Some(home)) = home_of.get(&name) {
                    modules.add(home, top, &format!("impl {name}"));
                }
            }
        }
        modules
    }

    fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let imported = self.imports.entry(from.to_owned()).or_default();
            imported.entry(to.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// Each circle, with the imports that tie it.
    pub(crate) fn circles(&self, krate: &str) -> Vec<String> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|from| (from.as_str(), self.reached_from(from))).collect();
        let is_tied = |a: &str, b: &str| {
            let leads = |from, to| reached.get(from).is_some_and(|set: &BTreeSet<&str>| set.contains(to));
            leads(a, b) && leads(b, a)
        };
        let mut told = BTreeSet::new();
        let mut found = Vec::new();
        for from in self.imports.keys().filter(|name| is_tied(name, name)) {
            if !told.insert(from.clone()) {
                continue;
            }
            let members: Vec<&String> = self.imports.keys().filter(|other| is_tied(from, other)).collect();
            told.extend(members.iter().map(|name| (*name).clone()));
            let mut ties = String::new();
            for a in &members {
                for (b, names) in &self.imports[*a] {
                    if members.contains(&b) {
                        let names: Vec<&str> = names.iter().map(String::as_str).collect();
                        ties += &format!("\n    {a} -> {b}: {}", names.join(", "));
                    }
                }
            }
            found.push(format!("{krate}: a circle of {} modules{ties}", members.len()));
        }
        found
    }

    fn reached_from(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(from) = open.pop() {
            for to in self.imports.get(from).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    }

    /// Each name that two types of the crate have.
    ///
    /// Types that a `cfg` chooses between in one file are one type.
    pub(crate) fn names_of_two_types(&self, krate: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (name, places) in &self.types {
            let one_file = places.iter().all(|(file, _)| *file == places[0].0);
            let chosen = places.iter().all(|(_, chosen)| *chosen);
            if places.len() > 1 && !(one_file && chosen) {
                let files: Vec<&str> = places.iter().map(|(file, _)| file.as_str()).collect();
                found.push(format!(
                    "{krate}: {} types are called `{name}`: {}",
                    places.len(),
                    files.join(", ")
                ));
            }
        }
        found
    }
}

impl Root {
    fn of(all: &[Module]) -> Self {
        let mut root = Self::default();
        let file = all.iter().find(|module| module.path.is_empty()).map_or("", |module| &module.file);
        let is_use = |item: &syn::Item| matches!(item, syn::Item::Use(_));
        let (parts, modules): (Vec<_>, Vec<_>) =
            all.iter().filter(|module| module.path.len() == 1).partition(|module| {
                module.file == file && !module.items.is_empty() && module.items.iter().all(is_use)
            });
        root.modules.extend(modules.into_iter().map(|module| module.path[0].clone()));
        for module in all.iter().filter(|module| module.path.is_empty()) {
            root.exports.extend(root.exports_of(module));
        }
        for module in parts {
            root.parts.insert(module.path[0].clone(), root.exports_of(module).into_iter().collect());
        }
        for module in all {
            let Some(top) = module.path.first() else { continue };
            for item in &module.items {
                if let syn::Item::Macro(item) = item
                    && item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
                    && let Some(name) = &item.ident
                {
                    root.exports.insert(name.to_string(), top.clone());
                }
            }
        }
        root
    }

    /// Each name that a module exports, and the module at the top that the name comes from.
    fn exports_of(&self, module: &Module) -> Vec<(String, String)> {
        let uses = module.items.iter().filter_map(|item| match item {
            syn::Item::Use(item) => Some(leaves(&item.tree)),
            _ => None,
        });
        let mut exports = Vec::new();
        for (path, name) in uses.flatten() {
            let mut segments =
                path.iter().filter(|part| !["self", "super", "crate"].contains(&part.as_str()));
            if let Some(from) = segments.next().filter(|first| self.modules.contains(*first)) {
                exports.push((name, from.clone()));
            }
        }
        exports
    }

    /// The module at the top that a path from the crate's root leads to, and the name behind it.
    fn follow(&self, path: &[String]) -> Option<(String, String)> {
        let first = path.first()?;
        if self.modules.contains(first) {
            return Some((first.clone(), path.last()?.clone()));
        }
        if let Some(part) = self.parts.get(first) {
            let name = path.get(1)?;
            return part.get(name).map(|module| (module.clone(), name.clone()));
        }
        self.exports.get(first).map(|module| (module.clone(), first.clone()))
    }
}

/// Collects what the paths of a module lead to.
struct Paths<'a> {
    root: &'a Root,
    path: &'a [String],
    found: Vec<(String, String)>,
}

impl Paths<'_> {
    /// Follows a path that begins with `crate` or `super`.
    fn follow(&mut self, segments: &[String]) {
        let from_root = match segments {
            [first, rest @ ..] if first == "crate" => rest.to_vec(),
            [first, ..] if first == "super" => {
                let up = segments.iter().take_while(|segment| *segment == "super").count();
                let Some(kept) = self.path.len().checked_sub(up) else { return };
                self.path[..kept].iter().chain(&segments[up..]).cloned().collect()
            }
            _ => return,
        };
        self.found.extend(self.root.follow(&from_root));
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) if colons == 2 && !segments.is_empty() => {
                    segments.push(name.to_string());
                    colons = 0;
                }
                token => {
                    self.follow(&std::mem::take(&mut segments));
                    colons = 0;
                    match token {
                        TokenTree::Ident(name) => segments.push(name.to_string()),
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        _ => {}
                    }
                }
            }
        }
        self.follow(&segments);
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        for (path, _) in leaves(&item.tree) {
            self.follow(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.follow(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    // Modules in braces are modules of their own in the list.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
}

fn parse(file: &str, text: &str) -> Vec<syn::Item> {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}")).items
}

/// Adds a module and those below it. `directory` holds the files of the modules below it.
fn load(
    file: &str,
    directory: &str,
    path: &[String],
    items: Vec<syn::Item>,
    read: &impl Fn(&str) -> Option<String>,
    all: &mut Vec<Module>,
) {
    let mut own = Vec::new();
    for item in items {
        let syn::Item::Mod(module) = item else {
            own.push(item);
            continue;
        };
        let name = module.ident.to_string();
        // Generated code has the names that the schema compiler gives.
        if is_test(&module.attrs)
            || path_attribute(&module.attrs).is_some_and(|at| at.contains("generated/"))
            || name == "generated"
        {
            continue;
        }
        let below: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
        let (below_file, below_directory) = match path_attribute(&module.attrs) {
            Some(at) => (format!("{directory}/{at}"), format!("{directory}/{name}")),
            None => (format!("{directory}/{name}.rs"), format!("{directory}/{name}")),
        };
        match module.content {
            Some((_, items)) => load(file, &below_directory, &below, items, read, all),
            None => {
                let text = read(&below_file).unwrap_or_else(|| panic!("{below_file}, a module of {file}"));
                load(&below_file, &below_directory, &below, parse(&below_file, &text), read, all);
            }
        }
    }
    all.push(Module { file: file.to_owned(), path: path.to_vec(), items: own });
}

fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether a `cfg` keeps the item for tests: `cfg(test)`, or `cfg(all(test, ..))`.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

/// The name of the type or trait that an item defines, and whether a `cfg` chooses it.
fn type_of(item: &syn::Item) -> Option<(String, bool)> {
    let (name, attributes) = match item {
        syn::Item::Struct(item) => (&item.ident, &item.attrs),
        syn::Item::Enum(item) => (&item.ident, &item.attrs),
        syn::Item::Union(item) => (&item.ident, &item.attrs),
        syn::Item::Trait(item) => (&item.ident, &item.attrs),
        syn::Item::Type(item) => (&item.ident, &item.attrs),
        _ => return None,
    };
    let chosen = attributes.iter().any(|attribute| attribute.path().is_ident("cfg"));
    (!is_test(attributes)).then(|| (name.to_string(), chosen))
}

/// The name of the type that an inherent `impl` adds to.
fn inherent(item: &syn::Item) -> Option<String> {
    match item {
        syn::Item::Impl(block) if block.trait_.is_none() && !is_test(&block.attrs) => match &*block.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Each name that a `use` brings in, with its whole path.
fn leaves(tree: &syn::UseTree) -> Vec<(Vec<String>, String)> {
    let one = |path: String, name: String| vec![(vec![path], name)];
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree)
            .into_iter()
            .map(|(rest, name)| ([path.ident.to_string()].into_iter().chain(rest).collect(), name))
            .collect(),
        syn::UseTree::Name(name) => one(name.ident.to_string(), name.ident.to_string()),
        syn::UseTree::Rename(name) => one(name.ident.to_string(), name.rename.to_string()),
        syn::UseTree::Glob(_) => one("*".to_owned(), "*".to_owned()),
        syn::UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

mod violations {
    //! Each rule catches what it is there to catch.

    use super::*;

    fn modules(files: &[(&str, &str)]) -> Modules {
        Modules::of("x/src/lib.rs", &|path| {
            files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn a_circle_by_paths_is_found() {
        let direct = modules(&[
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "use crate::b::{self, B}; pub struct A;"),
            ("x/src/b.rs", "pub fn f() -> super::a::A { todo!() } pub struct B;"),
        ]);
        assert_eq!(
            direct.circles("x"),
            ["x: a circle of 2 modules\n    a -> b: B, self\n    b -> a: A".to_owned()]
        );
        let through_the_root = modules(&[
            ("x/src/lib.rs", "mod a; mod b; pub use self::a::A; pub use b::B as Bee;"),
            ("x/src/a.rs", "mod c;"),
            ("x/src/a/c.rs", "fn f() { log!(crate::Bee::new()) }"),
            ("x/src/b.rs", "use crate::A;"),
        ]);
        assert_eq!(through_the_root.circles("x").len(), 1);
        let of_three = modules(&[
            ("x/src/lib.rs", "mod a; mod b; mod c;"),
            ("x/src/a.rs", "use super::b::B;"),
            ("x/src/b.rs", "use super::c::C;"),
            ("x/src/c.rs", "mod d { use super::super::a::A; }"),
        ]);
        assert!(of_three.circles("x")[0].starts_with("x: a circle of 3 modules"));
    }

    #[test]
    fn a_module_that_only_exports_leads_to_where_its_names_come_from() {
        let through_a_part = modules(&[
            ("x/src/lib.rs", "mod a; mod b; pub mod private { pub use crate::b::B; }"),
            ("x/src/a.rs", "macro_rules! m { () => { $crate::private::B::new() } }"),
            ("x/src/b.rs", "use crate::a::A; pub struct B;"),
        ]);
        assert_eq!(
            through_a_part.circles("x"),
            ["x: a circle of 2 modules\n    a -> b: B\n    b -> a: A".to_owned()]
        );
    }

    #[test]
    fn an_inherent_impl_far_from_its_type_is_found() {
        let far = modules(&[
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "pub struct A;"),
            ("x/src/b.rs", "use crate::a::A; impl A { fn f() {} }"),
        ]);
        assert_eq!(far.circles("x").len(), 1);
    }

    #[test]
    fn imports_of_one_direction_and_of_tests_are_no_circle() {
        let fine = modules(&[
            ("x/src/lib.rs", "mod a; mod b;"),
            (
                "x/src/a.rs",
                "#[cfg(test)] mod tests; #[cfg(test)] use crate::b::B; pub struct A; mod own { use super::A; }",
            ),
            ("x/src/b.rs", "use crate::a::A; impl From<A> for B { } struct B; // crate::b\n"),
        ]);
        let circles = fine.circles("x");
        assert!(circles.is_empty(), "{circles:?}");
    }

    #[test]
    fn two_types_of_one_name_are_found() {
        let twice = modules(&[
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "enum Kind {}"),
            ("x/src/b.rs", "struct Kind; #[cfg(unix)] type Fd = i32; #[cfg(not(unix))] struct Fd;"),
        ]);
        assert_eq!(
            twice.names_of_two_types("x"),
            ["x: 2 types are called `Kind`: x/src/a.rs, x/src/b.rs".to_owned()]
        );
    }
}
