//! The public surface of the kernel: every name that another crate can use, compared with `surface.txt`.
//!
//! A difference is a decision: look at it, then renew the file with
//! `SURFACE=renew cargo test -p app-core --test surface`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

/// Names at the root that other crates may use: more are hard to find one's way in. Topics have modules.
const MOST_AT_ROOT: usize = 60;

#[test]
fn the_public_surface_is_the_one_in_the_file() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/surface.txt");
    let surface = Surface::read().lines().join("\n") + "\n";
    if std::env::var_os("SURFACE").is_some() {
        fs::write(&file, &surface).unwrap();
    }
    let recorded = fs::read_to_string(&file).unwrap_or_default();
    let (now, before): (BTreeSet<_>, BTreeSet<_>) = (surface.lines().collect(), recorded.lines().collect());
    let added = now.difference(&before).map(|line| format!("+ {line}"));
    let removed = before.difference(&now).map(|line| format!("- {line}"));
    let differences: Vec<_> = added.chain(removed).collect();
    assert!(
        differences.is_empty(),
        "the surface differs from tests/surface.txt; to renew it: SURFACE=renew cargo test -p app-core --test surface\n{}",
        differences.join("\n")
    );
}

#[test]
fn few_names_are_at_the_root() {
    let surface = Surface::read();
    let root = &surface.modules[""];
    assert!(root.contains("App") && root.contains("service!"), "{root:?}");
    assert!(root.len() <= MOST_AT_ROOT, "{} names at the root, at most {MOST_AT_ROOT}: {root:?}", root.len());
}

/// What the sources of the kernel export.
struct Surface {
    /// By the path of a public module, the names that it has.
    modules: BTreeMap<String, BTreeSet<String>>,
    /// By type or trait: kind, fields or variants, methods.
    types: BTreeMap<String, BTreeSet<String>>,
}

impl Surface {
    fn read() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut surface = Self { modules: BTreeMap::new(), types: BTreeMap::new() };
        surface.module("", &source.join("lib.rs"), &source);
        for file in files(&source) {
            surface.items(&parse(&file).items);
        }
        surface
    }

    /// One line for each name, and for each part of a public type.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: BTreeSet<_> = self.modules.values().flatten().collect();
        for (module, names) in &self.modules {
            let path = if module.is_empty() { String::new() } else { format!("{module}::") };
            lines.extend(names.iter().map(|name| format!("{path}{name}")));
        }
        let public = self.types.iter().filter(|(name, _)| names.contains(name));
        lines
            .extend(public.flat_map(|(name, parts)| parts.iter().map(move |part| format!("{name}: {part}"))));
        lines
    }

    /// The names of a public module, and of those below it.
    fn module(&mut self, path: &str, file: &Path, folder: &Path) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
        let mut names = BTreeSet::new();
        for item in parse(file).items {
            match item {
                Item::Mod(module) if is_public(&module.vis) && !is_hidden(&module.attrs) => {
                    let name = module.ident.to_string();
                    names.insert(name.clone());
                    match module.content {
                        Some((_, items)) => {
                            let exported = items.iter().flat_map(exported).collect();
                            self.modules.insert(below(&name), exported);
                        }
                        None => {
                            let file = folder.join(format!("{name}.rs"));
                            self.module(&below(&name), &file, &folder.join(&name));
                        }
                    }
                }
                item => names.extend(exported(&item)),
            }
        }
        self.modules.entry(path.to_owned()).or_default().extend(names);
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Struct(item) if is_public(&item.vis) => {
                    let more = if is_open(&item.attrs) { " that may grow" } else { "" };
                    let parts = fields(&item.fields);
                    self.part(&item.ident, format!("struct{more}"));
                    parts.into_iter().for_each(|field| self.part(&item.ident, field));
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    let more = if is_open(&item.attrs) { " that may grow" } else { "" };
                    self.part(&item.ident, format!("enum{more}"));
                    let variants = item.variants.iter().filter(|variant| !is_hidden(&variant.attrs));
                    variants.for_each(|variant| self.part(&item.ident, format!("variant {}", variant.ident)));
                }
                Item::Trait(item) if is_public(&item.vis) => {
                    self.part(&item.ident, "trait".to_owned());
                    for item_of in &item.items {
                        match item_of {
                            TraitItem::Fn(method) => self.part(&item.ident, text(&method.sig)),
                            TraitItem::Const(constant) => {
                                self.part(&item.ident, format!("const {}", constant.ident));
                            }
                            TraitItem::Type(of) => self.part(&item.ident, format!("type {}", of.ident)),
                            _ => {}
                        }
                    }
                }
                Item::Impl(item) if item.trait_.is_none() => {
                    let syn::Type::Path(path) = &*item.self_ty else { continue };
                    let ident = path.path.segments.last().unwrap().ident.clone();
                    for item_of in &item.items {
                        match item_of {
                            ImplItem::Fn(method) if is_public(&method.vis) && !is_hidden(&method.attrs) => {
                                self.part(&ident, text(&method.sig));
                            }
                            ImplItem::Const(constant) if is_public(&constant.vis) => {
                                self.part(&ident, format!("const {}", constant.ident));
                            }
                            _ => {}
                        }
                    }
                }
                Item::Mod(module) => {
                    if let Some((_, items)) = &module.content
                        && !is_for_tests(&module.attrs)
                    {
                        self.items(items);
                    }
                }
                // An exported macro is a name at the root, wherever it is written.
                Item::Macro(item) => {
                    let exported =
                        item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
                    if let (true, false, Some(name)) = (exported, is_hidden(&item.attrs), &item.ident) {
                        self.modules.entry(String::new()).or_default().insert(format!("{name}!"));
                    }
                }
                _ => {}
            }
        }
    }

    fn part(&mut self, of: &syn::Ident, part: String) {
        self.types.entry(of.to_string()).or_default().insert(part);
    }
}

/// Every source file of the crate but tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found.retain(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    found
}

fn parse(file: &Path) -> syn::File {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The names that an item adds to its module.
fn exported(item: &Item) -> Vec<String> {
    let (visibility, attributes, name) = match item {
        Item::Use(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => return used(&item.tree),
        Item::Const(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Static(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Enum(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Struct(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Trait(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Type(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident),
        _ => return Vec::new(),
    };
    if is_public(visibility) && !is_hidden(attributes) { vec![name.to_string()] } else { Vec::new() }
}

fn used(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Path(path) => used(&path.tree),
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Rename(rename) => vec![rename.rename.to_string()],
        UseTree::Group(group) => group.items.iter().flat_map(used).collect(),
        UseTree::Glob(_) => vec!["*".to_owned()],
    }
}

fn fields(fields: &Fields) -> Vec<String> {
    let public = fields.iter().filter(|field| is_public(&field.vis) && !is_hidden(&field.attrs));
    public.filter_map(|field| field.ident.as_ref().map(|name| format!("field {name}"))).collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc") && attribute.to_token_stream().to_string().contains("hidden")
    })
}

fn is_open(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.to_token_stream().to_string().contains("test")
    })
}

/// A signature in one line, as near to how it is written as tokens allow.
fn text(signature: &syn::Signature) -> String {
    let mut text = signature.to_token_stream().to_string();
    for (spaced, plain) in [
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" :", ":"),
        (": :", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        ("< ", "<"),
        (" ;", ";"),
        (" <", "<"),
        ("' ", "'"),
        (", )", ")"),
        (",)", ")"),
    ] {
        text = text.replace(spaced, plain);
    }
    text
}
